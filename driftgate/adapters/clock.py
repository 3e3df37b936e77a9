"""The clock of this machine."""

import time
from datetime import UTC, datetime


class SystemClock:
    def now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="seconds")

    def monotonic(self) -> float:
        return time.monotonic()
