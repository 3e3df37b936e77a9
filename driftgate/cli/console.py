"""Where output goes: JSON alone on stdout, everything for people on stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from driftgate.report.text import visible
from driftgate.schemas.record import Record

NARROW = 20  # a column is not made narrower
GAP = 2  # between columns
people = Console(stderr=True, highlight=False)


def emit(value: Record | Mapping[str, Any] | Sequence[Record]) -> None:
    """Write one JSON document to stdout."""
    if isinstance(value, Record):
        plain: Any = value.model_dump(mode="json")
    elif isinstance(value, Mapping):
        plain = dict(value)
    else:
        plain = [record.model_dump(mode="json") for record in value]
    sys.stdout.write(json.dumps(plain, ensure_ascii=False, indent=2) + "\n")


def say(text: str, *, bold: str = "") -> None:
    """Write a line for people; nothing in it is taken for markup or acted on by a terminal.

    Args:
        text: what to say.
        bold: a style for the first word, where there are colours; the words must do without.
    """
    line = Text(visible(text))
    if bold:
        line.stylize(bold, 0, len(text.split(maxsplit=1)[0].rstrip(":")))
    people.print(line, soft_wrap=not people.is_terminal)  # a log is wrapped by who reads it


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    """Write a table in which the widest column may be wrapped, and no other cell is broken.

    Where even that does not fit, each row becomes its first cell and a sentence of the others.
    """
    cells = [[visible("" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [
        max(map(cell_len, column))
        for column in zip(columns, *_filled(cells, len(columns)), strict=True)
    ]
    widest = max(range(len(widths)), key=lambda index: widths[index])
    others = sum(widths) - widths[widest] + GAP * (len(widths) - 1)
    if people.width - others < min(widths[widest], NARROW):
        _list(columns, cells, title)
        return
    grid = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        grid.add_column(column, overflow="fold", no_wrap=index != widest)
    for row in cells:
        grid.add_row(*map(escape, row))
    people.print(grid)


def _filled(rows: Sequence[Sequence[str]], length: int) -> list[list[str]]:
    """The rows with what they lack at their ends: a heading within a table has one cell."""
    return [[*row, *[""] * (length - len(row))] for row in rows]


def _list(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    for line in filter(None, [title]):
        say(line)
    for first, *rest in rows:
        say(first)
        told = (
            f"{name} {cell}".strip() for name, cell in zip(columns[1:], rest, strict=False) if cell
        )
        if sentence := ", ".join(told):
            say(f"  {sentence}")


@contextmanager
def progress(task: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a task is: a bar on a terminal, a line every quarter in a log.

    Yields:
        A function to be told how much is done, and of how much. Nothing is shown before.
    """
    if not people.is_interactive or os.environ.get("CI"):
        yield _quarters(task)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeElapsedColumn(), console=people, transient=True)
    line = bar.add_task(task, total=None)

    def update(done: int, total: int) -> None:
        bar.start()
        bar.update(line, completed=done, total=total)

    try:
        yield update
    finally:
        bar.stop()


def _quarters(task: str) -> Callable[[int, int], None]:
    told = 0

    def update(done: int, total: int) -> None:
        nonlocal told
        if (quarter := done * 4 // total) > told:  # whoever asks a cloud sees jumps
            told = quarter
            say(f"{task}: {done} of {total}")

    return update
