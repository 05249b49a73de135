"""Lengths of windows that several indicators look back on, in values."""

from indicators.catalogue import Parameters


def pair(parameters: Parameters) -> int:  # noqa: ARG001 - called like the others
    """A value and the one before it."""
    return 2


def period_and_one(parameters: Parameters) -> int:
    """A value, the one ``period`` candles before it, and those between."""
    return int(parameters["period"]) + 1
