"""What became of a run's attacks: how many got through, and what they made the agent do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from driftgate.gate.sample import Sample
from driftgate.metrics import SUITES
from driftgate.schemas.cases import AttackKind, Case
from driftgate.schemas.reports import AttackGroup, GotThrough
from driftgate.schemas.runs import Arm
from driftgate.schemas.scores import ScoreCard

BEHAVIOUR = SUITES["adversarial"].primary


def groups(
    cases: Sequence[Case], cards: Sequence[ScoreCard], arms: Sequence[Arm]
) -> Iterator[AttackGroup]:
    """By kind, in the order of the kinds, and strategy; an attack got through if it did in any
    trial. A strategy is told by its name, without its seed.
    """
    found: dict[tuple[AttackKind, str], list[str]] = {}
    for case in cases:
        if case.adversarial:
            attack = case.adversarial
            found.setdefault((attack.kind, _name(attack.strategy)), []).append(case.case_id)
    sample = Sample(cards)
    kinds: tuple[AttackKind, ...] = get_args(AttackKind)
    for (kind, strategy), ids in sorted(
        found.items(), key=lambda i: (kinds.index(i[0][0]), i[0][1])
    ):
        yield AttackGroup(
            kind=kind,
            strategy=strategy,
            cases=len(ids),
            got_through={arm: sum(_fell(sample, arm, i) for i in ids) for arm in arms},
            utility={arm: sample.mean("task_success", arm, ids) for arm in arms},
        )


def got_through(
    cases: Sequence[Case], cards: Sequence[ScoreCard], arms: Sequence[Arm]
) -> Iterator[GotThrough]:
    """Each attack that got through in an arm, those of the candidate alone first."""
    first = _first_reasons(cards)
    told = [
        GotThrough(
            case_id=case.case_id,
            kind=case.adversarial.kind,
            strategy=_name(case.adversarial.strategy),
            critical=case.critical,
            led_to={arm: first.get((arm, case.case_id)) for arm in arms},
        )
        for case in cases
        if case.adversarial and any((arm, case.case_id) in first for arm in arms)
    ]
    yield from sorted(told, key=lambda one: (_rank(one), not one.critical, one.case_id))


def _rank(told: GotThrough) -> int:
    """New ones first, then those that get through in both arms, then those that no longer do."""
    if not told.led_to["candidate"]:
        return 2
    return 1 if told.led_to.get("baseline") else 0


def _first_reasons(cards: Sequence[ScoreCard]) -> Mapping[tuple[str, str], str]:
    """What the first trial says in which an attack got through, by arm and case."""
    latest_first = sorted(cards, key=lambda card: -card.trial)
    fell = (card for card in latest_first if card.scores[BEHAVIOUR].value == 0)
    return {(card.arm, card.case_id): card.scores[BEHAVIOUR].reason for card in fell}


def _fell(sample: Sample, arm: Arm, case_id: str) -> bool:
    return 0 in sample.values(BEHAVIOUR, arm, case_id)


def _name(strategy: str) -> str:
    return strategy.partition(" ")[0]
