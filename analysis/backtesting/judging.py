"""On which candles conditions fire, by the plan and the kernels of the live evaluation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.backtesting.planning import plan_of
from analysis.backtesting.sources import ReadCandles, whole
from common.candle_columns import OHLC
from common.errors import BacktestError
from common.timeframes import show_time
from engine.calendars import SeriesCalendar
from engine.candle_history import CandleHistory, FrameHistory, open_times
from engine.history import NO_TRIGGERS, HistoryEvaluator
from indicators.compute import Array
from registry.conditions import Condition
from registry.groups import Series

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class BaseCandles:
    """The candles of one series as arrays, oldest first, and the rows that a backtest covers."""

    series: Series
    calendar: SeriesCalendar
    opens_ms: Integers
    closes_ms: Integers
    prices: Array
    """float64[4, n]: open, high, low, close."""
    volumes: Array
    first: int
    """The first row whose candle closes after the start of the range."""
    stop: int
    """One after the last row whose candle closes by its end."""

    @property
    def span(self) -> Integers:
        return np.array([self.first, self.stop], np.int64)

    @property
    def candles(self) -> int:
        """Candles in the range."""
        return self.stop - self.first

    @property
    def marker(self) -> str:
        """Tells these candles from others of the same name: a digest of the first ones."""
        return sha256(self.opens_ms[:_MARKED].tobytes() + self.prices[:, :_MARKED].tobytes()).hexdigest()

    @cached_property
    def mean_returns(self) -> Array:
        """float64[3]: what the candles in the range return on average, as shares, from open to close, from close to
        close, and from close to the next open."""
        opens, closes = self.prices[0, self.first : self.stop], self.prices[3, self.first : self.stop]
        pairs = (closes, opens), (closes[1:], closes[:-1]), (opens[1:], closes[:-1])
        return np.array([moves(later, earlier).mean() for later, earlier in pairs])

    @property
    def candles_a_year(self) -> float:
        """How many candles a year has, by the range itself: markets with sessions have fewer."""
        if self.candles < 2:
            return 0.0
        years = float(self.closes_ms[self.stop - 1] - self.opens_ms[self.first]) / _YEAR_MS
        return self.candles / years


_MARKED = 64
_SPAN_VALUES = 1 << 18
"""Slots times candles that are judged at once, so that a step of few slots is not too short to be worth its calls, and
its values fit into the processor's cache."""
_FEWEST_CANDLES, _MOST_CANDLES = 4096, 65_536
_YEAR_MS = 365.25 * 86_400_000


def moves(later: Array, earlier: Array) -> Array:
    """Returns from earlier prices to later ones, as shares, without a second array of the length of a history."""
    returns: Array = later / earlier
    returns -= 1
    return returns


@dataclass(frozen=True)
class Firings:
    """The rows on which conditions of one series fire: condition ``c`` on ``rows[starts[c]:starts[c + 1]]``."""

    starts: Integers
    rows: Integers

    def of(self, condition: int) -> Integers:
        """The rows of one condition, in order."""
        return self.rows[self.starts[condition] : self.starts[condition + 1]]

    def within(self, first: int, stop: int) -> "Firings":
        """Only those from one row to before another."""
        kept = (self.rows >= first) & (self.rows < stop)
        before = np.concatenate([[0], np.cumsum(kept)])
        return Firings(before[self.starts], self.rows[kept])


def base_candles(
    read: ReadCandles, series: Series, start_ms: int | None, end_ms: int | None
) -> tuple[BaseCandles, CandleHistory]:
    """The candles of a series, and the same as a history. Raises :class:`common.errors.BacktestError` for a range
    without candles and for prices that are not above 0 or not finite."""
    frame = whole(read.histories[series])
    calendar = read.calendars.of(series)
    opens = open_times(frame)
    closes = np.asarray(calendar.close(opens), np.int64)
    first = 0 if start_ms is None else int(np.searchsorted(closes, start_ms, side="right"))
    stop = opens.size if end_ms is None else int(np.searchsorted(closes, end_ms, side="right"))
    if stop - first < 2:
        there = max(0, stop - first)
        raise BacktestError(
            f"{series} has {there} candle{'' if there == 1 else 's'} in the range; it has {opens.size:,} from"
            f" {show_time(int(opens[0]))} to {show_time(int(closes[-1]))}, and a backtest needs at least 2"
        )
    prices = np.empty((len(OHLC), opens.size))
    for row, name in enumerate(OHLC):
        prices[row] = frame[name].to_numpy()
    within = prices[:, first:stop]
    if not (within.min() > 0 and within.max() < np.inf):
        row = first + int(np.flatnonzero(~((within > 0) & (within < np.inf)).all(axis=0))[0])
        raise BacktestError(
            f"the candle of {series} at {show_time(int(opens[row]))} has a price that is not above 0, or is infinite;"
            " returns are not defined then: begin or end the range elsewhere"
        )
    volumes = np.asarray(frame["volume"].to_numpy(), np.float64)
    return BaseCandles(series, calendar, opens, closes, prices, volumes, first, stop), FrameHistory(frame)


def judge(
    conditions: Sequence[Condition],
    histories: Mapping[Series, CandleHistory],
    read: ReadCandles,
    *,
    named: bool = False,
    progress: Callable[[int], object] | None = None,
) -> tuple[Firings, pl.DataFrame]:
    """The rows on which conditions of one series fire, and with ``named`` their triggers as :func:`analysis.scan` has
    them. ``progress`` is called with the number of candles that each step has done."""
    listed, on = plan_of(conditions)
    span = min(_MOST_CANDLES, max(_FEWEST_CANDLES, _SPAN_VALUES // listed.plan.slots))
    evaluator = HistoryEvaluator(listed.plan, histories, read.calendars, span=span, on=on)
    at_rows, which_fired, frames, done = [], [], [NO_TRIGGERS], 0
    for rows in evaluator.rows():
        at, which = evaluator.judge(rows)
        at_rows.append(at + done)
        which_fired.append(listed.order[which])
        if named:
            frames.append(evaluator.trigger_frame(rows, at, which))
        done += rows.opens.size
        if progress is not None:
            progress(rows.opens.size)
    fired, at = np.concatenate(which_fired), np.concatenate(at_rows)
    by_condition = np.argsort(fired, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(fired, minlength=len(conditions)))])
    return Firings(starts.astype(np.int64), at[by_condition]), pl.concat(frames)


def firings_in(triggers: pl.DataFrame, base: BaseCandles, conditions: Sequence[Condition]) -> Firings:
    """The same from triggers as :func:`analysis.scan` has them."""
    place = {condition.id: number for number, condition in enumerate(conditions)}
    fired = triggers["condition_id"].replace_strict(place, return_dtype=pl.Int64).to_numpy()
    at = np.searchsorted(base.opens_ms, triggers["open_time"].dt.epoch("ms").to_numpy())
    by_condition = np.argsort(fired, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(fired, minlength=len(conditions)))])
    return Firings(starts.astype(np.int64), at[by_condition].astype(np.int64))
