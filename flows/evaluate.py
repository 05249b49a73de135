"""How a tick is judged.

1. The plan says which series are read, which indicators are computed and what is compared (``flows.plan``).
2. A candle of each moving series goes into its lanes; every indicator moves all of its lanes at once
   (``indicators.compute.Lanes``).
3. Its values are written into slots; the values of the step before stand beside them. A series whose slot is missing
   has NaN there: windows do not move, and whatever looks at that step is UNKNOWN.
4. Comparisons are judged column by column, then composites level by level (``flows.judge``).
5. A momentary condition fires on TRUE, any other when it was FALSE one step before and is TRUE.
6. What fired leaves as :class:`Fired`; recording and publishing it is the flow's work (``flows.advance``).

:func:`scan` does the same over a whole history: indicators by their history kernels, steps 4 and 5 by the same code,
row by row. Both give the same bits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.plan import Plan, make_plan
from indicators.compute import Lanes, input_arrays, source_array, start
from indicators.compute import scan as scan_indicator
from registry.conditions import Condition
from registry.errors import CandlesMissing
from registry.expression import Number, operands
from registry.text import to_text
from registry.timeframes import DURATION_MS

VALUES = ("open", "high", "low", "close", "volume")
"""Rows of a candle matrix."""

UNKNOWN = 1

_SCAN_ROWS = 4096
"""Candles judged at once in a scan: bounds its memory to a few thousand rows of slots."""


@dataclass(frozen=True)
class Fired:
    """A condition that fired: on which price, with which operand values, and whether its indicators had settled."""

    condition: Condition
    price: float
    settled: bool
    values: dict[str, float]


class Evaluator:
    """The state of a plan between two candles: one slot behind, one now, and all that indicators carry."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        count = len(plan.series)
        self._lanes = [Lanes(block.indicator, block.parameters, block.lanes) for block in plan.indicators]
        self._now = np.full(plan.slots, np.nan)
        self._before = np.full(plan.slots, np.nan)
        self._truth = np.full(plan.program.size, UNKNOWN, np.uint8)
        self._previous = np.full(len(plan.conditions), UNKNOWN, np.uint8)
        self._candles = np.zeros(count, np.int64)
        self._close = np.full(count, np.nan)

    def restore(self, series: int, candles: pl.DataFrame, watermark_ms: int) -> None:
        """Bring one series to its watermark from its as-judged candles, oldest first, since its anchor.

        Call :meth:`settle_truths` once when all series are restored.
        """
        columns = _columns(candles)
        length = DURATION_MS[self.plan.timeframe]
        opens = candles["open_time"].dt.epoch("ms").to_numpy()
        # The rows of the watermark's slot and of the one before it, -1 where that candle is missing.
        rows = [_row_of(opens, watermark_ms - length * steps) for steps in (1, 2)]
        for target, row in zip((self._now, self._before), rows, strict=True):
            for price in self.plan.prices:
                for lane in np.flatnonzero(price.series == series):
                    target[price.first_slot + lane] = (
                        source_array(columns, price.field)[row] if row is not None else np.nan
                    )
        for block, lanes in zip(self.plan.indicators, self._lanes, strict=True):
            for lane in np.flatnonzero(block.series == series):
                carry = start(block.indicator, block.parameters)
                inputs = input_arrays(block.indicator, columns, block.source)
                outputs = scan_indicator(block.indicator, block.parameters, carry, inputs)
                lanes.fill(int(lane), carry)
                slots = slice(block.first_slot + int(lane), block.stop_slot, block.lanes)
                self._now[slots] = outputs[:, rows[0]] if rows[0] is not None else np.nan
                self._before[slots] = outputs[:, rows[1]] if rows[1] is not None else np.nan
        self._candles[series] = candles.height

    def settle_truths(self) -> None:
        """Judge the watermark's candle, so that the next one knows what was true before it. Fires nothing."""
        self._previous[:] = judge_once(self.plan, self._now, self._before, self._truth)

    def move(self, candles: NDArray[np.float64], present: NDArray[np.bool_], moving: NDArray[np.bool_]) -> None:
        """Steps 2 and 3 for the next slot of the ``moving`` series.

        ``candles`` float64[5, series] has the rows ``VALUES``; columns of series that are not ``present`` are not read.
        A series that moves without being present has a hole there.
        """
        fresh = np.full(self.plan.slots, np.nan)
        columns = dict(zip(VALUES, candles, strict=True))
        for price in self.plan.prices:
            values = source_array(columns, price.field)[price.series]
            fresh[price.first_slot : price.first_slot + price.series.size] = np.where(
                present[price.series], values, np.nan
            )
        for block, lanes in zip(self.plan.indicators, self._lanes, strict=True):
            inputs = input_arrays(
                block.indicator, {name: row[block.series] for name, row in columns.items()}, block.source
            )
            lanes.advance(inputs, present[block.series])
            fresh[block.first_slot : block.stop_slot] = lanes.outputs.ravel()
        slots = moving[self.plan.slot_series]
        self._before[slots] = self._now[slots]
        self._now[slots] = fresh[slots]
        self._close[moving] = np.where(present, columns["close"], np.nan)[moving]
        self._candles += present

    def judge(self, moving: NDArray[np.bool_]) -> list[Fired]:
        """Steps 4 and 5 for the conditions of the ``moving`` series, in the order of the plan."""
        truth = judge_once(self.plan, self._now, self._before, self._truth)
        judged = moving[self.plan.base]
        fired = judged & (truth == 2) & (self.plan.momentary | (self._previous == 0))
        self._previous[judged] = truth[judged]
        return [self._fired(int(index)) for index in np.flatnonzero(fired)]

    def _fired(self, index: int) -> Fired:
        condition = self.plan.conditions[index]
        base = self.plan.base[index]
        read = {operand for operand in operands(condition.tree) if not isinstance(operand, Number)}
        return Fired(
            condition=condition,
            price=float(self._close[base]),
            settled=bool(self._candles[base] >= self.plan.settle[index]),
            values=dict(
                sorted((to_text(operand), float(self._now[self.plan.operand_slots[operand]])) for operand in read)
            ),
        )


