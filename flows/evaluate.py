"""How a tick is judged.

1. The plan says which series are read, which indicators are computed and what is compared (``flows.plan``).
2. A candle of each stepping series goes into its lanes; every indicator moves all of its lanes at once
   (``indicators.compute.Lanes``). Series of other timeframes step whenever one of their candles closes.
3. Values are written into slots; those of the step before stand beside them. A series whose candle is missing loses its
   past: windows do not move, and whatever looks over that step is UNKNOWN.
4. When a base series steps, its views take what the other series hold on their last closed candle, and arithmetic is
   calculated.
5. Comparisons are judged column by column, then composites level by level (``flows.judge``).
6. A momentary condition fires on TRUE, any other when it was FALSE one step before and is TRUE.
7. What fired leaves as :class:`Fired`; recording and publishing it is the flow's work (``flows.advance``).

``flows.history.scan`` does the same over a whole history: indicators by their history kernels, steps 5 and 6 by the
same code, row by row. Both give the same bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.layout import IndicatorBlock, PriceBlock
from flows.plan import Plan
from flows.program import FALSE, NEVER, TRUE, UNKNOWN
from indicators.compute import Array, Lanes, input_arrays, source_array, start
from indicators.compute import scan as scan_indicator
from registry.conditions import Condition
from registry.text import to_text

VALUES = ("open", "high", "low", "close", "volume")
"""Rows of a candle matrix."""


@dataclass(frozen=True)
class Fired:
    """A condition that fired: on which price, with which operand values, and whether its indicators had settled."""

    condition: Condition
    price: float
    settled: bool
    values: dict[str, float]


class Evaluator:
    """The state of a plan between two steps: the values now and one step before, and all that is carried."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._lanes = [Lanes(block.indicator, block.parameters, block.lanes) for block in plan.indicators]
        self._now = np.full(plan.slots, np.nan)
        self._before = np.full(plan.slots, np.nan)
        self._reads = _slots_by_timeframe(plan)
        self._past = _Past(plan)
        self._own = _owned_by_bases(plan)
        self._truth = np.full(plan.program.size, UNKNOWN, np.uint8)
        self._ages = unknown_ages(plan)
        self._previous = np.full(len(plan.conditions), UNKNOWN, np.uint8)
        self._candles = np.zeros(len(plan.series), np.int64)
        self._close = np.full(len(plan.series), np.nan)

    def restore(self, series: int, candles: pl.DataFrame) -> None:
        """Bring the indicators of one series to the end of its as-judged candles, oldest first, since its anchor.

        Values, truths and whatever else looks back are unknown afterwards: give it the candles up to a few steps before
        the present, and let those steps go through :meth:`step` and :meth:`judge` like live ones, as
        :class:`flows.part.Part` does.
        """
        columns = {name: candles[name].to_numpy() for name in VALUES}
        for block, lanes in zip(self.plan.indicators, self._lanes, strict=True):
            for lane in np.flatnonzero(block.series == series):
                carry = start(block.indicator, block.parameters)
                inputs = input_arrays(block.indicator, columns, block.source)
                scan_indicator(block.indicator, block.parameters, carry, inputs)
                lanes.fill(int(lane), carry)
        self._candles[series] = candles.height

    def step(self, timeframe: str, candles: Array, present: NDArray[np.bool_], stepping: NDArray[np.bool_]) -> None:
        """Steps 2 and 3 for the ``stepping`` series of one timeframe.

        ``candles`` float64[5, series] has the rows ``VALUES``; columns of series that are not ``present`` are not read.
        A series that steps without being present has a hole there. A session series steps only with a candle; call
        :meth:`interrupt` first when the one before is too long ago.
        """
        fresh = np.full(self.plan.slots, np.nan)
        columns = dict(zip(VALUES, candles, strict=True))
        for price in self.plan.prices:
            if price.timeframe == timeframe:
                here = {name: row[price.series] for name, row in columns.items()}
                values = source_array(here, price.field)
                fresh[price.first_slot : price.stop_slot] = np.where(present[price.series], values, np.nan)
        for block, lanes in zip(self.plan.indicators, self._lanes, strict=True):
            if block.timeframe == timeframe:
                here = {name: row[block.series] for name, row in columns.items()}
                lanes.advance(input_arrays(block.indicator, here, block.source), present[block.series])
                fresh[block.first_slot : block.stop_slot] = lanes.outputs.ravel()
        slots = self._reads[timeframe]
        slots = slots[stepping[self.plan.owners[slots]]]
        self._before[slots] = self._now[slots]
        self._now[slots] = fresh[slots]
        self._past.step(self._now, self._before, stepping)
        self._close[stepping] = np.where(present, columns["close"], np.nan)[stepping]
        self._candles += present
        for series in np.flatnonzero(stepping & ~present):
            self.interrupt(int(series))

    def interrupt(self, series: int) -> None:
        """The step before the next one of a series is missing: nothing older than it is known."""
        owned = self.plan.owners == series
        self._now[owned] = np.nan
        self._past.forget(series)
        if self.plan.is_base[series]:
            import_kernels().forget(self._ages, self.plan.program.bases, series)
            self._previous[self.plan.base == series] = UNKNOWN

    def judge(self, moving: NDArray[np.bool_]) -> list[Fired]:
        """Steps 4 to 6 for the base series that are ``moving`` and have a candle, in the order of the plan."""
        plan, kernels = self.plan, import_kernels()
        slots = self._own[moving[plan.owners[self._own]]]
        self._before[slots] = self._now[slots]
        seen = moving[plan.owners[plan.views.slots]]
        self._now[plan.views.slots[seen]] = self._now[plan.views.sources[seen]]
        kernels.calculate(self._now, *arithmetic_arrays(plan))
        kernels.judge(self._now, self._before, moving, *plan.program.arrays(), self._ages, self._truth)
        truth = self._truth[plan.roots]
        judged = moving[plan.base]
        fired = judged & (truth == TRUE) & (plan.momentary | (self._previous == FALSE))
        self._previous[judged] = truth[judged]
        return [self._fired(int(index)) for index in np.flatnonzero(fired)]

    def _fired(self, index: int) -> Fired:
        plan, condition = self.plan, self.plan.conditions[index]
        return Fired(
            condition=condition,
            price=float(self._close[plan.base[index]]),
            settled=all(self._candles[series] >= needed for series, needed in plan.settle[index]),
            values={to_text(operand, condition.series): float(self._now[slot]) for operand, slot in plan.shown[index]},
        )


