"""The ports on S3 and DynamoDB, with the same keys as on a directory."""

import json
import random
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from driftgate import canonical
from driftgate.errors import BadInput, IntegrityFailed, Throttled
from driftgate.ports import BlobKind
from driftgate.schemas.events import Announcement
from driftgate.sessions import LASTING

_ENTRIES = 10  # that PutEvents takes
EXPIRES_S = 40 * 86_400  # rows about sessions: some days longer than their traces
_AT_A_TIME = 10  # requests, which is what a botocore client keeps connections for
_ROW_BYTES = 390_000  # an item holds 400 KB, its names and keys with it
_READ_TRIES = 3  # botocore retries up to the first byte, not while a content is read
_CONFLICT_TRIES = 6  # S3 answers 409 while another conditional write of the key is under way


class S3Artifacts:
    """Objects in a bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def put_once(self, key: str, data: bytes) -> bool:
        for attempt in range(_CONFLICT_TRIES):
            try:
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) == "PreconditionFailed":
                    return False
                if _code(error) != "ConditionalRequestConflict":
                    raise
                time.sleep(random.uniform(0.05, 0.1) * 2**attempt)  # noqa: S311  not a secret
            else:
                return True
        raise Throttled(f"{key}: other writers were in the way {_CONFLICT_TRIES} times")

    def get(self, key: str) -> bytes | None:
        for _ in range(_READ_TRIES):
            try:
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    return None
                raise
            with suppress(IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                data: bytes = body.read()
                return data
        raise Throttled(f"{key}: the connection broke {_READ_TRIES} times while it was read")

    def put_all_once(self, items: Mapping[str, bytes]) -> None:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            for _ in pool.map(self.put_once, items.keys(), items.values()):
                pass

    def get_all(self, keys: Iterable[str]) -> dict[str, bytes]:
        wanted = list(keys)
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            found = zip(wanted, pool.map(self.get, wanted), strict=True)
            return {key: data for key, data in found if data is not None}

    def keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))

    def overwrite(self, key: str, data: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=data)

    def remove(self, key: str) -> bool:
        """The bucket must not keep versions: of one that does, a delete only hides the object."""
        there = self.get(key) is not None
        self._s3.delete_object(Bucket=self._bucket, Key=key)
        return there


class DynamoRegistry:
    """Rows in a table, as canonical JSON under (first part of the key, rest); blobs in a bucket.

    A row is one text, so that a condition on what it held compares all of it, and numbers stay
    what they are. With `lasting`, rows expire after `EXPIRES_S`, but those of these kinds.
    """

    def __init__(
        self,
        dynamodb: Any,
        table: str,
        blobs: S3Artifacts,
        environment: str = "",
        *,
        lasting: Collection[str] | None = None,
    ) -> None:
        self._lasting = lasting
        self.where = environment or f"table {table}"
        self._dynamodb = dynamodb
        self._table = table
        self._blobs = blobs

    def row(self, key: str) -> dict[str, Any] | None:
        found = self._dynamodb.get_item(TableName=self._table, Key=_key(key), ConsistentRead=True)
        return _row(found["Item"]) if "Item" in found else None

    def rows(self, prefix: str) -> list[dict[str, Any]]:
        return [_row(item) for item in self._items(prefix)]

    def keys(self, prefix: str) -> list[str]:
        only_keys = {"ProjectionExpression": "pk, sk"}
        return [_name(item) for item in self._items(prefix, **only_keys)]

    def put_new(self, key: str, row: dict[str, Any]) -> bool:
        return self._put(key, row, ConditionExpression="attribute_not_exists(pk)")

    def replace(self, key: str, row: dict[str, Any], expected: dict[str, Any] | None) -> bool:
        if expected is None:
            done = self.put_new(key, row)
        else:
            done = self._put(
                key,
                row,
                ConditionExpression="#row = :expected",
                ExpressionAttributeNames={"#row": "row"},
                ExpressionAttributeValues={":expected": {"S": canonical.dump(expected).decode()}},
            )
        # When an answer is lost, botocore asks again and meets what it wrote itself.
        return done or self.row(key) == row

    def remove(self, key: str) -> bool:
        done = self._dynamodb.delete_item(
            TableName=self._table, Key=_key(key), ReturnValues="ALL_OLD"
        )
        return "Attributes" in done

    def put_blob(self, kind: BlobKind, data: bytes) -> str:
        sha256 = canonical.sha256(data)
        self._blobs.put_once(f"{kind}/{sha256}", data)
        return sha256

    def blob(self, kind: BlobKind, sha256: str) -> bytes | None:
        return self._blobs.get(f"{kind}/{sha256}")

    def _items(self, prefix: str, **rest: Any) -> Iterator[dict[str, Any]]:
        pk, _, start = prefix.partition("/")
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        if start:
            condition += " AND begins_with(sk, :start)"
            values[":start"] = {"S": start}
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **rest,
        )
        for page in pages:
            yield from page["Items"]

    def _put(self, key: str, row: dict[str, Any], **condition: Any) -> bool:
        data = canonical.dump(row)
        if len(data) > _ROW_BYTES:
            raise BadInput(
                f"{key}: wanted at most {_ROW_BYTES} bytes in one row, got {len(data)} bytes"
            )
        item = {**_key(key), "row": {"S": data.decode()}}
        if self._lasting is not None and item["pk"]["S"].partition(".")[0] not in self._lasting:
            item["expires_at"] = {"N": str(int(time.time()) + EXPIRES_S)}
        try:
            self._dynamodb.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            if _code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True


class DefaultBus:
    """The default event bus, which takes ten entries at once."""

    def __init__(self, events: Any) -> None:
        self._events = events

    def put(self, announcements: Sequence[Announcement]) -> None:
        entries = [json.loads(one.model_dump_json()) for one in announcements]
        for entry in entries:
            entry["Detail"] = json.dumps(entry["Detail"])
        for start in range(0, len(entries), _ENTRIES):
            answer = self._events.put_events(Entries=entries[start : start + _ENTRIES])
            if answer["FailedEntryCount"]:
                failed = [one for one in answer["Entries"] if "ErrorCode" in one]
                raise Throttled(f"the event bus refused {len(failed)} entries: {failed[0]}")


def sessions_table(dynamodb: Any, table: str, traces: S3Artifacts) -> DynamoRegistry:
    """The table of production sessions: what is about one session expires."""
    return DynamoRegistry(dynamodb, table, traces, lasting=LASTING)


def _key(key: str) -> dict[str, Any]:
    pk, _, sk = key.partition("/")
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _name(item: dict[str, Any]) -> str:
    return f"{item['pk']['S']}/{item['sk']['S']}"


def _row(item: dict[str, Any]) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(item["row"]["S"])
    except (KeyError, ValueError) as error:
        raise IntegrityFailed(f"the stored row {_name(item)} is damaged: {error}") from error
    return row


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
