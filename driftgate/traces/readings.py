"""What a family makes of one of its spans: a tool's call, or a talk with a model or an agent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from driftgate.traces.messages import MISSING, Said

UNKNOWN = object()  # a span that its family does not know how to read


@dataclass(slots=True)
class Tool:
    """A call that was made."""

    name: str
    call_id: str = ""
    arguments: Any = MISSING
    result: Any = MISSING
    failed: bool = False
    code: str = ""  # of the error
    message: str = ""


@dataclass(slots=True)
class Talk:
    """What went into and came out of a model, an agent, or a step of one.

    Histories repeat in every span, so they are read when somebody asks, and once.
    """

    kind: Literal["agent", "step", "model"]
    read_inputs: Callable[[], list[Said]]
    read_outputs: Callable[[], list[Said]]
    in_order: bool = True  # split mode keeps some messages of each role, not their order
    model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    finish: str = ""
    _inputs: list[Said] | None = None
    _outputs: list[Said] | None = None

    def inputs(self) -> list[Said]:
        if self._inputs is None:
            self._inputs = self.read_inputs()
        return self._inputs

    def outputs(self) -> list[Said]:
        if self._outputs is None:
            self._outputs = self.read_outputs()
        return self._outputs


Reading = Tool | Talk | None  # None: nothing that an agent did or said
