"""Driftgate: `traces normalise`, from the file to the record."""

from pathlib import Path

from bench.peers.recorded import serve
from bench.peers.spans import Told, every_file
from driftgate.traces import envelopes
from driftgate.traces.normaliser import normalise


def read(path: Path) -> Told:
    traces = [s.trace for s in normalise(envelopes.read(path.read_bytes())).sessions]
    failed = sum(call.error is not None for trace in traces for call in trace.calls)
    return Told(path.name, len(traces), sum(len(trace.calls) for trace in traces), failed)


METHOD = every_file(read)

if __name__ == "__main__":
    serve({"normalise": METHOD})
