"""The memory and time that reading one batch takes, in a process of its own.

python -m bench.spans_memory FILE
"""

import json
import resource
import sys
import time
from pathlib import Path

from driftgate.traces import envelopes
from driftgate.traces.normaliser import normalise


def main() -> None:
    started = time.process_time()
    found = normalise(envelopes.read(Path(sys.argv[1]).read_bytes()))
    took = time.process_time() - started
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"records": found.records, "cpu_s": took, "mb": mb}))


if __name__ == "__main__":
    main()
