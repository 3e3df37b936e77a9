"""What AgentCore's evaluators can be told of a case, and what of it they can't.

They take sentences, names of tools and one text per reply. Arguments, forbidden calls, order other
than a list, the world and its mocks have no place there, so each case says what was left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from driftgate.matching import describe
from driftgate.schemas.batches import GroundTruth, LeftOut, TruthTurn
from driftgate.schemas.cases import Case, ExpectedCall, RubricItem, Turn
from driftgate.schemas.matchers import AnyMatcher, Contains, NoneOf

ASSERTIONS = 100
PROMPT_CHARS = 4000
SAYS = 'A reply says "{}".'
ANSWERED = "Answered by {}: {}"
TRUE = "Is this true of the conversation: {}"
SAME = "Does the reply to turn {} say the same as this: {}"
_SAYS = re.compile(r'A reply says "(.+)"\.', re.DOTALL)
_ANSWERED = re.compile(r"Answered by (yes|no): (.+)", re.DOTALL)
_TRUE = re.compile(re.escape(TRUE).replace(r"\{\}", "(.+)"), re.DOTALL)
_SAME = re.compile(r"Does the reply to turn (\d+) say the same as this: (.+)", re.DOTALL)


def of_case(case: Case, tool_prefix: str = "") -> GroundTruth:
    """The case in the service's terms.

    Args:
        tool_prefix: the target under which a Gateway offers the tools, as target___tool.
    """
    return GroundTruth(
        assertions=assertions(case)[:ASSERTIONS],
        tool_names=trajectory(case, tool_prefix),
        turns=turns(case),
    )


def assertions(case: Case) -> tuple[str, ...]:
    """What may come in any reply, and the rubric, a sentence each."""
    outputs = (sentence(matcher) for matcher in case.expected_outputs)
    asked = (question(item) for item in case.rubric if not _SAME.fullmatch(item.question))
    return (*outputs, *asked)


def sentence(matcher: AnyMatcher) -> str:
    if isinstance(matcher, Contains):
        return SAYS.format(matcher.value)
    if isinstance(matcher, NoneOf):
        return f"No reply says {' or '.join(describe(option) for option in matcher.options)}."
    return f"A reply says {describe(matcher)}."


def question(item: RubricItem) -> str:
    if not is_question(item) and (assertion := _TRUE.fullmatch(item.question)):
        return assertion[1]
    return ANSWERED.format(item.good, item.question)


def is_question(item: RubricItem) -> bool:
    """Whether it is a question of ours, and not an assertion or a reply from elsewhere."""
    foreign = _TRUE.fullmatch(item.question) or _SAME.fullmatch(item.question)
    return item.good == "no" or not foreign


def read_output(text: str) -> Contains | None:
    """The expected output that was written so, if it was one."""
    found = _SAYS.fullmatch(text)
    return Contains(value=found[1]) if found else None


def read_question(text: str, number: int, id: Callable[[], str]) -> RubricItem:
    """The item of a rubric that was written so; any other assertion becomes one."""
    found = _ANSWERED.fullmatch(text)
    if not found:
        return RubricItem(id=f"assertion-{number}", question=TRUE.format(text))
    given: dict[str, Any] = {"good": found[1], "question": found[2]}
    return RubricItem(id=id() or f"assertion-{number}", **given)


def reply(turn: int, text: str) -> RubricItem:
    """That the reply to a turn says what a text does: nothing but a judge can tell."""
    return RubricItem(id=f"reply-{turn}", question=SAME.format(turn, text))


def replies(case: Case) -> dict[int, str]:
    """Turn -> what its reply must tell, as a text to compare it with."""
    judged = (_SAME.fullmatch(item.question) for item in case.rubric)
    texts = {int(found[1]): found[2] for found in judged if found}
    for number, turn in enumerate(case.turns, start=1):
        if said := response(turn):
            texts[number] = said
    return texts


def trajectory(case: Case, tool_prefix: str = "") -> tuple[str, ...]:
    """The required calls in an order that keeps `after`, each as often as it is needed at least."""
    required = [call for call in _ordered(case.expected_calls) if not call.optional]
    names = [call.tool for call in required for _ in range(call.times.min)]
    return tuple(f"{tool_prefix}___{name}" if tool_prefix else name for name in names)


def turns(case: Case) -> tuple[TruthTurn, ...]:
    """Every turn, if one of them says what its reply must tell; else none."""
    said = replies(case)
    told = tuple(
        TruthTurn(prompt=turn.user, expected_response=said.get(number))
        for number, turn in enumerate(case.turns, start=1)
    )
    fit = all(len(turn.prompt) <= PROMPT_CHARS for turn in told)
    return told if fit and any(turn.expected_response for turn in told) else ()


def response(turn: Turn) -> str | None:
    """What a reply must tell, as a text to compare it with."""
    wanted = [m for m in turn.expected_outputs if not isinstance(m, NoneOf)]
    texts = (str(m.value) if isinstance(m, Contains) else describe(m) for m in wanted)
    return "; ".join(texts) or None


def left_out(case: Case) -> LeftOut:
    return LeftOut(case_id=case.case_id, fields=tuple(_left_out(case)))


def counted(left: Iterable[LeftOut]) -> dict[str, int]:
    """In how many cases each field was left out, the most frequent first."""
    found: dict[str, int] = {}
    for one in left:
        for field in one.fields:
            found[field] = found.get(field, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _left_out(case: Case) -> Iterator[str]:
    calls = case.expected_calls
    ways = [way for call in calls for way in (call, *call.alternatives)]
    several = any(len(turn.expected_outputs) > 1 for turn in case.turns)
    matchers = [m for turn in case.turns for m in turn.expected_outputs] + [*case.expected_outputs]
    there = {
        "expected_calls.arguments": any(
            way.arguments or way.extra_arguments == "forbidden" for way in ways
        ),
        "expected_calls.effect": bool(calls),
        "expected_calls.optional": any(call.optional for call in calls),
        "expected_calls.alternatives": any(call.alternatives for call in calls),
        "expected_calls.times": any(call.times.max != call.times.min for call in calls),
        "expected_calls.after": any(call.after for call in calls),
        "expected_calls.turn": any(call.turn is not None for call in calls),
        "forbidden_calls": bool(case.forbidden_calls),
        "expected_outputs.tolerance": any(not isinstance(m, Contains) for m in matchers),
        "turns.expected_outputs.none_of": any(
            isinstance(m, NoneOf) for turn in case.turns for m in turn.expected_outputs
        ),
        "turns.expected_outputs.several": several,
        "turns.user": any(len(turn.user) > PROMPT_CHARS for turn in case.turns),
        "rubric.check": any(item.check is not None for item in case.rubric),
        "world": bool(case.world),
        "mocks": bool(case.mocks),
        "adversarial": case.adversarial is not None,
        "assertions": len(assertions(case)) > ASSERTIONS,
    }
    return (field for field, is_there in there.items() if is_there)


def _ordered(calls: Sequence[ExpectedCall]) -> list[ExpectedCall]:
    """As written, but none before a call that it comes after."""
    ids, done = {call.id for call in calls if call.id}, set[str]()
    left, ordered = list(calls), []
    while left:  # a case has no circles
        call = next(call for call in left if ids.intersection(call.after) <= done)
        left.remove(call)
        ordered.append(call)
        if call.id:
            done.add(call.id)
    return ordered
