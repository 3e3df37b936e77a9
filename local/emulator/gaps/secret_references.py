"""A template's reference to a secret is its ARN on AWS; the emulator gives the name, which no
policy of a role fits."""

from collections.abc import Callable
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

KIND = "AWS::SecretsManager::Secret"


def apply() -> None:
    handlers = provisioners._RESOURCE_HANDLERS
    create, update, delete = (handlers[KIND][name] for name in ("create", "update", "delete"))
    assert ("Id", "Arn") in create.__code__.co_consts, (
        "a secret's ARN is no attribute of it any more"
    )
    handlers[KIND] = {
        **handlers[KIND],
        "create": by_arn(create),
        "update": of_name(by_arn(update)),
        "delete": of_name(delete),
    }


def by_arn(original: Callable[..., Any]) -> Callable[..., Any]:
    """With the ARN in place of the name."""

    def made(*arguments: Any) -> Any:
        _, attributes = original(*arguments)
        return attributes["Arn"], attributes

    return made


def of_name(original: Callable[..., Any]) -> Callable[..., Any]:
    """Called with the ARN, for what wants the name."""

    def called(physical_id: str, *rest: Any) -> Any:
        names = (n for n, s in secretsmanager._secrets.items() if s["ARN"] == physical_id)
        return original(next(names, physical_id), *rest)

    return called
