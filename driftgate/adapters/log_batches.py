"""What a subscription of CloudWatch Logs hands over: to a function, or through Kinesis."""

import base64
import json
import zlib
from collections.abc import Iterator
from typing import Any

from driftgate.errors import BadInput

MOST_BYTES = 64 * 2**20  # of one batch when it is unpacked; Logs sends 1 MiB at most


def messages(event: dict[str, Any]) -> Iterator[str]:
    """The messages of a batch, in its order. Control messages hold none.

    Raises:
        BadInput: the event is neither of the two, or can't be unpacked.
    """
    if "awslogs" in event:
        yield from _of_batch(event["awslogs"]["data"])
    elif "Records" in event and all("kinesis" in record for record in event["Records"]):
        for record in event["Records"]:
            yield from _of_batch(record["kinesis"]["data"])
    else:
        got = ", ".join(sorted(event)) or "nothing"
        raise BadInput(f"wanted an event of CloudWatch Logs or of Kinesis, got {got}")


def _of_batch(data: str) -> Iterator[str]:
    try:
        unpacker = zlib.decompressobj(wbits=31)
        text = unpacker.decompress(base64.b64decode(data, validate=True), MOST_BYTES)
        if unpacker.unconsumed_tail:
            raise BadInput(f"a batch of logs is more than {MOST_BYTES} bytes when it is unpacked")
        batch = json.loads(text)
    except (ValueError, zlib.error) as error:
        raise BadInput(f"a batch of logs can't be unpacked: {error}") from error
    if batch.get("messageType") == "DATA_MESSAGE":
        yield from (event["message"] for event in batch["logEvents"])
