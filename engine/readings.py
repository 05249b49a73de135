"""What a series' own candles give, over its history: prices, indicators, and arithmetic that those are computed from.

Whatever is computed from another reading comes after it, as in the live program (:mod:`indicators.kernels.lanes`).
"""

from collections.abc import Callable, Mapping, MutableMapping
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.blocks import ARITHMETIC, Computation, IndicatorBlock, LaneBlock, slots_read
from engine.layout import Layout
from indicators.compute import Array, Candles, Carry, compute, input_arrays, scan_into, source_array, start
from registry.language.tree import Arithmetic, Function, Number, Operand, Price, nested_source

_OPERATIONS: dict[str, Callable[[Any, Any], Array]] = dict(
    zip(
        ARITHMETIC,
        (
            np.add,
            np.subtract,
            np.multiply,
            np.divide,
            lambda left, _: np.abs(left),
            # Not np.minimum, which may return the other one of 0 and -0.
            lambda left, right: np.where(left <= right, left, right),
            lambda left, right: np.where(left >= right, left, right),
        ),
        strict=True,
    )
)

Columns = Mapping[str, NDArray[Any]]
"""Candles: the columns from which indicators are computed."""

SlotValues = Array | MutableMapping[int, Array]
"""Slot -> float64[n]."""


def calculate(code: int, left: Array | float, right: Array | float) -> Array:
    """Arithmetic on values of consecutive candles; NaN where a side or the result is not finite.

    The same bits as those of the tick program.
    """
    with np.errstate(all="ignore"):
        result = _OPERATIONS[ARITHMETIC[code]](left, right)
        return np.where(np.isfinite(left) & np.isfinite(right) & np.isfinite(result), result, np.nan)


def values_over(operand: Operand, candles: Candles) -> Array:
    """An operand without steps back over all candles of its series: float64[n], NaN where it has no value."""
    match operand:
        case Number(value):
            return np.full(len(candles["close"]), value)
        case Price(field=field):
            return source_array(candles, field)
        case Arithmetic(operator, left, right):
            return calculate(ARITHMETIC.index(operator), values_over(left, candles), values_over(right, candles))
        case Function("abs", (inner,)):
            return calculate(ARITHMETIC.index("abs"), values_over(inner, candles), 0.0)
        case Function(name, parts):
            code = ARITHMETIC.index(name)
            return reduce(
                lambda left, right: calculate(code, left, right), (values_over(part, candles) for part in parts)
            )
    nested = nested_source(operand)
    source = operand.source if nested is None else values_over(nested, candles)
    assert source is None or isinstance(source, str | np.ndarray)
    parameters: dict[str, Any] = dict(operand.parameters)
    return compute(operand.indicator, candles, source=source, **parameters)[operand.output]


class SeriesReadings:
    """The readings of one series, extended span by span."""

    def __init__(
        self,
        layout: Layout,
        index: int,
        carries: Mapping[Computation, Carry] | None = None,
        *,
        wanted: NDArray[np.bool_] | None = None,
    ) -> None:
        """``carries`` is what its indicators continue from, by default from before the first candle. ``wanted`` bool
        [slots] says which slots are to be filled, by default all; those that others are computed from have to be among
        them."""
        lanes = [(layout.blocks[number], lane) for number, lane in sorted(layout.lanes_of.get(index, ()))]
        self._lanes: list[tuple[LaneBlock, int]] = sorted(lanes, key=lambda lane: lane[0].level)
        self._prices = [(block.field, slot) for block, slot in layout.prices_of.get(index, ())]
        self._read_again = {slot for block, lane in self._lanes for slot in slots_read(block, lane)}
        """Slots that other readings are computed from."""
        self._wanted = wanted
        self._aside = np.empty((0, 0))
        """Outputs of one lane that are not wanted: float64[outputs, n]."""
        indicators = [block for block, _ in self._lanes if isinstance(block, IndicatorBlock)]
        self.carries = {
            block.computation: start(block.indicator, block.parameters)
            if carries is None
            else carries[block.computation].copy()
            for block in indicators
        }

    def extend(self, columns: Columns, values: SlotValues) -> None:
        """Fill the slots of ``values`` for the next candles."""
        for field, slot in self._prices:
            values[slot] = source_array(columns, field)
        shared: dict[_Inputs, tuple[Array, ...]] = {}
        for block, lane in self._lanes:
            self._fill(block, lane, columns, values, shared)

    def move(self, columns: Columns) -> None:
        """Move on over the next candles, of which no values are wanted."""
        count = columns["close"].size
        values: dict[int, Array] = {}
        shared: dict[_Inputs, tuple[Array, ...]] = {}
        for block, lane in self._lanes:
            fresh = dict(zip(block.slots(lane), np.empty((len(block.slots(lane)), count)), strict=True))
            values |= fresh
            self._fill(block, lane, columns, values, shared)
            for slot in fresh.keys() - self._read_again:
                del values[slot]

    def _fill(
        self,
        block: LaneBlock,
        lane: int,
        columns: Columns,
        values: SlotValues,
        shared: dict["_Inputs", tuple[Array, ...]],
    ) -> None:
        """Fill the slots of one lane; ``shared`` has the inputs that other lanes may read as well."""
        slots = block.slots(lane)
        if not isinstance(block, IndicatorBlock):
            left, right = (
                side if isinstance(side, float) else _array(side, lane, columns, values) for side in block.inputs
            )
            values[slots[0]] = calculate(block.code, left, right)
            return
        source = block.source
        wanted = block.indicator.inputs, source[lane] if isinstance(source, list) else source
        if wanted not in shared:
            selected = values[source[lane]] if isinstance(source, list) else source
            shared[wanted] = input_arrays(block.indicator, columns, selected)
        carry = self.carries[block.computation]
        outputs = self._outputs(slots, values, columns["close"].size)
        scan_into(block.indicator, block.parameters, carry, shared[wanted], outputs)

    def _outputs(self, slots: range, values: SlotValues, count: int) -> tuple[Array, ...]:
        if self._wanted is None:
            return tuple(values[slot] for slot in slots)
        if self._aside.shape[0] < len(slots) or self._aside.shape[1] < count:
            self._aside = np.empty((max(len(slots), self._aside.shape[0]), max(count, self._aside.shape[1])))
        return tuple(
            values[slot] if self._wanted[slot] else self._aside[output, :count] for output, slot in enumerate(slots)
        )


def _array(read: str | list[int], lane: int, columns: Columns, values: SlotValues) -> Array:
    """The values that a lane reads: a price, or those of its slot."""
    return source_array(columns, read) if isinstance(read, str) else values[read[lane]]


_Inputs = tuple[tuple[str, ...], str | int | None]
"""The inputs of an indicator and its source: a price, or a slot."""
