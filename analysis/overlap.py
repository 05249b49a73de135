"""How much two conditions are one: how often they fire together, and what judging only one of them would save."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analysis.backtesting.judging import judge
from analysis.backtesting.sources import source_of
from common.counted import counted
from common.timeframes import Moment, read_moment
from engine.blocks import IndicatorBlock
from engine.calendars import AnyCalendars
from engine.candle_frames import ConditionSource, read_conditions
from engine.plan import make_plan
from registry.conditions import Condition
from registry.language.tree import comparisons
from registry.store.protocol import Store

if TYPE_CHECKING:
    import pandas as pd

NEAR_DUPLICATE = 0.9
"""From this share of common triggers on, two conditions are called near-duplicates."""


@dataclass(frozen=True)
class Overlap:
    """Two conditions on the same candles. Savings are per candle; what both need is shared already."""

    a: Condition
    b: Condition
    triggers_a: int
    triggers_b: int
    both: int
    """Triggers of candles that close at the same time."""
    a_near_b: int
    """Triggers of ``a`` within ``within_ms`` of one of ``b``."""
    within_ms: int
    indicators_a: int
    indicators_b: int
    shared_indicators: int
    """Indicators that both need, which are computed once."""
    saved_indicators: int
    """Indicators that only ``b`` needs: without it they would not be computed."""
    saved_comparisons: int
    """Comparisons that only ``b`` needs."""

    @property
    def jaccard(self) -> float | None:
        """The share of common triggers among all; ``None`` if neither fires."""
        either = self.triggers_a + self.triggers_b - self.both
        return self.both / either if either else None

    @property
    def is_near_duplicate(self) -> bool:
        """Whether nearly all triggers are common."""
        return self.a == self.b or (self.jaccard or 0.0) >= NEAR_DUPLICATE

    def __str__(self) -> str:
        if self.a == self.b:
            return f"{self.a} and {self.b} are one condition: they have one id and are judged once"
        if self.jaccard is None:
            return f"{self.a} and {self.b}: neither fires on these candles"
        word = "near-duplicates" if self.is_near_duplicate else "different conditions"
        return (
            f"{self.a} fires {self.triggers_a:,} times, {self.b} {self.triggers_b:,} times, {self.both:,} times"
            f" together: {word}. They share {counted(self.shared_indicators, 'indicator')}; one for both would save"
            f" {counted(self.saved_indicators, 'indicator')} and {counted(self.saved_comparisons, 'comparison')} a"
            " candle"
        )

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(str(self))}</p>"


def overlap(
    a: ConditionSource,
    b: ConditionSource,
    candles: "pl.DataFrame | pd.DataFrame | Store | str | Path",
    *,
    within_ms: int = 0,
    start: Moment | None = None,
    end: Moment | None = None,
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    token: str | None = None,
) -> Overlap:
    """Compare the triggers of two conditions, and what they are computed from.

    ``candles`` are as for :func:`analysis.backtest`, and so are ``start`` and ``end``.
    """
    (first,), (second,) = read_conditions(a, exchange), read_conditions(b, exchange)
    conditions = list(dict.fromkeys([first, second]))
    read = source_of(candles, exchange=exchange, calendars=calendars, token=token).read(conditions)
    since, until = read_moment(start), read_moment(end)
    closes: dict[Condition, np.ndarray] = {}
    for condition in conditions:
        _, triggers = judge([condition], read.histories, read, named=True)
        times = triggers["close_time"].dt.epoch("ms").to_numpy()
        kept = np.ones(times.size, np.bool_) if since is None else times > since
        closes[condition] = times[kept] if until is None else times[kept & (times <= until)]
    mine, theirs = closes[first], closes[second]
    near = np.searchsorted(theirs, mine + within_ms, side="right") > np.searchsorted(theirs, mine - within_ms)
    counts = [_indicators(which) for which in ([first], [second], conditions)]
    own = set(comparisons(first.tree))
    return Overlap(
        a=first,
        b=second,
        triggers_a=mine.size,
        triggers_b=theirs.size,
        both=int(np.isin(mine, theirs).sum()),
        a_near_b=int(near.sum()),
        within_ms=within_ms,
        indicators_a=counts[0],
        indicators_b=counts[1],
        shared_indicators=counts[0] + counts[1] - counts[2],
        saved_indicators=counts[2] - counts[0],
        saved_comparisons=len(set(comparisons(second.tree)) - own),
    )


def _indicators(conditions: list[Condition]) -> int:
    """The indicators that a plan computes a candle: each counts once for each instrument and timeframe. Conditions of
    different timeframes share none."""
    by_timeframe: dict[str, list[Condition]] = {}
    for condition in conditions:
        by_timeframe.setdefault(condition.timeframe, []).append(condition)
    plans = [make_plan(mine) for mine in by_timeframe.values()]
    blocks = [block for plan in plans for block in plan.layout.blocks]
    return sum(sum(lane >= 0 for lane in block.series) for block in blocks if isinstance(block, IndicatorBlock))
