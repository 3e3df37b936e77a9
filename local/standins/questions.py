"""The checks behind questions: a judge is not told them, but whoever stands in for one needs them.

They are looked up by question and by what the user says, among the canaries and the cases of all
published datasets.
"""

import threading
from collections.abc import Iterable, Sequence

from driftgate import judging, online, registry
from driftgate.judges import rubric
from driftgate.judges.passages import Passage, passages
from driftgate.schemas.cases import RubricItem
from driftgate.schemas.judgments import Answer
from local.standins import grounding
from local.standins.deployment import FindDeployment

RESOLVED, GROUNDED = online.RUBRIC  # what is asked of production, where no check is known
Asked = tuple[RubricItem, tuple[str, ...]]  # a question, and the user's words


class Questions:
    """Questions with their checks, read again when one is asked that is not known yet."""

    def __init__(self, find_deployment: FindDeployment) -> None:
        self._find = find_deployment
        self._reading = threading.Lock()
        self._items: dict[tuple[tuple[str, ...], str], RubricItem] = {}
        self._keep((canary.question, _users(passages(canary.trace))) for canary in CANARIES)

    def answer(self, id: str, question: str, told: Sequence[Passage]) -> Answer:
        """The embedded judge's answer; no, if nobody has published the question."""
        if question == GROUNDED.question:
            return grounding.answer(id, told)
        if question == RESOLVED.question:
            return grounding.resolved(id, told)
        users = _users(told)
        with self._reading:
            if (users, question) not in self._items:
                self._read()
            unknown = RubricItem(id=id, question=question)  # kept, so that it is looked up once
            item = self._items.setdefault((users, question), unknown)
            item = item.model_copy(update={"id": id})
        if item.check is not None:
            return rubric.answer(item, _replies(told))
        return Answer(item=id, answer="no")

    def all_about(self, told: Sequence[Passage]) -> list[tuple[RubricItem, Answer]]:
        """Every known question about a conversation whose user says this, with its answer."""
        with self._reading:
            self._read()
            own = [item for (users, _), item in self._items.items() if users == _users(told)]
        return [(item, rubric.answer(item, _replies(told))) for item in own if item.check]

    def _read(self) -> None:
        stored = self._find().registry
        for row in registry.list_datasets(stored):
            for case in registry.load_cases(row, stored):
                users = tuple(turn.user for turn in case.turns)
                self._keep((item, users) for item in case.rubric)

    def _keep(self, asked: Iterable[Asked]) -> None:
        self._items |= {(users, item.question): item for item, users in asked}


CANARIES = judging.canaries()


def _users(told: Sequence[Passage]) -> tuple[str, ...]:
    return tuple(passage.text for passage in told if passage.speaker == "user")


def _replies(told: Sequence[Passage]) -> str:
    return "\n".join(passage.text for passage in told if passage.speaker == "agent")
