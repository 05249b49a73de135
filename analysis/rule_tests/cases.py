"""What a file of rule tests says: its tests, ready to be judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from engine.calendars import Calendars
from registry.conditions import Condition
from registry.groups import Series
from registry.language.tree import IndicatorOutput

BarValues = list[float | None]
"""One for each bar: ``None`` is a missing candle, NaN a value that is not known."""


@dataclass(frozen=True)
class SeriesCase:
    """The candles of one series, and what its indicators are where the test says so.

    Bars are slots of the series, counted from 0.
    """

    start_ms: int
    """Open time of bar 0."""
    candles: pl.DataFrame
    """A candle frame, oldest first."""
    injected: Mapping[IndicatorOutput, BarValues]


@dataclass(frozen=True)
class RuleTest:
    """One test: a condition on some candles, and what is expected of it. What is ``None`` is not checked."""

    path: Path
    line: int
    name: str
    condition: Condition
    calendars: Calendars
    series: Mapping[Series, SeriesCase]
    fires: tuple[int, ...] | None
    """The bars on which it fires."""
    fires_count: int | None
    truth: tuple[int | None, ...] | None
    """Its truth on the first bars, as the engine's numbers; ``None`` is a missing candle."""
