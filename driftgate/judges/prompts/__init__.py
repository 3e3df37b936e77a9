"""The prompts by name and version. One that was used is never changed: it gets a next version."""

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from driftgate import canonical
from driftgate.errors import BadInput
from driftgate.judges.passages import Passage
from driftgate.judges.prompts import rubric_v1
from driftgate.schemas.cases import RubricItem

_MODULES: dict[str, ModuleType] = {"rubric_v1": rubric_v1}
_EXAMPLE_RUBRIC = (RubricItem(id="polite", question="Is the agent polite?"),)
_EXAMPLE = (Passage(1, "user", "", "Hi"), Passage(1, "agent", "", "Hello, how can I help?"))


class Prompt(NamedTuple):
    """What a model is asked: its role, the task, and the one tool with which it answers."""

    system: str
    user: str
    tool: dict[str, Any]  # name, description and JSON schema
    repair: str  # to be filled with what was wrong


def render(
    version: str, rubric: Sequence[RubricItem], told: Sequence[Passage], nonce: str
) -> Prompt:
    """Put the questions and the conversation into a prompt.

    Args:
        nonce: marks where the conversation begins and ends; nobody can know it beforehand.

    Raises:
        BadInput: there is no such prompt.
    """
    if version not in _MODULES:
        known = ", ".join(sorted(_MODULES))
        raise BadInput(f"judge: prompt: wanted one of {known}, got {version!r}")
    module = _MODULES[version]
    return Prompt(
        system=module.SYSTEM,
        user=module.user(rubric, told, nonce),
        tool=module.tool([item.id for item in rubric]),
        repair=module.REPAIR,
    )


@cache
def sha256(version: str) -> str:
    """The hash of a prompt's text, whatever is filled in."""
    return canonical.sha256(
        canonical.dump(list(render(version, _EXAMPLE_RUBRIC, _EXAMPLE, nonce="0" * 16)))
    )
