"""The ledger in DynamoDB: a row by its key, and by what it is asked for, day by day.

An index's partition is a value, a day and one of a few shards, so that thousands of trials of one
model a minute are not one partition's. Which days there are of a value is kept beside the rows, so
that nobody asks for days in vain.
"""

import heapq
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from driftgate import canonical
from driftgate.errors import BadInput, IntegrityFailed
from driftgate.names import LEDGER_INDEXES
from driftgate.schemas.ledger import Execution, LedgerPage, LedgerQuery
from driftgate.schemas.record import explain

SHARDS = 4
_AT_A_TIME = 10  # requests, which is what a botocore client keeps connections for
_PAGE = 250  # rows asked for at once in a shard: a page of DynamoDB's is 1 MB


class DynamoLedger:
    """Rows in a table of their own; see `stacks/data.py` for its indexes."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._known: set[tuple[str, str]] = set()  # days that were entered by this one
        self._lock = Lock()

    def put_once(self, row: Execution) -> bool:
        """The days come first: a row that is there is found."""
        values = {name: _value(row, name) for name in LEDGER_INDEXES}
        day = row.at[:10]
        for name, value in values.items():
            if value:
                self._enter_day(f"{name}|{value}", day)
        shard = int(canonical.sha256(row.key.encode())[:8], 16) % SHARDS
        item = {
            **_key(row.key),
            "place": {"S": _place(row)},
            "row": {"S": canonical.dump(row.model_dump(mode="json")).decode()},
            **{name: {"S": f"{value}|{day}|{shard}"} for name, value in values.items() if value},
        }
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def put_all_once(self, rows: Sequence[Execution]) -> int:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            return sum(pool.map(self.put_once, rows))

    def page(self, query: LedgerQuery, after: str | None, limit: int) -> LedgerPage:
        if limit < 1:
            raise BadInput(f"limit: wanted at least 1, got {limit}")
        found: list[Execution] = []
        for row in self._rows(query, after, min(limit + 1, _PAGE)):
            if query.since is not None and row.at < query.since:
                break
            if query.takes(row):
                if len(found) == limit:
                    return LedgerPage(rows=tuple(found), after=_place(found[-1]))
                found.append(row)
        return LedgerPage(rows=tuple(found), after=None)

    def _rows(self, query: LedgerQuery, after: str | None, at_once: int) -> Iterator[Execution]:
        """Day by day, the latest first, the shards of a day merged."""
        name = next((n for n in LEDGER_INDEXES if getattr(query, n, None)), "every")
        value = getattr(query, name, None) or name
        before = min((end for end in (after, query.until) if end is not None), default=None)
        for day in self._days(f"{name}|{value}"):
            if before is not None and day > before[:10]:
                continue
            shards = [
                self._shard(name, f"{value}|{day}|{shard}", before, at_once)
                for shard in range(SHARDS)
            ]
            yield from heapq.merge(*shards, key=_place, reverse=True)

    def _shard(
        self, index: str, part: str, before: str | None, at_once: int
    ) -> Iterator[Execution]:
        condition, values = "#part = :part", {":part": {"S": part}}
        names = {"#part": index}
        if before is not None:
            condition += " AND #place < :before"
            values[":before"], names["#place"] = {"S": before}, "place"
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            PaginationConfig={"PageSize": at_once},
        )
        for page in pages:
            for item in page["Items"]:
                yield _read(item)

    def _days(self, of: str) -> list[str]:
        """The days on which there are rows of a value, the latest first."""
        found = self._dynamodb.get_item(
            TableName=self._table, Key=_key(f"days|{of}"), ConsistentRead=True
        )
        return sorted(found.get("Item", {}).get("days", {}).get("SS", ()), reverse=True)

    def _enter_day(self, of: str, day: str) -> None:
        with self._lock:
            if (of, day) in self._known:
                return
        self._dynamodb.update_item(
            TableName=self._table,
            Key=_key(f"days|{of}"),
            UpdateExpression="ADD #days :day",
            ExpressionAttributeNames={"#days": "days"},
            ExpressionAttributeValues={":day": {"SS": [day]}},
        )
        with self._lock:
            self._known.add((of, day))


def _value(row: Execution, index: str) -> str:
    return "every" if index == "every" else getattr(row, index) or ""


def _key(of: str) -> dict[str, Any]:
    """The whole key is in its first part; the table has a second one, as all of ours."""
    return {"pk": {"S": of}, "sk": {"S": "ledger"}}


def _place(row: Execution) -> str:
    """Where a row stands among all: by time, and those of one time by key."""
    return f"{row.at}|{row.key}"


def _read(item: dict[str, Any]) -> Execution:
    try:
        return Execution.model_validate_json(item["row"]["S"])
    except ValidationError as error:
        key = item["pk"]["S"]
        raise IntegrityFailed(f"the ledger's row {key} is damaged: {explain(error)}") from error
