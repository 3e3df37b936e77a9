"""Where attempts and their logs live: what a store does, and one in memory."""

import threading
from typing import Any, Protocol


class UnknownSession(Exception):
    """A call that carries no session id, or one that nobody registered, is refused."""


class TooLarge(Exception):
    """A store has no room for an attempt, for its state, or for a call."""


class Store(Protocol):
    """Where attempts and their logs live."""

    def open(self, session_id: str, attempt: dict[str, Any]) -> None:
        """Register an attempt. Raises TooLarge."""
        ...

    def read(self, session_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The attempt and its state. Raises UnknownSession."""
        ...

    def append(self, session_id: str, entry: dict[str, Any], state: dict[str, Any]) -> bool:
        """Add `entry` and replace the state, unless another call took the number `entry["seq"]`.

        Raises TooLarge.
        """
        ...

    def calls(self, session_id: str, after: int) -> list[dict[str, Any]]: ...


class MemoryStore:
    """Attempts of this process: for the in-process run, whose attempts end with it."""

    def __init__(self) -> None:
        self._attempts: dict[str, dict[str, Any]] = {}
        self._states: dict[str, dict[str, Any]] = {}
        self._logs: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def open(self, session_id: str, attempt: dict[str, Any]) -> None:
        with self._lock:
            self._attempts[session_id] = attempt
            self._states[session_id] = first_state(attempt)
            self._logs[session_id] = []

    def read(self, session_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        with self._lock:
            if session_id not in self._attempts:
                raise UnknownSession(f"no attempt is registered for session {session_id!r}")
            return self._attempts[session_id], self._states[session_id]

    def append(self, session_id: str, entry: dict[str, Any], state: dict[str, Any]) -> bool:
        with self._lock:
            log = self._logs[session_id]
            if entry["seq"] != len(log) + 1:
                return False
            log.append(entry)
            self._states[session_id] = state
            return True

    def calls(self, session_id: str, after: int) -> list[dict[str, Any]]:
        with self._lock:
            return [entry for entry in self._logs[session_id] if entry["seq"] > after]


def first_state(attempt: dict[str, Any]) -> dict[str, Any]:
    return {"world": attempt["world"], "used": {}, "calls": 0, "closed": False}
