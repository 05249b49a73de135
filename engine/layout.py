"""Where values are kept: blocks of readings, delays, views and arithmetic, each value in a slot of its own for good.

Slots are only ever added. When a block has no spare lane left, another block of the same indicator is added.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.blocks import (
    ARITHMETIC,
    SPARE,
    ArithmeticBlock,
    Computation,
    IndicatorBlock,
    LaneBlock,
    PriceBlock,
    slots_read,
)
from indicators.catalogue import find
from indicators.kernels.lanes import LaneInput
from indicators.kernels.pools import Pool
from registry.groups import Series
from registry.language.as_text.text import to_text
from registry.language.definitions import definition_versions
from registry.language.time_windows import During
from registry.language.tree import (
    Arithmetic,
    Function,
    IndicatorOutput,
    Number,
    Operand,
    Price,
    Variable,
    readings,
    variables,
)

_FEWEST_LANES = 4
"""Of a block that follows another one: conditions arrive one by one, and a block for each would be slow."""

SlotKey = tuple[int | None, Operand | During]
"""What a slot contains: a reading or delay, shared by all (no owner), or an operand as a base series sees it, or
whether its candle opens inside a time window."""

_LaneKey = Computation | tuple[str, str]
"""What lanes side by side share; of arithmetic its text without a series, and the timeframe."""

_Computed = IndicatorOutput | Arithmetic | Function


class Layout:
    """Assigns each value its slot.

    Pools of columns: ``delays`` (slot, source slot, steps), ``views`` (slot, source slot), ``arithmetic`` (slot, code,
    left, right; a side that is -1 instead of a slot is a constant) with ``constants`` (left, right), ``windows`` (slot,
    position in ``time_windows``). Arithmetic comes after its inputs.
    """

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.index: dict[Series, int] = {}
        self.prices: list[PriceBlock] = []
        self.blocks: list[LaneBlock] = []
        """In the order in which they were added, whatever their level."""
        self.slots: dict[SlotKey, int] = {}
        self.owners = Pool(np.int64)
        """Slot -> index of the series whose steps move it; ``SPARE`` for slots of spare lanes."""
        self.delays = Pool(np.int64, 3)
        self.views = Pool(np.int64, 2)
        self.arithmetic = Pool(np.int64, 4)
        self.constants = Pool(np.float64, 2)
        self.windows = Pool(np.int64, 2)
        self.time_windows: list[During] = []
        self.lanes_of: dict[int, list[tuple[int, int]]] = {}
        """Series -> (position in ``blocks``, lane) of what is computed for it."""
        self.prices_of: dict[int, list[tuple[PriceBlock, int]]] = {}
        """Series -> (block, slot) of its prices."""
        self._numbers: dict[LaneBlock, int] = {}
        self._price_lanes: dict[tuple[str, str], list[tuple[PriceBlock, int]]] = {}
        self._lanes: dict[_LaneKey, list[tuple[LaneBlock, int]]] = {}

    def add_series(self, added: Iterable[Series]) -> None:
        """Take in series that are not there yet, in the order of their names."""
        for series in sorted(set(added) - self.index.keys(), key=str):
            self.index[series] = len(self.series)
            self.series.append(series)

    @property
    def indicators(self) -> list[IndicatorBlock]:
        """The blocks that are not arithmetic."""
        return [block for block in self.blocks if isinstance(block, IndicatorBlock)]

    @property
    def sources(self) -> NDArray[np.int64]:
        """The slots that other slots are computed from, in any order, some of them several times."""
        sides = self.arithmetic.array[:, 2:].ravel()
        read = [slot for block in self.blocks for lane in range(block.lanes) for slot in slots_read(block, lane)]
        columns = (self.delays.array[:, 1], self.views.array[:, 1], sides, np.array(read, np.int64))
        sources: NDArray[np.int64] = np.concatenate(columns)
        return sources[sources >= 0]

    def read(self, read: Iterable[Variable]) -> None:
        """Make slots for what is read, for what that is computed from, and for its delays."""
        unique = list(dict.fromkeys(read))
        prices: dict[tuple[str, str], set[int]] = {}
        computed: dict[_Computed, int] = {}
        for variable in dict.fromkeys(map(_undelayed, unique)):
            if (None, variable) in self.slots:
                continue
            if isinstance(variable, Price):
                prices.setdefault((variable.field, variable.series.timeframe), set()).add(self.index[variable.series])
            else:
                _collect(variable, computed)
        for (field, timeframe), wanted in sorted(prices.items()):
            self._show_price(field, timeframe, sorted(wanted))
        lanes: dict[tuple[int, _LaneKey], dict[int, _Computed]] = {}
        for operand, level in computed.items():
            if (None, operand) not in self.slots:
                by_series = lanes.setdefault((level, _lane_key(operand)), {})
                by_series[self.index[_series_of(operand)]] = operand
        # An inner one before all that is computed from it.
        for (level, key), operands in sorted(lanes.items(), key=lambda item: (item[0][0], str(item[0][1]))):
            self._compute(key, level, dict(sorted(operands.items())))
        for variable in unique:
            if variable.offset and (None, variable) not in self.slots:
                source = self.slots[None, _undelayed(variable)]
                slot = self._new((None, variable), self.index[variable.series])
                self.delays.add([(slot, source, variable.offset)])

    def slot(self, base: Series, operand: Operand) -> int:
        """The slot in which conditions of ``base`` read an operand."""
        owner = self.index[base]
        if isinstance(operand, Arithmetic | Function):
            return self._arithmetic_slot(base, operand)
        if isinstance(operand, Number):
            raise TypeError("a constant has no slot")
        reading = self.slots[None, operand]
        if operand.series == base:
            return reading
        if (owner, operand) not in self.slots:
            self.views.add([(self._new((owner, operand), owner), reading)])
        return self.slots[owner, operand]

    def window_slot(self, base: Series, window: During) -> int:
        """The slot that is 1 on candles of ``base`` that open inside a window, and 0 on all others."""
        owner = self.index[base]
        if (owner, window) not in self.slots:
            if window not in self.time_windows:
                self.time_windows.append(window)
            self.windows.add([(self._new((owner, window), owner), self.time_windows.index(window))])
        return self.slots[owner, window]

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
            self.prices_of.setdefault(index, []).append((block, slot))

    def _compute(self, key: _LaneKey, level: int, wanted: Mapping[int, _Computed]) -> None:
        """Give each of the wanted series (index -> the operand on it) a lane."""
        known = self._lanes.setdefault(key, [])
        # The lanes of a block are contiguous output by output, so all of them are made at once.
        free = [(block, lane) for block, lane in known if block.series[lane] == SPARE]
        if len(free) < len(wanted):
            more = _capacity(len(wanted) - len(free), bool(known))
            block = self._new_block(key, next(iter(wanted.values())), level, more)
            self._numbers[block] = len(self.blocks)
            self.blocks.append(block)
            known += [(block, lane) for lane in range(more)]
            free += known[-more:]
        for (index, operand), (block, lane) in zip(wanted.items(), free, strict=False):
            block.series[lane] = index
            self.lanes_of.setdefault(index, []).append((self._numbers[block], lane))
            for read, side in zip(block.inputs, _inputs(operand), strict=True):
                if isinstance(read, list) and side is not None:
                    read[lane] = self.slots[None, side]
            for shown, slot in zip(_outputs(operand), block.slots(lane), strict=True):
                self.owners.array[slot] = index
                self.slots[None, shown] = slot

    def _new_block(self, key: _LaneKey, example: _Computed, level: int, lanes: int) -> LaneBlock:
        """A block of spare lanes for operands like the example."""
        first = self.owners.add([SPARE] * (lanes * len(_outputs(example))))
        inputs = [_lane_input(side, lanes) for side in _inputs(example)]
        if isinstance(key, Computation):
            (source,) = inputs
            assert not isinstance(source, float)
            return IndicatorBlock(find(key.indicator), key, source, level, [SPARE] * lanes, first)
        assert not isinstance(example, IndicatorOutput)
        left, right = inputs
        assert left is not None
        assert right is not None
        operation, *_ = _as_two(example)
        return ArithmeticBlock(ARITHMETIC.index(operation), (left, right), key[1], level, [SPARE] * lanes, first)

    def _arithmetic_slot(self, base: Series, operand: Arithmetic | Function) -> int:
        owner = self.index[base]
        if (owner, operand) not in self.slots:
            operation, *operands = _as_two(operand)
            sides = [
                (-1, side.value) if isinstance(side, Number) else (self.slot(base, side), np.nan) for side in operands
            ]
            slot = self._new((owner, operand), owner)
            self.arithmetic.add([(slot, ARITHMETIC.index(operation), sides[0][0], sides[1][0])])
            self.constants.add([(sides[0][1], sides[1][1])])
        return self.slots[owner, operand]

    def _new(self, key: SlotKey, owner: int) -> int:
        self.slots[key] = self.owners.add([owner])
        return self.slots[key]


def _capacity(wanted: int, follows: bool) -> int:
    """Lanes of a block: as many as are wanted; at least a few if it follows another one."""
    return max(wanted, _FEWEST_LANES) if follows else wanted


def _as_two(operand: Arithmetic | Function) -> tuple[str, Operand, Operand]:
    """An operation and its two sides. What comes before the last operand of ``min`` or ``max`` is one of its own."""
    match operand:
        case Arithmetic(operator, left, right):
            return operator, left, right
        case Function("abs", (inner,)):
            return "abs", inner, Number(0.0)
        case Function(name, (left, right)):
            return name, left, right
        case Function(name, (*before, last)):
            return name, Function(name, tuple(before)), last
    raise TypeError(f"{operand!r} has no operands")


def _undelayed(variable: Variable) -> Variable:
    return replace(variable, offset=0) if variable.offset else variable


def _collect(operand: Operand, computed: dict[_Computed, int]) -> int:
    """Add what is computed for a reading, inner ones first, with their levels; returns the level of the operand, -1 for
    what is a constant or a column of candles."""
    if isinstance(operand, Number | Price):
        return -1
    inner = [side for side in _inputs(operand) if side is not None]
    level = 1 + max((_collect(side, computed) for side in inner), default=-1)
    computed[operand] = level
    return level


def _inputs(operand: _Computed) -> tuple[Operand | None, ...]:
    """What is selected for a computation to read: the source of an indicator, ``None`` if it has none; both sides."""
    if isinstance(operand, Arithmetic | Function):
        _, left, right = _as_two(operand)
        return left, right
    if isinstance(operand.source, str):
        return (Price(operand.series, operand.source),)
    return (operand.source,)


def _lane_input(operand: Operand | None, lanes: int) -> LaneInput | None:
    match operand:
        case None:
            return None
        case Number(value):
            return value
        case Price(field=field):
            return field
    return [SPARE] * lanes


def _outputs(operand: _Computed) -> Sequence[_Computed]:
    """What the slots of a lane contain."""
    if isinstance(operand, Arithmetic | Function):
        return (operand,)
    return [replace(operand, output=output.name) for output in find(operand.indicator).outputs]


def _lane_key(operand: _Computed) -> _LaneKey:
    series = _series_of(operand)
    if isinstance(operand, Arithmetic | Function):
        return to_text(operand), series.timeframe
    source = operand.source
    if source is None or isinstance(source, str):
        return Computation(operand.indicator, operand.parameters, source, series.timeframe, "")
    definitions = definition_versions(readings(source))
    return Computation(operand.indicator, operand.parameters, to_text(source), series.timeframe, definitions)


def _series_of(operand: _Computed) -> Series:
    """The one series that a reading is computed from."""
    return next(variables(operand)).series
