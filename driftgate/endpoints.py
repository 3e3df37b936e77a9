"""Endpoints of the evaluation sandbox: a version of a runtime for each artifact, leased and swept.

An endpoint's name follows from what it serves, so equal code meets the same endpoint again. Who
needs it holds a lease of some hours; an endpoint without one is deleted when there is no room for
another, or by a sweep. Nothing here is believed that the control plane can be asked: a row says who
holds what, never what there is.
"""

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from driftgate import canonical, registry
from driftgate.errors import (
    DriftgateError,
    InfrastructureFailed,
    IntegrityFailed,
    NoEndpointFree,
    Throttled,
)
from driftgate.ports import Clock, Registry, RuntimeControl
from driftgate.schemas.endpoints import (
    Artifact,
    Endpoint,
    EndpointLease,
    EndpointPool,
    LeasedEndpoint,
    RuntimeVersion,
    SweptEndpoints,
)

ENDPOINTS = 10  # of a runtime, those of others and DEFAULT with them
PREFIX = "dg_"
POLLS, POLL_S = 150, 2.0
Sleep = Callable[[float], None]
Seen = TypeVar("Seen")


def take(
    runtime_arn: str,
    artifact: Artifact,
    holder: str,
    hours: float,
    control: RuntimeControl,
    stored: Registry,
    clock: Clock,
    sleep: Sleep,
) -> LeasedEndpoint:
    """Have an endpoint that serves an artifact, for some hours; taken again, for as long anew.

    A version of the runtime is made if its newest is another one, with all else as it is there.

    Raises:
        NoEndpointFree: all are leased; the message says who has them until when.
        IntegrityFailed: the endpoint of this name serves something else.
        InfrastructureFailed: the control plane could not make it, or did not within some minutes.
    """
    latest = _settled(runtime_arn, control, sleep)
    wanted = control.with_artifact(latest.definition, artifact)
    name = f"{PREFIX}{canonical.sha256(canonical.dump(wanted))[:12]}"
    until = datetime.fromisoformat(clock.now()) + timedelta(hours=hours)
    lease = EndpointLease(endpoint=name, holder=holder, expires_at=until.isoformat())
    _reserve(runtime_arn, lease, control, stored, clock, sleep)
    try:
        version = _made(runtime_arn, name, wanted, control, sleep)
    except DriftgateError:
        release(runtime_arn, name, holder, stored, clock)  # a sweep deletes what was made of it
        raise
    return LeasedEndpoint(
        runtime_arn=runtime_arn,
        qualifier=name,
        runtime_version=version,
        holder=holder,
        expires_at=lease.expires_at,
    )


def release(runtime_arn: str, endpoint: str, holder: str, stored: Registry, clock: Clock) -> bool:
    """End a holder's lease; False if there is none. The endpoint stays until it is swept."""
    now = clock.now()

    def ended(pool: EndpointPool) -> EndpointPool:
        leases = tuple(
            lease.model_copy(update={"expires_at": now})
            if (lease.endpoint, lease.holder) == (endpoint, holder) and _holds(lease, now)
            else lease
            for lease in pool.leases
        )
        return pool.model_copy(update={"leases": leases})

    before, after = _change(runtime_arn, ended, stored)
    return before != after


def sweep(
    runtime_arn: str, control: RuntimeControl, stored: Registry, clock: Clock, sleep: Sleep
) -> SweptEndpoints:
    """Delete the endpoints whose leases have all ended, and finish what others began to delete."""
    deleted = []
    while True:
        pool = pool_of(runtime_arn, stored)
        unneeded = [*pool.deleting, *_expired(pool, clock.now())]
        if not unneeded:
            break
        if _delete(runtime_arn, unneeded[0], control, stored, clock, sleep):
            deleted.append(unneeded[0])
    known = {lease.endpoint for lease in pool.leases}
    there = control.endpoint_names(runtime_arn)
    return SweptEndpoints(
        runtime_arn=runtime_arn,
        deleted=tuple(deleted),
        leased=pool.leases,
        unknown=tuple(sorted(n for n in there if n.startswith(PREFIX) and n not in known)),
    )


