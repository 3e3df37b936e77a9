"""How often each version solved each case, from the verdicts that are kept of a dataset's runs."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from driftgate import canonical, chains, evidence, registry
from driftgate.metrics import SUITES
from driftgate.ports import Artifacts, Registry
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import Dataset
from driftgate.schemas.evidence import Bundle
from driftgate.schemas.record import CaseId
from driftgate.schemas.runs import RunRow
from driftgate.schemas.saturation import Solved


class History(NamedTuple):
    outcomes: dict[str, dict[CaseId, Solved]]  # digest of the version -> its trials, run by run
    labels: dict[str, str]  # digest -> agent and version
    runs: int


def of_dataset(
    dataset: Dataset, stored: Registry, records: Artifacts, run_ids: Collection[str] = ()
) -> History:
    """What became of the dataset's cases, in runs on any of its versions.

    A case counts as long as it has the content that it has now, whatever version it was met in.

    Args:
        run_ids: only these runs; none: all that are finished.
    """
    current = {case.case_id: _content(case) for case in dataset.cases}
    history = History({}, {}, 0)
    for row in _rows(dataset.header.name, stored, run_ids):
        keys = chains.verdict_keys(f"verdicts/{row.agent}/{row.run_id}/", records)
        if not keys:
            continue
        bundles = (evidence.load_bundle(key, records) for key in keys)
        _add(max(bundles, key=lambda bundle: len(bundle.cards)), current, history)
        history = history._replace(runs=history.runs + 1)
    return history


def _rows(name: str, stored: Registry, run_ids: Collection[str]) -> Iterable[RunRow]:
    rows = [registry.load_run(i, stored) for i in run_ids] or registry.list_runs(stored)
    return (row for row in rows if row.dataset.partition("@")[0] == name)


def _add(bundle: Bundle, current: dict[CaseId, bytes], history: History) -> None:
    plan = bundle.plan
    primary = SUITES[plan.suite].primary
    arms = {str(arm): version for arm, version in plan.arms.items()}
    same = {c.case_id for c in bundle.cases if current.get(c.case_id) == _content(c)}
    for card in bundle.cards:
        if card.case_id not in same or (card.arm == "baseline" and plan.baseline_run):
            continue  # another run's trials, which that one tells of
        value = card.scores[primary].value
        if value is None:
            continue
        version = arms[card.arm]
        recorded = version.manifest.description if version.is_recorded else ""
        history.labels[version.digest] = recorded or version.label
        of = history.outcomes.setdefault(version.digest, {})
        before = of.get(card.case_id)
        of[card.case_id] = Solved(
            solved=(before.solved if before else 0) + (value == 1),
            trials=(before.trials if before else 0) + 1,
        )


def _content(case: Case) -> bytes:
    return canonical.dump(case.model_dump(mode="json", exclude_defaults=True))
