"""`driftgate judge`: what a judge is worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftgate import judging
from driftgate.adapters import files
from driftgate.adapters.local import LAPTOP
from driftgate.cli import console, options
from driftgate.schemas.judgments import JudgePlan, JudgeSpec
from driftgate.schemas.record import count

if TYPE_CHECKING:
    from driftgate.schemas.judgments import JudgeCalibration, Measured

app = typer.Typer(help="Judges: what their answers are worth.", no_args_is_help=True)


@app.command(
    epilog=options.examples(
        "judge calibrate labels.jsonl --judge judge.yaml",
        "judge calibrate labels.jsonl --repeats 5 --run r-0123456789abcdef0123",
    )
)
def calibrate(
    context: typer.Context,
    labels: Annotated[
        Path,
        typer.Argument(
            help="People's answers, a JSON object a line: case_id, question, answer (yes or no), "
            "text (what the agent said), and perhaps user and check."
        ),
    ],
    judge: options.JudgedBy = "",
    repeats: Annotated[
        int, typer.Option(min=2, max=50, metavar="N", help="How often each text is judged.")
    ] = 3,
    run: Annotated[
        str,
        typer.Option(
            metavar="RUN_ID",
            help="Also tell how much of this run's uncertainty is the judge's; it needs a judge "
            "with repeats.",
        ),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the bootstrap.")] = 0,
    max_concurrency: options.Concurrency = 8,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Hold a judge against people's answers, against itself, and against length and order.

    The judge is asked from here, with your AWS credentials; nothing is taken from a cache.
    """
    from driftgate import judge_calibration
    from driftgate.adapters.judges import judge_of

    given = files.read_labels(labels)
    spec = options.judge(judge) or JudgeSpec()
    plan = JudgePlan(spec=spec, fingerprint=judging.fingerprint(spec), case_ids=())
    with console.progress("judging") as progress:
        found = judge_calibration.calibrate(
            spec,
            given,
            judge_of(plan),
            repeats=repeats,
            seed=seed,
            concurrency=max_concurrency,
            progress=progress,
        )
    if run:
        share = judge_calibration.gate_share(run, options.place(context, environment).runs)
        found = found.model_copy(update={"gate": share})
    _show(found)
    if as_json:
        console.emit(found)


def _show(found: "JudgeCalibration") -> None:
    spec = found.spec
    console.say(
        f"{spec.backend} {spec.model or ''}".strip()
        + f", fingerprint {found.fingerprint[:12]}: {count(found.labels, 'label')} about "
        f"{count(found.conversations, 'text')}, judged {found.repeats} times"
    )
    console.table(
        ("measure", "value", "95 % interval", "means"),
        [
            (name, _number(one), _interval(one), meaning)
            for name, one, meaning in (
                ("agreement", found.agreement, "share of people's answers that it gives too"),
                ("kappa", found.kappa, "agreement beyond chance; 1 is all, 0 none"),
                ("finds", found.finds, "of people's yes, the share that it says yes to"),
                ("refuses", found.refuses, "of people's no, the share that it says no to"),
                ("variance", found.variance, "of an answer between repeats; 0.25 is a coin"),
                ("by length", found.by_length, "surplus of yes in longer texts over shorter"),
                ("by order", found.by_order, "answers that turn with the questions' order"),
            )
        ],
    )
    if found.answered < found.labels:
        kinds = ", ".join(f"{kind} {number}" for kind, number in found.faults.items())
        lost = found.labels - found.answered
        console.say(f"{count(lost, 'label')} without answers enough; faults: {kinds}")
    cost = "not known" if found.cost_usd is None else f"{found.cost_usd:.4f} USD"
    console.say(f"cost: {cost}")
    if gate := found.gate:
        share = "nothing varies" if gate.share is None else f"{gate.share:.0%} of its variance"
        console.say(
            f"run {gate.run_id}, {count(gate.cases, 'case')}: the difference in quality has a "
            f"standard error of {gate.gate_error:.4f}, the judge alone one of "
            f"{gate.judge_error:.4f}: {share}"
        )


def _number(one: "Measured") -> str:
    return "?" if one.value is None else f"{one.value:.3f}"


def _interval(one: "Measured") -> str:
    return "" if one.low is None or one.high is None else f"{one.low:.3f} to {one.high:.3f}"
