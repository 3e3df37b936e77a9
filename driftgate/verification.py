"""Verifying what was kept: a verdict is computed again from its stored scores, and compared.

Nothing is signed: whoever can write a bundle, its verdict, every later link and the head can tell
a whole new story. docs/verdicts.md says what is found.
"""

import json
from collections.abc import Iterator
from typing import Any

from driftgate import canonical, chains, evidence, gate, overrides, planning, registry
from driftgate.datasets import count_by_tool
from driftgate.errors import BadInput, IntegrityFailed, NotPublished
from driftgate.ports import Artifacts, Registry
from driftgate.schemas.evidence import Bundle, ChainCheck, VerdictCheck, VerdictLink, Verification
from driftgate.schemas.manifests import AgentVersion, DatasetRef
from driftgate.schemas.runs import RunRow, Verdict

MOST_DIFFERENCES = 50  # that are told of one verdict
_GONE = "(nothing)"


def find_run(run_id: str, stored: Registry) -> RunRow:
    """The finished run that is meant; the start of its id will do, if only one begins so.

    Raises:
        BadInput: there is none, or more than one.
    """
    keys = stored.keys(f"run/{run_id}")
    if not keys:
        raise BadInput(f"run: wanted the id of a finished run, or its start; there is no {run_id}")
    if len(keys) > 1 and f"run/{run_id}" not in keys:
        some = ", ".join(key.removeprefix("run/") for key in keys[:3])
        raise BadInput(f"run: {len(keys)} ids start with {run_id}: {some}{', …' * (len(keys) > 3)}")
    return registry.load_run(min(keys, key=len).removeprefix("run/"), stored)


def last_verdict(row: RunRow, stored: Registry, records: Artifacts) -> str:
    """The key of the verdict of a run that was published last.

    Raises:
        IntegrityFailed: none is kept, or a link is damaged.
    """
    keys = chains.verdict_keys(f"verdicts/{row.agent}/{row.run_id}/", records)
    links = (chains.find_link(key, row.agent, stored, records) for key in keys)
    found = [link for link in links if link is not None]
    if not found:
        raise IntegrityFailed(f"no verdict of run {row.run_id} is kept in the chain of {row.agent}")
    return max(found, key=lambda link: link.number).verdict_key


def verify_run(row: RunRow, stored: Registry, records: Artifacts) -> Verification:
    """Hold every verdict of a run to its evidence, and the chain from the first of them on."""
    keys = chains.verdict_keys(f"verdicts/{row.agent}/{row.run_id}/", records)
    checks = tuple(check_verdict(key, row, stored, records) for key in keys)
    first = min((check.number for check in checks if check.number), default=1)
    return Verification(
        run_id=row.run_id,
        verdicts=checks,
        chain=chains.check(row.agent, stored, records, first),
        faults=tuple(_row_faults(row, checks)),
    )


def verify_chain(agent: str, stored: Registry, records: Artifacts) -> Verification:
    """Hold all links of an agent to each other, and every verdict and bundle to its link's hashes.

    Raises:
        BadInput: no verdict of this agent is kept.
    """
    keys = chains.verdict_keys(f"verdicts/{agent}/", records)
    chain = chains.check(agent, stored, records)
    if not keys and not chain.head:
        raise BadInput(f"agent: wanted one whose verdicts are kept; there is none of {agent}")
    linked = [_link_check(key, agent, stored, records) for key in keys]
    lost = _lost_verdicts(agent, set(keys), records)
    whole = ChainCheck.model_validate({**chain.model_dump(), "faults": (*chain.faults, *lost)})
    return Verification(run_id=None, verdicts=tuple(linked), chain=whole, faults=())


def check_verdict(key: str, row: RunRow, stored: Registry, records: Artifacts) -> VerdictCheck:
    """Compute a stored verdict again from its bundle, and hold both to all that still stands."""
    held = _link_check(key, row.agent, stored, records)
    faults, unchecked = list(held.faults), list[str]()
    try:
        bundle = evidence.load_bundle(key, records)
        faults += _differences(records.get(key) or b"", bundle)
        faults += _plan_faults(bundle, row)
        faults += _override_faults(key, row, records)
        if bundle.moved is None:
            for said, is_fault in _against_registry(bundle, stored):
                (faults if is_fault else unchecked).append(said)
    except IntegrityFailed as error:
        if str(error) not in faults:
            faults.append(str(error))
    return held.model_copy(update={"faults": tuple(faults), "unchecked": tuple(unchecked)})


def differences(stored: Any, computed: Any, place: str = "") -> Iterator[str]:
    """Where two JSON values differ, field by field."""
    if isinstance(stored, dict) and isinstance(computed, dict):
        for name in sorted(stored.keys() | computed.keys()):
            inner = f"{place}.{name}" if place else name
            yield from differences(stored.get(name, _GONE), computed.get(name, _GONE), inner)
    elif isinstance(stored, list) and isinstance(computed, list):
        for index in range(max(len(stored), len(computed))):
            before, now = (i[index] if index < len(i) else _GONE for i in (stored, computed))
            yield from differences(before, now, f"{place}.{index}")
    elif type(stored) is not type(computed) or stored != computed:
        yield f"{place or 'all of it'}: stored {_short(stored)}, computed {_short(computed)}"


def _differences(data: bytes, bundle: Bundle) -> Iterator[str]:
    verdict = gate.replay(bundle)
    if verdict is None:
        yield "from its bundle follows no verdict, but CONTINUE"
        return
    computed = evidence.to_bytes(verdict)
    if data == computed:
        return
    if bundle.plan.harness != planning.harness():
        yield f"it was decided by {bundle.plan.harness}, computed again by {planning.harness()}"
    try:
        found = list(differences(json.loads(data), json.loads(computed)))
    except ValueError as error:
        yield f"the stored verdict is no JSON: {error}"
        return
    yield from found[:MOST_DIFFERENCES]
    if len(found) > MOST_DIFFERENCES:
        yield f"and {len(found) - MOST_DIFFERENCES} fields more"
    if not found:
        yield "its fields are what they should be, its bytes are not"


