"""What the doctor finds."""

from typing import Literal

from driftgate.schemas.record import Record

Purpose = Literal["offline", "online", "batch"]
Standing = Literal["ok", "warning", "problem"]  # a problem stands in the way; a warning may


class Finding(Record):
    """One thing that was looked at."""

    name: str
    standing: Standing
    found: str
    fix: str = ""  # none where it is ok
