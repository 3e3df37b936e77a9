"""`driftgate run`: an agent against its baseline, on a dataset."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from driftgate import evidence, planning, registry
from driftgate.adapters.local import LAPTOP, Drafts, Laptop
from driftgate.cli import completion, execution, options, verdicts
from driftgate.cli.github import Step
from driftgate.errors import BadInput
from driftgate.ports import Registry
from driftgate.schemas.costs import SessionPolicy
from driftgate.schemas.manifests import AgentVersion, Suite
from driftgate.schemas.policies import SEQUENTIAL_LOOKS, Policy
from driftgate.schemas.runs import PlanRunRequest, RunPlan

if TYPE_CHECKING:
    from driftgate.adapters.deployment import Deployment

MAX_TRIALS = 50
WHAT, HOW = "What to compare", "How"
PLANNED = (  # what a run that is taken up has been told already
    *("agent", "baseline", "no_baseline", "stored_baseline", "dataset", "suite", "case", "filters"),
    *("limit", "trials", "seed", "judge", "sessions", "max_usd", "rerun"),
)
HERE_ONLY = ("mode", "rule", "max_concurrency")  # a deployed environment has its own


def run(
    context: typer.Context,
    agent: Annotated[
        str,
        typer.Option(
            help="The candidate: agent.yaml, its folder, or id@version.",
            autocompletion=completion.manifests,
            rich_help_panel=WHAT,
        ),
    ] = "",
    baseline: Annotated[
        str,
        typer.Option(
            help="Compare with this version or file; default: the environment's baseline.",
            autocompletion=completion.manifests,
            rich_help_panel=WHAT,
        ),
    ] = "",
    no_baseline: Annotated[
        bool,
        typer.Option(
            "--no-baseline", help="A first release: compare with nothing.", rich_help_panel=WHAT
        ),
    ] = False,
    stored_baseline: Annotated[
        bool,
        typer.Option(
            "--stored-baseline",
            help="Take the baseline's trials from its last run: half the cost, and blind to what "
            "changed around the agents since then.",
            rich_help_panel=WHAT,
        ),
    ] = False,
    dataset: Annotated[
        str,
        typer.Option(
            help="A folder or name@version; default: the one that the manifest pins.",
            autocompletion=completion.datasets,
            rich_help_panel=WHAT,
        ),
    ] = "",
    suite: options.OfSuite = "regression",
    case: options.Cases = None,
    filters: options.Filters = None,
    limit: options.Limit = None,
    trials: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Trials of each case and arm; 2,3,5: more only while it is undecided, "
            "the default where it is deployed.",
            rich_help_panel=HOW,
        ),
    ] = "",
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", help="Of the agents' noise; another is another run.", rich_help_panel=HOW
        ),
    ] = 0,
    judge: options.JudgedBy = "",
    sessions: Annotated[
        SessionPolicy,
        typer.Option(
            help="What becomes of an agent's session after its case: stopped, or left to its idle "
            "timeout, whose memory is paid.",
            rich_help_panel=HOW,
        ),
    ] = "stop_after_case",
    max_usd: Annotated[
        float | None,
        typer.Option(
            metavar="USD",
            help="Start no new trial when so much is spent; then it is INCONCLUSIVE. With more, "
            "the same command goes on where it ended.",
            rich_help_panel=HOW,
        ),
    ] = None,
    max_concurrency: options.Concurrency = 8,
    resume: Annotated[
        str,
        typer.Option(
            metavar="RUN_ID",
            help="Take up this run as it was planned.",
            autocompletion=completion.begun_runs,
            rich_help_panel=HOW,
        ),
    ] = "",
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Make a finished run again.", rich_help_panel=HOW)
    ] = False,
    local: Annotated[
        bool, typer.Option("--local", help="In this process, which is the default.")
    ] = False,
    environment: options.Environment = LAPTOP,
    mode: options.GateMode = None,
    rule: options.GateRule = None,
    output: options.Output = None,
    github: Annotated[
        bool,
        typer.Option(
            "--github",
            help="In a step of GitHub Actions: also its summary, outputs and annotations, and "
            "comment.md for the pull request.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Run an agent on a dataset with mocked tools, and compare it with its baseline.

    The same command takes up an interrupted run; a finished one is not made again.
    """
    step = Step() if github else None
    if max_usd is not None and not 0 < max_usd < math.inf:
        raise BadInput(f"--max-usd: wanted more than 0 USD, got {max_usd}")
    if local and environment != LAPTOP:
        raise BadInput(
            "wanted --local, to run it in this process, or --environment, to run it where that is "
            f"deployed; got --local and --environment {environment}"
        )
    _refuse_contradictions(options.given(context), resume, environment)
    verdicts.check_writable(output, context.obj)
    where: Laptop | Deployment
    where = Laptop(context.obj) if environment == LAPTOP else options.deployed(context, environment)
    stored = Drafts(where.registry) if isinstance(where, Laptop) else where.registry
    environments_judge = None if isinstance(where, Laptop) else where.judge

    def request() -> PlanRunRequest:
        pin = options.dataset(dataset, stored) if dataset else None
        candidate, against = _arms(agent, baseline, suite, stored)
        used = pin or registry.pinned(candidate, suite)
        wanted = PlanRunRequest(
            agent=candidate.manifest.agent,
            version=candidate.manifest.version,
            baseline=against.manifest.version if against else None,
            absolute=no_baseline,
            environment=environment,
            suite=suite,
            dataset=pin,
            case_ids=options.chosen(used, stored, case, filters, limit),
            looks=looks_of(trials, environment),
            seed=seed,
            judge=options.judge(judge) or environments_judge,
            sessions=sessions,
            max_usd=max_usd,
        )
        if stored_baseline:
            return planning.with_stored_baseline(wanted, stored, where.runs)
        return wanted

    with options.case_placed(dataset):
        if isinstance(where, Laptop):
            assert isinstance(stored, Drafts)
            policy = Policy(mode=mode or "blocking", rule=rule or "calibrated")
            if resume:
                ended = execution.take_up(resume, policy, where, stored, max_concurrency)
            else:
                ended = execution.here(
                    request(), policy, where, stored, max_concurrency, rerun=rerun
                )
        else:
            planned = _planned(resume, where) if resume else _next(request(), where, rerun=rerun)
            ended = execution.there(*planned, where)
    verdicts.finish(context, ended, where, output, as_json, step)