class _Past:
    """What readings held up to the longest delay, in a ring a reading; each is moved by its own series."""

    def __init__(self, plan: Plan) -> None:
        self._delays = plan.delays
        self._sources, self._column = np.unique(plan.delays.sources, return_inverse=True)
        self._owners = plan.owners[self._sources]
        self._depth = int(plan.delays.steps.max(initial=0)) + 1
        self._ring = np.full((self._depth, self._sources.size), np.nan)
        self._turn = np.zeros(self._sources.size, np.int64)

    def step(self, now: Array, before: Array, stepping: NDArray[np.bool_]) -> None:
        """Take the readings of the series that step, and fill the slots of their delays."""
        columns = np.flatnonzero(stepping[self._owners])
        self._ring[self._turn[columns] % self._depth, columns] = now[self._sources[columns]]
        moved = np.flatnonzero(stepping[self._owners[self._column]])
        slots, column = self._delays.slots[moved], self._column[moved]
        before[slots] = now[slots]
        now[slots] = self._ring[(self._turn[column] - self._delays.steps[moved]) % self._depth, column]
        self._turn[columns] += 1

    def forget(self, series: int) -> None:
        """Nothing is known of a series' past."""
        self._ring[:, self._owners == series] = np.nan


def unknown_ages(plan: Plan) -> NDArray[np.int64]:
    """What ``for`` and ``within`` remember when nothing is known: int64[composites, 2]."""
    ages = np.zeros((plan.program.kinds.size, 2), np.int64)
    ages[:, 0] = NEVER
    return ages


def arithmetic_arrays(plan: Plan) -> tuple[NDArray[Any], ...]:
    """The columns of a plan's arithmetic in the order that the kernel takes them."""
    held = plan.arithmetic
    return held.slots, held.codes, held.left, held.left_constants, held.right, held.right_constants


def _slots_by_timeframe(plan: Plan) -> Mapping[str, NDArray[np.int64]]:
    """Timeframe -> slots of its readings, delays aside."""
    blocks: list[PriceBlock | IndicatorBlock] = [*plan.prices, *plan.indicators]
    return {
        timeframe: np.concatenate(
            [np.arange(held.first_slot, held.stop_slot) for held in blocks if held.timeframe == timeframe]
            or [np.zeros(0, np.int64)]
        )
        for timeframe in plan.timeframes
    }


def _owned_by_bases(plan: Plan) -> NDArray[np.int64]:
    """Slots that move when their base is judged: views and arithmetic."""
    return np.concatenate([plan.views.slots, plan.arithmetic.slots])


def import_kernels() -> Any:
    """The judging kernels; numba takes a second to import, and whoever only plans or reads does not pay for it."""
    from flows import judge

    return judge
