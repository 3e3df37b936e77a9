"""Cases and traces in one line each."""

from typing import Any

from driftgate import datasets
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import Dataset, DatasetHeader
from driftgate.schemas.evidence import Bundle
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import MissingTrial, PinnedDataset, RunPlan
from driftgate.schemas.scores import Efficiency, Score, ScoreCard
from driftgate.schemas.traces import Ending, Message, ToolCall, ToolError, Trace


def expect(tool: str, effect: str = "read", /, **rest: Any) -> dict[str, Any]:
    """An expected call; `args` are its arguments, the rest as in the schema."""
    return {"tool": tool, "effect": effect, "arguments": rest.pop("args", {}), **rest}


def case(*expected: dict[str, Any], **rest: Any) -> Case:
    content = {
        "case_id": "refund",
        "task_type": "refunds",
        "turns": [{"user": "refund me"}],
        "expected_calls": expected,
        **rest,
    }
    return Case.model_validate(content)


def bank(*cases: Case, **rest: Any) -> Dataset:
    """A dataset of these cases, or of one that expects a payment; `rest` is its header's."""
    header = {"name": "bank", "version": "1.0.0", "owner": "us", "changelog": "x", **rest}
    header.setdefault("tools", {"pay": "write", "find": "read"})
    return datasets.build(
        DatasetHeader.model_validate(header), cases or [case(expect("pay", "write"))]
    )


def call(tool: str, effect: str | None = "read", /, error: str | None = None, **arguments: Any):
    """An actual call without its number; `error` is the kind of its error."""
    return ToolCall(
        seq=1,
        tool=tool,
        effect=effect,
        arguments=arguments,
        error=ToolError(kind=error) if error else None,
    )


def trace(*calls: ToolCall, says: str | list[str] = "", **rest: Any) -> Trace:
    """A trace of these calls in this order; `says` are the replies, one per turn."""
    replies = [says] if isinstance(says, str) else says
    return Trace(
        case_id="refund",
        calls=tuple(c.model_copy(update={"seq": n}) for n, c in enumerate(calls, start=1)),
        messages=tuple(
            Message(turn=n, role="assistant", text=text) for n, text in enumerate(replies, start=1)
        ),
        **rest,
    )


def card(case_id: str, arm: str, trial: int = 1, **values: float | None) -> ScoreCard:
    """A score card with these metrics' values."""
    return ScoreCard(
        case_id=case_id,
        arm=arm,
        trial=trial,
        scores={m: Score(value=v, reason=f"{m} of {case_id}") for m, v in values.items()},
        metric_versions=dict.fromkeys(values, 1),
        efficiency=Efficiency(steps=0, unnecessary_calls=0),
        ending=Ending(),
    )


def manifest(**rest: Any) -> dict[str, Any]:
    return {
        "agent": "teller",
        "version": "1.0.0",
        "model": "none",
        "target": {"kind": "http", "url": "http://127.0.0.1:1"},
        "invocation": {
            "request": {"prompt": "{{turn}}"},
            "response": {"final_response": "/answer"},
        },
        "datasets": {"regression": "bank@1.0.0"},
        **rest,
    }


def contract(tool: str, effect: str = "read", **rest: Any) -> dict[str, Any]:
    return {
        "tool": tool,
        "version": "1.0.0",
        "effect": effect,
        "description": tool,
        "input_schema": {"type": "object"},
        "behaviour": [{"answer": {}}],
        **rest,
    }


def version(number: str = "1.0.0", *tools: str) -> AgentVersion:
    """A version whose contracts are of these tools."""
    return AgentVersion.model_validate(
        {
            "manifest": manifest(version=number),
            "contracts": [contract(tool) for tool in tools],
            "prompts": {},
            "code_sha256": None,
            "digest": number[0] * 64,
        }
    )


def plan(case_ids: list[str], *arms: str, trials: int = 1, of: int | None = None) -> RunPlan:
    """A plan of these arms; the dataset has `of` cases, or just these."""
    versions = {"baseline": version("1.0.0"), "candidate": version("2.0.0")}
    return RunPlan(
        run_id=f"r-{'0' * 20}",
        harness="test",
        dataset=PinnedDataset(
            name="bank",
            version="1.0.0",
            sha256="0" * 64,
            published=True,
            count=of or len(case_ids),
        ),
        case_ids=tuple(case_ids),
        arms={arm: versions[arm] for arm in arms},
        looks=(trials,),
        seed=0,
        repeat=0,
    )


def bundle(
    plan: RunPlan,
    cases: list[Case],
    cards: list[ScoreCard],
    missing: list[MissingTrial] | None = None,
    *,
    look: int = 1,
    moved: str | None = None,
    **policy: Any,
) -> Bundle:
    """What a run is decided on at a look, with a policy of these changes."""
    return Bundle(
        plan=plan,
        policy=Policy(**policy),
        look=look,
        by_tool=datasets.count_by_tool(cases),
        moved=moved,
        cases=tuple(cases),
        cards=tuple(cards),
        missing=tuple(missing or ()),
    )
