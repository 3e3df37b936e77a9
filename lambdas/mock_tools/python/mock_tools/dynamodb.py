"""Attempts in a DynamoDB table: what registers them and what answers their calls are two functions.

An attempt is one item, its state beside it, each call an item of its own. The client is given, so
that this package still needs the standard library only.
"""

import json
import time
import zlib
from typing import Any

from mock_tools.attempts import TooLarge, UnknownSession, first_state

KEPT_S = 24 * 3600
ITEM_BYTES = 390_000  # an item holds 400 KB, its names and keys with it


class DynamoStore:
    """A store for the engine.

    Args:
        client: boto3's client of DynamoDB.
        table: has the string keys `pk` and `sk`, and forgets items by `expires_at`.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def open(self, session_id: str, attempt: dict[str, Any]) -> None:
        item = {
            **_key(session_id, "attempt"),
            "attempt": _packed(attempt),
            "state": _packed(first_state(attempt)),
            "calls": {"N": "0"},
            "expires_at": _expires_at(),
        }
        self._client.put_item(TableName=self._table, Item=item)

    def read(self, session_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        found = {}
        if session_id:
            found = self._client.get_item(
                TableName=self._table, Key=_key(session_id, "attempt"), ConsistentRead=True
            )
        if "Item" not in found:
            raise UnknownSession(f"no attempt is registered for session {session_id!r}")
        return _unpacked(found["Item"]["attempt"]), _unpacked(found["Item"]["state"])

    def append(self, session_id: str, entry: dict[str, Any], state: dict[str, Any]) -> bool:
        number = entry["seq"]
        text = json.dumps(entry, ensure_ascii=False)
        _check("the call", len(text.encode()), ITEM_BYTES)
        update = {
            "TableName": self._table,
            "Key": _key(session_id, "attempt"),
            "UpdateExpression": "SET #state = :state, calls = :number",
            "ConditionExpression": "calls = :before",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {
                ":state": _packed(state),
                ":number": {"N": str(number)},
                ":before": {"N": str(number - 1)},
            },
        }
        call = {
            "TableName": self._table,
            "Item": {
                **_key(session_id, f"call/{number:06}"),
                "entry": {"S": text},
                "expires_at": _expires_at(),
            },
        }
        try:  # the client sends a token with it, so that its own retry is no second call
            self._client.transact_write_items(TransactItems=[{"Update": update}, {"Put": call}])
        except self._client.exceptions.TransactionCanceledException as error:
            codes = {reason.get("Code") for reason in error.response["CancellationReasons"]}
            if codes <= {"None", "ConditionalCheckFailed", "TransactionConflict"}:
                return False
            raise
        return True

    def calls(self, session_id: str, after: int) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": session_id},
                ":first": {"S": f"call/{after + 1:06}"},
                ":last": {"S": "call/999999"},
            },
            ConsistentRead=True,
        )
        return [json.loads(item["entry"]["S"]) for page in pages for item in page["Items"]]


def _key(session_id: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": session_id}, "sk": {"S": sk}}


def _packed(value: dict[str, Any]) -> dict[str, bytes]:
    """Worlds and contracts repeat themselves, and an item has to hold the attempt and its state."""
    data = zlib.compress(json.dumps(value, ensure_ascii=False).encode())
    _check("the attempt or its state, compressed", len(data), ITEM_BYTES // 2)
    return {"B": data}


def _check(what: str, size: int, most: int) -> None:
    if size > most:
        raise TooLarge(f"{what}: wanted at most {most:,} bytes, got {size:,}")


def _unpacked(attribute: dict[str, bytes]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(zlib.decompress(attribute["B"]))
    return value


def _expires_at() -> dict[str, str]:
    return {"N": str(int(time.time()) + KEPT_S)}
