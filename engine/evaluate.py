"""How a tick is judged.

1. The plan says which series are read, which indicators are computed and what is compared (``engine.plan``).
2. One call moves every lane of every indicator by one candle and writes prices and outputs into slots
   (``indicators.kernels.lanes``, compiled from ``indicators/kernels/tick_program.py``); values of the step before
   stand beside them. Series of other timeframes step whenever one of their candles closes.
3. Delays take what their readings held some steps ago (``engine.judging_kernels.remember``). A series whose candle is
   missing loses its past: windows do not move, and whatever looks over that step is UNKNOWN.
4. When a base series steps, its views take what the other series hold on their last closed candle, and arithmetic is
   calculated (``engine.judging_kernels.look``).
5. Comparisons are judged run by run, then composites level by level (``engine.judging_kernels.judge``).
6. A momentary condition fires on TRUE, any other when it was FALSE one step before and is TRUE (``engine.firing``).
7. What fired leaves as :class:`Fired`; recording and publishing it is the flow's work (``flows.advance``).

``engine.history.scan`` does the same over a whole history: indicators by their history kernels, steps 5 and 6 by the
same code, row by row. Both give the same bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.candle_columns import VALUES
from engine.firing import Firing
from engine.layout import SPARE, Computation
from engine.plan import Plan
from engine.truths import Truths
from indicators.compute import Array, Carry, input_arrays, start
from indicators.compute import scan as scan_indicator
from indicators.kernels.lanes import LaneProgram
from indicators.kernels.tick_program import CANDLE_ROWS
from registry.conditions import Condition
from registry.language.as_text.text import to_text


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
        self._program = LaneProgram()
        self._blocks: list[list[int]] = []
        """Series of the lanes of each block, as far as the lane program knows them."""
        self._price_blocks: list[list[int]] = []
        self._now = self._before = np.zeros(0)
        self._shown = self._shown_before = np.zeros(0)
        self._past = _Past()
        self._truths = Truths()
        self._firing = Firing()
        self._candles = np.zeros(0, np.int64)
        self._close = np.zeros(0)
        self.grow()

    def grow(self) -> None:
        """Take in what was added to the plan: it knows nothing yet. See :meth:`adopt` and :meth:`restore`."""
        plan, layout = self.plan, self.plan.layout
        self._truths.grow(plan.program)
        for number, price in enumerate(layout.prices):
            if number == len(self._price_blocks):
                self._program.add_prices(price.field, price.series, price.first_slot)
                self._price_blocks.append(list(price.series))
            for lane, series in _changed(price.series, self._price_blocks[number]):
                self._program.assign_price(number, lane, series)
        for number, block in enumerate(layout.indicators):
            if number == len(self._blocks):
                self._program.add(block.indicator, block.parameters, block.source, block.series, block.first_slot)
                self._blocks.append(list(block.series))
            for lane, series in _changed(block.series, self._blocks[number]):
                self._program.assign(number, lane, series)
                self._program.fill(number, lane, start(block.indicator, block.parameters))
        self._now, self._before = _longer(self._now, plan.slots, np.nan), _longer(self._before, plan.slots, np.nan)
        self._shown, self._shown_before = np.empty(plan.slots), np.empty(plan.slots)
        self._past.grow(plan)
        self._firing.grow(plan)
        self._candles = _longer(self._candles, len(plan.series), 0)
        self._close = _longer(self._close, len(plan.series), np.nan)
        self._by_timeframe = {timeframe: _blocks_of(plan, timeframe) for timeframe in plan.timeframes}

    def restore(self, series: int, candles: pl.DataFrame, past: "SeriesPast | None" = None) -> None:
        """Bring the indicators of one series to the end of its as-judged candles, oldest first: those since its anchor,
        or those since ``past``.

        Values, truths and whatever else looks back are unknown afterwards: give it the candles up to a few steps before
        the present, and let those steps go through :meth:`step` and :meth:`judge` like live ones, as
        :class:`engine.part.Part` does.
        """
        columns = candle_columns(candles)
        for number, block in enumerate(self.plan.indicators):
            for lane, index in enumerate(block.series):
                if index == series:
                    carry = past.carries[block.computation].copy() if past else start(block.indicator, block.parameters)
                    inputs = input_arrays(block.indicator, columns, block.source)
                    scan_indicator(block.indicator, block.parameters, carry, inputs)
                    self._program.fill(number, lane, carry)
        self._candles[series] = candles.height + (past.candles if past else 0)

    def carries(self, series: int) -> dict[Computation, Carry]:
        """What the indicators of a series go on from."""
        return {
            block.computation: self._program.carry(number, lane)
            for number, block in enumerate(self.plan.indicators)
            for lane, index in enumerate(block.series)
            if index == series
        }

    def candle_count(self, series: int) -> int:
        """Candles of a series since its anchor."""
        return int(self._candles[series])

    def adopt(self, other: "Evaluator") -> None:
        """Take over what another evaluator at the same moment knows, for whatever was added to this plan from its plan.

        Both agree on what they have in common: values are a function of the candles.
        """
        plan, its = self.plan, other.plan
        index = [plan.layout.index[series] for series in its.series]
        lanes = {
            (block.computation, series): (number, lane)
            for number, block in enumerate(plan.indicators)
            for lane, series in enumerate(block.series)
        }
        for number, block in enumerate(its.indicators):
            for lane, series in enumerate(block.series):
                if series != SPARE:
                    self._program.fill(*lanes[block.computation, index[series]], other._program.carry(number, lane))
        for (owner, operand), slot in its.layout.slots.items():
            mine = plan.layout.slots[None if owner is None else index[owner], operand]
            self._now[mine], self._before[mine] = other._now[slot], other._before[slot]
        self._past.adopt(other._past, plan, its)
        for (base, node), truth in its.program.remembering.items():
            mine = plan.program.place((index[base], node))
            self._truths.remember(mine, other._truths.remembered(truth))
        for position, condition in enumerate(its.conditions):
            self._firing.know(plan.position(condition), other._firing.previous(position))
        self._candles[index], self._close[index] = other._candles, other._close

    def step(self, timeframe: str, candles: Array, present: NDArray[np.bool_], stepping: NDArray[np.bool_]) -> None:
        """Steps 2 and 3 for the ``stepping`` series of one timeframe.

        ``candles`` float64[9, series] has the rows ``CANDLE_ROWS``, means not filled in; columns of series that are
        not ``present`` are not read. A series that steps without being present has a hole there. A session series steps
        only with a candle; call :meth:`interrupt` first when the one before is too long ago.
        """
        plan, kernels = self.plan, import_kernels()
        blocks, prices = self._by_timeframe[timeframe]
        self._program.advance(blocks, prices, candles, present, stepping, self._now, self._before)
        self._past.step(self._now, self._before, stepping, plan, kernels)
        self._close[stepping] = np.where(present, candles[CANDLE_ROWS.index("close")], np.nan)[stepping]
        self._candles += present
        for series in np.flatnonzero(stepping & ~present):
            self.interrupt(int(series))

    def interrupt(self, series: int) -> None:
        """The step before the next one of a series is missing: nothing older than it is known."""
        self._now[self.plan.owners == series] = np.nan
        self._past.forget(series)
        if self.plan.is_base[series]:
            self._truths.forget(import_kernels(), series)
            self._firing.forget(series)

    def judge(self, moving: NDArray[np.bool_]) -> list[Fired]:
        """Steps 4 to 6 for the base series that are ``moving`` and have a candle, in the order of the plan."""
        plan, kernels = self.plan, import_kernels()
        layout = plan.layout
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

    def _make_fired(self, index: int) -> Fired:
        plan, condition = self.plan, self.plan.conditions[index]
        return Fired(
            condition=condition,
            price=float(self._close[plan.base[index]]),
            settled=all(self._candles[series] >= needed for series, needed in plan.settle[index]),
            values={to_text(operand, condition.series): float(self._now[slot]) for operand, slot in plan.shown[index]},
        )


@dataclass(frozen=True)
class SeriesPast:
    """Where the indicators of a series were after some candle: what a checkpoint keeps."""

    open_ms: int
    candles: int
    """Candles since the anchor, that one included."""
    carries: Mapping[Computation, Carry]


class _Past:
    """What readings held up to the longest delay, in a ring a reading; each is moved by its own series."""

    def __init__(self) -> None:
        self._column: dict[int, int] = {}
        """Slot of a reading -> its column."""
        self._kept = np.zeros((0, 2), np.int64)
        self._delays = np.zeros((0, 3), np.int64)
        self._ring = np.zeros((1, 0))
        self._turns = np.zeros(0, np.int64)

    def grow(self, plan: Plan) -> None:
        """Keep the readings of delays that were added."""
        delays = plan.layout.delays.array
        for source in delays[self._delays.shape[0] :, 1].tolist():
            self._column.setdefault(source, len(self._column))
        columns = np.array([self._column[source] for source in delays[:, 1].tolist()], np.int64)
        self._delays = np.column_stack([delays[:, 0], columns, delays[:, 2]])
        slots = np.array(list(self._column), np.int64)
        self._kept = np.column_stack([slots, plan.owners[slots]])
        self._turns = _longer(self._turns, slots.size, 0)
        depth = int(delays[:, 2].max(initial=0)) + 1
        ring = np.full((max(depth, self._ring.shape[0]), slots.size), np.nan)
        before = self._ring.shape[1]
        for age in range(1, self._ring.shape[0] + 1):
            held = self._ring[(self._turns[:before] - age) % self._ring.shape[0], np.arange(before)]
            ring[(self._turns[:before] - age) % ring.shape[0], np.arange(before)] = held
        self._ring = ring

    def adopt(self, other: "_Past", plan: Plan, its: Plan) -> None:
        """Take over all columns of another past; see :meth:`Evaluator.adopt`."""
        readings = {slot: operand for (owner, operand), slot in its.layout.slots.items() if owner is None}
        depth = other._ring.shape[0]
        # The ring is as deep as the longest delay of all; a reading is known for its own alone.
        longest: dict[int, int] = {}
        for _, theirs, steps in other._delays.tolist():
            longest[theirs] = max(longest.get(theirs, 0), steps)
        for source, theirs in other._column.items():
            mine = self._column[plan.layout.slots[None, readings[source]]]
            for age in range(1, longest[theirs] + 1):
                value = other._ring[(other._turns[theirs] - age) % depth, theirs]
                self._ring[(self._turns[mine] - age) % self._ring.shape[0], mine] = value

    def step(self, now: Array, before: Array, stepping: NDArray[np.bool_], plan: Plan, kernels: Any) -> None:
        """Take the readings of the series that step, and fill the slots of their delays."""
        if self._kept.size:
            kernels.remember(now, before, stepping, plan.owners, self._delays, self._kept, self._ring, self._turns)

    def forget(self, series: int) -> None:
        """Nothing is known of a series' past."""
        self._ring[:, self._kept[:, 1] == series] = np.nan


