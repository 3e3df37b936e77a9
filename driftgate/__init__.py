"""Driftgate: continuous evaluation for LLM agents."""

__version__ = "0.3.0"
