"""Asking a model: the prompt, its answer read strictly, one repair, a judgment or a fault."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from driftgate.errors import JudgeFailed
from driftgate.judges import prompts
from driftgate.judges.passages import Passage, passages
from driftgate.judges.prompts import Prompt
from driftgate.judges.reading import read_answers, share_of_good
from driftgate.schemas.cases import RubricItem
from driftgate.schemas.judgments import REPAIRABLE, JudgeSpec, Judgment
from driftgate.schemas.traces import Trace

_REPAIRS = {  # what a model is told of its fault; never its own words, which may be an attacker's
    "prose": "it was not JSON alone",
    "truncated": "it was cut off; be shorter",
    "evidence_not_found": "a piece of evidence does not stand in the conversation word for word",
    "no_evidence": "a yes had no evidence",
    "missing_item": "a question had no answer",
    "not_yes_or_no": "an answer was neither yes nor no",
}


class Said(NamedTuple):
    """What a model answered, and what that took."""

    answer: str | Mapping[str, Any] | JudgeFailed  # as text or as read JSON; or why there is none
    model: str
    input_tokens: int
    output_tokens: int


class Model(Protocol):
    def ask(self, prompt: Prompt, fault: str | None) -> Said:
        """Ask once; `fault` is what was wrong with the answer before, if this is the repair.

        Raises:
            JudgeFailed: there is no answer at all, and nothing was charged for it.
        """
        ...


class ModelJudge:
    """A judge that is a model. `nonce` makes 16 hexadecimal digits that nobody can guess."""

    def __init__(
        self, spec: JudgeSpec, fingerprint: str, model: Model, nonce: Callable[[], str]
    ) -> None:
        self._spec = spec
        self._fingerprint = fingerprint
        self._model = model
        self._nonce = nonce

    def most_usd(self, rubric: Sequence[RubricItem], trace: Trace) -> float | None:
        """A token has at least one byte, so a prompt has at most as many tokens as bytes."""
        if self._spec.price is None:
            return None
        prompt = self._prompt(rubric, passages(trace))
        most = len(repr(prompt).encode())
        return 2 * self._spec.price.cost(most, self._spec.max_tokens)

    def judge(self, rubric: Sequence[RubricItem], trace: Trace, repeat: int) -> Judgment:
        told = passages(trace)
        prompt = self._prompt(rubric, told)
        asked: list[Said] = []
        fault: str | None = None
        for may_repair in (True, False):
            try:
                said = self._model.ask(prompt, fault)
                asked.append(said)
                if isinstance(said.answer, JudgeFailed):
                    raise said.answer
                answers = read_answers(said.answer, rubric, told)
                break
            except JudgeFailed as failed:
                failed.cost_usd = self._cost(asked)
                if failed.kind not in REPAIRABLE or not may_repair:
                    raise
                fault = _REPAIRS.get(failed.kind, "it had not the form that was asked for")
        return Judgment(
            fingerprint=self._fingerprint,
            repeat=repeat,
            value=share_of_good(answers, rubric),
            answers=answers,
            model=said.model,
            asked=len(asked),
            input_tokens=sum(one.input_tokens for one in asked),
            output_tokens=sum(one.output_tokens for one in asked),
            cost_usd=self._cost(asked),
        )

    def _prompt(self, rubric: Sequence[RubricItem], told: Sequence[Passage]) -> Prompt:
        return prompts.render(self._spec.prompt, rubric, told, self._nonce())

    def _cost(self, asked: Sequence[Said]) -> float | None:
        if self._spec.price is None:
            return None
        return sum(self._spec.price.cost(one.input_tokens, one.output_tokens) for one in asked)
