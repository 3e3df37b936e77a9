"""Decide every golden bundle again in this process; what differs goes to stdout as JSON."""

import gzip
import json
import sys

from driftgate import evidence, gate
from driftgate.schemas.evidence import Bundle
from driftgate.verification import differences
from tests.golden.make import FOLDER


def main() -> None:
    found = {}
    for path in sorted(FOLDER.glob("*.jsonl.gz")):
        inputs, wanted = gzip.decompress(path.read_bytes()).splitlines()
        bundle = Bundle.model_validate_json(inputs)
        verdict = gate.replay(bundle)
        computed = evidence.to_bytes(verdict) if verdict else b'"CONTINUE"'
        faults = list(differences(json.loads(wanted), json.loads(computed)))
        if computed != wanted:
            faults = faults or ["its fields are the same, its bytes are not"]
        if evidence.to_bytes(bundle) != inputs:
            faults.append("its bundle is not written as it was read")
        found[path.name.removesuffix(".jsonl.gz")] = faults
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
