"""Judges whole histories with the plan and the kernels of the live evaluation.

One base series is judged at a time. Its rows are its candles; a value read of another series is placed in the row of
the candle on which it would have been seen live, which is the value of that series' last closed slot. Values are
computed slot by slot over a span of candles, and judged candle by candle in tiles that fit into the processor's cache.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.errors import CandlesMissing
from common.grids import Grid
from engine.calendars import AnyCalendars, Calendars, as_calendars
from engine.candle_frames import ConditionSource, histories_of, read_conditions
from engine.candle_history import CandleHistory, FrameHistory, open_times
from engine.evaluate import candle_columns, import_kernels
from engine.firing import FiringState
from engine.plan import Plan, make_plan
from engine.readings import SeriesReadings, calculate
from engine.resampling import with_built
from engine.time_windows import open_inside
from engine.truths import TruthState
from indicators.compute import Array
from registry.conditions import Condition
from registry.groups import Series

if TYPE_CHECKING:
    import pandas as pd

_SPAN = 4096
"""Candles computed at once: limits the memory of a scan to a few thousand rows of slots."""

_TILE = 1 << 20
"""Values judged at once (8 MB), unless that would be too few candles."""

_FEWEST = 64
_SPAN_VALUES = 1 << 22
"""32 MB of slots."""

TRIGGER_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "condition_id": pl.String,
    "condition": pl.String,
    "symbol": pl.String,
    "timeframe": pl.String,
    "open_time": pl.Datetime("ms", "UTC"),
    "close_time": pl.Datetime("ms", "UTC"),
    "price": pl.Float64,
    "settled": pl.Boolean,
}
NO_TRIGGERS = pl.DataFrame(schema=TRIGGER_SCHEMA)


def scan(
    conditions: ConditionSource | Iterable[ConditionSource],
    candles: "pl.DataFrame | pd.DataFrame",
    *,
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> pl.DataFrame:
    """Judge whole histories: ``condition_id condition symbol timeframe open_time close_time price settled``, one row a
    trigger, oldest first. ``condition`` is its text; ``symbol`` and ``timeframe`` are those of its own series.

    ``conditions`` is one condition or several, each a :class:`Condition`, a text or JSON. ``candles`` is a frame of
    polars or pandas with the columns ``symbol timeframe open_time open high low close volume`` (``exchange`` is
    optional, the argument is its default), sorted or not; :mod:`engine.candle_frames` says what else it may be. It may
    contain several series; without ``symbol`` and ``timeframe`` it is the one series that the conditions name. Equal
    rows count once, and the first candle of each series is its anchor. A missing series is built from the longest
    timeframe of its instrument that divides its own. ``calendars`` names the instruments (``NASDAQ:AAPL``) that trade
    in ``sessions``; all others trade ``24x7``. ``grids`` says where the slots of instruments begin that are not on
    UTC's grid, as :class:`common.grids.Grid` or its text (``day 16:00``). ``progress`` is called with the number of
    candles done and their total. Raises :class:`common.errors.CandlesMissing` for a condition without candles,
    :class:`common.errors.GridError` for a candle that does not open with a slot of its grid, and
    :class:`common.errors.CandleFrameError` for a frame that is unusable, or has two different candles of one slot.
    """
    parsed = read_conditions(conditions, exchange)
    histories, known = judged_histories(parsed, candles, exchange=exchange, calendars=calendars, grids=grids)
    by_base: dict[Series, list[Condition]] = {}
    for condition in parsed:
        by_base.setdefault(condition.series, []).append(condition)
    total = sum(histories[series].height for series in by_base)
    done = 0
    frames: list[pl.DataFrame] = []
    for _, of_base in sorted(by_base.items(), key=lambda item: str(item[0])):
        of_frames = {series: FrameHistory(history) for series, history in histories.items()}
        evaluator = HistoryEvaluator(make_plan(of_base), of_frames, known)
        for rows in evaluator.rows():
            frames.append(evaluator.triggers(rows))
            done += rows.opens.size
            if progress is not None:
                progress(done, total)
    triggers = pl.concat([NO_TRIGGERS, *frames])
    # The triggers of one base series are in order.
    return triggers if len(by_base) == 1 else triggers.sort("close_time", "condition_id")


def judged_histories(
    conditions: Sequence[Condition],
    candles: "pl.DataFrame | pd.DataFrame",
    *,
    exchange: str,
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
) -> tuple[dict[Series, pl.DataFrame], Calendars]:
    """The candles of a frame that conditions are judged on, by series, and the calendars and grids of all series.

    Arguments and errors are those of :func:`scan`.
    """
    histories = histories_of(candles, conditions, exchange)
    wanted = {series for condition in conditions for series in condition.all_series}
    known = as_calendars(calendars)
    if grids is not None:
        read = {name: Grid.parse(grid) if isinstance(grid, str) else grid for name, grid in grids.items()}
        known = replace(known, grids={**known.grids, **read})
    histories = with_built(histories, wanted, known)
    if missing := sorted(set(wanted) - set(histories)):
        raise CandlesMissing(f"no candles of {', '.join(missing)}; there are {', '.join(sorted(histories)) or 'none'}")
    for series in wanted:
        known.of(series).require_slots(series, histories[series]["open_time"].dt.epoch("ms").to_numpy())
    return histories, known


@dataclass(frozen=True)
class Rows:
    """Slot values of consecutive candles of a base series, overwritten when the next ones are taken.

    ``values`` float64[slots, n + 1] has a column for each candle, after one for the candle before them.
    """

    values: Array
    adjacent: NDArray[np.bool_]
    """Whether the candle of a column is one step after that of the column before it."""
    opens: NDArray[np.int64]
    ends: NDArray[np.int64]
    """Close times."""
    closes: Array
    counts: Mapping[int, NDArray[np.int64]]
    """Series -> how many candles it had since its anchor, as of each row."""

    def last(self, count: int) -> "Rows":
        """Only the last ``count`` candles."""
        return Rows(
            self.values[:, -count - 1 :],
            self.adjacent[-count - 1 :],
            self.opens[-count:],
            self.ends[-count:],
            self.closes[-count:],
            {series: counts[-count:] for series, counts in self.counts.items()},
        )


class HistoryEvaluator:
    """Judges the conditions of one base series over its history, span by span.

    Its memory does not grow with the history: it is that of a span of all slots, and of one block of each history.
    """

    def __init__(
        self,
        plan: Plan,
        histories: Mapping[Series, CandleHistory],
        calendars: Calendars,
        *,
        span: int | None = None,
    ) -> None:
        """``span`` is how many candles are computed at once; it does not change a bit of the result."""
        (base,) = np.flatnonzero(plan.is_base).tolist()
        self.plan = plan
        self.base = base
        """The index of the base series."""
        self._candles = histories[plan.series[base]]
        self._calendar = calendars.of(plan.series[base])
        first, last = map(self._calendar.slots.number, (self._candles.first_open_ms, self._candles.last_open_ms))
        self._span = span = min(span or _SPAN, last - first + 1)
        self._own = _SeriesValues(plan, self.base, calendars)
        self._others = [
            _Other(plan, index, histories[series], calendars, span)
            for index, series in enumerate(plan.series)
            if index != base
        ]
        self._firing = FiringState()
        self._firing.grow(plan)
        self._truths = TruthState()
        self._truths.grow(plan.program)
        self._moving = plan.is_base.copy()
        self._ids = pl.Series([condition.id for condition in plan.conditions], dtype=pl.String)
        self._texts = pl.Series([condition.text for condition in plan.conditions], dtype=pl.String)
        self._sorted = np.argsort(self._ids.to_numpy(), kind="stable")
        """The conditions in the order of their ids."""
        self._order = self._sorted.argsort()
        self._settle = _settle_columns(plan)
        self._fired = np.empty((2, max(65_536, len(plan.conditions) + 1)), np.int64)

    def rows(self, from_ms: int | None = None) -> Iterator[Rows]:
        """The history in spans; each must be judged with :meth:`triggers` or :meth:`judge` before the next is taken.

        With ``from_ms``, only spans that are needed to judge the candles that open from then on: before them,
        indicators are moved on and nothing else. What fires on earlier candles is not right then.
        """
        plan = self.plan
        buffer = np.full((plan.slots, self._span + 1), np.nan)
        judged_from = None if from_ms is None else self._calendar.back(from_ms, plan.memory + 2)
        done = height = 0
        for span in _spans(self._candles, self._span):
            if height:
                buffer[:, 0] = buffer[:, height]
            height = span.height
            values = buffer[:, : height + 1]
            fresh = values[:, 1:]
            opens = open_times(span)
            if judged_from is not None and opens[-1] < judged_from:
                self._own.extend(span, fresh, delays=False)
                done += height
                continue
            adjacent = self._own.extend(span, fresh)
            ends = self._calendar.close(opens)
            counts = {self.base: np.arange(done + 1, done + 1 + height)}
            for other in self._others:
                counts[other.index] = other.show(ends, fresh)
            _calculate(plan, fresh)
            for slot, number in plan.layout.windows.array.tolist():
                fresh[slot] = open_inside(plan.layout.time_windows[number], opens)
            closes = np.array(span["close"], np.float64)
            yield Rows(values, np.concatenate([[False], adjacent]), opens, ends, closes, counts)
            done += height

    def judge(self, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What fires: positions of rows and the conditions that fire on them, in the order of rows and ids."""
        kernels = import_kernels()
        plan = self.plan
        fired_rows, fired = self._fired
        at_rows, which_fired = [], []
        height = max(16, _TILE // max(1, plan.slots))
        for begin in range(0, rows.opens.size, height):
            tile = np.empty((min(height, rows.opens.size - begin) + 1, plan.slots))
            # Comparisons read values that are not finite as NaN; delays and averages have read them as they are.
            kernels.show_candles(rows.values, plan.program.slots, begin, tile)
            adjacent, row = rows.adjacent[begin : begin + height + 1], 1
            while row < tile.shape[0]:
                row, count = kernels.judge_history(
                    tile,
                    adjacent,
                    row,
                    self.base,
                    *self._firing.columns(self._moving),
                    *self._truths.columns(),
                    fired_rows,
                    fired,
                )
                at_rows.append(fired_rows[:count] + (begin - 1))
                which_fired.append(self._firing.conditions(fired[:count]))
        keys = np.concatenate(at_rows) * len(plan.conditions) + self._order[np.concatenate(which_fired)]
        # Sorting numbers is much faster than sorting times and ids.
        keys.sort()
        at, which = np.divmod(keys, len(plan.conditions))
        return at, self._sorted[which]

    def triggers(self, rows: Rows) -> pl.DataFrame:
        """The triggers of the rows, as ``TRIGGER_SCHEMA``."""
        return self.trigger_frame(rows, *self.judge(rows))

    def trigger_frame(self, rows: Rows, at: NDArray[np.int64], which: NDArray[np.int64]) -> pl.DataFrame:
        """Triggers that :meth:`judge` has named, as ``TRIGGER_SCHEMA``."""
        if not at.size:
            return NO_TRIGGERS.clone()
        symbol, moment = self.plan.series[self.base].instrument.symbol, pl.Datetime("ms", "UTC")
        return pl.DataFrame(
            {
                "condition_id": self._ids[which],
                "condition": self._texts[which],
                "symbol": pl.Series([symbol]).new_from_index(0, at.size),
                "timeframe": pl.Series([self.plan.timeframe]).new_from_index(0, at.size),
                "open_time": pl.Series(rows.opens[at]).cast(moment),
                "close_time": pl.Series(rows.ends[at]).cast(moment),
                "price": rows.closes[at],
                "settled": pl.Series(self._settled(rows, at, which), dtype=pl.Boolean),
            }
        )

    def _settled(self, rows: Rows, at: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.bool_]:
        settled = np.ones(at.size, np.bool_)
        for series, needed in self._settle.items():
            settled &= rows.counts[series][at] >= needed[which]
        return settled


class _SeriesValues:
    """Readings and delays of one series, extended span by span."""

    def __init__(self, plan: Plan, index: int, calendars: Calendars) -> None:
        self._readings = SeriesReadings(plan.layout, index)
        delays = plan.layout.delays.array
        self._delays = delays[plan.owners[delays[:, 0]] == index].tolist()
        self._depth = max((steps for _, _, steps in self._delays), default=0)
        self._tails = {source: np.full(self._depth, np.nan) for _, source, _ in self._delays}
        """Slot of a reading that is delayed -> its last values."""
        self._run = 0
        self._last_open: int | None = None
        self._calendar = calendars.of(plan.series[index])

    def extend(self, span: pl.DataFrame, values: Array | dict[int, Array], *, delays: bool = True) -> NDArray[np.bool_]:
        """Fill the series' slots of ``values`` (slot -> float64[n]) for the next candles; returns whether each candle
        is one step after the previous one. Without ``delays``, their slots are left as they are."""
        self._readings.extend(candle_columns(span), values)
        opens = open_times(span)
        adjacent = self._calendar.adjacent(opens, self._last_open)
        runs = _run_lengths(adjacent, self._run)
        extended = {source: np.concatenate([tail, values[source]]) for source, tail in self._tails.items()}
        for slot, source, steps in self._delays if delays else ():
            delayed = extended[source][self._depth - steps : self._depth - steps + span.height]
            values[slot] = np.where(runs >= steps, delayed, np.nan)
        if span.height:
            self._last_open, self._run = int(opens[-1]), int(runs[-1])
            self._tails = {source: column[column.size - self._depth :] for source, column in extended.items()}
        return adjacent


class _Other:
    """Another series that the base reads: at any time it shows the value of its last closed slot.

    It is moved on as far as the base's time needs it.
    """

    def __init__(self, plan: Plan, index: int, candles: CandleHistory, calendars: Calendars, span: int) -> None:
        self.index = index
        self._series = _SeriesValues(plan, index, calendars)
        sources = np.flatnonzero(plan.owners == index)
        self._values = dict(zip(sources.tolist(), np.full((sources.size, span + 1), np.nan), strict=True))
        """Slot -> its value on the candle before the span, then those on the span's candles."""
        self._views = [(slot, source) for slot, source in plan.layout.views.array.tolist() if source in self._values]
        self._calendar = calendars.of(plan.series[index])
        self._spans = _spans(candles, span)
        self._opens = np.zeros(0, np.int64)
        """Of the candles in ``_values``."""
        self._earlier = 0
        """Candles before those."""
        self._next = next(self._spans, None)

    def show(self, times: NDArray[np.int64], values: Array) -> NDArray[np.int64]:
        """Fill the views of candles that close at ``times``; returns how many candles had closed by each.

        Times never go back from one call to the next.
        """
        counts = np.zeros(times.size, np.int64)
        begin = 0
        while begin < times.size:
            # Until the span after this one begins, what is shown is in this one.
            stop = times.size
            if self._next is not None:
                following = self._calendar.close(int(open_times(self._next)[0]))
                stop = int(np.searchsorted(times, following))
            if stop > begin:
                counts[begin:stop] = self._show(times[begin:stop], values[:, begin:stop])
                begin = stop
            if begin < times.size:
                self._advance(int(times[begin]))
        return counts

    def _show(self, times: NDArray[np.int64], values: Array) -> NDArray[np.int64]:
        if not self._opens.size:
            for slot, _ in self._views:
                values[slot] = np.nan
            return np.zeros(times.size, np.int64)
        rows, count = self._calendar.last_closed(self._opens, times)
        for slot, source in self._views:
            values[slot] = np.where(rows >= 0, self._values[source][rows], np.nan)
        return count + self._earlier

    def _advance(self, time_ms: int) -> None:
        span = self._next
        assert span is not None
        kept = min(1, self._opens.size)
        if kept:
            for column in self._values.values():
                column[0] = column[self._opens.size - 1]
            self._earlier += self._opens.size - 1
        fresh = {source: column[kept : kept + span.height] for source, column in self._values.items()}
        opens = open_times(span)
        is_seen = int(opens[-1]) >= self._calendar.back(time_ms, 2)
        self._series.extend(span, fresh, delays=is_seen)
        for source, column in fresh.items():
            self._values[source][kept : kept + span.height] = column
        self._opens = np.concatenate([self._opens[self._opens.size - kept :], opens])
        self._next = next(self._spans, None)


def span_of(plan: Plan) -> int:
    """How many candles to compute at once where memory counts more than speed."""
    return max(_FEWEST, min(_SPAN, _SPAN_VALUES // max(1, plan.slots)))


def _spans(candles: CandleHistory, height: int) -> Iterator[pl.DataFrame]:
    """A history in frames of at most ``height`` candles."""
    for block in candles.blocks():
        for begin in range(0, block.height, height):
            yield block[begin : begin + height]


def _calculate(plan: Plan, values: Array) -> None:
    layout = plan.layout
    for (slot, code, *sides), constants in zip(layout.arithmetic.array, layout.constants.array, strict=True):
        left, right = (values[side] if side >= 0 else constant for side, constant in zip(sides, constants, strict=True))
        values[slot] = calculate(code, left, right)


def _run_lengths(adjacent: NDArray[np.bool_], before: int) -> NDArray[np.int64]:
    """How many consecutive steps lead up to each candle."""
    positions = np.arange(adjacent.size)
    last_break = np.maximum.accumulate(np.where(adjacent, -1, positions))
    runs: NDArray[np.int64] = np.where(last_break >= 0, positions - last_break, positions + 1 + before)
    return runs


def _settle_columns(plan: Plan) -> dict[int, NDArray[np.int64]]:
    """Series -> its candles after which each condition's indicators have settled, 0 for conditions without any."""
    columns: dict[int, NDArray[np.int64]] = {}
    for condition, needs in enumerate(plan.settle):
        for series, needed in needs:
            columns.setdefault(series, np.zeros(len(plan.settle), np.int64))[condition] = needed
    return columns
