"""The runtime sessions that are open, and how one is ended under a running invocation."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from anyio import CancelScope


class SessionKey(NamedTuple):
    """A session belongs to one endpoint: equal ids at two endpoints are two sessions."""

    runtime_arn: str
    qualifier: str
    session_id: str


class SessionStopped(Exception):
    """The session was stopped while the invocation ran."""


@dataclass
class _Open:
    invocations: int = 0
    running: set[CancelScope] = field(default_factory=set)


class Sessions:
    """Open sessions; of one event loop, so nothing here is locked."""

    def __init__(self) -> None:
        self._open: dict[SessionKey, _Open] = {}

    @contextmanager
    def invocation(self, key: SessionKey) -> Iterator[None]:
        """Run the block as an invocation of the session, which is opened if it is not.

        Raises:
            SessionStopped: `stop` was called meanwhile; the block was cancelled where it waited.
        """
        session = self._open.setdefault(key, _Open())
        session.invocations += 1
        with CancelScope() as scope:
            session.running.add(scope)
            try:
                yield
            finally:
                session.running.discard(scope)
        if scope.cancelled_caught:
            raise SessionStopped

    def stop(self, key: SessionKey) -> bool:
        """End the session and what runs in it; False if there is no such session."""
        session = self._open.pop(key, None)
        if session is None:
            return False
        for scope in session.running:
            scope.cancel()
        return True

    def listed(self) -> list[dict[str, str | int]]:
        return [
            {**key._asdict(), "invocations": session.invocations}
            for key, session in self._open.items()
        ]
