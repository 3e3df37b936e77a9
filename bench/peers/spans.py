"""Recorded spans as a peer is given them: files, and how often to read each of them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple


class Told(NamedTuple):
    """What was read from a file: sessions or traces, calls of tools, and how many failed."""

    file: str
    traces: int
    calls: int
    failed: int


def every_file(read: Callable[[Path], Told]) -> Callable[[Path], Iterator[Told]]:
    """A method for `serve`: its folder is a JSON file, with `files` and `times`."""

    def read_all(plan: Path) -> Iterator[Told]:
        asked = json.loads(plan.read_text(encoding="utf-8"))
        for _ in range(asked["times"]):
            for file in asked["files"]:
                yield read(Path(file))

    return read_all
