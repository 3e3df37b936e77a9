"""The ledger in a file: SQLite, which keeps writers apart and finds rows by index."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import ValidationError

from driftgate import canonical
from driftgate.errors import BadInput, InfrastructureFailed, IntegrityFailed
from driftgate.schemas.ledger import Execution, LedgerPage, LedgerQuery
from driftgate.schemas.record import explain

WAIT_S = 60  # for another process that writes
COLUMNS = ("run_id", "agent", "model", "dataset", "organisation", "case_id", "at")
_SCHEMA = (
    f"CREATE TABLE IF NOT EXISTS executions (place TEXT PRIMARY KEY, key TEXT UNIQUE, "
    f"{', '.join(f'{name} TEXT' for name in COLUMNS)}, row TEXT NOT NULL)",
    *(
        f"CREATE INDEX IF NOT EXISTS by_{name} ON executions ({name}, place)"
        for name in COLUMNS
        if name != "at"
    ),
)


class LocalLedger:
    """Rows by their place: the time and the key, so that pages go by time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put_once(self, row: Execution) -> bool:
        return self.put_all_once([row]) == 1

    def put_all_once(self, rows: Sequence[Execution]) -> int:
        marks = ", ".join("?" * (len(COLUMNS) + 3))
        values = [
            (place(row), row.key, *(getattr(row, name) for name in COLUMNS), _text(row))
            for row in rows
        ]
        with self._open() as database, database:  # all of them, or none
            before = database.total_changes
            database.executemany(f"INSERT OR IGNORE INTO executions VALUES ({marks})", values)  # noqa: S608  no value in it
            return database.total_changes - before

    def page(self, query: LedgerQuery, after: str | None, limit: int) -> LedgerPage:
        if limit < 1:
            raise BadInput(f"limit: wanted at least 1, got {limit}")
        if not self._path.exists():
            return LedgerPage(rows=(), after=None)
        found: list[Execution] = []
        with self._open() as database:
            for row in self._rows(database, query, after):
                if query.takes(row):
                    if len(found) == limit:
                        return LedgerPage(rows=tuple(found), after=place(found[-1]))
                    found.append(row)
        return LedgerPage(rows=tuple(found), after=None)

    def _rows(
        self, database: sqlite3.Connection, query: LedgerQuery, after: str | None
    ) -> Iterator[Execution]:
        asked = query.model_dump(exclude_none=True)
        equal = {name: asked[name] for name in COLUMNS if name in asked}
        bounds = {"place < ?": after, "at >= ?": query.since, "at < ?": query.until}
        given = {condition: value for condition, value in bounds.items() if value is not None}
        where = " AND ".join([*(f"{name} = ?" for name in equal), *given]) or "TRUE"
        sql = f"SELECT place, row FROM executions WHERE {where} ORDER BY place DESC"  # noqa: S608  no value in it
        with closing(database.execute(sql, [*equal.values(), *given.values()])) as cursor:
            for name, text in cursor:
                try:
                    yield Execution.model_validate_json(text)
                except ValidationError as error:
                    raise IntegrityFailed(
                        f"{self._path}: the row {name} is damaged: {explain(error)}"
                    ) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self._path, timeout=WAIT_S)) as database:
                for statement in _SCHEMA:
                    database.execute(statement)
                yield database
        except sqlite3.OperationalError as error:  # locked, or the disk is full
            raise InfrastructureFailed(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise IntegrityFailed(f"{self._path}: {error}") from error


def place(row: Execution) -> str:
    """Where a row stands among all: by time, and those of one time by key."""
    return f"{row.at}|{row.key}"


def _text(row: Execution) -> str:
    return canonical.dump(row.model_dump(mode="json")).decode()
