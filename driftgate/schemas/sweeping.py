"""Ending the sessions that nobody needs any more."""

from driftgate.schemas.record import Record, count
from driftgate.schemas.runs import RunId


class SweepSessionsRequest(Record):
    run_id: RunId | None = None  # None: every run of the last days


class SweepSessionsResult(Record):
    ended: int  # sessions
    needed: int  # that are open, and whose attempts may still need them
    still_open: int  # that should be ended, and could not be

    def __str__(self) -> str:
        failed = f", {self.still_open} could not be" if self.still_open else ""
        return f"ended {count(self.ended, 'session')}{failed}; {self.needed} are in use"
