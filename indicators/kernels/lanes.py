"""The live side: blocks of lanes, moved together candle by candle by one compiled call.

A block is one indicator with its parameters; its lanes are series. Blocks never move: later ones are appended, so a
slot number stays valid.
"""

import importlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indicators.catalogue import NAMES, Indicator, Parameters, Window
from indicators.compute import Array, Carry, check_carry, kernels, start
from indicators.kernels.partials import depths, partial_values
from indicators.kernels.pools import Pool
from indicators.kernels.tick_program import CANDLE_ROWS, COLUMNS, CONSTANT, FROM_SLOTS

_COLUMN = {name: position for position, name in enumerate(COLUMNS)}

LaneInput = str | float | list[int]
"""What lanes are computed from: a row of the candles, by name; a constant; or a slot for each lane."""


class LaneProgram:
    """All blocks of a plan.

    Slots are the caller's: output ``o`` of lane ``i`` of a block goes to slot ``first_slot + o * lanes + i``.
    """

    def __init__(self) -> None:
        self._blocks = Pool(np.int64, len(COLUMNS))
        self._parameters = Pool(np.float64)
        self._state = Pool(np.float64)
        self._memory = Pool(np.float64)
        self._table = Pool(np.int64, 2)
        self._windows = Pool(np.int64, 2)
        self._series = Pool(np.int64)
        self._input_rows = Pool(np.int64)
        self._input_places = Pool(np.int64)
        self._lane_slots = Pool(np.int64)
        self._prices = Pool(np.int64, 4)
        self._work = np.empty(0)
        self._arrays: tuple[NDArray[Any], ...] | None = None
        """The pools' arrays as the compiled call takes them; ``None`` after something was added."""
        self._known: list[tuple[Indicator, dict[str, float], Carry] | None] = []
        """Block -> its indicator, parameters and first carry; ``None`` for arithmetic."""

    def add_prices(self, field: str, series: Sequence[int], first_slot: int) -> int:
        """Add a block that shows a price of several series (-1: spare); returns the number of the price block."""
        at = self._series.add(np.array(series, np.int64))
        self._arrays = None
        return self._prices.add(np.array([[CANDLE_ROWS.index(field), len(series), at, first_slot]], np.int64))

    def add(
        self,
        indicator: Indicator,
        parameters: Parameters,
        source: LaneInput | None,
        series: Sequence[int],
        first_slot: int,
    ) -> int:
        """Add a block whose lanes have seen no candle; returns the number of the block."""
        lanes = len(series)
        empty = start(indicator, parameters)
        lengths = indicator.lengths(parameters)
        windows, sections = _sections(indicator, parameters)
        rows = np.cumsum([0, *sections])
        assert len(lengths) == len(empty.windows)
        self._known.append((indicator, dict(parameters), empty))
        return self._add(
            series,
            first_slot,
            [(source or indicator.default_source) if name == "source" else name for name in indicator.inputs],
            CODE=NAMES.index(indicator.name),
            OUTPUTS=len(indicator.outputs),
            STATES=empty.state.size,
            SCRATCH=kernels(indicator.name).SCRATCH,
            ROWS=int(rows[-1]),
            SECTIONS=len(sections),
            WINDOWS=len(windows),
            PARAMETERS_AT=self._parameters.add(np.array([*parameters.values()], np.float64)),
            STATE_AT=self._state.add(np.repeat(empty.state, lanes)),
            MEMORY_AT=self._memory.add(np.full(int(rows[-1]) * lanes, np.nan)),
            TABLE_AT=self._table.add(np.array([*zip(rows, sections, strict=False)], np.int64).reshape(-1, 2)),
            WINDOWS_AT=self._windows.add(np.array(windows, np.int64).reshape(-1, 2)),
        )

    def add_arithmetic(
        self, code: int, sides: tuple[LaneInput, LaneInput], series: Sequence[int], first_slot: int
    ) -> int:
        """Add a block that calculates with two inputs; returns the number of the block.

        ``code`` is the operation's place in ``engine.blocks.ARITHMETIC`` (``calculate`` in
        ``indicators/kernels/tick_program.py``).
        """
        self._known.append(None)
        return self._add(series, first_slot, sides, CODE=-1 - code, OUTPUTS=1)

    def _add(self, series: Sequence[int], first_slot: int, inputs: Sequence[LaneInput], **columns: int) -> int:
        """Add a block with these columns; those that are not named are 0."""
        lanes = len(series)
        needed = (len(inputs) + columns.get("SCRATCH", 0)) * lanes
        if needed > self._work.size:
            self._work = np.empty(needed)
        followed = np.array(series, np.int64)
        places = [self._input_place(read) for read in inputs]
        self._input_places.add(np.array([at for _, at in places], np.int64))
        described = columns | {
            "LANES": lanes,
            "INPUTS": len(inputs),
            "FIRST_SLOT": first_slot,
            "SERIES_AT": self._series.add(followed),
            "FIRST_SERIES": _first_of(followed) if all(row >= 0 for row, _ in places) else -1,
            "INPUTS_AT": self._input_rows.add(np.array([row for row, _ in places], np.int64)),
        }
        self._arrays = None
        return self._blocks.add(np.array([[described.get(name, 0) for name in COLUMNS]], np.int64))

    def _input_place(self, read: LaneInput) -> tuple[int, int]:
        """The row of an input, and where what is no row of candles is."""
        if isinstance(read, str):
            return CANDLE_ROWS.index(read), 0
        if isinstance(read, list):
            return FROM_SLOTS, self._lane_slots.add(np.array(read, np.int64))
        return CONSTANT, self._parameters.add(np.array([read]))

    def assign(self, block: int, lane: int, series: int, slots: Sequence[int] = ()) -> None:
        """Make a lane follow a series; ``slots`` are those that it reads, in the order of the inputs that are slots."""
        first = self._number(block, "SERIES_AT")
        followed = self._series.array[first : first + self._number(block, "LANES")]
        followed[lane] = series
        inputs_at, inputs = self._number(block, "INPUTS_AT"), self._number(block, "INPUTS")
        rows = self._input_rows.array[inputs_at : inputs_at + inputs]
        places = self._input_places.array[inputs_at : inputs_at + inputs]
        for at, slot in zip(places[rows == FROM_SLOTS].tolist(), slots, strict=True):
            self._lane_slots.array[at + lane] = slot
        self._blocks.array[block, _COLUMN["FIRST_SERIES"]] = _first_of(followed) if (rows >= 0).all() else -1

    def assign_price(self, block: int, lane: int, series: int) -> None:
        """Make a lane of a price block follow a series."""
        self._series.array[self._prices.array[block, 2] + lane] = series

    def fill(self, block: int, lane: int, carry: Carry) -> None:
        """Make a lane continue from a carry. Raises ``ValueError`` for one of another indicator or other parameters."""
        self.fill_lanes(block, [lane], [carry])

    def fill_lanes(self, block: int, lanes: Sequence[int], carries: Sequence[Carry]) -> None:
        """:meth:`fill` for several lanes of a block, each with a carry of its own."""
        known = self._known[block]
        if known is None:
            raise ValueError("arithmetic has no carry")
        indicator, parameters, _ = known
        for carry in carries:
            check_carry(indicator, parameters, carry)
        state, memory, table = self._views(block)
        turn = self._number(block, "TURN")
        state[:, lanes] = np.column_stack([carry.state for carry in carries])
        memory[:, lanes] = np.nan
        windows = [np.column_stack(values) for values in zip(*(carry.windows for carry in carries), strict=True)]
        section = 0
        for values in windows:
            _write(memory, table[section], turn, lanes, values)
            section += 1
        rings = indicator.rings
        lengths = indicator.lengths(parameters)
        for stage in indicator.stages:
            if isinstance(stage, Window):
                ring = rings.index((stage.over, stage.length))
                for values in partial_values(stage, lengths[ring], windows[ring]):
                    _write(memory, table[section], turn, lanes, values)
                    section += 1

    def carry(self, block: int, lane: int) -> Carry:
        """A copy of the carry that a lane would continue from."""
        known = self._known[block]
        if known is None:
            raise ValueError("arithmetic has no carry")
        _, _, empty = known
        state, memory, table = self._views(block)
        turn = self._number(block, "TURN")
        windows = []
        for section, values in enumerate(empty.windows):
            first, depth = table[section]
            rows = first + np.arange(turn - values.size, turn) % depth
            windows.append(memory[rows, lane].copy())
        return Carry(state[:, lane].copy(), tuple(windows))

    def advance(
        self,
        which: NDArray[np.int64],
        which_prices: NDArray[np.int64],
        candles: Array,
        present: NDArray[np.bool_],
        stepping: NDArray[np.bool_],
        now: Array,
        before: Array,
    ) -> None:
        """Move blocks and price blocks by one candle.

        ``candles`` float64[9, series] has the rows ``CANDLE_ROWS``; the means among them are filled in here, and so are
        the columns of absent series, with NaN. ``present`` and ``stepping`` are bool[series]; ``now`` and ``before``
        are all slots. See ``indicators/kernels/tick_program.py``.
        """
        if self._arrays is None:
            self._arrays = self._gather_arrays()
        _program().advance(which, which_prices, *self._arrays, candles, present, stepping, now, before)

    def _gather_arrays(self) -> tuple[NDArray[Any], ...]:
        pools = (
            self._blocks, self._parameters, self._state, self._memory, self._table, self._windows, self._series,
            self._input_rows, self._input_places, self._lane_slots,
        )  # fmt: skip
        return (*(pool.array for pool in pools), self._work, self._prices.array)

    @property
    def memory_bytes(self) -> int:
        """The size of the lanes' states and windows, in bytes."""
        return int(8 * (self._state.size + self._memory.size))

    def _number(self, block: int, column: str) -> int:
        return int(self._blocks.array[block, _COLUMN[column]])

    def _views(self, block: int) -> tuple[Array, Array, NDArray[np.int64]]:
        lanes, states, rows = (self._number(block, name) for name in ("LANES", "STATES", "ROWS"))
        state_at, memory_at, table_at = (self._number(block, f"{name}_AT") for name in ("STATE", "MEMORY", "TABLE"))
        state = self._state.array[state_at : state_at + states * lanes].reshape(states, lanes)
        memory = self._memory.array[memory_at : memory_at + rows * lanes].reshape(rows, lanes)
        return state, memory, self._table.array[table_at : table_at + self._number(block, "SECTIONS")]


def _first_of(series: NDArray[np.int64]) -> int:
    """The first of the series if they are consecutive, else -1."""
    first = int(series[0])
    return first if np.array_equal(series, np.arange(first, first + series.size)) else -1


def _sections(indicator: Indicator, parameters: Parameters) -> tuple[list[tuple[int, int]], list[int]]:
    """(length, first section of partial results) of each window stage, and the depth of every section."""
    lengths = indicator.lengths(parameters)
    rings = indicator.rings
    windows, sections = [], list(lengths)
    for stage in indicator.stages:
        if isinstance(stage, Window):
            length = lengths[rings.index((stage.over, stage.length))]
            windows.append((length, len(sections)))
            sections += depths(stage, length)
    return windows, sections


def _write(memory: Array, section: NDArray[np.int64], turn: int, lanes: Sequence[int], values: Array) -> None:
    """Write the newest values of rings, float64[n, lanes], as if their last turns had written them."""
    first, depth = section
    newest = values[max(0, len(values) - depth + 1) :] if depth > 1 else values[:0]
    rows = first + np.arange(turn - len(newest), turn) % depth
    memory[np.ix_(rows, np.asarray(lanes))] = newest


@cache
def _program() -> Any:
    return importlib.import_module("indicators._kernels.program")
