"""Publishing: the accepted cases of a dataset, checked and made its next version."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from driftgate import canonical, datasets, mocks, outcomes, registry
from driftgate.coverage import measure
from driftgate.duplicates import near_duplicates
from driftgate.errors import BadInput
from driftgate.ports import Artifacts, Registry
from driftgate.review import Desk
from driftgate.saturation import analyse
from driftgate.schemas.cases import Case, ExpectedCall
from driftgate.schemas.datasets import Dataset, DatasetDiff, DatasetHeader, DatasetVersion
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.record import CaseId, Effect, SemVer, count
from driftgate.schemas.redaction import PSEUDONYM
from driftgate.schemas.reviews import Candidate, CheckKind, Finding, Publication, Review

FindPersonal = Callable[[Any], Mapping[str, int]]  # a document -> kinds of entities, counted
Bump = Literal["major", "minor", "patch", "first"]
# That a field of an existing case is another, and still every old score means what it meant.
LABELS = ("difficulty", "provenance", "smoke")
# Addresses that can't be anybody's, RFC 2606.
NOBODYS = re.compile(
    r"[\w.+-]+@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|test|example|invalid)(?![\w.-]*\w)"
)


@dataclass(frozen=True)
class Planned:
    """A publication, and what it publishes."""

    publication: Publication
    dataset: Dataset
    new: tuple[tuple[Desk, str], ...]  # where each candidate is worked on, and its fingerprint


def plan(
    name: str,
    desks: Iterable[Desk],
    stored: Registry,
    records: Artifacts,
    find_personal: FindPersonal,
) -> Planned:
    """Work out the next version from the newest one and the accepted cases, and check it.

    Args:
        name: of the dataset; a first version is published from a folder, which names its owner.
        desks: of the agents whose candidates may be for the dataset.
        find_personal: what in a case may be a person's: what is published can't be erased.

    Raises:
        BadInput: there is no version yet, or no accepted case.
    """
    versions = registry.list_datasets(stored, name)
    if not versions:
        raise BadInput(f"dataset {name}: wanted a published version to start from, there is none")
    base = registry.load_dataset(versions[-1], stored)
    accepted = [found for desk in desks for found in _accepted(name, desk)]
    if not accepted:
        raise BadInput(f"dataset {name}: no case is accepted and not published yet")
    cases = [case for _, _, case in accepted]
    if all(
        case in base.cases for case in cases
    ):  # published, and whoever did so did not come to say it
        dataset, bump, why = base, "patch", "nothing is new"
    else:
        dataset, bump, why = _next(base, cases, accepted)
    agents = {desk.agent: _agent(desk, name, stored) for desk, _, _ in accepted}
    findings = [
        *_each(accepted, dataset.header, agents, find_personal),
        *_together(base, dataset, {case.case_id for case in cases}),
        *_suspicious(base, stored, records),
    ]
    return Planned(
        publication=Publication(
            dataset=name,
            base=base.header.version,
            header=dataset.header,
            sha256=dataset.sha256,
            bump=bump,
            why_bump=why,
            candidates=tuple((desk.agent, fingerprint) for desk, fingerprint, _ in accepted),
            diff=datasets.diff(base, dataset),
            findings=tuple(findings),
        ),
        dataset=dataset,
        new=tuple((desk, fingerprint) for desk, fingerprint, _ in accepted),
    )


def publish(
    planned: Planned,
    publish_dataset: Callable[[Dataset, str], DatasetVersion],
    who: str,
    waived: Collection[CheckKind] = (),
) -> DatasetVersion:
    """Publish what was planned, and say so of each candidate. Done twice, it is done once.

    Args:
        planned: by `plan`, just now: if somebody else published meanwhile it is refused.
        publish_dataset: publishes a dataset, by an author.
        waived: kinds of findings that were seen and let pass, of those that can be.

    Raises:
        BadInput: a check found something that blocks.
        AlreadyPublished: the version exists with other content; plan again.
    """
    open_ = [f for f in planned.publication.blocking if not (f.waivable and f.kind in waived)]
    if open_:
        said = "\n".join(f"{f.kind}: {f.case_id or 'all cases'}: {f.said}" for f in open_)
        raise BadInput(f"dataset {planned.publication.dataset} is not published:\n{said}")
    row = publish_dataset(planned.dataset, who)
    for desk, fingerprint in planned.new:
        desk.mark_published(fingerprint, f"{row.name}@{row.version}")
    return row


def suggest_bump(diff: DatasetDiff) -> tuple[Bump, str]:
    """What the next version should be called, and why.

    major: an old case is another one or is gone, so that old scores are of something else. minor:
    there are more cases or tools. patch: only labels changed.
    """
    moved = [
        change.case_id
        for change in diff.changed
        if any(field.field.partition(".")[0] not in LABELS for field in change.fields)
    ]
    if moved or diff.removed:
        said = [f"{count(len(moved), 'case')} changed"] if moved else []
        said += [f"{count(len(diff.removed), 'case')} removed"] if diff.removed else []
        return "major", " and ".join(said)
    if diff.added:
        return "minor", f"{count(len(diff.added), 'case')} added"
    if diff.tools:
        return "minor", "tools added"
    return "patch", f"labels of {count(len(diff.changed), 'case')} changed"


def next_version(version: SemVer, bump: Bump) -> SemVer:
    major, minor, patch = map(int, version.split("."))
    match bump:
        case "major":
            return f"{major + 1}.0.0"
        case "minor":
            return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


def target(review: Review, candidate: Candidate, stored: Registry) -> str:
    """The dataset that a case is for: as its editor says, else as the agent's manifest pins it."""
    if review.dataset:
        return review.dataset
    versions = registry.list_agents(stored, candidate.agent)
    return versions[-1].manifest.datasets["regression"].name if versions else ""


