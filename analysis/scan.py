"""The engine's history, as analysts call it: :func:`analysis.scan`."""

from engine.history import scan

__all__ = ["scan"]
