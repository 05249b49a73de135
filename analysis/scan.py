"""The analysts' door to the engine's history."""

from engine.history import scan

__all__ = ["scan"]
