"""How a tick is judged.

1. The plan says which series are read, which indicators are computed and what is compared (``engine.plan``).
2. One call moves every lane of every indicator by one candle and writes prices and outputs into slots
   (``indicators.kernels.lanes``; its kernel is generated from ``indicators/kernels/tick_program.py``). The values of
   the step before are kept beside them. What an indicator is computed from, another one or arithmetic, is moved
   before it. Series of other timeframes step whenever one of their candles closes.
3. Delays take the values that their readings had some steps ago (``engine.delays``, by
   ``engine.judging_kernels.remember``). A series whose candle is missing loses its past: windows do not move, and
   anything that looks back across that step is UNKNOWN.
4. When a base series steps, its views take the values that the other series had on their last closed candle,
   arithmetic is calculated (``engine.judging_kernels.look``), and time windows say whether its candle opens inside
   (``engine.time_windows``).
5. Comparisons are judged run by run, then composites level by level (``engine.truths``, by
   ``engine.judging_kernels.judge``).
6. A momentary condition fires when it is TRUE; any other fires when it is TRUE and was FALSE one step before
   (``engine.firing``, by ``engine.judging_kernels.fire``).
7. Each condition that fired is returned as a :class:`FiredCondition`; ``flows.advance`` records and publishes it.

Which series step, with which candles, is decided by ``engine.part``. ``engine.scanning.scan`` evaluates a whole
history: indicators by their history kernels, then steps 5 and 6 truth by truth over blocks of candles
(``engine.history_truths``). Both give the same bits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.candle_columns import VALUES
from engine.blocks import SPARE, Computation, IndicatorBlock, slots_read
from engine.candle_history import open_times
from engine.delays import DelayRings
from engine.firing import FiringState
from engine.plan import Plan
from engine.readings import SeriesReadings
from engine.time_windows import open_inside
from engine.truths import TruthState
from indicators.compute import Array, Carry, start
from indicators.kernels.lanes import LaneProgram
from indicators.kernels.tick_program import CANDLE_ROWS
from registry.conditions import Condition
from registry.language.as_text.text import to_text


@dataclass(frozen=True)
class FiredCondition:
    """A condition that fired: at which price, with which operand values, and whether its indicators had settled."""

    condition: Condition
    price: float
    settled: bool
    values: dict[str, float]


class Evaluator:
    """The state of a plan between two steps: its values now and one step before, and everything carried forward."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._program = LaneProgram()
        self._blocks: list[list[int]] = []
        """The series of each block's lanes, as last told to the lane program."""
        self._price_blocks: list[list[int]] = []
        self._now = self._before = np.zeros(0)
        self._shown = self._shown_before = np.zeros(0)
        self._delays = DelayRings()
        self._truths = TruthState()
        self._firing = FiringState()
        self._candles = np.zeros(0, np.int64)
        self._close = np.zeros(0)
        self.grow()

    def grow(self) -> None:
        """Make room for what was added to the plan. Its values are unknown until :meth:`adopt` or :meth:`restore`."""
        plan, layout = self.plan, self.plan.layout
        self._truths.grow(plan.program)
        for number, price in enumerate(layout.prices):
            if number == len(self._price_blocks):
                self._program.add_prices(price.field, price.series, price.first_slot)
                self._price_blocks.append(list(price.series))
            for lane, series in _changed(price.series, self._price_blocks[number]):
                self._program.assign_price(number, lane, series)
        for number, block in enumerate(layout.blocks):
            if number == len(self._blocks):
                if isinstance(block, IndicatorBlock):
                    self._program.add(block.indicator, block.parameters, block.source, block.series, block.first_slot)
                else:
                    self._program.add_arithmetic(block.code, block.inputs, block.series, block.first_slot)
                self._blocks.append(list(block.series))
            changed = _changed(block.series, self._blocks[number])
            for lane, series in changed:
                self._program.assign(number, lane, series, slots_read(block, lane))
            if changed and isinstance(block, IndicatorBlock):
                empty = start(block.indicator, block.parameters)
                self._program.fill_lanes(number, [lane for lane, _ in changed], [empty] * len(changed))
        self._now, self._before = _longer(self._now, plan.slots, np.nan), _longer(self._before, plan.slots, np.nan)
        self._shown, self._shown_before = np.empty(plan.slots), np.empty(plan.slots)
        self._delays.grow(plan)
        self._firing.grow(plan)
        self._candles = _longer(self._candles, len(plan.series), 0)
        self._close = _longer(self._close, len(plan.series), np.nan)
        self._by_timeframe = {timeframe: _blocks_of(plan, timeframe) for timeframe in plan.timeframes}

    def restore(self, histories: Mapping[int, tuple[pl.DataFrame, "SeriesPast | None"]]) -> None:
        """Bring the indicators of series to the end of their as-judged candles, oldest first: all since the anchor, or
        all since a past.

        Values, truths and anything else that looks back remain unknown: pass the candles up to a few steps before the
        present, then run those steps through :meth:`step` and :meth:`judge` like live ones, as
        :class:`engine.part.Part` does.
        """
        by_block: dict[int, tuple[list[int], list[Carry]]] = {}
        for series, (candles, past) in histories.items():
            readings = SeriesReadings(self.plan.layout, series, past.carries if past else None)
            if candles.height:
                readings.move(candle_columns(candles))
            for number, lane, computation in self._lanes_of(series):
                lanes, carries = by_block.setdefault(number, ([], []))
                lanes.append(lane)
                carries.append(readings.carries[computation])
            self._candles[series] = candles.height + (past.candles if past else 0)
        for number, (lanes, carries) in by_block.items():
            self._program.fill_lanes(number, lanes, carries)

    def carries(self, series: int) -> dict[Computation, Carry]:
        """What the indicators of a series continue from."""
        return {computation: self._program.carry(number, lane) for number, lane, computation in self._lanes_of(series)}

    def _lanes_of(self, series: int) -> Iterator[tuple[int, int, Computation]]:
        """(block, lane, what it computes) of the indicators of a series."""
        layout = self.plan.layout
        for number, lane in layout.lanes_of.get(series, ()):
            block = layout.blocks[number]
            if isinstance(block, IndicatorBlock):
                yield number, lane, block.computation

    def candle_count(self, series: int) -> int:
        """The number of candles of a series since its anchor."""
        return int(self._candles[series])

    def adopt(self, other: "Evaluator") -> None:
        """Copy what another evaluator at the same moment knows about everything that is in both plans.

        On what both had already they agree, because values are a function of the candles; where candles have changed
        since, the other one counts.
        """
        plan, other_plan = self.plan, other.plan
        index = {
            theirs: plan.layout.index[series]
            for theirs, series in enumerate(other_plan.series)
            if series in plan.layout.index
        }
        lanes = {
            (computation, series): (number, lane)
            for series in index.values()
            for number, lane, computation in self._lanes_of(series)
        }
        for number, block in enumerate(other_plan.layout.blocks):
            if not isinstance(block, IndicatorBlock):
                continue
            for lane, series in enumerate(block.series):
                place = None if series == SPARE else lanes.get((block.computation, index.get(series, SPARE)))
                if place is not None and series in index:
                    self._program.fill(*place, other._program.carry(number, lane))
        for (owner, operand), slot in other_plan.layout.slots.items():
            if owner is None or owner in index:
                mine = plan.layout.slots.get((None if owner is None else index[owner], operand))
                if mine is not None:
                    self._now[mine], self._before[mine] = other._now[slot], other._before[slot]
        self._delays.adopt(other._delays, plan, other_plan)
        for (base, node), truth in other_plan.program.remembering.items():
            if base in index and (index[base], node) in plan.program:
                self._truths.remember(plan.program.place((index[base], node)), other._truths.remembered(truth))
        for position, condition in enumerate(other_plan.conditions):
            if condition in plan:
                mine = plan.position(condition)
                self._firing.know(mine, other._firing.previous(position))
                self._truths.array[plan.roots[mine]] = other._truths.array[other_plan.roots[position]]
        theirs, mine_too = list(index), list(index.values())
        self._candles[mine_too], self._close[mine_too] = other._candles[theirs], other._close[theirs]

    def step(self, timeframe: str, candles: Array, present: NDArray[np.bool_], stepping: NDArray[np.bool_]) -> None:
        """Steps 2 and 3 for the ``stepping`` series of one timeframe.

        ``candles`` float64[9, series] has the rows ``CANDLE_ROWS``, with the means left empty; columns of series that
        are not ``present`` are not read. A series that steps without being present has a hole there. A series with
        sessions steps only with a candle; call :meth:`interrupt` first when the previous one is too long ago.
        """
        plan, kernels = self.plan, import_kernels()
        blocks, prices = self._by_timeframe[timeframe]
        self._program.advance(blocks, prices, candles, present, stepping, self._now, self._before)
        self._delays.step(self._now, self._before, stepping, plan, kernels)
        self._close[stepping] = np.where(present, candles[CANDLE_ROWS.index("close")], np.nan)[stepping]
        self._candles += present
        for series in np.flatnonzero(stepping & ~present):
            self.interrupt(int(series))

    def interrupt(self, series: int) -> None:
        """Forget the past of a series, because the step before its next one is missing."""
        self._now[self.plan.owners == series] = np.nan
        self._delays.forget(series)
        if self.plan.is_base[series]:
            self._truths.forget(import_kernels(), series)
            self._firing.forget(series)

    def judge(self, moving: NDArray[np.bool_], opens: NDArray[np.int64]) -> list[FiredCondition]:
        """Steps 4 to 6 for the base series that are ``moving`` and have a candle, in the order of the plan.

        ``opens`` int64[series] are the open times of their candles, in milliseconds.
        """
        plan, kernels = self.plan, import_kernels()
        layout = plan.layout
        self._look_at_the_time(moving, opens)
        kernels.look(
            self._now,
            self._before,
            moving,
            plan.owners,
            layout.views.array,
            layout.arithmetic.array,
            layout.constants.array,
        )
        kernels.show(self._now, self._shown)
        kernels.show(self._before, self._shown_before)
        changed = self._truths.judge(kernels, self._shown, self._shown_before, moving)
        fired = self._firing.fire(kernels, self._truths.array, changed, moving)
        return [self._make_fired(index) for index in fired.tolist()]

    def _look_at_the_time(self, moving: NDArray[np.bool_], opens: NDArray[np.int64]) -> None:
        """Say for each moving base series in which time windows its candle opens."""
        layout = self.plan.layout
        slots, numbers = layout.windows.array.T
        owners = self.plan.owners[slots]
        for number in np.unique(numbers[moving[owners]]):
            mine = moving[owners] & (numbers == number)
            self._before[slots[mine]] = self._now[slots[mine]]
            self._now[slots[mine]] = open_inside(layout.time_windows[number], opens[owners[mine]])

    def _make_fired(self, index: int) -> FiredCondition:
        plan, condition = self.plan, self.plan.conditions[index]
        return FiredCondition(
            condition=condition,
            price=float(self._close[plan.base[index]]),
            settled=all(self._candles[series] >= needed for series, needed in plan.settle[index]),
            values={to_text(operand, condition.series): float(self._now[slot]) for operand, slot in plan.shown[index]},
        )