def scan(
    conditions: Iterable[Condition | str | Mapping[str, Any]],
    candles: pl.DataFrame,
    *,
    exchange: str = "BINANCE",
    progress: Callable[[int, int], object] | None = None,
) -> pl.DataFrame:
    """Judge whole histories: ``condition_id open_time close_time price settled``, one row a trigger, oldest first.

    ``candles`` has the columns ``symbol timeframe open_time open high low close volume`` (``exchange`` optional, the
    argument is its default), several series at once; the first candle of each is its anchor. Conditions of all their
    timeframes are judged. ``progress`` is called with candles done and in all. Raises
    :class:`registry.errors.CandlesMissing` for a condition whose series is not there.
    """
    parsed = [
        condition if isinstance(condition, Condition) else Condition.parse(condition, default_exchange=exchange)
        for condition in conditions
    ]
    if "exchange" not in candles.columns:
        candles = candles.with_columns(pl.lit(exchange).alias("exchange"))
    by_series: dict[str, list[Condition]] = {}
    for condition in parsed:
        by_series.setdefault(str(condition.series), []).append(condition)
    histories = {
        f"{key[0]}:{key[1]} {key[2]}": history.sort("open_time")
        for key, history in candles.partition_by("exchange", "symbol", "timeframe", as_dict=True).items()
    }
    missing = sorted(set(by_series) - set(histories))
    if missing:
        raise CandlesMissing(f"no candles of {', '.join(missing)}; there are {', '.join(sorted(histories)) or 'none'}")
    total = sum(histories[series].height for series in by_series)
    done = 0
    found: list[pl.DataFrame] = []
    for series, held in sorted(by_series.items()):
        for rows, part in _scan_series(make_plan(held), histories[series]):
            found.append(part)
            done += rows
            if progress is not None:
                progress(done, total)
    empty = pl.DataFrame(
        schema={
            "condition_id": pl.String,
            "open_time": pl.Datetime("ms", "UTC"),
            "close_time": pl.Datetime("ms", "UTC"),
            "price": pl.Float64,
            "settled": pl.Boolean,
        }
    )
    return pl.concat([empty, *found]).sort("close_time", "condition_id")


