"""`driftgate judge`: what a judge is worth."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftgate import evidence, judging
from driftgate.adapters import files
from driftgate.adapters.local import LAPTOP
from driftgate.cli import console, options
from driftgate.errors import BadInput
from driftgate.judges import jobs
from driftgate.schemas.judgments import JudgePlan, JudgeSpec
from driftgate.schemas.record import count

if TYPE_CHECKING:
    from driftgate.adapters.evaluation_jobs import EvaluationJobs
    from driftgate.schemas.judge_calibration import JudgeCalibration, Measured

app = typer.Typer(help="Judges: what their answers are worth.", no_args_is_help=True)
jobs_app = typer.Typer(help="Evaluation jobs of Bedrock, for nightly sets.", no_args_is_help=True)
app.add_typer(jobs_app, name="job")


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


@jobs_app.command(
    epilog=options.examples(
        "judge job start r-0123456789abcdef0123 --s3 s3://bucket/jobs --role ROLE_ARN --model MODEL"
    )
)
def start(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="A run whose traces are judged.")],
    s3: Annotated[str, typer.Option(metavar="PLACE", help="s3://bucket/prefix for its files.")],
    role: Annotated[str, typer.Option(metavar="ARN", help="The role that Bedrock takes.")],
    model: Annotated[str, typer.Option(metavar="MODEL", help="The model that judges.")],
    arm: Annotated[str, typer.Option(help="candidate or baseline.")] = "candidate",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Let Bedrock judge a run's first trials overnight. No verdict waits for it."""
    runs = options.place(context, environment).runs
    plan = evidence.load_plan(run_id, runs)
    if arm not in plan.arms:
        raise BadInput(f"--arm: wanted one of {', '.join(sorted(plan.arms))}, got {arm!r}")
    cases = {case.case_id: case for case in evidence.load_cases(plan, runs) if case.rubric}
    keys = [key for key in plan.trial_keys(1) if key.arm == arm and key.case_id in cases]
    traces = evidence.load_traces(run_id, keys, runs)
    lines = jobs.lines(((cases[k.case_id], t) for k, t in traces.items()), secrets.token_hex(8))
    name = f"driftgate-{run_id[2:]}-{arm}-{secrets.token_hex(3)}"
    job = _jobs().start(name, lines, role=role, model=model, place=s3)
    console.say(f"job {job}: {count(len(lines), 'question')}")
    if as_json:
        console.emit({"job": job, "questions": len(lines)})


@jobs_app.command(epilog=options.examples("judge job wait JOB_ARN --minutes 240"))
def wait(
    job: Annotated[str, typer.Argument(help="The job's ARN.")],
    minutes: Annotated[float, typer.Option(min=0, metavar="N", help="At most so long.")] = 120,
) -> None:
    """Wait until a job has ended; the exit code is 3 if it failed, or takes longer."""
    console.say(f"{job}: {_jobs().wait(job, 60 * minutes)}")


@jobs_app.command(epilog=options.examples("judge job get JOB_ARN --json"))
def get(
    job: Annotated[str, typer.Argument(help="The job's ARN.")], as_json: options.Json = False
) -> None:
    """Show what a job found: for each case the share of questions that are answered well."""
    found = _jobs().scores(job)
    rows = [
        (case_id, "?" if mean is None else f"{mean:.0%}")
        for case_id, mean in jobs.case_means(found)
    ]
    console.table(("case", "answered well"), rows)
    if as_json:
        console.emit(found)


def _jobs() -> "EvaluationJobs":
    from driftgate.adapters.deployment import account_client
    from driftgate.adapters.evaluation_jobs import EvaluationJobs

    return EvaluationJobs(account_client("bedrock"), account_client("s3"))
