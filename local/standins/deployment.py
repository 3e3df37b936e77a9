"""What the stand-ins need of a Driftgate that is deployed to their emulator."""

from collections.abc import Callable
from typing import Protocol

from driftgate.ports import Registry


class Deployment(Protocol):
    @property
    def registry(self) -> Registry: ...

    @property
    def call_tool_function(self) -> str:
        """The name of the mock tools' Lambda function, as a Gateway's target."""
        ...

    @property
    def intercept_tools_function(self) -> str:
        """The same as a Gateway's interceptor."""
        ...


FindDeployment = Callable[[], Deployment]
