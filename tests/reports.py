"""Reports of one case, made by the real steps from given traces."""

from collections.abc import Sequence
from pathlib import Path

from driftgate import evidence, gate
from driftgate.adapters.local import LocalArtifacts
from driftgate.metrics import METRICS, score_all
from driftgate.metrics.efficiency import efficiency
from driftgate.report import build
from driftgate.schemas.cases import Case
from driftgate.schemas.policies import Policy
from driftgate.schemas.reports import Report
from driftgate.schemas.runs import RunRow, TrialKey
from driftgate.schemas.scores import ScoreCard
from driftgate.schemas.traces import Trace
from tests.builders import call, case, expect, plan, trace, version

WANTED = case(expect("pay", "write", args={"note": "x"}), expected_outputs=["done"])


RIGHT = trace(call("pay", "write", note="x"), says="done")
WRONG = trace(says="no")


def report(
    folder: Path,
    *candidate: Trace | None,
    baseline: Sequence[Trace] = (RIGHT,),
    tools: Sequence[str] = (),
    of: Case = WANTED,
    policy: Policy | None = None,
) -> Report:
    """The report of a run of one case with these trials, the baseline's being right.

    None is a trial that is missing; `tools` are those that only the candidate has; without
    `baseline` there is none.
    """
    runs = LocalArtifacts(folder)
    arms = ("baseline", "candidate") if baseline else ("candidate",)
    made = plan(["refund"], *arms, trials=len(candidate))
    arms_of_the_plan = {**made.arms, "candidate": version("2.0.0", *tools)}
    suite = "adversarial" if of.adversarial else "regression"
    made = made.model_copy(update={"suite": suite, "arms": arms_of_the_plan})
    evidence.store_plan(made, [of], runs)
    cards, missing = [], []
    trials = [("baseline", n, told) for n, told in enumerate(baseline, start=1)]
    for arm, trial, told in [*trials, *(("candidate", n, t) for n, t in enumerate(candidate, 1))]:
        key = TrialKey.model_validate({"arm": arm, "trial": trial, "case_id": "refund"})
        if told is None:
            missing.append(gate.missing_trial(key, []))
            continue
        cards.append(
            ScoreCard(
                case_id="refund",
                arm=arm,
                trial=trial,
                scores=score_all(of, told),
                metric_versions={name: metric.version for name, metric in METRICS.items()},
                efficiency=efficiency(of, told),
                ending=told.ending,
            )
        )
        evidence.store_trace(made.run_id, key, told, runs)
        evidence.store_scores(made.run_id, key, cards[-1], runs)
    verdict = gate.decide(made, policy or Policy(rule="point"), [of], cards, missing)
    row = RunRow(
        run_id=made.run_id,
        finished_at="2026-05-20T09:00:00+00:00",
        environment="prod",
        agent="teller",
        version="2.0.0",
        digest="0" * 64,
        baseline="1.0.0" if baseline else None,
        suite=suite,
        dataset="bank@1.0.0",
        cases=1,
        of_cases=1,
        outcome=verdict.outcome,
    )
    return build.build(verdict, row, runs)
