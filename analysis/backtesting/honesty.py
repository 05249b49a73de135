"""What to distrust in a backtest: each check looks for one thing that makes results look better than they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.backtesting.judging import BaseCandles, Firings, judge
from analysis.backtesting.sources import ReadCandles, whole
from common.counted import counted
from common.timeframes import show_time
from engine.candle_history import CandleHistory, FrameHistory, open_times
from registry.conditions import Condition
from registry.groups import Series

FEW = 30
"""Triggers or trades below which nothing is said about chance."""
_LONG = 500_000
"""From so many candles on, the look-ahead check cuts once instead of twice."""

CautionKind = Literal["look-ahead", "few", "unsettled", "gaps", "invented", "no volume", "always", "dependent", "never"]


@dataclass(frozen=True)
class Caution:
    """One reason to distrust a result."""

    kind: CautionKind
    text: str


def look_ahead(
    conditions: Sequence[Condition], base: BaseCandles, read: ReadCandles, firings: Firings
) -> dict[int, Caution]:
    """Condition (by position) -> what it knew too early.

    All candles after some moment are cut off and everything is judged again: whatever fired up to then must have fired
    on the same candles. The moments are a trigger in the middle of the range, and three quarters of it.
    """
    fired = firings.within(base.first, base.stop).rows
    middle = base.first + base.candles // 2
    near = int(fired[np.argmin(np.abs(fired - middle))]) if fired.size else middle
    cuts = {near} if base.candles > _LONG else {near, base.first + base.candles * 3 // 4}
    cautions: dict[int, Caution] = {}
    for cut in sorted(cuts):
        close_ms = int(base.closes_ms[cut])
        histories = dict(_cut(read, conditions, close_ms))
        if len(histories) < len({series for condition in conditions for series in condition.all_series}):
            continue
        judged, _ = judge(conditions, histories, read)
        for number in range(len(conditions)):
            before = firings.of(number)
            changed = np.setxor1d(before[before <= cut], judged.of(number))
            if changed.size:
                at = show_time(int(base.closes_ms[changed[0]]))
                cautions[number] = Caution(
                    "look-ahead",
                    f"it knows the future: whether it fires at {at} depends on candles after {show_time(close_ms)}",
                )
    return cautions


def cautions_of(
    condition: Condition, base: BaseCandles, triggers: pl.DataFrame, rows: NDArray[np.int64], trades: int, longest: int
) -> Iterator[Caution]:
    """The reasons that the candles and the triggers give. ``rows`` are those of the triggers in the range, ``triggers``
    their frame; ``longest`` is the longest horizon, in candles."""
    count = rows.size
    if count == 0:
        yield Caution("never", f"it never fires on {base.candles:,} candles: there is nothing to say about it")
    elif trades < FEW:
        yield Caution(
            "few",
            f"{counted(count, 'trigger')} and {counted(trades, 'trade')} are too few to tell skill from luck;"
            f" {FEW} are a start",
        )
    if count > 0.9 * (base.candles - 1):
        yield Caution("always", "it fires on nearly every candle: what follows is what follows any candle")
    unsettled = count - int(triggers["settled"].sum())
    if unsettled:
        needed = max(
            (need.settled_after or need.lookback + 1 for need in condition.needed.values()),
            default=0,
        )
        yield Caution(
            "unsettled",
            f"{unsettled:,} of {count:,} triggers came before indicators had settled ({needed:,} candles); with earlier"
            " candles they might not have",
        )
    close = int(np.sum(np.diff(rows) < longest))
    if count > 1 and close > count / 2:
        yield Caution(
            "dependent",
            f"{close:,} of {count:,} triggers come within {longest:,} candles of the one before: they share what"
            " followed, and are fewer observations than they seem",
        )


def cautions_of_candles(base: BaseCandles) -> Iterator[Caution]:
    """The reasons that the candles alone give."""
    opens = base.opens_ms[base.first : base.stop]
    gaps = base.calendar.missing(opens)
    if gaps:
        missing = sum(count for _, count in gaps)
        yield Caution(
            "gaps",
            f"{missing:,} candles are missing in {len(gaps):,} gaps, the first from {show_time(gaps[0][0])}: horizons"
            " and trades that cross one are longer than they seem",
        )
    volumes = base.volumes[base.first : base.stop]
    if not (volumes > 0).any():
        yield Caution("no volume", "no candle has any volume: what is computed from it is UNKNOWN or says nothing")
        return
    still = base.first + np.flatnonzero(volumes == 0)
    prices = base.prices[:, still]
    is_flat = (prices == prices[3]).all(axis=0)
    is_flat &= (still == base.first) | (prices[0] == base.prices[3, still - 1])
    invented = int(is_flat.sum())
    if invented:
        yield Caution(
            "invented",
            f"{invented:,} of {base.candles:,} candles are flat at the price before and without volume: nobody could"
            " have traded there",
        )


def _cut(read: ReadCandles, conditions: Sequence[Condition], close_ms: int) -> Iterator[tuple[Series, CandleHistory]]:
    """The histories that conditions read, without what closes after a time; none for a series that has nothing then."""
    for series in {series for condition in conditions for series in condition.all_series}:
        frame = whole(read.histories[series])
        last_ms = read.calendars.of(series).last_open(close_ms)
        count = int(np.searchsorted(open_times(frame), last_ms, side="right"))
        if count:
            yield series, FrameHistory(frame.head(count))