def _accepted(name: str, desk: Desk) -> Iterator[tuple[Desk, str, Case]]:
    prefix = f"review.{desk.agent}/"
    for row in desk.reviews.rows(prefix):
        review = registry.read_row(Review, prefix, row)
        if review.state != "accepted":
            continue
        if target(review, desk.candidate(review.fingerprint), desk.stored) == name:
            yield desk, review.fingerprint, desk.draft(review.fingerprint).case


def _next(
    base: Dataset, cases: Sequence[Case], accepted: Sequence[tuple[Desk, str, Case]]
) -> tuple[Dataset, Bump, str]:
    """The base with these cases in it; one of the same id takes the old one's place."""
    own = {case.case_id: case for case in base.cases} | {case.case_id: case for case in cases}
    tools: dict[str, Effect] = dict(base.header.tools)
    for case in cases:
        for _, pattern in case.patterns():
            if isinstance(pattern, ExpectedCall):
                tools.setdefault(pattern.tool, pattern.effect)
    header = base.header.model_copy(
        update={"tools": tools, "parent": base.header.version, "changelog": _changelog(accepted)}
    )
    bump, why = suggest_bump(datasets.diff(base, datasets.build(header, own.values())))
    version = next_version(base.header.version, bump)
    header = header.model_copy(update={"version": version})
    return datasets.build(header, own.values()), bump, why


def _changelog(accepted: Sequence[tuple[Desk, str, Case]]) -> str:
    lines = []
    for desk, fingerprint, case in sorted(accepted, key=lambda found: found[2].case_id):
        why = "; ".join(desk.candidate(fingerprint).reasons)
        lines.append(f"{case.case_id} ({case.provenance.kind}, {case.task_type}): {why}")
    return f"{count(len(lines), 'case')} reviewed. " + ". ".join(lines) + "."


def _agent(desk: Desk, dataset: str, stored: Registry) -> AgentVersion | None:
    """The newest version of an agent that is held to the dataset."""
    held = [
        version
        for version in registry.list_agents(stored, desk.agent)
        if dataset in {pin.name for pin in version.manifest.datasets.values()}
    ]
    return held[-1] if held else None


def _each(
    accepted: Sequence[tuple[Desk, str, Case]],
    header: DatasetHeader,
    agents: Mapping[str, AgentVersion | None],
    find_personal: FindPersonal,
) -> Iterator[Finding]:
    """What is wrong with a case by itself."""
    ids: set[CaseId] = set()
    for desk, _, case in accepted:
        if case.case_id in ids:
            yield _blocks("schema", case, "two accepted cases have this id")
        ids.add(case.case_id)
        try:
            datasets.check_case(case, header)
        except ValueError as error:
            yield _blocks("schema", case, str(error))
        yield from (_blocks("personal_data", case, said) for said in _personal(case, find_personal))
        agent = agents[desk.agent]
        for misfit in mocks.misfits(case, [agent]) if agent else ():
            yield _blocks("mock_drift", case, str(misfit))


def _personal(case: Case, find_personal: FindPersonal) -> Iterator[str]:
    content = case.model_dump(mode="json", exclude_defaults=True, exclude={"provenance", "case_id"})
    text = case.model_dump_json()
    content = canonical.load(NOBODYS.sub("", canonical.dump(content).decode()))
    if found := sorted(set(PSEUDONYM.findall(text))):
        yield f"wanted stand-ins, it has {count(len(found), 'pseudonym')} of people: {found[0]}"
    for kind, number in sorted(find_personal(content).items()):
        yield f"{count(number, 'text')} may be somebody's {kind}: invent another one"


def _together(base: Dataset, dataset: Dataset, new: set[CaseId]) -> Iterator[Finding]:
    for group in near_duplicates(dataset.cases):
        for case_id in (i for i in group if i in new):
            others = ", ".join(i for i in group if i != case_id)
            yield Finding(
                kind="near_duplicate",
                case_id=case_id,
                said=f"differs from {others} by names, ids and numbers only",
                blocks=True,
                waivable=True,
            )
    before = {s.tool for s in measure(base).shortfalls if s.kind == "too few"}
    for shortfall in measure(dataset).shortfalls:
        if shortfall.kind == "too few":
            new_tool = "" if shortfall.tool in before else ", which it did not have before"
            yield Finding(
                kind="coverage",
                said=f"{shortfall.tool}{new_tool}: {count(shortfall.cases, 'case')}, at least "
                f"{shortfall.wanted} are wanted",
                blocks=False,
            )


def _suspicious(base: Dataset, stored: Registry, records: Artifacts) -> Iterator[Finding]:
    history = outcomes.of_dataset(base, stored, records)
    found = analyse(base, history.outcomes, history.labels)
    for item in found.items:
        if "suspicious" in item.flags:
            yield Finding(kind="suspicious", case_id=item.case_id, said=item.why, blocks=False)
    for note in found.notes:
        if note.startswith("no case is flagged"):
            yield Finding(kind="suspicious", said=note, blocks=False)


def _blocks(kind: CheckKind, case: Case, said: str) -> Finding:
    return Finding(kind=kind, case_id=case.case_id, said=said, blocks=True)
