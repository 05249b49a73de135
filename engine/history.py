"""Judges whole histories with the plan of the live evaluation.

One base series is judged at a time. Its rows are its candles; a value read of another series is placed in the row of
the candle on which it would have been seen live, which is the value of that series' last closed slot. Values are
computed slot by slot over a span of candles, and judged truth by truth over blocks of them (``engine.history_truths``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.calendars import Calendars, SeriesCalendar
from engine.candle_history import CandleHistory, open_times
from engine.evaluate import candle_columns
from engine.history_truths import HistoryTruths
from engine.plan import Plan
from engine.readings import SeriesReadings, calculate
from engine.time_windows import open_inside
from indicators.compute import Array
from registry.groups import Series
from registry.instruments import Instrument
from registry.other_instruments import names_on

_SPAN = 4096
"""Candles computed at once: limits the memory of a scan to a few thousand rows of slots."""

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


@dataclass(frozen=True)
class Rows:
    """Slot values of consecutive candles of a base series, overwritten when the next ones are taken."""

    buffer: Array
    """float64[slots, columns]; only slots that something reads have values."""
    begin: int
    """The column of the candle before them."""
    adjacent: NDArray[np.bool_]
    """Whether the candle of a column is one step after that of the column before it."""
    opens: NDArray[np.int64]
    ends: NDArray[np.int64]
    """Close times."""
    closes: Array
    counts: Mapping[int, NDArray[np.int64]]
    """Series -> how many candles it had since its anchor, as of each row."""

    @property
    def values(self) -> Array:
        """float64[slots, n + 1]: a column for each candle, after one for the candle before them."""
        return self.buffer[:, self.begin : self.begin + self.opens.size + 1]

    def last(self, count: int) -> "Rows":
        """Only the last ``count`` candles."""
        return Rows(
            self.buffer,
            self.begin + self.opens.size - count,
            self.adjacent[-count - 1 :],
            self.opens[-count:],
            self.ends[-count:],
            self.closes[-count:],
            {series: counts[-count:] for series, counts in self.counts.items()},
        )


class SpanBuffer:
    """Memory for the values of a span, for one evaluator after the other: taking it from the system anew takes as long
    as computing indicators does."""

    def __init__(self) -> None:
        self._memory = np.empty(0)

    def take(self, slots: int, columns: int) -> Array:
        """float64[slots, columns] with any values. What was taken before is overwritten."""
        size = slots * columns
        if self._memory.size < size:
            self._memory = np.empty(size)
        return self._memory[:size].reshape(slots, columns)


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
        on: Instrument | None = None,
        buffer: SpanBuffer | None = None,
    ) -> None:
        """``span`` is how many candles are computed at once; it does not change a bit of the result. With ``on``, the
        plan's conditions, which must read no other instrument than their own, are judged as conditions of that one.
        ``buffer`` may be that of evaluators that are done."""
        (base,) = np.flatnonzero(plan.is_base).tolist()
        self.plan = plan
        series = plan.series if on is None else [Series(on, each.timeframe) for each in plan.series]
        self.base = base
        """The index of the base series."""
        self._series = series[base]
        self._candles = histories[self._series]
        self._calendar = calendars.of(self._series)
        first, last = map(self._calendar.slots.number, (self._candles.first_open_ms, self._candles.last_open_ms))
        self._span = span = min(span or _SPAN, last - first + 1)
        self._read = read = plan.read_slots
        self._own = _SeriesValues(plan, self.base, self._calendar, read)
        self._others = [
            _Other(_SeriesValues(plan, index, calendars.of(each), read), histories[each], span)
            for index, each in enumerate(series)
            if index != base
        ]
        names = ((each.id, each.text) for each in plan.conditions) if on is None else names_on(plan.conditions, on)
        self._ids, self._texts = (pl.Series(part, dtype=pl.String) for part in zip(*names, strict=True))
        self._buffer = buffer or SpanBuffer()
        self._truths = HistoryTruths(plan, np.argsort(self._ids.to_numpy(), kind="stable"))
        self._settle = _settle_columns(plan)

    def rows(self, from_ms: int | None = None) -> Iterator[Rows]:
        """The history in spans; each must be judged with :meth:`triggers` or :meth:`judge` before the next is taken.

        With ``from_ms``, only spans that are needed to judge the candles that open from then on: before them,
        indicators are moved on and nothing else. What fires on earlier candles is not right then.
        """
        plan = self.plan
        buffer = self._buffer.take(plan.slots, self._span + 1)
        buffer[self._read, 0] = np.nan
        judged_from = None if from_ms is None else self._calendar.back(from_ms, plan.memory + 2)
        done = height = 0
        for span in _spans(self._candles, self._span):
            if height:
                buffer[self._read, 0] = buffer[self._read, height]
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
            yield Rows(buffer, 0, np.concatenate([[False], adjacent]), opens, ends, closes, counts)
            done += height

    def judge(self, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What fires: positions of rows and the conditions that fire on them, in the order of rows and ids."""
        return self._truths.fire(rows.buffer, rows.begin, rows.adjacent[1:])

    def triggers(self, rows: Rows) -> pl.DataFrame:
        """The triggers of the rows, as ``TRIGGER_SCHEMA``."""
        return self.trigger_frame(rows, *self.judge(rows))

    def trigger_frame(self, rows: Rows, at: NDArray[np.int64], which: NDArray[np.int64]) -> pl.DataFrame:
        """Triggers that :meth:`judge` has named, as ``TRIGGER_SCHEMA``."""
        if not at.size:
            return NO_TRIGGERS.clone()
        symbol, moment = self._series.instrument.symbol, pl.Datetime("ms", "UTC")
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

    def __init__(self, plan: Plan, index: int, calendar: SeriesCalendar, read: NDArray[np.int64]) -> None:
        """``read`` are the slots that are filled."""
        self.index = index
        self.calendar = calendar
        wanted = np.zeros(plan.slots, np.bool_)
        wanted[read] = True
        self.slots: list[int] = np.flatnonzero(wanted & (plan.owners == index)).tolist()
        """Those of the series."""
        self.views = [(slot, source) for slot, source in plan.layout.views.array.tolist() if source in self.slots]
        """Slots in which the base sees them."""
        self._readings = SeriesReadings(plan.layout, index, wanted=wanted)
        delays = plan.layout.delays.array
        self._delays = delays[plan.owners[delays[:, 0]] == index].tolist()
        self._depth = max((steps for _, _, steps in self._delays), default=0)
        self._tails = {source: np.full(self._depth, np.nan) for _, source, _ in self._delays}
        """Slot of a reading that is delayed -> its last values."""
        self._run = 0
        self._last_open: int | None = None

    def extend(self, span: pl.DataFrame, values: Array | dict[int, Array], *, delays: bool = True) -> NDArray[np.bool_]:
        """Fill the series' slots of ``values`` (slot -> float64[n]) for the next candles; returns whether each candle
        is one step after the previous one. Without ``delays``, their slots are left as they are."""
        self._readings.extend(candle_columns(span), values)
        opens = open_times(span)
        adjacent = self.calendar.adjacent(opens, self._last_open)
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

    def __init__(self, series: _SeriesValues, candles: CandleHistory, span: int) -> None:
        self.index = series.index
        self._series = series
        self._values = dict(zip(series.slots, np.full((len(series.slots), span + 1), np.nan), strict=True))
        """Slot -> its value on the candle before the span, then those on the span's candles."""
        self._views = series.views
        self._calendar = series.calendar
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