def _scan_series(plan: Plan, candles: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Triggers of one series in spans of candles: (candles judged, triggers)."""
    kernels = _kernels()
    length = DURATION_MS[plan.timeframe]
    carries = [start(block.indicator, block.parameters) for block in plan.indicators]
    previous = np.full(len(plan.conditions), UNKNOWN, np.uint8)
    truth = np.empty(plan.program.size, np.uint8)
    ids = np.array([condition.id for condition in plan.conditions])
    values = np.full((1, plan.slots), np.nan)
    last_open: int | None = None
    for begin in range(0, candles.height, _SCAN_ROWS):
        span = candles[begin : begin + _SCAN_ROWS]
        columns = _columns(span)
        opens = span["open_time"].dt.epoch("ms").to_numpy()
        values = np.vstack([values[-1:], np.empty((span.height, plan.slots))])
        for price in plan.prices:
            values[1:, price.first_slot] = source_array(columns, price.field)
        for block, carry in zip(plan.indicators, carries, strict=True):
            inputs = input_arrays(block.indicator, columns, block.source)
            outputs = scan_indicator(block.indicator, block.parameters, carry, inputs)
            values[1:, block.first_slot : block.stop_slot] = outputs.T
        adjacent = np.zeros(span.height + 1, np.bool_)
        adjacent[1] = last_open is not None and opens[0] - last_open == length
        adjacent[2:] = np.diff(opens) == length
        last_open = int(opens[-1])
        row, rows, fired = 1, [], []
        space = max(65_536, len(plan.conditions))
        while row < values.shape[0]:
            fired_rows, fired_conditions = np.empty(space, np.int64), np.empty(space, np.int64)
            row, count = kernels.judge_history(
                values,
                adjacent,
                row,
                plan.roots,
                plan.momentary,
                previous,
                *_arrays(plan),
                truth,
                fired_rows,
                fired_conditions,
            )
            rows.append(fired_rows[:count] - 1)
            fired.append(fired_conditions[:count])
        at, which = np.concatenate(rows), np.concatenate(fired)
        yield (
            span.height,
            pl.DataFrame(
                {
                    "condition_id": ids[which],
                    "open_time": opens[at],
                    "close_time": opens[at] + length,
                    "price": columns["close"][at],
                    "settled": begin + at + 1 >= plan.settle[which],
                }
            )
            .with_columns(pl.from_epoch("open_time", "ms"), pl.from_epoch("close_time", "ms"))
            .with_columns(
                pl.col("open_time", "close_time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"),
                pl.col("condition_id").cast(pl.String),
            ),
        )


def last_two(plan: Plan, candles: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slot values of a single-series plan on its newest candle and on the one before, computed from ``candles`` alone.

    What an isolated bot does; it takes the candle before for the step before.
    """
    columns = _columns(candles)
    now, before = np.full(plan.slots, np.nan), np.full(plan.slots, np.nan)
    for price in plan.prices:
        before[price.first_slot], now[price.first_slot] = source_array(columns, price.field)[-2:]
    for block in plan.indicators:
        carry = start(block.indicator, block.parameters)
        outputs = scan_indicator(
            block.indicator, block.parameters, carry, input_arrays(block.indicator, columns, block.source)
        )
        slots = slice(block.first_slot, block.stop_slot)
        before[slots], now[slots] = outputs[:, -2], outputs[:, -1]
    return now, before


def judge_once(
    plan: Plan, now: NDArray[np.float64], before: NDArray[np.float64], truth: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The conditions' truths for given slot values; ``truth`` uint8[program.size] is working space."""
    _kernels().judge(now, before, *_arrays(plan), truth)
    return truth[plan.roots]


def _columns(candles: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    return {name: candles[name].to_numpy() for name in VALUES}


def _row_of(opens: NDArray[np.int64], open_ms: int) -> int | None:
    row = int(np.searchsorted(opens, open_ms))
    return row if row < opens.size and opens[row] == open_ms else None


def _arrays(plan: Plan) -> Sequence[NDArray[Any]]:
    program = plan.program
    return (
        program.segments,
        program.left,
        program.right,
        program.constants,
        program.kinds,
        program.starts,
        program.children,
    )


def _kernels() -> Any:
    # numba takes a second to import: whoever only plans or reads does not pay for it.
    from flows import judge

    return judge
