"""The emulator speaks plain HTTP on loopback, so a policy that demands TLS refuses everything; on
AWS clients use TLS, and such a policy concerns only those who don't."""

from typing import Any

from ministack.core import iam_evaluator

KEY = "aws:securetransport"


def apply() -> None:
    original = iam_evaluator._resolve_condition_key
    assert KEY in original.__code__.co_consts, f"{KEY} is resolved elsewhere"

    def resolve(key: str, context: Any) -> Any:
        return "true" if key.lower() == KEY else original(key, context)

    iam_evaluator._resolve_condition_key = resolve
