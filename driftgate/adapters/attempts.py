"""The table of attempts: what RunCase writes for the mock tools, and the calls that it reads."""

from collections.abc import Sequence
from typing import Any

from driftgate import attempts
from driftgate.errors import MockBroken
from driftgate.schemas.cases import Case
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.traces import ToolCall
from mock_tools.attempts import TooLarge
from mock_tools.dynamodb import DynamoStore


class DynamoTools:
    """The mock tools' side of RunCase; the agent's side is the function CallTool."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._store = DynamoStore(dynamodb, table)

    def register(self, session_id: str, agent: AgentVersion, case: Case) -> None:
        try:
            self._store.open(session_id, attempts.script(agent, case))
        except TooLarge as error:
            raise MockBroken(f"{agent.label}, case {case.case_id}: {error}") from error

    def calls(self, session_id: str, after: int) -> Sequence[ToolCall]:
        return attempts.calls(self._store.calls(session_id, after))
