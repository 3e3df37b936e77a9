"""Make the golden verdicts anew: `make golden`. CONTRIBUTING.md says when that is allowed.

Each scenario states the outcome it is made for; a verdict with another one is not written.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from driftgate import canonical, evidence, gate, planning
from driftgate.metrics import CRITERIA, SUITES, decisive
from driftgate.schemas.cases import Case
from driftgate.schemas.evidence import Bundle
from driftgate.schemas.manifests import Suite
from driftgate.schemas.policies import SEQUENTIAL_LOOKS
from driftgate.schemas.runs import MissingTrial
from driftgate.schemas.scores import Efficiency, Score, ScoreCard
from driftgate.schemas.traces import Ending
from tests.builders import bundle, case, expect, plan, version

FOLDER = Path(__file__).parent / "verdicts"
INDEX = Path(__file__).parent / "index.json"
SEED = 20261120
TOOLS = ("pay", "find", "list", "freeze")
Failed = Callable[[str, int, int], bool]  # arm, index of the case, trial


class Golden(NamedTuple):
    outcome: str
    bundle: Bundle


KINDS = ("indirect_injection", "boundary", "tool_fault")  # each with its criterion


def cases_of(number: int, suite: Suite = "regression") -> list[Case]:
    """Every fourth case pays, a tenth is critical, and there are three task types; under attack,
    a kind of attack each.
    """
    attacks = [
        {"kind": kind, "criterion": criterion, "escalations": [{"tool": "freeze"}]}
        for kind, criterion in zip(KINDS, CRITERIA, strict=True)
    ]
    return [
        case(
            expect(TOOLS[n % 4], "write" if n % 4 == 0 else "read"),
            case_id=f"c{n:03}",
            task_type=("payments", "questions", "changes")[n % 3],
            critical=n % 10 == 0,
            adversarial=attacks[n % 3] if suite == "adversarial" else None,
        )
        for n in range(number)
    ]


def cards_of(
    cases: list[Case],
    arms: tuple[str, ...],
    trials: int,
    failed: Failed,
    others: Callable[[str, int, str], float | None] = lambda arm, index, metric: 1.0,
    *,
    suite: Suite = "regression",
    silent: bool = False,
) -> Iterator[ScoreCard]:
    """Cases of which those fail that `failed` tells; `others` are the suite's other metrics."""
    for trial in range(1, trials + 1):
        for index, one in enumerate(cases):
            for arm in arms:
                broke = failed(arm, index, trial)
                values = {m: others(arm, index, m) for m in SUITES[suite].metrics}
                values |= dict.fromkeys(set(decisive(suite, one)) - values.keys(), float(not broke))
                values[SUITES[suite].primary] = float(not broke)
                yield ScoreCard(
                    case_id=one.case_id,
                    arm=arm,
                    trial=trial,
                    scores={
                        name: Score(value=value, reason="„Betrag“ fehlt" if broke else "as wanted")
                        for name, value in values.items()
                    },
                    metric_versions=dict.fromkeys(values, 1),
                    efficiency=Efficiency(
                        latency_s=round(0.8 + (index % 7) / 10 + (arm == "candidate") / 3, 3),
                        input_tokens=None if silent else 900 + index,
                        output_tokens=None if silent and index % 2 else 120,
                        cost_usd=None if silent else 0.0041,
                        steps=1 + index % 3,
                        unnecessary_calls=0,
                    ),
                    ending=Ending(),
                )


def run(
    number: int,
    outcome: str,
    failed: Failed = lambda arm, index, trial: False,
    *,
    cases: int = 120,
    arms: tuple[str, ...] = ("baseline", "candidate"),
    looks: tuple[int, ...] = SEQUENTIAL_LOOKS,
    look: int | None = None,
    of: int | None = None,
    gone: Callable[[str, int, int], bool] = lambda arm, index, trial: False,
    moved: str | None = None,
    versions: dict[str, Any] | None = None,
    others: Callable[[str, int, str], float | None] = lambda arm, index, metric: 1.0,
    suite: Suite = "regression",
    silent: bool = False,
    **policy: Any,
) -> Golden:
    ordered = cases_of(cases, suite)
    made = plan([one.case_id for one in ordered], *arms, of=of)
    pinned = {
        **{"run_id": f"r-{number:020x}", "suite": suite, "looks": looks},
        "harness": planning.harness(),
    }
    known = {"baseline": version("1.0.0", *TOOLS), "candidate": version("2.0.0", *TOOLS)}
    versions = {arm: {**known, **(versions or {})}[arm] for arm in arms}
    made = made.model_copy(update={**pinned, "arms": versions})
    look = look or len(looks)
    index = {one.case_id: n for n, one in enumerate(ordered)}
    last = looks[look - 1]
    cards = list(cards_of(ordered, arms, last, failed, others, suite=suite, silent=silent))
    lost = [card for card in cards if gone(card.arm, index[card.case_id], card.trial)]
    missing = [
        MissingTrial.model_validate(
            {
                **{name: getattr(card, name) for name in ("arm", "trial", "case_id")},
                "attempts": 3,
                "reason": "AgentUnavailable: connection refused",
            }
        )
        for card in lost
    ]
    kept = [card for card in cards if card not in lost]
    return Golden(outcome, bundle(made, ordered, kept, missing, look=look, moved=moved, **policy))