@dataclass(frozen=True)
class SeriesPast:
    """The state of a series' indicators after one of its candles: what a checkpoint keeps."""

    open_ms: int
    candles: int
    """Candles since the anchor, that one included."""
    carries: Mapping[Computation, Carry]


def candle_columns(candles: pl.DataFrame) -> dict[str, NDArray[Any]]:
    """The columns from which indicators are computed; ``open_time`` in milliseconds."""
    columns = {name: candles[name].to_numpy() for name in VALUES}
    return columns | {"open_time": open_times(candles)}


def _longer(array: NDArray[Any], size: int, fill: float) -> NDArray[Any]:
    return np.concatenate([array, np.full(size - array.size, fill, array.dtype)])


def _changed(wanted: list[int], known: list[int]) -> list[tuple[int, int]]:
    """(lane, series) of lanes whose series is not the known one; afterwards ``known`` equals ``wanted``."""
    changes = [
        (lane, series) for lane, (series, before) in enumerate(zip(wanted, known, strict=True)) if series != before
    ]
    known[:] = wanted
    return changes


def _blocks_of(plan: Plan, timeframe: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of the blocks of lanes of a timeframe, those that others read first, and of its price blocks."""

    def numbers(blocks: Any) -> NDArray[np.int64]:
        return np.array([number for number, block in enumerate(blocks) if block.timeframe == timeframe], np.int64)

    lanes = numbers(plan.layout.blocks)
    levels = np.array([plan.layout.blocks[number].level for number in lanes], np.int64)
    return lanes[np.argsort(levels, kind="stable")], numbers(plan.prices)


def import_kernels() -> Any:
    """The judging kernels. Imported on first use: numba takes a second, which planning alone need not pay."""
    from engine import judging_kernels

    return judging_kernels