def candle_columns(candles: pl.DataFrame) -> dict[str, NDArray[Any]]:
    """The columns that indicators are computed from; ``open_time`` in milliseconds."""
    columns = {name: candles[name].to_numpy() for name in VALUES}
    return columns | {"open_time": candles["open_time"].dt.epoch("ms").to_numpy()}


def _longer(held: NDArray[Any], size: int, fill: float) -> NDArray[Any]:
    return np.concatenate([held, np.full(size - held.size, fill, held.dtype)])


def _changed(wanted: list[int], known: list[int]) -> list[tuple[int, int]]:
    """(lane, series) of lanes that follow another series than is known; known after that."""
    found = [(lane, series) for lane, (series, was) in enumerate(zip(wanted, known, strict=True)) if series != was]
    known[:] = wanted
    return found


def _blocks_of(plan: Plan, timeframe: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of the indicator and price blocks of a timeframe."""

    def numbers(blocks: Any) -> NDArray[np.int64]:
        return np.array([number for number, held in enumerate(blocks) if held.timeframe == timeframe], np.int64)

    return numbers(plan.indicators), numbers(plan.prices)


def import_kernels() -> Any:
    """The judging kernels; numba takes a second to import, and whoever only plans or reads does not pay for it."""
    from engine import judging_kernels

    return judging_kernels
