"""Mock tools: answer an agent's tool calls from a test case's world, and log every call.

Standard library only, and nothing of Driftgate's: this package becomes a Lambda layer, a wheel for
agents in containers, and is the local tool server's engine. It works on plain JSON values that
Driftgate has validated; `driftgate.mocks` builds them.
"""

from mock_tools.dynamodb import DynamoStore
from mock_tools.engine import Answer, Engine, MemoryStore, Store, TooLarge, UnknownSession
from mock_tools.sessions import SESSION_HEADER, session_id
from mock_tools.templates import Broken

__all__ = [
    "SESSION_HEADER",
    "Answer",
    "Broken",
    "DynamoStore",
    "Engine",
    "MemoryStore",
    "Store",
    "TooLarge",
    "UnknownSession",
    "session_id",
]
