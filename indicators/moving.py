"""Plain source of the tick program, which ``indicators.codegen`` copies into ``_kernels/program.py``.

One call moves every lane of every block by one candle and writes the values into slots. A block is one indicator with
its parameters over many lanes; its description is a row of ``blocks``, whose columns are named here, and its numbers
stand in pools that all blocks share.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from indicators import rings

COLUMNS = (
    "CODE",
    "LANES",
    "INPUTS",
    "OUTPUTS",
    "STATES",
    "SCRATCH",
    "ROWS",
    "SECTIONS",
    "WINDOWS",
    "FIRST_SLOT",
    "TURN",
    "PARAMETERS_AT",
    "STATE_AT",
    "MEMORY_AT",
    "TABLE_AT",
    "WINDOWS_AT",
    "SERIES_AT",
    "INPUTS_AT",
)
"""What a row of ``blocks`` says: the indicator's place in the catalogue, sizes, and where its numbers stand."""

(
    CODE, LANES, INPUTS, OUTPUTS, STATES, SCRATCH, ROWS, SECTIONS, WINDOWS, FIRST_SLOT, TURN,
    PARAMETERS_AT, STATE_AT, MEMORY_AT, TABLE_AT, WINDOWS_AT, SERIES_AT, INPUTS_AT,
) = range(18)  # fmt: skip

CANDLE_ROWS = ("open", "high", "low", "close", "volume", "day", "hl2", "hlc3", "ohlc4")
"""Rows of a candle matrix; the means are filled in by the tick program."""


def run(code, inputs, parameters, state, memory, table, windows, turn, outputs, scratch):
    """Stands for the generated dispatch to the live kernels."""
    raise NotImplementedError


def fill_means(candles):
    """Fill in the rows of the means, summed from left to right."""
    for series in range(candles.shape[1]):
        two = candles[1, series] + candles[2, series]
        candles[6, series] = two / 2.0
        candles[7, series] = (two + candles[3, series]) / 3.0
        candles[8, series] = (candles[0, series] + candles[1, series] + candles[2, series] + candles[3, series]) / 4.0


def move_prices(prices, lane_series, candles, present, stepping, now, before):
    """Copy prices into their slots: rows of ``prices`` are candle row, lanes, where their series stand, first slot."""
    for p in range(prices.shape[0]):
        values = candles[prices[p, 0]]
        for lane in range(prices[p, 1]):
            series, slot = lane_series[prices[p, 2] + lane], prices[p, 3] + lane
            if series >= 0 and stepping[series]:
                before[slot] = now[slot]
                now[slot] = values[series] if present[series] else np.nan


def advance(
    which, blocks, parameters, state, memory, table, windows, lane_series, input_rows, work, prices, candles, present,
    stepping, now, before,
):  # fmt: skip
    """Move prices and the blocks ``which`` by one candle.

    ``candles`` float64[9, series]; ``present`` and ``stepping`` bool[series]. A lane whose series steps without a
    candle gets NaN; one that does not step keeps its values. Neither moves its state. ``before`` takes what ``now``
    held one step earlier. Lanes of series -1 are spare: they hold nothing.
    """
    fill_means(candles)
    move_prices(prices, lane_series, candles, present, stepping, now, before)
    for w in range(which.size):
        block = blocks[which[w]]
        lanes = block[LANES]
        series = lane_series[block[SERIES_AT] : block[SERIES_AT] + lanes]
        moving = missing = 0
        for lane in range(lanes):
            if series[lane] >= 0:
                moving += stepping[series[lane]]
                missing += not present[series[lane]]
        if moving == 0:
            continue
        width = block[INPUTS] * lanes
        inputs = work[:width].reshape(block[INPUTS], lanes)
        scratch = work[width : width + block[SCRATCH] * lanes].reshape(block[SCRATCH], lanes)
        for i in range(block[INPUTS]):
            values, row = candles[input_rows[block[INPUTS_AT] + i]], inputs[i]
            for lane in range(lanes):
                row[lane] = values[series[lane]] if series[lane] >= 0 and present[series[lane]] else np.nan
        first, last = block[FIRST_SLOT], block[FIRST_SLOT] + block[OUTPUTS] * lanes
        outputs = now[first:last].reshape(block[OUTPUTS], lanes)
        own_state = state[block[STATE_AT] : block[STATE_AT] + block[STATES] * lanes].reshape(block[STATES], lanes)
        own_memory = memory[block[MEMORY_AT] : block[MEMORY_AT] + block[ROWS] * lanes].reshape(block[ROWS], lanes)
        own_table = table[block[TABLE_AT] : block[TABLE_AT] + block[SECTIONS]]
        own_windows = windows[block[WINDOWS_AT] : block[WINDOWS_AT] + block[WINDOWS]]
        own_parameters = parameters[block[PARAMETERS_AT] :]
        turn = block[TURN]
        block[TURN] += 1
        if missing == 0:
            before[first:last] = now[first:last]
            run(
                block[CODE], inputs, own_parameters, own_state, own_memory, own_table, own_windows, turn, outputs,
                scratch,
            )  # fmt: skip
            continue
        absent = np.empty(missing, np.int64)
        count = 0
        for lane in range(lanes):
            if series[lane] >= 0 and not present[series[lane]]:
                absent[count] = lane
                count += 1
        held_state = np.empty((block[STATES], missing))
        replaced = np.empty((block[SECTIONS], missing))
        held_now, held_before = np.empty((block[OUTPUTS], missing)), np.empty((block[OUTPUTS], missing))
        shown_before = before[first:last].reshape(block[OUTPUTS], lanes)
        for k in range(missing):
            lane = absent[k]
            for s in range(block[STATES]):
                held_state[s, k] = own_state[s, lane]
            for s in range(block[SECTIONS]):
                replaced[s, k] = own_memory[own_table[s, 0] + turn % own_table[s, 1], lane]
            for o in range(block[OUTPUTS]):
                held_now[o, k], held_before[o, k] = outputs[o, lane], shown_before[o, lane]
        before[first:last] = now[first:last]
        run(
            block[CODE], inputs, own_parameters, own_state, own_memory, own_table, own_windows, turn, outputs, scratch
        )  # fmt: skip
        rings.hold(own_memory, own_table, turn, replaced, absent)
        for k in range(missing):
            lane = absent[k]
            for s in range(block[STATES]):
                own_state[s, lane] = held_state[s, k]
            for o in range(block[OUTPUTS]):
                if stepping[series[lane]]:
                    outputs[o, lane] = np.nan
                else:
                    outputs[o, lane], shown_before[o, lane] = held_now[o, k], held_before[o, k]


HELPERS = (fill_means, move_prices)
"""What ``advance`` calls beside ``run``."""
