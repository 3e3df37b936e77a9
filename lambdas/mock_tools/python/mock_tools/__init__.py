"""Mock tools: answer an agent's tool calls from a test case's world, and log every call.

Standard library only, and nothing of Driftgate's: this package becomes a Lambda layer, a wheel for
agents in containers, and is the local tool server's engine. It works on plain JSON values that
Driftgate has validated; `driftgate.attempts` builds them.
"""