def _refuse_contradictions(given: set[str], resume: str, environment: str) -> None:
    told = sorted(given & set(PLANNED))
    if resume and told:
        raise BadInput(f"--resume takes up a run as it was planned; leave out {_flags(told)}")
    if not resume and "agent" not in given:
        raise BadInput("wanted --agent, as in --agent agent.yaml, or --resume with a run's id")
    if {"baseline", "no_baseline"} <= given:
        raise BadInput("wanted --baseline or --no-baseline, got both")
    own = sorted(given & set(HERE_ONLY))
    if own and environment != LAPTOP:
        raise BadInput(f"{environment} has its own {_flags(own)}; leave it out")


def _flags(names: list[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names).replace("filters", "filter")


def looks_of(trials: str, environment: str) -> tuple[int, ...]:
    """After how many trials it is decided. On a laptop seconds count, so it is after one."""
    if not trials:
        return (1,) if environment == LAPTOP else SEQUENTIAL_LOOKS
    if trials.replace(" ", "") == ",".join(map(str, SEQUENTIAL_LOOKS)):
        return SEQUENTIAL_LOOKS
    if trials.isascii() and trials.isdecimal() and 1 <= int(trials) <= MAX_TRIALS:
        return (int(trials),)
    raise BadInput(f"--trials: wanted a number from 1 to {MAX_TRIALS}, or 2,3,5, got {trials!r}")


def _arms(
    agent: str, baseline: str, suite: Suite, stored: Registry
) -> tuple[AgentVersion, AgentVersion | None]:
    """The versions that are meant; one in a file is published, here as this run's draft."""
    candidate = options.arm(agent, suite, stored)
    against = options.arm(baseline, suite, stored) if baseline else None
    if against is not None and against.manifest.agent != candidate.manifest.agent:
        raise BadInput(
            f"baseline: wanted a version of {candidate.manifest.agent}, got {against.label}"
        )
    return candidate, against


def _planned(run_id: str, where: "Deployment") -> tuple[PlanRunRequest, RunPlan]:
    """A run of a deployed environment as it was planned."""
    before = evidence.load_plan(run_id, where.runs)
    request = planning.request_again(before, where.environment)
    plan, _ = planning.make_plan(request, where.registry)
    planning.refuse_other(before, plan)
    return request, plan


def _next(
    request: PlanRunRequest, where: "Deployment", *, rerun: bool
) -> tuple[PlanRunRequest, RunPlan]:
    """The request with its plan; to make a finished run again, as its next repetition."""
    plan, _ = planning.make_plan(request, where.registry)
    while rerun and registry.is_finished(plan.run_id, where.registry):
        request = request.model_copy(update={"repeat": request.repeat + 1})
        plan, _ = planning.make_plan(request, where.registry)
    return request, plan
