"""Where values stand: blocks of readings, then delays, views and arithmetic, each value in a slot of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from indicators.catalogue import Indicator, find
from registry.expression import Arithmetic, IndicatorOutput, Number, Operand, Price, Series

ARITHMETIC = ("+", "-", "*", "/")
"""Position = code of an arithmetic slot."""

Variable = Price | IndicatorOutput
Computation = tuple[str, tuple[tuple[str, float], ...], str | None, str]
"""What lanes share: indicator, parameters, source, timeframe."""


@dataclass(frozen=True)
class PriceBlock:
    """One price of several series of one timeframe; the value of ``series[i]`` is in slot ``first_slot + i``."""

    field: str
    timeframe: str
    series: NDArray[np.int64]
    first_slot: int

    @property
    def stop_slot(self) -> int:
        return self.first_slot + self.series.size


@dataclass(frozen=True)
class IndicatorBlock:
    """One indicator over several series of one timeframe; output ``o`` of ``series[i]`` is in slot
    ``first_slot + o * lanes + i``."""

    indicator: Indicator
    parameters: dict[str, float]
    source: str | None
    timeframe: str
    series: NDArray[np.int64]
    first_slot: int

    @property
    def lanes(self) -> int:
        return self.series.size

    @property
    def stop_slot(self) -> int:
        return self.first_slot + len(self.indicator.outputs) * self.lanes


@dataclass(frozen=True)
class Delays:
    """Slot ``slots[i]`` holds what slot ``sources[i]`` held ``steps[i]`` steps of its series before."""

    slots: NDArray[np.int64]
    sources: NDArray[np.int64]
    steps: NDArray[np.int64]


@dataclass(frozen=True)
class Views:
    """Slot ``slots[i]`` shows its owner what slot ``sources[i]`` of another series holds."""

    slots: NDArray[np.int64]
    sources: NDArray[np.int64]


@dataclass(frozen=True)
class ArithmeticSlots:
    """Slot ``slots[i]`` is ``left[i] code right[i]``; a side that is not a slot (-1) is its constant. Inputs first."""

    slots: NDArray[np.int64]
    codes: NDArray[np.int64]
    left: NDArray[np.int64]
    left_constants: NDArray[np.float64]
    right: NDArray[np.int64]
    right_constants: NDArray[np.float64]


class Layout:
    """Gives each value its slot."""

    def __init__(self, index: dict[Series, int]) -> None:
        self.index = index
        self.prices: list[PriceBlock] = []
        self.indicators: list[IndicatorBlock] = []
        self.owners: list[int] = []
        self._slots: dict[tuple[int | None, Operand], int] = {}
        self._delays: list[tuple[int, int, int]] = []
        self._views: list[tuple[int, int]] = []
        self._arithmetic: list[tuple[int, int, int, float, int, float]] = []

    def read(self, variables_read: Iterable[Variable]) -> None:
        """Blocks for what is read, and its delays."""
        fields: dict[tuple[str, str], set[int]] = {}
        computations: dict[Computation, set[int]] = {}
        present = dict.fromkeys(_undelayed(variable) for variable in variables_read)
        for variable in present:
            timeframe, lane = variable.series.timeframe, self.index[variable.series]
            if isinstance(variable, Price):
                fields.setdefault((variable.field, timeframe), set()).add(lane)
            else:
                computations.setdefault(_computation(variable), set()).add(lane)
        price_of: dict[tuple[str, str], PriceBlock] = {}
        for (field, timeframe), held in sorted(fields.items()):
            price = PriceBlock(field, timeframe, np.array(sorted(held), np.int64), len(self.owners))
            self.prices.append(price)
            price_of[field, timeframe] = price
            self.owners += price.series.tolist()
        block_of: dict[Computation, IndicatorBlock] = {}
        for key, held in sorted(computations.items(), key=str):
            name, parameters, source, timeframe = key
            lanes = np.array(sorted(held), np.int64)
            block = IndicatorBlock(find(name), dict(parameters), source, timeframe, lanes, len(self.owners))
            self.indicators.append(block)
            block_of[key] = block
            self.owners += lanes.tolist() * len(block.indicator.outputs)
        for variable in present:
            lane = self.index[variable.series]
            if isinstance(variable, Price):
                price = price_of[variable.field, variable.series.timeframe]
                self._slots[None, variable] = price.first_slot + int(np.searchsorted(price.series, lane))
            else:
                block = block_of[_computation(variable)]
                output = [output.name for output in block.indicator.outputs].index(variable.output)
                column = int(np.searchsorted(block.series, lane))
                self._slots[None, variable] = block.first_slot + output * block.lanes + column
        for variable in variables_read:
            if variable.offset and (None, variable) not in self._slots:
                source_slot = self._slots[None, _undelayed(variable)]
                slot = self._new((None, variable), self.index[variable.series])
                self._delays.append((slot, source_slot, variable.offset))

    def slot(self, base: Series, operand: Operand) -> int:
        """The slot in which conditions of ``base`` find an operand."""
        owner = self.index[base]
        if isinstance(operand, Arithmetic):
            return self._arithmetic_slot(base, operand)
        if isinstance(operand, Number):
            raise TypeError("a constant has no slot")
        reading = self._slots[None, operand]
        if operand.series == base:
            return reading
        if (owner, operand) not in self._slots:
            self._views.append((self._new((owner, operand), owner), reading))
        return self._slots[owner, operand]

    def _arithmetic_slot(self, base: Series, operand: Arithmetic) -> int:
        owner = self.index[base]
        if (owner, operand) not in self._slots:
            sides = [
                (-1, side.value) if isinstance(side, Number) else (self.slot(base, side), np.nan)
                for side in (operand.left, operand.right)
            ]
            slot = self._new((owner, operand), owner)
            self._arithmetic.append((slot, ARITHMETIC.index(operand.operator), *sides[0], *sides[1]))
        return self._slots[owner, operand]

    def _new(self, key: tuple[int | None, Operand], owner: int) -> int:
        self._slots[key] = len(self.owners)
        self.owners.append(owner)
        return self._slots[key]

    def delays(self) -> Delays:
        """All delays."""
        return Delays(*(np.array(column, np.int64) for column in _transposed(self._delays, 3)))

    def views(self) -> Views:
        """All views."""
        return Views(*(np.array(column, np.int64) for column in _transposed(self._views, 2)))

    def arithmetic(self) -> ArithmeticSlots:
        """All arithmetic, inputs before what uses them."""
        slots, codes, left, left_constants, right, right_constants = _transposed(self._arithmetic, 6)
        return ArithmeticSlots(
            np.array(slots, np.int64),
            np.array(codes, np.int64),
            np.array(left, np.int64),
            np.array(left_constants, np.float64),
            np.array(right, np.int64),
            np.array(right_constants, np.float64),
        )


def _transposed(rows: Sequence[tuple[float, ...]], width: int) -> list[list[float]]:
    return [[row[column] for row in rows] for column in range(width)]


def _undelayed(variable: Variable) -> Variable:
    return replace(variable, offset=0) if variable.offset else variable


def _computation(variable: IndicatorOutput) -> Computation:
    return variable.indicator, variable.parameters, variable.source, variable.series.timeframe
