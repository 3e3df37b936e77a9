"""A batch of log messages, sorted by the sessions that they belong to."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from driftgate import canonical
from driftgate.schemas.online import Deployment, SessionId
from driftgate.traces import secrets

_SESSION_ID: TypeAdapter[str] = TypeAdapter(SessionId)
_TIMES = ("endTimeUnixNano", "startTimeUnixNano", "timeUnixNano", "observedTimeUnixNano")
NANO = 10**9


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


def sort_batch(messages: Iterable[str], deployments: Mapping[str, Deployment]) -> Sorted:
    """Records by session. Secrets that instrumentations write down are left out at once."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    services: dict[tuple[str, str], str] = {}
    dropped: Counter[str] = Counter()
    unreadable = 0
    for message in messages:
        record = _record(message)
        session_id = _session_id(record) if record else None
        if record is None or session_id is None or not _last(record):
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
        Fragment(deployments[services[key]], key[1], records, max(map(_last, records)))
        for key, records in found.items()
    ]
    return Sorted(fragments, dict(dropped), unreadable)


def _record(message: str) -> dict[str, Any] | None:
    try:
        record = canonical.storable(json.loads(message))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _session_id(record: Mapping[str, Any]) -> str | None:
    try:
        return _SESSION_ID.validate_python(_attributes(record).get("session.id"))
    except ValidationError:
        return None


def _service(record: Mapping[str, Any]) -> str:
    resource = record.get("resource")
    name = _attributes(resource).get("service.name") if isinstance(resource, dict) else None
    return name if isinstance(name, str) and name else "unknown"


def _attributes(record: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = record.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _last(record: Mapping[str, Any]) -> float:
    times = (record.get(name) for name in _TIMES)
    return max((t / NANO for t in times if isinstance(t, int | float)), default=0.0)
