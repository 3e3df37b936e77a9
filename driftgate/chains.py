"""The chain of an agent's verdicts: who was published after whom, so that a missing one shows.

Links lie beside their verdicts in the records, each with the sha256 of the one before. The newest
is also in the registry, in the row head/{agent}, which moves by compare-and-swap: so publishers
that come together append one after the other. The row holds the whole link, and whoever comes
next stores it if its own publisher died first.
"""

import random
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from driftgate import canonical, evidence, registry
from driftgate.errors import IntegrityFailed, Throttled
from driftgate.ports import Artifacts, Clock, Registry
from driftgate.schemas.evidence import ChainCheck, VerdictLink
from driftgate.schemas.runs import Verdict

TRIES = 100  # in each round one of those who append at once succeeds


def append(
    verdict: Verdict,
    verdict_key: str,
    bundle_sha256: str,
    stored: Registry,
    records: Artifacts,
    clock: Clock,
) -> VerdictLink:
    """Link a verdict to its agent's newest one. One that is linked already keeps its link.

    Raises:
        IntegrityFailed: its link names another content.
        Throttled: others were always faster.
    """
    agent = verdict.arms["candidate"].agent
    verdict_sha256 = canonical.sha256(evidence.to_bytes(verdict))
    for _ in range(TRIES):
        row = stored.row(_head_key(agent))  # before the look for an own link, or there may be two
        head = _head(agent, row)
        if head:
            place = evidence.link_key(head.verdict_key)
            evidence.put_same(place, evidence.to_bytes(head), records)
        key = evidence.link_key(verdict_key)
        if (data := records.get(key)) is not None:
            link = evidence.read_link(key, data)
            if (link.verdict_sha256, link.bundle_sha256) != (verdict_sha256, bundle_sha256):
                raise IntegrityFailed(f"the stored {key} names another verdict or bundle")
            return link
        link = VerdictLink(
            agent=agent,
            number=head.number + 1 if head else 1,
            run_id=verdict.run_id,
            verdict_key=verdict_key,
            verdict_sha256=verdict_sha256,
            bundle_sha256=bundle_sha256,
            previous_sha256=sha256(head) if head else None,
            at=clock.now(),
        )
        if stored.replace(_head_key(agent), link.model_dump(mode="json"), expected=row):
            evidence.put_same(key, evidence.to_bytes(link), records)
            return link
        time.sleep(random.uniform(0, 0.1))  # noqa: S311  not a secret
    raise Throttled(f"{verdict_key}: others appended to the chain of {agent} {TRIES} times")


def sha256(link: VerdictLink) -> str:
    """What the next link names as its previous one."""
    return canonical.sha256(evidence.to_bytes(link))


def check(agent: str, stored: Registry, records: Artifacts, first: int = 1) -> ChainCheck:
    """Hold the links of an agent's verdicts to each other, from number `first` to the head.

    That a link of a verdict is what it should be, the verdict's own check tells.
    """
    links, faults = _stored_links(agent, records)
    try:
        row = stored.row(_head_key(agent))
        head = _head(agent, row)
    except IntegrityFailed as error:
        faults.append(str(error))
        head = None
    else:
        faults += _head_faults(agent, head, links)
    if head and not any(link.number == head.number for link in links):
        links.append(head)  # its publisher died before it stored the link; the next one will
    links.sort(key=lambda link: (link.number, link.verdict_key))
    last = max((link.number for link in links), default=0)
    faults += _sequence_faults([link for link in links if link.number >= first - 1], first)
    return ChainCheck(agent=agent, first=first, head=last, faults=tuple(faults))


def find_link(
    verdict_key: str, agent: str, stored: Registry, records: Artifacts
) -> VerdictLink | None:
    """The link of a stored verdict; it may be in the head's row alone. None if it has none.

    Raises:
        IntegrityFailed: the link, or the head, is damaged.
    """
    key = evidence.link_key(verdict_key)
    if (data := records.get(key)) is not None:
        return evidence.read_link(key, data)
    row = stored.row(_head_key(agent))
    head = _head(agent, row)
    return head if head and head.verdict_key == verdict_key else None


def verdict_keys(prefix: str, records: Artifacts) -> list[str]:
    """The keys of the verdicts under a prefix, without what is kept beside them."""
    beside = (".link.json", evidence.OVERRIDE_SUFFIX, evidence.COST_SUFFIX)
    keys = records.keys(prefix)
    return [key for key in keys if key.endswith(".json") and not key.endswith(beside)]


def _stored_links(agent: str, records: Artifacts) -> tuple[list[VerdictLink], list[str]]:
    keys = [key for key in records.keys(f"verdicts/{agent}/") if key.endswith(".link.json")]
    links, faults = [], []
    for key, data in records.get_all(keys).items():
        try:
            link = evidence.read_link(key, data)
        except IntegrityFailed as error:
            faults.append(str(error))
            continue
        if key != evidence.link_key(link.verdict_key) or link.agent != agent:
            faults.append(f"the stored {key} is the link of {link.agent}'s {link.verdict_key}")
        links.append(link)
    return links, faults


def _head_faults(
    agent: str, head: VerdictLink | None, links: Sequence[VerdictLink]
) -> Iterator[str]:
    last = max((link.number for link in links), default=0)
    if head is None:
        if links:
            yield f"the row {_head_key(agent)} is gone, the newest stored link is number {last}"
        return
    if last > head.number:
        yield f"the row {_head_key(agent)} names link {head.number}, stored is a link {last}"
    for link in links:
        if link.number == head.number and link != head:
            yield f"link {link.number} is not what the row {_head_key(agent)} says"


def _sequence_faults(links: Sequence[VerdictLink], first: int) -> Iterator[str]:
    """Links in the order of their numbers; the one before `first`, if there is one, leads them."""
    if first == 1 and links and links[0].number != 1:
        yield f"link 1 is gone: the first stored one is {links[0].number}"
    if links and links[0].number == 1 and links[0].previous_sha256 is not None:
        yield "link 1 names a previous one"
    for before, link in pairwise(links):
        if link.number == before.number:
            yield (
                f"there are two links {link.number}: "
                f"of {before.verdict_key} and of {link.verdict_key}"
            )
        elif link.number > before.number + 1:
            gone = ", ".join(str(n) for n in range(before.number + 1, link.number))
            yield f"link {gone} is gone, between {before.number} and {link.number}"
        elif link.previous_sha256 != sha256(before):
            yield (
                f"link {link.number} follows on a link with sha256 {link.previous_sha256}, "
                f"link {before.number} has {sha256(before)}"
            )


def _head(agent: str, row: dict[str, Any] | None) -> VerdictLink | None:
    return registry.read_row(VerdictLink, _head_key(agent), row) if row else None


def _head_key(agent: str) -> str:
    return f"head/{agent}"