def _link_check(key: str, agent: str, stored: Registry, records: Artifacts) -> VerdictCheck:
    """Hold the stored bytes of a verdict and its bundle to the hashes in its link."""
    faults: list[str] = []
    data = records.get(key) or b""
    try:
        outcome = Verdict.model_validate_json(data).outcome
    except ValueError:
        outcome = None
        faults.append(f"the stored {key} is damaged, or of another version of Driftgate")
    link: VerdictLink | None = None
    try:
        link = chains.find_link(key, agent, stored, records)
        if link is None:
            faults.append(f"{key} has no link: its publishing did not end, or the link was removed")
        else:
            faults += _hash_faults(key, data, link, records)
    except IntegrityFailed as error:
        faults.append(str(error))
    return VerdictCheck(
        verdict_key=key,
        outcome=outcome,
        number=link.number if link else None,
        faults=tuple(faults),
        unchecked=(),
    )


def _hash_faults(key: str, data: bytes, link: VerdictLink, records: Artifacts) -> Iterator[str]:
    if canonical.sha256(data) != link.verdict_sha256:
        yield (
            f"{key} was linked with sha256 {link.verdict_sha256}, "
            f"what is stored has {canonical.sha256(data)}"
        )
    found = canonical.sha256(evidence.load_bundle_bytes(key, records))
    if found != link.bundle_sha256:
        yield (
            f"{evidence.bundle_key(key)} was linked with sha256 {link.bundle_sha256}, "
            f"what is stored has {found}"
        )


def _lost_verdicts(agent: str, keys: set[str], records: Artifacts) -> Iterator[str]:
    for name in records.keys(f"verdicts/{agent}/"):
        if name.endswith(".link.json"):
            key = f"{name.removesuffix('.link.json')}.json"
            if key not in keys:
                yield f"{key} is gone, its link is there"


def _plan_faults(bundle: Bundle, row: RunRow) -> Iterator[str]:
    """Whether the bundle is of this run, and its arms have the digests that the plan names."""
    if bundle.plan.run_id != row.run_id:
        yield f"its bundle is that of run {bundle.plan.run_id}"
    tried = bundle.plan.arms["candidate"]
    if (tried.manifest.version, tried.digest) != (row.version, row.digest):
        yield (
            f"its candidate is {tried.label} with digest {tried.digest}, "
            f"the row run/{row.run_id} says {row.version} with {row.digest}"
        )
    ids = tuple(case.case_id for case in bundle.cases)
    if ids != bundle.plan.case_ids:
        yield f"its bundle has the cases {', '.join(ids)}, its plan names others"
    for arm, agent in bundle.plan.arms.items():
        digest = _digest(agent)
        if digest != agent.digest:
            yield f"{arm} {agent.label} has digest {agent.digest}, its content gives {digest}"


def _override_faults(key: str, row: RunRow, records: Artifacts) -> Iterator[str]:
    """Whether the overrides that are kept beside a verdict were rightly used."""
    verdict = evidence.load_verdict(key, records)
    for place, used in overrides.kept(key, records):
        for fault in overrides.faults(used, verdict, row.environment):
            yield f"{place}: {fault}"


def _against_registry(bundle: Bundle, stored: Registry) -> Iterator[tuple[str, bool]]:
    """What the registry says of the arms and the dataset, and whether that is a fault."""
    for arm, agent in bundle.plan.arms.items():
        try:
            now = planning.arm_now(bundle.plan, arm, bundle.cases, stored).digest
            if now != agent.digest:
                yield f"{arm} {agent.label} had digest {agent.digest}, published is {now}", True
        except NotPublished:
            yield f"{arm} {agent.label} is not in the registry", False
        except IntegrityFailed as error:
            yield str(error), True
    pinned = bundle.plan.dataset
    ref = DatasetRef(name=pinned.name, version=pinned.version)
    try:
        published = registry.load_dataset_row(ref, stored)
        if published.sha256 != pinned.sha256:
            yield (
                f"dataset {ref} had sha256 {pinned.sha256}, published is {published.sha256}",
                pinned.published,
            )
            return
        cases = registry.load_cases(published, stored)
    except NotPublished:
        yield f"dataset {ref} is not in the registry", False
        return
    except IntegrityFailed as error:
        yield str(error), True
        return
    held = {case.case_id: case for case in cases}
    for case in bundle.cases:
        if held.get(case.case_id) != case:
            yield f"case {case.case_id} is not what dataset {ref} holds", True
    if count_by_tool(cases) != bundle.by_tool:
        yield (
            f"by_tool is {bundle.by_tool}, from dataset {ref} follows {count_by_tool(cases)}",
            True,
        )


def _row_faults(row: RunRow, checks: tuple[VerdictCheck, ...]) -> Iterator[str]:
    """A run that was completed later has several verdicts; the row has the outcome of one."""
    if not checks:
        yield f"no verdict of run {row.run_id} is kept"
    elif (
        row.outcome not in (outcomes := {check.outcome for check in checks})
        and None not in outcomes
    ):
        told = ", ".join(sorted(str(outcome) for outcome in outcomes))
        yield f"the row run/{row.run_id} says {row.outcome}, what is kept {told}"


def _digest(agent: AgentVersion) -> str:
    again = registry.seal_agent(agent.manifest, agent.contracts, agent.prompts, agent.code_sha256)
    return again.digest


def _short(value: Any) -> str:
    text = value if value is _GONE else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
