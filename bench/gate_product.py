"""Simulated runs as the product sees them: cases, a plan, score cards."""

from collections.abc import Iterator, Sequence

from bench.gate_simulation import TRIALS, Arm, Cases, Draw
from driftgate import gate
from driftgate.gate.calibrated import THOUSANDTHS
from driftgate.metrics import GATE_METRICS
from driftgate.schemas import runs
from driftgate.schemas.cases import Case
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import PinnedDataset, RunPlan
from driftgate.schemas.scores import Efficiency, Score, ScoreCard
from driftgate.schemas.traces import Ending


def decide(run: Draw, policy: Policy, looks: Sequence[int]) -> str:
    """The outcome of the whole gate on score cards of all trials; floors are left out."""
    no_floors = {"min_tool_call_accuracy": 0.0, "min_critical_tool_call_accuracy": 0.0}
    verdict = gate.decide(
        plan(len(run.cases.solved), looks, run.seed),
        policy.model_copy(update=no_floors),
        cases(run.cases),
        list(cards(run)),
        (),
    )
    assert verdict is not None
    return verdict.outcome


def cases(simulated: Cases) -> list[Case]:
    return [
        Case.model_validate(
            {
                "case_id": _id(row),
                "task_type": f"type-{task_type}",
                "turns": [{"user": "do it"}],
                "expected_calls": [
                    {"tool": f"tool_{tool}", "effect": "read", "arguments": {}}
                    for tool in simulated.tools[row].nonzero()[0]
                ],
                "critical": bool(simulated.critical[row]),
            }
        )
        for row, task_type in enumerate(simulated.task_type)
    ]


def plan(number: int, looks: Sequence[int], seed: int) -> RunPlan:
    ids = tuple(_id(row) for row in range(number))
    dataset = PinnedDataset(
        name="simulated", version="1.0.0", sha256="0" * 64, published=True, count=number
    )
    return RunPlan(
        run_id=f"r-{seed:020x}",
        harness="simulated",
        dataset=dataset,
        case_ids=ids,
        arms={"baseline": _version("1.0.0"), "candidate": _version("2.0.0")},
        looks=tuple(looks),
        seed=0,
        repeat=1,
    )


def cards(run: Draw, trials: int = TRIALS) -> Iterator[ScoreCard]:
    for row in range(len(run.cases.solved)):
        for trial in range(trials):
            yield _card("baseline", run.baseline, row, trial)
            yield _card("candidate", run.candidate, row, trial)


def _card(name: runs.Arm, arm: Arm, row: int, trial: int) -> ScoreCard:
    scores = {
        metric: Score(value=int(arm.scores[metric][row, trial]) / THOUSANDTHS, reason="simulated")
        for metric in GATE_METRICS
    }
    return ScoreCard(
        case_id=_id(row),
        arm=name,
        trial=trial + 1,
        scores=scores,
        metric_versions=dict.fromkeys(scores, 1),
        efficiency=Efficiency(steps=0, unnecessary_calls=0),
        ending=Ending(),
    )


def _version(version: str) -> AgentVersion:
    manifest = {
        "agent": "simulated",
        "version": version,
        "model": "none",
        "target": {"kind": "recorded", "traces": "none"},
        "invocation": {"request": {"prompt": "{{turn}}"}, "response": {"final_response": ""}},
        "datasets": {"regression": "simulated@1.0.0"},
    }
    return AgentVersion.model_validate(
        {
            "manifest": manifest,
            "contracts": (),
            "prompts": {},
            "code_sha256": None,
            "digest": version[0] * 64,
        }
    )


def _id(row: int) -> str:
    return f"c{row:05}"
