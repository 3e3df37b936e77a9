"""Reading a judge's answer strictly: what is not as it was asked for is a fault with a name."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from driftgate import canonical
from driftgate.errors import JudgeFailed
from driftgate.judges.passages import Passage, holds
from driftgate.schemas.cases import RubricItem
from driftgate.schemas.judgments import Answer

FIELDS = {"id", "evidence", "answer"}


def read_answers(
    said: str | Mapping[str, Any], rubric: Sequence[RubricItem], told: Sequence[Passage]
) -> tuple[Answer, ...]:
    """The answers to all questions, in the rubric's order.

    Args:
        said: what was answered: a text that should be JSON, or JSON that was read already.
        rubric: the questions.
        told: the conversation in which evidence must be found.

    Raises:
        JudgeFailed: the answer can't be used; its kind says why.
    """
    found = _document(said) if isinstance(said, str) else said
    _refuse_no_numbers(found)
    if not isinstance(found, Mapping) or set(found) != {"answers"}:
        raise JudgeFailed("form", f"wanted an object with answers alone, got {_short(found)}")
    if not isinstance(found["answers"], list):
        raise JudgeFailed("form", f"wanted a list of answers, got {_short(found['answers'])}")
    wanted = [item.id for item in rubric]
    answers = [_answer(entry, wanted, told) for entry in found["answers"]]
    given = [answer.item for answer in answers]
    if missing := [item for item in wanted if item not in given]:
        raise JudgeFailed("missing_item", f"question {missing[0]} has no answer")
    if len(given) > len(wanted):
        twice = next(item for item in given if given.count(item) > 1)
        raise JudgeFailed("repeated_item", f"question {twice} has two answers")
    return tuple(sorted(answers, key=lambda answer: wanted.index(answer.item)))


def read_value(said: object) -> float:
    """An evaluator's value in [0, 1]. Raises JudgeFailed."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise JudgeFailed("form", f"wanted a number from 0 to 1, got {_short(said)}")
    if not math.isfinite(said):
        raise JudgeFailed("not_a_number", f"wanted a number from 0 to 1, got {said}")
    if not 0 <= said <= 1:
        raise JudgeFailed("out_of_range", f"wanted a number from 0 to 1, got {said}")
    return float(said)


def share_of_good(answers: Sequence[Answer], rubric: Sequence[RubricItem]) -> float:
    """The share of questions that were answered well."""
    good = {item.id: item.good for item in rubric}
    return sum(answer.answer == good[answer.item] for answer in answers) / len(good)


def refuse_doubtful(body: bytes) -> None:
    """Raise JudgeFailed for a response that two readers may understand differently."""
    _document(body.decode(errors="replace"))


def _document(text: str) -> Any:
    try:
        return canonical.load(text)
    except ValueError as error:
        why = str(error)
    if why.startswith("key given twice"):
        raise JudgeFailed("duplicate_key", why)
    if "is not a JSON number" in why or "does not fit a double" in why:
        raise JudgeFailed("not_a_number", why)
    begins = text.lstrip()[:1] in ("{", "[")
    if begins and _ends_early(text):
        raise JudgeFailed("truncated", f"the answer ends in the middle: …{text[-40:]!r}")
    raise JudgeFailed("prose", f"wanted JSON and nothing else, got {_short(text)}")


def _ends_early(text: str) -> bool:
    """Whether text that is not JSON would have become JSON, had it gone on."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    return False


def _answer(entry: Any, wanted: Sequence[str], told: Sequence[Passage]) -> Answer:
    if not isinstance(entry, Mapping) or set(entry) != FIELDS:
        raise JudgeFailed("form", f"wanted id, evidence and answer, got {_short(entry)}")
    item, evidence, answer = entry["id"], entry["evidence"], entry["answer"]
    if answer not in ("yes", "no"):
        raise JudgeFailed("not_yes_or_no", f"wanted yes or no, got {_short(answer)}")
    if not isinstance(item, str) or not isinstance(evidence, str):
        raise JudgeFailed("form", f"wanted texts for id and evidence, got {_short(entry)}")
    if item not in wanted:
        raise JudgeFailed("unknown_item", f"there is no question {_short(item)}")
    if not evidence.strip():
        if answer == "yes":
            raise JudgeFailed("no_evidence", f"the yes to question {item} has no evidence")
    elif not holds(told, evidence):
        raise JudgeFailed(
            "evidence_not_found", f"the conversation does not hold {_short(evidence)}"
        )
    return Answer(item=item, answer=answer, evidence=evidence)


def _refuse_no_numbers(value: Any) -> None:
    """JSON that was read by others may hold NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        raise JudgeFailed("not_a_number", f"{value} is not a JSON number")
    for inner in (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    ):
        _refuse_no_numbers(inner)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
