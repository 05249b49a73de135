"""Where values are kept: blocks of readings, delays, views and arithmetic, each value in a slot of its own for good.

Slots are only ever added. When a block has no spare lane left, another block of the same indicator is added.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from indicators.catalogue import Indicator, find
from indicators.kernels.pools import Pool
from registry.groups import Series
from registry.language.tree import Arithmetic, IndicatorOutput, Number, Operand, Price, Variable

ARITHMETIC = ("+", "-", "*", "/")
"""Position = code of an arithmetic slot."""

SPARE = -1
"""The series of a lane that is free."""

_FEWEST_LANES = 4
"""Of a block that follows another one: conditions arrive one by one, and a block for each would be slow."""

Computation = tuple[str, tuple[tuple[str, float], ...], str | None, str]
"""What lanes share: indicator, parameters, source, timeframe."""

SlotKey = tuple[int | None, Operand]
"""What a slot contains: a reading or delay, shared by all (no owner), or an operand as a base series sees it."""


@dataclass(eq=False)
class PriceBlock:
    """One price of several series of one timeframe; the value of ``series[i]`` is in slot ``first_slot + i``."""

    field: str
    timeframe: str
    series: list[int]
    first_slot: int

    @property
    def stop_slot(self) -> int:
        return self.first_slot + len(self.series)


@dataclass(eq=False)
class IndicatorBlock:
    """One indicator over several series of one timeframe; output ``o`` of ``series[i]`` is in slot
    ``first_slot + o * lanes + i``."""

    indicator: Indicator
    parameters: dict[str, float]
    source: str | None
    timeframe: str
    series: list[int]
    first_slot: int

    @property
    def computation(self) -> Computation:
        """What its lanes share."""
        return self.indicator.name, tuple(self.parameters.items()), self.source, self.timeframe

    @property
    def lanes(self) -> int:
        return len(self.series)

    @property
    def stop_slot(self) -> int:
        return self.first_slot + len(self.indicator.outputs) * self.lanes

    def slots(self, lane: int) -> range:
        """The slots of a lane, output by output."""
        return range(self.first_slot + lane, self.stop_slot, self.lanes)


class Layout:
    """Assigns each value its slot.

    Pools of columns: ``delays`` (slot, source slot, steps), ``views`` (slot, source slot), ``arithmetic`` (slot, code,
    left, right; a side that is -1 instead of a slot is a constant) with ``constants`` (left, right). Arithmetic comes
    after its inputs.
    """

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.index: dict[Series, int] = {}
        self.prices: list[PriceBlock] = []
        self.indicators: list[IndicatorBlock] = []
        self.slots: dict[SlotKey, int] = {}
        self.owners = Pool(np.int64)
        """Slot -> index of the series whose steps move it; ``SPARE`` for slots of spare lanes."""
        self.delays = Pool(np.int64, 3)
        self.views = Pool(np.int64, 2)
        self.arithmetic = Pool(np.int64, 4)
        self.constants = Pool(np.float64, 2)
        self._price_lanes: dict[tuple[str, str], list[tuple[PriceBlock, int]]] = {}
        self._lanes: dict[Computation, list[tuple[IndicatorBlock, int]]] = {}

    def add_series(self, added: Iterable[Series]) -> None:
        """Take in series that are not there yet, in the order of their names."""
        for series in sorted(set(added) - self.index.keys(), key=str):
            self.index[series] = len(self.series)
            self.series.append(series)

    def read(self, read: Iterable[Variable]) -> None:
        """Make slots for what is read and for its delays."""
        unique = list(dict.fromkeys(read))
        present = [
            variable for variable in dict.fromkeys(map(_undelayed, unique)) if (None, variable) not in self.slots
        ]
        prices: dict[tuple[str, str], set[int]] = {}
        computations: dict[Computation, set[int]] = {}
        for variable in present:
            lane = self.index[variable.series]
            if isinstance(variable, Price):
                prices.setdefault((variable.field, variable.series.timeframe), set()).add(lane)
            else:
                computations.setdefault(_computation(variable), set()).add(lane)
        for (field, timeframe), wanted in sorted(prices.items()):
            self._show_price(field, timeframe, sorted(wanted))
        for computation, wanted in sorted(computations.items(), key=str):
            self._compute(computation, sorted(wanted))
        for variable in unique:
            if variable.offset and (None, variable) not in self.slots:
                source = self.slots[None, _undelayed(variable)]
                slot = self._new((None, variable), self.index[variable.series])
                self.delays.add([(slot, source, variable.offset)])

    def slot(self, base: Series, operand: Operand) -> int:
        """The slot in which conditions of ``base`` read an operand."""
        owner = self.index[base]
        if isinstance(operand, Arithmetic):
            return self._arithmetic_slot(base, operand)
        if isinstance(operand, Number):
            raise TypeError("a constant has no slot")
        reading = self.slots[None, operand]
        if operand.series == base:
            return reading
        if (owner, operand) not in self.slots:
            self.views.add([(self._new((owner, operand), owner), reading)])
        return self.slots[owner, operand]

    def _show_price(self, field: str, timeframe: str, wanted: list[int]) -> None:
        known = self._price_lanes.setdefault((field, timeframe), [])
        free = [(block, lane) for block, lane in known if block.series[lane] == SPARE]
        if len(free) < len(wanted):
            more = _capacity(len(wanted) - len(free), bool(known))
            block = PriceBlock(field, timeframe, [SPARE] * more, self.owners.add([SPARE] * more))
            self.prices.append(block)
            known += [(block, lane) for lane in range(more)]
            free += known[-more:]
        for index, (block, lane) in zip(wanted, free, strict=False):
            block.series[lane] = index
            slot = block.first_slot + lane
            self.owners.array[slot] = index
            self.slots[None, Price(self.series[index], field, 0)] = slot

    def _compute(self, computation: Computation, wanted: list[int]) -> None:
        name, parameters, source, timeframe = computation
        known = self._lanes.setdefault(computation, [])
        # The lanes of a block are contiguous output by output, so all of them are made at once.
        free = [(block, lane) for block, lane in known if block.series[lane] == SPARE]
        indicator = find(name)
        if len(free) < len(wanted):
            more = _capacity(len(wanted) - len(free), bool(known))
            first = self.owners.add([SPARE] * (more * len(indicator.outputs)))
            block = IndicatorBlock(indicator, dict(parameters), source, timeframe, [SPARE] * more, first)
            self.indicators.append(block)
            known += [(block, lane) for lane in range(more)]
            free += known[-more:]
        for index, (block, lane) in zip(wanted, free, strict=False):
            block.series[lane] = index
            for output, slot in zip(indicator.outputs, block.slots(lane), strict=True):
                self.owners.array[slot] = index
                variable = IndicatorOutput(self.series[index], name, parameters, source, output.name)
                self.slots[None, variable] = slot

    def _arithmetic_slot(self, base: Series, operand: Arithmetic) -> int:
        owner = self.index[base]
        if (owner, operand) not in self.slots:
            sides = [
                (-1, side.value) if isinstance(side, Number) else (self.slot(base, side), np.nan)
                for side in (operand.left, operand.right)
            ]
            slot = self._new((owner, operand), owner)
            self.arithmetic.add([(slot, ARITHMETIC.index(operand.operator), sides[0][0], sides[1][0])])
            self.constants.add([(sides[0][1], sides[1][1])])
        return self.slots[owner, operand]

    def _new(self, key: SlotKey, owner: int) -> int:
        self.slots[key] = self.owners.add([owner])
        return self.slots[key]


def _capacity(wanted: int, follows: bool) -> int:
    """Lanes of a block: as many as are wanted; at least a few if it follows another one."""
    return max(wanted, _FEWEST_LANES) if follows else wanted


def _undelayed(variable: Variable) -> Variable:
    return replace(variable, offset=0) if variable.offset else variable


def _computation(variable: IndicatorOutput) -> Computation:
    return variable.indicator, variable.parameters, variable.source, variable.series.timeframe
