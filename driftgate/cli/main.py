"""`driftgate`: the command line."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from driftgate import __version__, names
from driftgate.cli import (
    agents,
    attacks,
    batch,
    benchmark,
    console,
    cost,
    datasets,
    doctor,
    endpoints,
    gate,
    init,
    judges,
    local,
    mocks,
    online,
    options,
    privacy,
    review,
    run,
    saturation,
    score,
    sessions,
    synthesis,
    traces,
    verdicts,
)
from driftgate.errors import BadInput, DriftgateError, InfrastructureFailed, IntegrityFailed

INTERRUPTED = 130  # what Typer makes of a KeyboardInterrupt

app = typer.Typer(
    help="Continuous evaluation for LLM agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
COMMANDS: dict[Callable[..., None], tuple[str, ...]] = {  # with examples of their use
    init.init: (
        "init my-agent",
        "init --name support",
        "init --name support --from-mcp https://gateway.example.com/mcp "
        '--header "Authorization: Bearer $TOKEN"',
    ),
    run.run: (
        "run --agent agent.yaml",
        "run --agent agent.yaml --baseline support@1.0.0 --filter 'tool=transfer_*'",
        "run --agent agent.yaml --filter critical --limit 10 --trials 3",
        "run --resume r-0123456789abcdef0123",
        "run --agent support@1.1.0 --environment staging --output report",
        "run --agent agent.yaml --output report --github",
    ),
    score.score: ("score traces/new.jsonl --dataset shop --baseline traces/old.jsonl",),
    verdicts.runs: ("runs --agent support --limit 5",),
    verdicts.report: ("report r-0123456789abcdef0123 --output report",),
}
app.command(
    epilog=options.examples(
        "doctor",
        "doctor --for online --runtime support-a1B2c3D4e5 --endpoint production",
        "doctor --for batch --agent-python agent/.venv/bin/python",
    ),
    rich_help_panel="Develop",
)(doctor.doctor)
for command, uses in COMMANDS.items():
    app.command(epilog=options.examples(*uses), rich_help_panel="Evaluate")(command)
app.add_typer(gate.app, name="gate", rich_help_panel="Evaluate")
app.add_typer(judges.app, name="judge", rich_help_panel="Evaluate")
datasets.app.command(
    "attack",
    epilog=options.examples(
        "dataset attack datasets/support --goals goals.yaml --seed 7 --out drafts.jsonl",
        "dataset attack support@1.2.0 --goals goals.yaml --strategy base64 --strategy record "
        "--number 10 --out drafts.jsonl",
    ),
)(attacks.attack)
datasets.app.command(
    epilog=options.examples(
        "dataset saturation support@1.2.0",
        "dataset saturation support@1.2.0 --agent support --environment prod",
    )
)(saturation.saturation)
datasets.app.command(
    epilog=options.examples(
        "dataset generate support@1.2.0 --agent support@1.0.0 --seed 7 --out drafts.jsonl",
        "dataset generate support@1.2.0 --agent support@1.0.0 --strategy typos --propose "
        "--environment prod",
    )
)(synthesis.generate)
app.add_typer(benchmark.app, name="benchmark", rich_help_panel="Evaluate")
app.add_typer(batch.app, name="batch", rich_help_panel="Evaluate")
app.add_typer(traces.app, name="traces", rich_help_panel="Evaluate")
app.add_typer(online.app, name="online", rich_help_panel="Evaluate")
app.add_typer(review.app, name="review", rich_help_panel="Keep")
app.add_typer(privacy.app, name="privacy", rich_help_panel="Keep")
agents.app.command(
    epilog=options.examples(
        "agent register support@1.4.0 --environment prod --runtime support-a1B2c3D4e5",
        "agent register shop@2.0.0 --environment prod --service shop --log-group /app/shop",
    )
)(online.register)
agents.app.command(epilog=options.examples("agent unregister support.DEFAULT --environment prod"))(
    online.unregister
)
for group, name in ((datasets.app, "dataset"), (agents.app, "agent"), (mocks.app, "mocks")):
    app.add_typer(group, name=name, rich_help_panel="Keep")
sweep = options.examples("sandbox sweep --environment dev")
endpoints.sandbox.command(epilog=sweep)(sessions.sweep)
app.add_typer(cost.app, name="cost", rich_help_panel="Keep")
app.add_typer(endpoints.sandbox, name="sandbox", rich_help_panel="Keep")
app.add_typer(local.app, name="local", rich_help_panel="Develop")


def _show_version(wanted: bool) -> None:
    if wanted:
        console.say(f"driftgate {__version__}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    home: Annotated[
        Path,
        typer.Option(envvar=names.HOME_VARIABLE, help="Folder of the registry, runs and reports."),
    ] = Path(".driftgate"),
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    context.obj = home


def main() -> None:
    """Run a command and end with its exit code: 1 is said of an agent, never of an accident."""
    signal.signal(signal.SIGTERM, _end)
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            console.say(
                "interrupted; the same command takes up where it was left, as does driftgate run "
                "--resume with the run's id, or begins anew with an agent that it did not start"
            )
            sys.stdout.flush()
            os._exit(code)  # without waiting for threads that wait for an agent
        sys.exit(code)
    except IntegrityFailed as error:
        console.say(f"INTEGRITY_FAIL: {error}")
        sys.exit(error.exit_code)
    except DriftgateError as error:
        console.say(f"error: {error}")
        sys.exit(error.exit_code)
    except TyperException as error:
        if message := error.format_message():  # none where the help was shown instead
            console.say(f"error: {message}")
        sys.exit(BadInput.exit_code)
    except OSError as error:
        console.say(f"error: {error.filename or 'the system'}: {error.strerror or error}")
        sys.exit(InfrastructureFailed.exit_code)
    except Exception as error:  # noqa: BLE001  the exit code must not be that of a blocked agent
        if type(error).__module__.startswith("botocore"):  # which not every command imports
            console.say(f"error: AWS: {error}")
            sys.exit(InfrastructureFailed.exit_code)
        traceback.print_exc()
        console.say("error: this is a fault in Driftgate itself, not in the agent")
        sys.exit(InfrastructureFailed.exit_code)


def _end(number: int, frame: FrameType | None) -> None:
    """A termination unwinds as an interruption does, so that agents are stopped on the way."""
    raise KeyboardInterrupt
