"""Judges whole histories with the plan and the kernels of the live evaluation.

One base series at a time: its rows are its candles; what it reads of other series stands in the row of the candle on
which it would have seen it live, the value of that series' last closed slot.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.calendars import calendar_of
from flows.candles.resampling import with_built
from flows.evaluate import candle_columns, import_kernels, unknown_ages
from flows.firing import Firing
from flows.layout import ARITHMETIC
from flows.plan import Plan, make_plan
from flows.program import UNKNOWN
from indicators.compute import Array, input_arrays, source_array, start
from indicators.compute import scan as scan_indicator
from registry.conditions import Condition
from registry.errors import CandlesMissing
from registry.expression import Series
from registry.store.records import Calendar
from registry.timeframes import DURATION_MS

_SPAN = 4096
"""Candles judged at once: bounds the memory of a scan to a few thousand rows of slots."""

_OPERATIONS = dict(zip(ARITHMETIC, (np.add, np.subtract, np.multiply, np.divide), strict=True))

TRIGGER_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "condition_id": pl.String,
    "open_time": pl.Datetime("ms", "UTC"),
    "close_time": pl.Datetime("ms", "UTC"),
    "price": pl.Float64,
    "settled": pl.Boolean,
}


def scan(
    conditions: Iterable[Condition | str | Mapping[str, Any]],
    candles: pl.DataFrame,
    *,
    exchange: str = "BINANCE",
    calendars: Mapping[str, Calendar] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> pl.DataFrame:
    """Judge whole histories: ``condition_id open_time close_time price settled``, one row a trigger, oldest first.

    ``candles`` has the columns ``symbol timeframe open_time open high low close volume`` (``exchange`` optional, the
    argument is its default), several series at once; the first candle of each is its anchor. A series that is not there
    is built from the longest timeframe of its instrument that divides its own. ``calendars`` names the instruments
    (``NASDAQ:AAPL``) that trade in ``sessions``; all others trade ``24x7``. ``progress`` is called with candles done
    and in all. Raises :class:`registry.errors.CandlesMissing` for a condition whose series cannot be had.
    """
    parsed = [
        condition if isinstance(condition, Condition) else Condition.parse(condition, default_exchange=exchange)
        for condition in conditions
    ]
    if "exchange" not in candles.columns:
        candles = candles.with_columns(pl.lit(exchange).alias("exchange"))
    histories = {
        f"{key[0]}:{key[1]} {key[2]}": history.sort("open_time")
        for key, history in candles.partition_by("exchange", "symbol", "timeframe", as_dict=True).items()
    }
    wanted = {series for condition in parsed for series in condition.all_series}
    histories = with_built(histories, wanted)
    if missing := sorted({str(series) for series in wanted} - set(histories)):
        raise CandlesMissing(f"no candles of {', '.join(missing)}; there are {', '.join(sorted(histories)) or 'none'}")
    by_base: dict[Series, list[Condition]] = {}
    for condition in parsed:
        by_base.setdefault(condition.series, []).append(condition)
    total = sum(histories[str(series)].height for series in by_base)
    done = 0
    found: list[pl.DataFrame] = []
    for _, held in sorted(by_base.items(), key=lambda item: str(item[0])):
        judge = HistoryJudge(make_plan(held), histories, calendars or {})
        for rows in judge.rows():
            found.append(judge.triggers(rows))
            done += rows.opens.size
            if progress is not None:
                progress(done, total)
    return pl.concat([pl.DataFrame(schema=TRIGGER_SCHEMA), *found]).sort("close_time", "condition_id")


@dataclass(frozen=True)
class Rows:
    """Slot values of consecutive candles of a base series; row 0 of ``values`` is the candle before them."""

    values: Array
    adjacent: NDArray[np.bool_]
    """Whether a row is one step after the row before it."""
    opens: NDArray[np.int64]
    closes: Array
    counts: Mapping[int, NDArray[np.int64]]
    """Series -> its candles since the anchor up to each row."""

    def last(self, count: int) -> "Rows":
        """The last so many candles alone."""
        return Rows(
            self.values[-count - 1 :],
            self.adjacent[-count - 1 :],
            self.opens[-count:],
            self.closes[-count:],
            {series: held[-count:] for series, held in self.counts.items()},
        )


class HistoryJudge:
    """Judges the conditions of one base series over its history, span by span."""

    def __init__(self, plan: Plan, histories: Mapping[str, pl.DataFrame], calendars: Mapping[str, Calendar]) -> None:
        (base,) = np.flatnonzero(plan.is_base).tolist()
        self.plan = plan
        self._base = base
        self._candles = histories[str(plan.series[base])]
        self._own = _SeriesValues(plan, self._base, calendars)
        self._others = [
            _Other(plan, index, histories[str(series)], calendars)
            for index, series in enumerate(plan.series)
            if index != base
        ]
        self._firing = Firing()
        self._firing.grow(plan)
        self._ages = unknown_ages(plan.program.size)
        self._truth = np.full(plan.program.size, UNKNOWN, np.uint8)
        self._moving = plan.is_base.copy()
        self._ids = np.array([condition.id for condition in plan.conditions])

    def rows(self) -> Iterator[Rows]:
        """The history in spans; judge each with :meth:`triggers` before taking the next."""
        plan = self.plan
        last = np.full((1, plan.slots), np.nan)
        length = DURATION_MS[plan.timeframe]
        for begin in range(0, self._candles.height, _SPAN):
            span = self._candles[begin : begin + _SPAN]
            values = np.full((span.height + 1, plan.slots), np.nan)
            values[0] = last[0]
            own, adjacent = self._own.extend(span)
            values[1:, self._own.slots] = own
            opens = span["open_time"].dt.epoch("ms").to_numpy()
            counts = {self._base: np.arange(begin + 1, begin + 1 + span.height)}
            for other in self._others:
                counts[other.index] = other.show(opens + length, values[1:])
            _calculate(plan, values[1:])
            # Comparisons take what is not finite as NaN; delays and averages have read it as it is.
            values[~np.isfinite(values)] = np.nan
            last = values[-1:]
            yield Rows(values, np.concatenate([[False], adjacent]), opens, np.array(span["close"], np.float64), counts)

    def triggers(self, rows: Rows) -> pl.DataFrame:
        """What fires on the rows, as ``TRIGGER_SCHEMA``."""
        kernels = import_kernels()
        plan = self.plan
        space = max(65_536, len(plan.conditions) + 1)
        row, at_rows, which_fired = 1, [], []
        while row < rows.values.shape[0]:
            fired_rows, fired = np.empty(space, np.int64), np.empty(space, np.int64)
            row, count = kernels.judge_history(
                rows.values,
                rows.adjacent,
                row,
                self._base,
                self._moving,
                *self._firing.columns(),
                self._firing.truths,
                *plan.program.arrays(),
                self._ages,
                self._truth,
                fired_rows,
                fired,
            )
            at_rows.append(fired_rows[:count] - 1)
            which_fired.append(self._firing.conditions(fired[:count]))
        at, which = np.concatenate(at_rows), np.concatenate(which_fired)
        length = DURATION_MS[plan.timeframe]
        return pl.DataFrame(
            {
                "condition_id": pl.Series(self._ids[which], dtype=pl.String),
                "open_time": pl.from_epoch(pl.Series(rows.opens[at]), "ms").cast(pl.Datetime("ms", "UTC")),
                "close_time": pl.from_epoch(pl.Series(rows.opens[at] + length), "ms").cast(pl.Datetime("ms", "UTC")),
                "price": rows.closes[at],
                "settled": pl.Series(_settled(plan, rows, at, which), dtype=pl.Boolean),
            }
        )


class _SeriesValues:
    """Readings and delays of one series, extended span by span."""

    def __init__(self, plan: Plan, index: int, calendars: Mapping[str, Calendar]) -> None:
        series = plan.series[index]
        self._blocks = [block for block in plan.indicators if index in block.series]
        self._carries = [start(block.indicator, block.parameters) for block in self._blocks]
        self._prices = [price for price in plan.prices if index in price.series]
        read = [price.first_slot + price.series.index(index) for price in self._prices]
        read += [slot for block in self._blocks for slot in block.slots(block.series.index(index))]
        delays = plan.layout.delays.array
        mine = delays[plan.owners[delays[:, 0]] == index]
        self.slots = np.concatenate([np.array(read, np.int64), mine[:, 0]])
        column = {slot: number for number, slot in enumerate(self.slots.tolist())}
        self._delays = [(column[slot], column[source], steps) for slot, source, steps in mine.tolist()]
        self._depth = max((steps for _, _, steps in self._delays), default=0)
        self._tail = np.full((self._depth, self.slots.size), np.nan)
        self._run = 0
        self._last_open: int | None = None
        self._calendar = calendar_of(series, calendars)

    def extend(self, span: pl.DataFrame) -> tuple[Array, NDArray[np.bool_]]:
        """Values float64[n, slots] of the next candles, and whether each is one step after the one before."""
        columns = candle_columns(span)
        values = np.full((self._depth + span.height, self.slots.size), np.nan)
        values[: self._depth] = self._tail
        fresh = values[self._depth :]
        position = 0
        for price in self._prices:
            fresh[:, position] = source_array(columns, price.field)
            position += 1
        for block, carry in zip(self._blocks, self._carries, strict=True):
            inputs = input_arrays(block.indicator, columns, block.source)
            outputs = scan_indicator(block.indicator, block.parameters, carry, inputs)
            fresh[:, position : position + outputs.shape[0]] = outputs.T
            position += outputs.shape[0]
        opens = span["open_time"].dt.epoch("ms").to_numpy()
        adjacent = self._calendar.adjacent(opens, self._last_open)
        runs = _run_lengths(adjacent, self._run)
        for column, source, steps in self._delays:
            delayed = values[self._depth - steps : values.shape[0] - steps, source]
            fresh[:, column] = np.where(runs >= steps, delayed, np.nan)
        if span.height:
            self._last_open, self._run = int(opens[-1]), int(runs[-1])
            self._tail = values[values.shape[0] - self._depth :].copy()
        return fresh, adjacent


class _Other:
    """A series that the base reads: what it shows at a time is the value of its last closed slot."""

    def __init__(self, plan: Plan, index: int, candles: pl.DataFrame, calendars: Mapping[str, Calendar]) -> None:
        self.index = index
        own = _SeriesValues(plan, index, calendars)
        self._values, _ = own.extend(candles)
        column = {slot: number for number, slot in enumerate(own.slots.tolist())}
        self._views = [(slot, column[source]) for slot, source in plan.layout.views.array.tolist() if source in column]
        self._opens = candles["open_time"].dt.epoch("ms").to_numpy()
        self._calendar = calendar_of(plan.series[index], calendars)

    def show(self, times: NDArray[np.int64], values: Array) -> NDArray[np.int64]:
        """Fill the views of rows that close at ``times``; the candles since the anchor up to each."""
        rows, count = self._calendar.last_closed(self._opens, times)
        for slot, column in self._views:
            values[:, slot] = np.where(rows >= 0, self._values[rows, column], np.nan)
        return count


def _calculate(plan: Plan, values: Array) -> None:
    layout = plan.layout
    with np.errstate(all="ignore"):
        for (slot, code, *sides), constants in zip(layout.arithmetic.array, layout.constants.array, strict=True):
            left, right = (
                values[:, side] if side >= 0 else constant for side, constant in zip(sides, constants, strict=True)
            )
            values[:, slot] = _OPERATIONS[ARITHMETIC[code]](left, right)


def _run_lengths(adjacent: NDArray[np.bool_], before: int) -> NDArray[np.int64]:
    """How many steps in a row lead to each candle."""
    positions = np.arange(adjacent.size)
    last_break = np.maximum.accumulate(np.where(adjacent, -1, positions))
    runs: NDArray[np.int64] = np.where(last_break >= 0, positions - last_break, positions + 1 + before)
    return runs


def _settled(plan: Plan, rows: Rows, at: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.bool_]:
    settled = np.ones(at.size, np.bool_)
    for condition in np.unique(which):
        mine = which == condition
        for series, needed in plan.settle[condition]:
            settled[mine] &= rows.counts[series][at[mine]] >= needed
    return settled
