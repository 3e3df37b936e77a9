"""A batch of log messages, sorted by the sessions that they belong to."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from driftgate import canonical
from driftgate.schemas.online import Deployment
from driftgate.traces import secrets

_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")  # as schemas.online.SessionId
_TIMES = ("endTimeUnixNano", "startTimeUnixNano", "timeUnixNano", "observedTimeUnixNano")
NANO = 10**9
LATEST_NS = 10**20
AHEAD_S = 86_400  # that a clock may be wrong


class Fragment(NamedTuple):
    """What a batch holds of one session: its records in the order in which they came."""

    deployment: Deployment
    session_id: str
    records: list[dict[str, Any]]
    last: float  # when the last of them ended, in seconds since 1970


class Sorted(NamedTuple):
    fragments: list[Fragment]
    dropped: dict[str, int]  # service name: records of endpoints that nobody registered
    unreadable: int  # not a record, or of no session


def sort_batch(
    messages: Iterable[str], deployments: Mapping[str, Deployment], now: float
) -> Sorted:
    """Records by session. Secrets that instrumentations write down are left out at once.

    A record that claims to be of a far future would keep its session open until then.
    """
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    services: dict[tuple[str, str], str] = {}
    dropped: Counter[str] = Counter()
    unreadable = 0
    for message in messages:
        record = _record(message)
        session_id = _session_id(record) if record else None
        if record is None or session_id is None or not 0 < ended(record) < now + AHEAD_S:
            unreadable += 1
            continue
        service = _service(record)
        deployment = deployments.get(service)
        if deployment is None:
            dropped[service] += 1
            continue
        key = (deployment.agent, session_id)
        services[key] = service
        found.setdefault(key, []).append(secrets.drop(record))
    fragments = [
        Fragment(deployments[services[key]], key[1], records, max(map(ended, records)))
        for key, records in found.items()
    ]
    return Sorted(fragments, dict(dropped), unreadable)


def _record(message: str) -> dict[str, Any] | None:
    try:
        record = canonical.storable(json.loads(message))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def session_key(session_id: str) -> str:
    """The id under which a session is kept: its own, or a hash if that fits no key of a store."""
    if _SESSION_ID.fullmatch(session_id):
        return session_id
    return f"hash-{canonical.sha256(session_id.encode(errors='replace'))[:40]}"


def _session_id(record: Mapping[str, Any]) -> str | None:
    told = _attributes(record).get("session.id")
    return session_key(told) if isinstance(told, str) and told else None


def _service(record: Mapping[str, Any]) -> str:
    resource = record.get("resource")
    name = _attributes(resource).get("service.name") if isinstance(resource, dict) else None
    return name if isinstance(name, str) and name else "unknown"


def _attributes(record: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = record.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def ended(record: Mapping[str, Any]) -> float:
    """The last moment of a record, in seconds since 1970; 0 if it has no time that is one."""
    times: list[Any] = [record.get(name) for name in _TIMES]
    return max((t / NANO for t in times if type(t) in (int, float) and t < LATEST_NS), default=0.0)
