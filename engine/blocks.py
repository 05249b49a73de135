"""Blocks of lanes: one computation over several series, side by side.

A block's values are in contiguous slots, its lanes are series, and lanes that are free follow ``SPARE``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from indicators.catalogue import Indicator
from indicators.kernels.lanes import LaneInput

ARITHMETIC = ("+", "-", "*", "/", "abs", "min", "max")
"""Position = code of an arithmetic operation. ``abs`` reads only its left side."""

SPARE = -1
"""The series of a lane that is free, and the slot of what it reads."""


class Computation(NamedTuple):
    """What the lanes of an indicator's block share."""

    indicator: str
    parameters: tuple[tuple[str, float], ...]
    source: str | None
    """Its text without a series: ``close``, ``rsi(14, close)``."""
    timeframe: str
    source_definitions: str
    """The indicators that its source uses, with the versions of their formulae: ``ema=1,rsi=1``."""


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
    computation: Computation
    source: str | list[int] | None
    """The name of a price, or the slot of its source for each lane."""
    level: int
    """Lanes of lower levels are moved first: those that it reads are among them."""
    series: list[int]
    first_slot: int

    @property
    def parameters(self) -> dict[str, float]:
        return dict(self.computation.parameters)

    @property
    def timeframe(self) -> str:
        return self.computation.timeframe

    @property
    def lanes(self) -> int:
        return len(self.series)

    @property
    def stop_slot(self) -> int:
        return self.first_slot + len(self.indicator.outputs) * self.lanes

    @property
    def inputs(self) -> tuple[LaneInput | None, ...]:
        """What it reads besides the columns that it always reads."""
        return (self.source,)

    def slots(self, lane: int) -> range:
        """The slots of a lane, output by output."""
        return range(self.first_slot + lane, self.stop_slot, self.lanes)


@dataclass(eq=False)
class ArithmeticBlock:
    """Arithmetic that indicators are computed from, over several series of one timeframe; the value of ``series[i]`` is
    in slot ``first_slot + i``."""

    code: int
    inputs: tuple[LaneInput, LaneInput]
    """Its sides: each the name of a price, a constant, or a slot for each lane."""
    timeframe: str
    level: int
    series: list[int]
    first_slot: int

    @property
    def lanes(self) -> int:
        return len(self.series)

    def slots(self, lane: int) -> range:
        """The slot of a lane."""
        return range(self.first_slot + lane, self.first_slot + lane + 1)


LaneBlock = IndicatorBlock | ArithmeticBlock


def slots_read(block: LaneBlock, lane: int) -> Sequence[int]:
    """The slots that a lane is computed from."""
    return [slots[lane] for slots in block.inputs if isinstance(slots, list)]
