"""The agent manifest, `agent.yaml`: what an agent version is and how to run and read it."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    MISSING,
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from driftgate.schemas.cases import RubricItem
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.policies import PolicyChange
from driftgate.schemas.record import Name, Record, SchemaVersion, SemVer, Sha256, Whole

Glob = Annotated[str, Field(min_length=1)]
Suite = Literal["regression", "adversarial"]


_VARIABLE = re.compile(r"\{\{(\w+)\}\}")


def _refuse_unknown(template: str, known: Sequence[str]) -> set[str]:
    """The {{variables}} that a template uses. Raises ValueError if one is not known."""
    used = set(_VARIABLE.findall(template))
    if unknown := sorted(used - set(known)):
        there_is = f"{', '.join(known[:-1])} and {known[-1]}"
        raise ValueError(f"there is {there_is}, no {unknown[0]!r}")
    return used


def _for_starting(text: str) -> str:
    _refuse_unknown(text, ("port", "tools_url", "model"))
    return text


StartTemplate = Annotated[str, AfterValidator(_for_starting)]
Words = Annotated[tuple[StartTemplate, ...], Field(min_length=1)]
Variables = Annotated[
    dict[str, StartTemplate], Field(description="Environment variables it is started with.")
]
StartTimeout = Annotated[
    float,
    Field(gt=0, le=300, strict=True, description="Seconds until it must answer GET /ping."),
]


class Code(Record):
    """The files an agent version consists of; they are stored with it and run from there."""

    root: str = Field(
        ".", description="The folder that paths are taken from, relative to the manifest."
    )
    include: Annotated[tuple[Glob, ...], Field(min_length=1)] = Field(
        description="Patterns of the files, relative to `root`."
    )


class HttpTarget(Record):
    """A server with the AgentCore contract (POST /invocations, GET /ping).

    With `command` Driftgate starts it from the stored code and gives it a port, else `url` says
    where it runs. `command` and `environment` may hold {{port}}, {{tools_url}}, {{model}}, which is
    the manifest's, and ${VARIABLES} of
    the environment. The program is looked up from where Driftgate was started.
    """

    kind: Literal["http"] = "http"
    url: str | None = Field(None, description="Where a server runs already.")
    command: Words | None = Field(None, description="How to start it: a program and its arguments.")
    code: Code | None = Field(
        None, description="The files it is started from; `command` needs them."
    )
    environment: Variables = {}
    start_timeout_s: StartTimeout = 30

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either `command` or `url`")
        if self.command is not None and self.code is None:
            raise ValueError("`command` needs `code`, the files it is run from")
        return self


class PythonTarget(Record):
    """A Python function `agent(payload, context) -> reply`, served with the same contract."""

    kind: Literal["python"]
    function: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] = Field(
        description="Where it stands, as module:name."
    )
    code: Code = Field(description="The files it consists of.")
    environment: Variables = {}
    start_timeout_s: StartTimeout = 30


class AgentCoreTarget(Record):
    """An agent on AgentCore Runtime: an endpoint that is pinned to one version of it."""

    kind: Literal["agentcore"]
    runtime_arn: Annotated[
        str, Field(pattern=r"^arn:[\w-]+:bedrock-agentcore:\S+:runtime/\S+$")
    ] = Field(description="The runtime.")
    qualifier: Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_]{0,47}$")] = Field(
        description="Its endpoint."
    )


class RecordedTarget(Record):
    """Traces that were recorded elsewhere, as JSON lines; nothing is run."""

    kind: Literal["recorded"]
    traces: str = Field(description="The file of traces, relative to the manifest.")
    harness: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="What recorded them, and which version of it, as a benchmark's commit; arms of "
        "different ones are refused.",
    )


Target = Annotated[
    HttpTarget | PythonTarget | AgentCoreTarget | RecordedTarget, Field(discriminator="kind")
]


class Selector(Record):
    """Where a value stands in a reply. A bare text is short for its JSON Pointer.

    In a stream of server-sent events the pointer is applied to each event's data (restricted to
    those with the values of `where`); `take` says which of the values found counts.
    """

    pointer: Annotated[str, Field(pattern=r"^(/.*)?$")] = Field(
        description="A JSON Pointer; an empty one is the whole reply."
    )
    where: dict[str, JsonValue] = Field(
        {}, description="Of a stream, only events with these values at these pointers."
    )
    take: Literal["last", "first", "joined"] = Field(
        "last",
        description="Which of the values found counts; joined: the texts one after the other.",
    )


def _selector(value: Any) -> Any:
    return {"pointer": value} if isinstance(value, str) else value


Pointed = Annotated[Selector, BeforeValidator(_selector, json_schema_input_type=Selector | str)]


class ResponseSelectors(Record):
    """What to read from a reply. What the agent does not report is missing, never zero."""

    final_response: Pointed = Field(description="What the user is told.")
    input_tokens: Pointed | None = Field(None, description="Tokens the model read in this turn.")
    output_tokens: Pointed | None = Field(None, description="Tokens the model wrote in this turn.")
    cache_read_tokens: Pointed | MISSING = Field(
        MISSING, description="Tokens it read from its cache in this turn, not in `input_tokens`."
    )
    cache_write_tokens: Pointed | MISSING = Field(
        MISSING, description="Tokens it wrote to its cache in this turn, not in `input_tokens`."
    )
    cost_usd: Pointed | None = Field(None, description="What this turn cost, in USD.")
    stop_reason: Pointed | None = Field(
        None, description="Why the agent stopped, in its own words."
    )
    model: Pointed | None = Field(None, description="The model that answered.")
    findings: Pointed | None = Field(
        None, description="What the agent says it found; kept and shown."
    )
    limitations: Pointed | None = Field(
        None, description="What the agent says it could not do; kept and shown."
    )


class Invocation(Record):
    """How to talk to the agent.

    The request's JSON takes {{turn}}, {{turn_number}}, {{session_id}}, {{seed}}, {{tools_url}} and
    {{model}}, the manifest's.
    """

    request: dict[str, JsonValue] = Field(
        description="The JSON of one turn; {{turn}} must stand in it."
    )
    response: ResponseSelectors = Field(description="Where things stand in the reply.")

    @field_validator("request")
    @classmethod
    def _known_variables(cls, request: dict[str, JsonValue]) -> dict[str, JsonValue]:
        text = json.dumps(request, ensure_ascii=False)
        known = ("turn", "turn_number", "session_id", "seed", "tools_url", "model")
        used = _refuse_unknown(text, known)
        if "turn" not in used:
            raise ValueError("wanted {{turn}} somewhere, or the agent never hears the user")
        return request


class Limits(Record):
    """An agent that goes beyond one of these has failed the case."""

    case_s: Annotated[float, Field(gt=0, le=780, strict=True)] = Field(
        120, description="Seconds for all turns of a case together."
    )
    calls: Whole = Field(30, description="Tool calls of a case.")
    tokens: Whole | None = Field(
        None, description="Tokens of a case, read and written. None: no limit."
    )
    cost_usd: Annotated[float, Field(gt=0, strict=True)] | None = Field(
        None, description="USD of a case. None: no limit."
    )


PerMillion = Annotated[float, Field(ge=0, strict=True, le=10**6)]


class Costs(Record):
    """What a trial costs where the agent does not say so. What is not stated is missing, never 0.

    A session's memory and processors are those of AgentCore Runtime, at the prices of
    [docs/costs.md](costs.md).
    """

    input_usd: PerMillion | None = Field(
        None, description="Of the model, USD for a million tokens read."
    )
    output_usd: PerMillion | None = Field(
        None, description="Of the model, USD for a million tokens written."
    )
    memory_gb: Annotated[float, Field(gt=0, le=32, strict=True)] | None = Field(
        None, description="GB that a session takes."
    )
    vcpus: Annotated[float, Field(ge=0, le=32, strict=True)] | None = Field(
        None, description="That a session uses on average: 0.1 is one for a tenth of the time."
    )
    max_run_usd: Annotated[float, Field(gt=0, strict=True)] | None = Field(
        None,
        description="USD that a run may spend. Then no new trial starts, and it is INCONCLUSIVE. "
        "The environment's budget holds if that is lower.",
    )

    @property
    def token_price(self) -> tuple[float, float] | None:
        if self.input_usd is None or self.output_usd is None:
            return None
        return self.input_usd, self.output_usd


class TaskTypeRule(Record):
    """Which sessions of production are of a task type: those that meet one of the conditions."""

    task_type: Name = Field(description="What they are called, as in the dataset's metadata.")
    tools: tuple[str, ...] = Field((), description="One of these tools was called.")
    words: tuple[Annotated[str, Field(min_length=2)], ...] = Field(
        (), description="The user's first message holds one of these, in any case."
    )


class Online(Record):
    """How sessions of production are watched. Their spans may say more of themselves."""

    task_types: tuple[TaskTypeRule, ...] = Field(
        (),
        description="The first that holds decides; a span's attribute goes before; else `other`.",
    )
    turn_limit: Whole | None = Field(
        None, description="Turns of a user beyond which something is wrong. None: any number."
    )
    escalations: tuple[str, ...] = Field(
        (), description="Tools that hand the user over to a person."
    )
    rubric: tuple[RubricItem, ...] = Field(
        (), description="What the judge is asked about a session; else two questions of ours."
    )


class DatasetRef(Record):
    """A pinned dataset version, written name@version."""

    name: Name
    version: SemVer

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def _dataset_ref(value: Any) -> Any:
    if isinstance(value, str):
        name, at, version = value.partition("@")
        if not at or version == "latest":
            raise ValueError("wanted name@version, as in support@1.0.0; `latest` is no version")
        return {"name": name, "version": version}
    return value


Pin = Annotated[DatasetRef, BeforeValidator(_dataset_ref, json_schema_input_type=str)]


class Manifest(Record):
    """agent.yaml as its author writes it; paths are relative to the file."""

    schema_version: SchemaVersion = Field(1, description="Of this form.")
    agent: Name = Field(description="The name of the agent, equal in all its versions.")
    version: SemVer = Field(description="Of the agent, as in 1.0.0; a published one never changes.")
    description: str = Field("", description="What is new in this version.")
    model: str = Field(description="The model that it is built on, as the report calls it.")
    target: Target = Field(description="How to start it, or where it runs.")
    invocation: Invocation = Field(description="How to ask it and how to read its reply.")
    prompts: tuple[str, ...] = Field(
        (), description="Files of prompts, so that a change of one is told."
    )
    contracts: tuple[Glob, ...] = Field(
        (), description="Files of its tools' contracts, or patterns of such."
    )
    datasets: dict[Suite, Pin] = Field(
        description="The datasets it is held to, as name@version: `regression`, and `adversarial` "
        "if there is one."
    )
    policy: PolicyChange = Field(
        default_factory=PolicyChange, description="Thresholds stricter than the environment's."
    )
    limits: Limits = Field(default_factory=Limits, description="What a case may take.")
    costs: Costs = Field(
        default_factory=Costs, description="What a trial costs, and a run may cost."
    )
    sessions: Literal["stateful", "stateless"] = Field(
        "stateful",
        description="stateless: it keeps nothing from one conversation of a session to the next, "
        "so that a benchmark may reuse one. A gate never does.",
    )
    online: Online = Field(
        default_factory=Online, description="How its sessions in production are watched."
    )

    @field_validator("datasets")
    @classmethod
    def _with_regression(cls, pins: dict[Suite, Pin]) -> dict[Suite, Pin]:
        if "regression" not in pins:
            got = ", ".join(f"{suite}: {ref}" for suite, ref in pins.items())
            raise ValueError(f"wanted `regression: name@1.0.0` among them, got {{{got}}}")
        return pins


class AgentVersion(Record):
    """A manifest with everything it points to: what is stored, run and hashed into the digest."""

    schema_version: SchemaVersion = 1
    manifest: Manifest
    contracts: tuple[ToolContract, ...]
    prompts: dict[str, str]  # path: text
    code_sha256: Sha256 | None  # of the code bundle, or of the recorded traces
    digest: Sha256

    @property
    def is_recorded(self) -> bool:
        return isinstance(self.manifest.target, RecordedTarget)

    @property
    def label(self) -> str:
        return f"{self.manifest.agent} {self.manifest.version}"

    @property
    def harness(self) -> str | None:
        """What recorded it; None: not told, or it is run here."""
        target = self.manifest.target
        return target.harness if isinstance(target, RecordedTarget) else None
