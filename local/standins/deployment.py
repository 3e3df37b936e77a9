"""What the stand-ins need of a Driftgate that is deployed to their emulator."""

from collections.abc import Callable
from typing import Protocol

from driftgate.ports import Registry


class Deployment(Protocol):
    @property
    def registry(self) -> Registry: ...

    @property
    def call_tool_function(self) -> str:
        """The name of the mock tools' Lambda function."""
        ...


FindDeployment = Callable[[], Deployment]