def share(arm: str, rate: float, seed: int, of: Callable[[int], bool] = lambda n: True) -> Failed:
    """One arm fails in a share of the trials of some cases, drawn with a seed."""
    drawn = random.Random(SEED + seed)
    fails = {(n, t) for n in range(400) for t in range(1, 6) if drawn.random() < rate}
    return lambda whose, index, trial: whose == arm and of(index) and (index, trial) in fails


def either(*given: Failed) -> Failed:
    return lambda arm, index, trial: any(failed(arm, index, trial) for failed in given)


def only(arm: str, *indices: int) -> Failed:
    return lambda whose, index, trial: whose == arm and index in indices


def noise(seed: int) -> Failed:
    """Both arms fail now and then, each by its own draw."""
    return either(share("baseline", 0.05, seed), share("candidate", 0.05, seed + 1000))


def lower(metric: str, value: float, arm: str = "candidate") -> Callable[..., float]:
    return lambda whose, index, name: value if (whose, name) == (arm, metric) else 1.0


def of_tool(tool: str) -> Callable[[int], bool]:
    return lambda index: TOOLS[index % 4] == tool


def of_critical(index: int) -> bool:
    return index % 10 == 0


def scenarios() -> Iterator[tuple[str, Golden]]:
    yield from _passes()
    yield from _blocks()
    yield from _undecided()
    yield from _by_the_point_rule()
    yield from _rest()
    yield from _under_attack()


def golden_bytes(golden: Golden) -> tuple[bytes, bytes]:
    """The canonical bytes of a bundle and of its verdict. Raises ValueError on another outcome."""
    verdict = gate.replay(golden.bundle)
    outcome = verdict.outcome if verdict else "CONTINUE"
    if verdict is None or outcome != golden.outcome:
        reason = verdict.reason if verdict else "undecided"
        raise ValueError(f"wanted {golden.outcome}, got {outcome}: {reason}")
    return evidence.to_bytes(golden.bundle), evidence.to_bytes(verdict)


def main() -> None:
    made = {}
    for number, (name, golden) in enumerate(scenarios(), start=1):
        try:
            made[f"{number:02}-{name}"] = golden_bytes(golden)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.jsonl.gz"):
        old.unlink()
    index = {}
    for name, (inputs, verdict) in made.items():
        packed = gzip.compress(inputs + b"\n" + verdict + b"\n", mtime=0)
        (FOLDER / f"{name}.jsonl.gz").write_bytes(packed)
        told = json.loads(verdict)
        index[name] = {
            "outcome": told["outcome"],
            "effective": told["effective"],
            "trials": told["trials"],
            "reason": told["reason"],
            "verdict_sha256": canonical.sha256(verdict),
            "bundle_sha256": canonical.sha256(inputs),
        }
    INDEX.write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _passes() -> Iterator[tuple[str, Golden]]:
    yield "pass-equal-arms-first-look", run(1, "PASS", look=1)
    yield "pass-all-looks-given-decided-at-the-first", run(2, "PASS", look=3)
    yield (
        "pass-both-fail-the-same-cases",
        run(3, "PASS", either(only("baseline", 3, 8, 9), only("candidate", 3, 8, 9)), look=1),
    )
    yield "pass-the-candidate-is-better", run(4, "PASS", share("baseline", 0.2, 4), look=1)
    yield "pass-at-the-second-look", run(5, "PASS", _late(3), look=2)
    yield "pass-at-max-after-three-looks", run(6, "PASS_AT_MAX", _late(4), look=3)
    yield (
        "pass-at-max-with-noise",
        run(7, "PASS_AT_MAX", either(noise(7), _late(4)), cases=250, look=3),
    )
    yield "pass-with-a-fixed-plan-of-five", run(8, "PASS", noise(8), cases=250, looks=(5,))
    yield "pass-with-a-fixed-plan-of-two", run(9, "PASS", looks=(2,))
    yield (
        "pass-with-a-missing-trial-that-changes-nothing",
        run(10, "PASS", gone=lambda arm, index, trial: (index, trial) == (7, 1), look=1),
    )
    yield "pass-on-a-part-of-the-dataset", run(11, "PASS", of=150, look=1)
    yield (
        "pass-though-a-hard-break-is-shown",
        run(12, "PASS", only("candidate", 10), cases=240, looks=(5,)),
    )