def pool_of(runtime_arn: str, stored: Registry) -> EndpointPool:
    row = stored.row(_key(runtime_arn))
    return _read(runtime_arn, row) if row else EndpointPool(runtime_arn=runtime_arn)


def pools(stored: Registry) -> list[EndpointPool]:
    return [registry.read_row(EndpointPool, "endpoints/…", r) for r in stored.rows("endpoints/")]


def _reserve(
    runtime_arn: str,
    lease: EndpointLease,
    control: RuntimeControl,
    stored: Registry,
    clock: Clock,
    sleep: Sleep,
) -> None:
    """Enter a lease into the pool, where there is room for its endpoint or can be made."""
    mine = (lease.endpoint, lease.holder)
    foreign = {n for n in control.endpoint_names(runtime_arn) if not n.startswith(PREFIX)}
    while True:
        row = stored.row(_key(runtime_arn))
        pool = _read(runtime_arn, row) if row else EndpointPool(runtime_arn=runtime_arn)
        if lease.endpoint in pool.deleting:
            _delete(runtime_arn, lease.endpoint, control, stored, clock, sleep)
            continue
        others = tuple(one for one in pool.leases if (one.endpoint, one.holder) != mine)
        needed = {one.endpoint for one in others} | {lease.endpoint, *pool.deleting, *foreign}
        if len(needed) > ENDPOINTS:
            unneeded = [*pool.deleting, *_expired(pool, clock.now())]
            if not unneeded:
                raise NoEndpointFree(_all_leased(runtime_arn, others, foreign))
            _delete(runtime_arn, unneeded[0], control, stored, clock, sleep)
            continue
        after = pool.model_copy(update={"leases": (*others, lease)})
        if _replace(runtime_arn, after, row, stored):
            return


def _all_leased(runtime_arn: str, leases: Iterable[EndpointLease], foreign: set[str]) -> str:
    held = ", ".join(f"{one.endpoint} by {one.holder} until {one.expires_at}" for one in leases)
    told = f"{runtime_arn}: wanted one more of its {ENDPOINTS} endpoints, all are in use: {held}"
    return f"{told}; not ours: {', '.join(sorted(foreign))}" if foreign else told


def _made(
    runtime_arn: str, name: str, wanted: dict[str, Any], control: RuntimeControl, sleep: Sleep
) -> str:
    """The version that an endpoint serves, which is made if it is not there."""
    if control.endpoint(runtime_arn, name) is None:
        version = _version(runtime_arn, wanted, control, sleep)
        control.create_endpoint(runtime_arn, name, version)
    what = f"endpoint {name} of {runtime_arn}"
    found = _wait(lambda: control.endpoint(runtime_arn, name), _serves, what, sleep)
    assert found is not None
    live = control.describe(runtime_arn, found.live_version)
    if not _is(live.definition, wanted):
        raise IntegrityFailed(
            f"{what} serves version {live.version}, which is not what it was made for: somebody "
            "repointed it. Delete it, and take it again"
        )
    return live.version


def _version(
    runtime_arn: str, wanted: dict[str, Any], control: RuntimeControl, sleep: Sleep
) -> str:
    """A version with this definition; the newest, if it has it."""
    for _ in range(POLLS):
        latest = _settled(runtime_arn, control, sleep)
        if _is(latest.definition, wanted):
            return latest.version
        try:
            made = control.update(runtime_arn, wanted)
        except Throttled:  # somebody else makes a version just now
            sleep(POLL_S)
            continue
        what = f"version {made} of {runtime_arn}"
        return _wait(partial(control.describe, runtime_arn, made), _ready, what, sleep).version
    raise InfrastructureFailed(f"{runtime_arn}: other versions were made all the time")


def _settled(runtime_arn: str, control: RuntimeControl, sleep: Sleep) -> RuntimeVersion:
    """The newest version of a runtime, once it is ready."""
    return _wait(lambda: control.describe(runtime_arn), _ready, runtime_arn, sleep)


def _ready(version: RuntimeVersion) -> bool:
    _refuse_failed(version.status, version.reason, f"version {version.version}")
    return version.status == "READY"


