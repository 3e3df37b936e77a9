"""Where output goes: JSON alone on stdout, everything for people on stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from driftgate.report.text import visible
from driftgate.schemas.record import Record

SHORT = 10  # characters of a cell that is not broken
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
    grid = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        widest = max((len(str(row[index])) for row in rows if index < len(row)), default=0)
        # a long name is told whole, on two lines; a number is not broken
        grid.add_column(column, overflow="fold", no_wrap=widest <= SHORT)
    for row in rows:
        grid.add_row(*(escape(visible("" if cell is None else str(cell))) for cell in row))
    people.print(grid)


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