def _late(trial: int) -> Failed:
    """Five cases of a tool fail in the candidate's first trial, and in a later one of the other."""
    doubtful = (1, 5, 9, 13, 17)
    return lambda arm, index, now: (
        index in doubtful and (arm, now) in (("candidate", 1), ("baseline", trial))
    )


def _blocks() -> Iterator[tuple[str, Golden]]:
    yield "block-everything-fails", run(20, "BLOCK", share("candidate", 1.0, 20), look=1)
    yield (
        "block-a-broad-drop-at-the-first-look",
        run(21, "BLOCK", share("candidate", 0.3, 21), look=1),
    )
    yield (
        "block-a-broad-drop-at-the-last-look",
        run(22, "BLOCK", either(share("candidate", 0.12, 22), share("baseline", 0.05, 23)), look=3),
    )
    yield "block-one-tool", run(23, "BLOCK", share("candidate", 0.6, 24, of_tool("freeze")), look=1)
    yield "block-critical-cases", run(24, "BLOCK", share("candidate", 0.9, 25, of_critical), look=2)
    yield (
        "block-one-task-type",
        run(25, "BLOCK", share("candidate", 0.5, 26, lambda n: n % 3 == 1), look=1),
    )
    yield (
        "block-argument-fidelity-alone",
        run(26, "BLOCK", others=lower("argument_fidelity", 0.8), look=1),
    )
    yield (
        "block-tool-call-accuracy-below-its-floor",
        run(27, "BLOCK", others=lambda arm, index, metric: 0.6, looks=(2,)),
    )
    yield "block-task-success-below-a-floor", run(
        28, "BLOCK", either(only("baseline", *range(40)), only("candidate", *range(40))),
        looks=(2,), min_task_success=0.9,
    )  # fmt: skip
    yield (
        "block-a-hard-break-where-the-policy-says-so",
        run(29, "BLOCK", only("candidate", 10), cases=240, hard_breaks="block"),
    )
    yield "block-a-new-tool", run(30, "BLOCK", versions={"candidate": _with_a_new_tool()}, look=1)
    yield (
        "block-a-new-tool-and-a-drop",
        run(
            31,
            "BLOCK",
            share("candidate", 0.5, 31),
            versions={"candidate": _with_a_new_tool()},
            look=1,
        ),
    )
    yield "block-slower-than-the-policy-allows", run(36, "BLOCK", look=1, max_latency_ratio=1.2)
    yield (
        "block-with-missing-trials",
        run(
            32, "BLOCK", share("candidate", 0.5, 32), gone=lambda a, i, t: (i, t) == (3, 2), look=1
        ),
    )
    yield "block-on-a-part-of-the-dataset", run(33, "BLOCK", share("candidate", 0.5, 33), of=500)
    yield (
        "block-that-is-advisory",
        run(34, "BLOCK", share("candidate", 0.5, 34), look=1, mode="advisory"),
    )
    yield (
        "block-that-is-observed",
        run(35, "BLOCK", share("candidate", 0.5, 35), look=1, mode="observe"),
    )


def _with_a_new_tool() -> Any:
    return version("2.0.0", *TOOLS, "refund")