def _serves(endpoint: Endpoint | None) -> bool:
    if endpoint is None:
        return False
    _refuse_failed(endpoint.status, endpoint.reason, f"endpoint {endpoint.name}")
    return endpoint.status == "READY" and endpoint.live_version is not None


def _refuse_failed(status: str, reason: str | None, what: str) -> None:
    if status.endswith("_FAILED"):
        raise InfrastructureFailed(f"{what} is {status}: {reason or 'no reason given'}")


def _delete(
    runtime_arn: str,
    name: str,
    control: RuntimeControl,
    stored: Registry,
    clock: Clock,
    sleep: Sleep,
) -> bool:
    """Delete an endpoint that nobody holds; False if somebody does by now.

    It is in `deleting` meanwhile: who dies here leaves it there, for the next to finish.
    """
    now = clock.now()

    def marked(pool: EndpointPool) -> EndpointPool:
        if name not in {*pool.deleting, *_expired(pool, now)}:
            return pool
        leases = tuple(lease for lease in pool.leases if lease.endpoint != name)
        deleting = tuple(sorted({*pool.deleting, name}))
        return pool.model_copy(update={"leases": leases, "deleting": deleting})

    def gone(pool: EndpointPool) -> EndpointPool:
        deleting = tuple(one for one in pool.deleting if one != name)
        return pool.model_copy(update={"deleting": deleting})

    if name not in _change(runtime_arn, marked, stored)[1].deleting:
        return False
    control.delete_endpoint(runtime_arn, name)

    def is_gone() -> bool:  # or another one saw that, and somebody may have made it anew
        there = control.endpoint(runtime_arn, name) is not None
        return not there or name not in pool_of(runtime_arn, stored).deleting

    _wait(is_gone, bool, f"endpoint {name} of {runtime_arn}, which is to be gone", sleep)
    _change(runtime_arn, gone, stored)
    return True


def _expired(pool: EndpointPool, now: str) -> list[str]:
    """The endpoints that nobody holds any more, the one first whose last lease ended first."""
    until: dict[str, float] = {}
    for lease in pool.leases:
        ends = datetime.fromisoformat(lease.expires_at).timestamp()
        until[lease.endpoint] = max(until.get(lease.endpoint, -math.inf), ends)
    held = {lease.endpoint for lease in pool.leases if _holds(lease, now)}
    return sorted(until.keys() - held, key=lambda name: (until[name], name))


def _holds(lease: EndpointLease, now: str) -> bool:
    return datetime.fromisoformat(lease.expires_at) > datetime.fromisoformat(now)


def _is(there: Any, wanted: Any) -> bool:
    """Whether a definition has all that was wanted; what the service added is no difference."""
    if isinstance(there, dict) and isinstance(wanted, dict):
        return all(key in there and _is(there[key], value) for key, value in wanted.items())
    return bool(there == wanted)


def _wait(look: Callable[[], Seen], done: Callable[[Seen], bool], what: str, sleep: Sleep) -> Seen:
    for _ in range(POLLS):
        seen = look()
        if done(seen):
            return seen
        sleep(POLL_S)
    raise InfrastructureFailed(f"{what}: waited for in vain, {POLLS * POLL_S:.0f} s")


def _change(
    runtime_arn: str, change: Callable[[EndpointPool], EndpointPool], stored: Registry
) -> tuple[EndpointPool, EndpointPool]:
    """Change a pool as nobody else does meanwhile; it before and after."""
    while True:
        row = stored.row(_key(runtime_arn))
        before = _read(runtime_arn, row) if row else EndpointPool(runtime_arn=runtime_arn)
        after = change(before)
        if after == before or _replace(runtime_arn, after, row, stored):
            return before, after


def _replace(
    runtime_arn: str, pool: EndpointPool, expected: dict[str, Any] | None, stored: Registry
) -> bool:
    return stored.replace(_key(runtime_arn), pool.model_dump(mode="json"), expected=expected)


def _read(runtime_arn: str, row: dict[str, Any]) -> EndpointPool:
    return registry.read_row(EndpointPool, _key(runtime_arn), row)


def _key(runtime_arn: str) -> str:
    return f"endpoints/{runtime_arn.rpartition('/')[2]}"
