"""`driftgate sandbox endpoint`: places on AgentCore in which versions of an agent are evaluated."""

import re
import time
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from driftgate import endpoints
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LAPTOP
from driftgate.cli import console, options
from driftgate.errors import BadInput
from driftgate.schemas.endpoints import Artifact, ContainerImage, EndpointLease, StoredCode
from driftgate.schemas.record import count, explain

if TYPE_CHECKING:
    from driftgate.adapters.runtime_control import AgentCoreControl

sandbox = typer.Typer(help="Evaluate agents on AgentCore.", no_args_is_help=True)
app = typer.Typer(help="Lease endpoints of a sandbox's runtime.", no_args_is_help=True)
sandbox.add_typer(app, name="endpoint")
ARN = re.compile(r"arn:[\w-]+:bedrock-agentcore:\S+:runtime/\S+")
Runtime = Annotated[
    str, typer.Argument(metavar="ARN", help="The runtime's, an output of the stack Sandbox.")
]
As = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Who holds it: pr-17, or one's own name.")
]
EXAMPLE = "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/support-a1B2c3D4e5"


@app.command(
    epilog=options.examples(
        f"sandbox endpoint take {EXAMPLE} --image 123456789012.dkr.ecr.eu-central-1.amazonaws.com/"
        "support@sha256:… --as pr-17 --environment dev",
        f"sandbox endpoint take {EXAMPLE} --code s3://code/support.zip --code-version "
        "v3sG… --entry-point main.py --as pr-17 --hours 2 --environment dev",
    )
)
def take(
    context: typer.Context,
    runtime: Runtime,
    holder: As,
    image: Annotated[
        str, typer.Option(metavar="URI", help="A container image, by its digest.")
    ] = "",
    code: Annotated[
        str, typer.Option(metavar="S3-URI", help="Or an archive of code, s3://bucket/key.")
    ] = "",
    code_version: Annotated[
        str, typer.Option(metavar="ID", help="The version of that object.")
    ] = "",
    entry_point: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="What of the code is started.")
    ] = None,
    language: Annotated[
        str, typer.Option(metavar="NAME", help="AgentCore's runtime for the code.")
    ] = "PYTHON_3_13",
    hours: Annotated[float, typer.Option(min=0.1, max=168, help="For how long.")] = 4,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Have an endpoint that serves this artifact, and no other; the same artifact, the same one."""
    artifact = _artifact(image, code, code_version, tuple(entry_point or ()), language)
    taken = endpoints.take(
        _arn(runtime),
        artifact,
        _holder(holder),
        hours,
        _control(context, environment),
        options.place(context, environment).registry,
        SystemClock(),
        time.sleep,
    )
    console.say(
        f"{taken.qualifier} serves version {taken.runtime_version}, leased by {taken.holder} "
        f"until {taken.expires_at}; in the manifest:"
    )
    console.say(
        f"target: {{kind: agentcore, runtime_arn: {taken.runtime_arn}, "
        f"qualifier: {taken.qualifier}}}"
    )
    if as_json:
        console.emit(taken)


@app.command(
    epilog=options.examples(
        f"sandbox endpoint release {EXAMPLE} dg_0123456789ab --as pr-17 --environment dev"
    )
)
def release(
    context: typer.Context,
    runtime: Runtime,
    endpoint: Annotated[str, typer.Argument(help="Its name, dg_….")],
    holder: As,
    environment: options.Environment = LAPTOP,
) -> None:
    """End a lease before its time. The endpoint goes with the next sweep, or for another one."""
    stored = options.place(context, environment).registry
    if endpoints.release(_arn(runtime), endpoint, holder, stored, SystemClock()):
        console.say(f"{endpoint} is not leased by {holder} any more")
        return
    leases = endpoints.pool_of(runtime, stored).leases
    raise BadInput(
        f"{holder} has no lease of {endpoint} that runs; leases of the runtime: {_told(leases)}"
    )


@app.command("list", epilog=options.examples("sandbox endpoint list --environment dev"))
def list_(
    context: typer.Context,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Show who has which endpoint, and until when."""
    pools = endpoints.pools(options.place(context, environment).registry)
    rows = [
        (pool.runtime_arn.rpartition("/")[2], one.endpoint, one.holder, one.expires_at)
        for pool in pools
        for one in pool.leases
    ]
    console.table(("runtime", "endpoint", "holder", "until"), rows)
    if as_json:
        console.emit(pools)


@app.command(
    epilog=options.examples(
        "sandbox endpoint sweep --environment dev",
        f"sandbox endpoint sweep {EXAMPLE} --environment dev",
    )
)
def sweep(
    context: typer.Context,
    runtime: Annotated[
        str, typer.Argument(metavar="ARN", help="The runtime's; default: all that had leases.")
    ] = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Delete the endpoints that nobody leases any more."""
    stored = options.place(context, environment).registry
    arns = [_arn(runtime)] if runtime else [pool.runtime_arn for pool in endpoints.pools(stored)]
    control = _control(context, environment)
    swept = [endpoints.sweep(arn, control, stored, SystemClock(), time.sleep) for arn in arns]
    for one in swept:
        console.say(
            f"{one.runtime_arn}: {count(len(one.deleted), 'endpoint')} deleted, "
            f"{count(len(one.leased), 'lease')} left"
        )
        if one.unknown:
            console.say(f"left alone, as no lease here names them: {', '.join(one.unknown)}")
    if as_json:
        console.emit(swept)


def _artifact(
    image: str, code: str, version: str, entry_point: tuple[str, ...], language: str
) -> Artifact:
    if bool(image) == bool(code):
        raise BadInput("wanted either --image or --code")
    try:
        if image:
            return ContainerImage(uri=image)
        bucket, _, prefix = code.removeprefix("s3://").partition("/")
        return StoredCode(
            bucket=bucket if code.startswith("s3://") else "",
            prefix=prefix,
            version_id=version,
            runtime=language,
            entry_point=entry_point,
        )
    except ValidationError as error:
        wanted = "an image by its digest, name@sha256:…"
        if code:
            wanted = "code as s3://bucket/key with --code-version and --entry-point"
        raise BadInput(f"wanted {wanted}: {explain(error)}") from error


def _arn(text: str) -> str:
    if not ARN.fullmatch(text):
        raise BadInput(f"wanted the ARN of a runtime, as in {EXAMPLE}; got {text!r}")
    return text


def _holder(text: str) -> str:
    if not re.fullmatch(r"[\w./@:-]{1,100}", text):
        raise BadInput(f"--as: wanted letters, digits and ./@:-_, at most 100, got {text!r}")
    return text


def _told(leases: tuple[EndpointLease, ...]) -> str:
    held = (f"{one.endpoint} by {one.holder} until {one.expires_at}" for one in leases)
    return ", ".join(held) or "none"


def _control(context: typer.Context, environment: str) -> "AgentCoreControl":
    from driftgate.adapters.runtime_control import AgentCoreControl

    client = options.clients(context, environment)
    return AgentCoreControl(client("bedrock-agentcore-control"))