def _undecided() -> Iterator[tuple[str, Golden]]:
    yield "inconclusive-too-few-cases", run(40, "INCONCLUSIVE", cases=20)
    yield "inconclusive-noise-in-few-cases", run(41, "INCONCLUSIVE", noise(41), cases=40)
    yield (
        "inconclusive-an-arm-is-missing",
        run(42, "INCONCLUSIVE", gone=lambda arm, index, trial: arm == "candidate", look=1),
    )
    yield (
        "inconclusive-too-many-are-missing",
        run(43, "INCONCLUSIVE", gone=lambda arm, index, trial: index % 20 == 0, look=3),
    )
    yield "inconclusive-what-is-missing-could-change-it", run(
        44, "INCONCLUSIVE", cases=60, looks=(1,), max_missing=0.1, max_drop=0.1,
        gone=lambda arm, index, trial: arm == "candidate" and index in (3, 4, 6, 9),
    )  # fmt: skip
    yield (
        "inconclusive-that-is-advisory",
        run(45, "INCONCLUSIVE", cases=12, mode="advisory", looks=(1,)),
    )
    yield (
        "integrity-fail-a-digest-moved",
        run(46, "INTEGRITY_FAIL", moved="candidate teller 2.0.0 had digest 22, now 33", look=1),
    )
    yield "integrity-fail-though-it-fell-and-in-a-mode-that-does-not-block", run(
        47, "INTEGRITY_FAIL", share("candidate", 0.5, 47), look=1, mode="observe",
        moved="dataset bank@1.0.0 had sha256 00, now 11",
    )  # fmt: skip
    yield (
        "integrity-fail-with-missing-trials",
        run(48, "INTEGRITY_FAIL", gone=lambda arm, index, trial: index < 30, look=1, moved="moved"),
    )


def _under_attack() -> Iterator[tuple[str, Golden]]:
    suite: Any = {"suite": "adversarial"}
    yield "adversarial-pass", run(80, "PASS", look=1, **suite)
    yield (
        "adversarial-pass-with-a-missing-trial",
        run(81, "PASS", gone=lambda arm, index, trial: (index, trial) == (7, 1), look=1, **suite),
    )
    yield (
        "adversarial-block-a-kind-of-attack-gets-through",
        run(82, "BLOCK", share("candidate", 0.7, 82, lambda n: n % 3 == 0), look=1, **suite),
    )
    yield (
        "adversarial-block-the-utility-under-attack",
        run(83, "BLOCK", others=lower("task_success", 0.7), look=1, **suite),
    )
    yield (
        "adversarial-block-a-floor-alone",
        run(84, "BLOCK", share("candidate", 0.3, 84), arms=("candidate",), looks=(2,), **suite),
    )
    yield (
        "adversarial-a-first-release",
        run(85, "BASELINE_CREATED", arms=("candidate",), looks=(2,), **suite),
    )
    yield (
        "adversarial-block-by-the-point-rule",
        run(86, "BLOCK", only("candidate", *range(0, 30, 3)), looks=(1,), rule="point", **suite),
    )
    yield "adversarial-inconclusive-too-few-cases", run(87, "INCONCLUSIVE", cases=12, **suite)


def _by_the_point_rule() -> Iterator[tuple[str, Golden]]:
    point = {"rule": "point", "looks": (1,)}
    yield "point-pass", run(50, "PASS", cases=40, **point)
    yield "point-pass-within-the-margin", run(51, "PASS", only("candidate", 3), cases=40, **point)
    yield "point-block-overall", run(52, "BLOCK", only("candidate", 1, 2, 3), cases=40, **point)
    yield "point-block-one-tool", run(53, "BLOCK", only("candidate", 1, 5, 9), cases=100, **point)
    yield (
        "point-block-no-drop-at-all-is-allowed",
        run(54, "BLOCK", only("candidate", 1), cases=100, max_drop=0.0, **point),
    )
    yield (
        "point-block-a-metric-fell",
        run(55, "BLOCK", others=lower("tool_call_accuracy", 0.93), cases=40, **point),
    )
    yield "point-inconclusive-a-missing-trial-could-change-it", run(
        56, "INCONCLUSIVE", only("candidate", 3), cases=60, **point,
        gone=lambda arm, index, trial: (arm, index) in (("candidate", 7), ("candidate", 8)),
    )  # fmt: skip
    yield (
        "point-three-trials-that-report-no-cost",
        run(57, "PASS", noise(57), cases=40, rule="point", looks=(3,), silent=True, max_drop=0.2),
    )


def _rest() -> Iterator[tuple[str, Golden]]:
    alone = {"arms": ("candidate",), "looks": (2,)}
    yield "baseline-created", run(60, "BASELINE_CREATED", cases=40, **alone)
    yield (
        "baseline-created-with-failing-cases",
        run(61, "BASELINE_CREATED", only("candidate", 0, 5), cases=40, **alone),
    )
    yield (
        "first-release-blocked-by-a-floor",
        run(62, "BLOCK", others=lambda arm, index, metric: 0.5, cases=40, **alone),
    )
    yield (
        "first-release-by-the-point-rule",
        run(63, "BASELINE_CREATED", cases=10, rule="point", **alone),
    )
    same = version("1.0.0", *TOOLS)
    yield (
        "both-arms-are-the-same-version",
        run(64, "PASS", versions={"candidate": same, "baseline": same}, look=1),
    )


if __name__ == "__main__":
    main()
