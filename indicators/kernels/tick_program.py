"""Plain source of the tick program, which ``indicators.codegen`` copies into ``_kernels/program.py``.

One call moves every lane of every block by one candle and writes the values into slots. A block is one indicator with
its parameters over many lanes; its description is a row of ``blocks``, whose columns are named here, and its numbers
are in pools that all blocks share.
"""

from typing import TYPE_CHECKING

import numpy as np

from indicators.steps.candle import average_price, typical_price
from indicators.steps.limits import or_newest

if TYPE_CHECKING:
    from indicators.kernels import rings
    from indicators.kernels.intrinsics import borrowed, matrix

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
    "FIRST_SERIES",
    "INPUTS_AT",
)
"""The columns of ``blocks``: the indicator's place in the catalogue, or -1 less the code of an arithmetic operation;
sizes, and where its numbers are. ``FIRST_SERIES`` is the series of the first lane if the lanes follow consecutive
series and read nothing but candles, otherwise -1."""

FROM_SLOTS, CONSTANT = -1, -2
"""Rows of inputs that are no rows of candles: a slot for each lane, and a constant. ``input_places`` says where in
``lane_slots`` the slots begin, or where in ``parameters`` the constant is."""

(
    CODE, LANES, INPUTS, OUTPUTS, STATES, SCRATCH, ROWS, SECTIONS, WINDOWS, FIRST_SLOT, TURN,
    PARAMETERS_AT, STATE_AT, MEMORY_AT, TABLE_AT, WINDOWS_AT, SERIES_AT, FIRST_SERIES, INPUTS_AT,
) = range(19)  # fmt: skip

CANDLE_ROWS = ("open", "high", "low", "close", "volume", "day", "hl2", "hlc3", "ohlc4")
"""Rows of a candle matrix; the means are filled in by the tick program."""


def run(code, inputs, rows, first, parameters, state, memory, table, windows, turn, outputs, scratch):
    """Stands in for the generated dispatch to the live kernels."""
    raise NotImplementedError


def blank(candles, present):
    """Set the candles of absent series to NaN."""
    for series in range(present.size):
        if not present[series]:
            for row in range(6):
                candles[row, series] = np.nan


def finite(value):
    """The value, or NaN for one that is not finite."""
    return value if abs(value) < np.inf else np.nan


def fill_means(candles, read):
    """Fill in the rows of means whose bit is set in ``read``; NaN where a sum overflows."""
    opens, highs, lows, closes = candles[0], candles[1], candles[2], candles[3]
    if read & 1 << 6:
        means = candles[6]
        for series in range(means.size):
            means[series] = finite((highs[series] + lows[series]) / 2.0)
    if read & 1 << 7:
        means = candles[7]
        for series in range(means.size):
            means[series] = finite(typical_price(highs[series], lows[series], closes[series]))
    if read & 1 << 8:
        means = candles[8]
        for series in range(means.size):
            means[series] = finite(average_price(opens[series], highs[series], lows[series], closes[series]))


def rows_read(which, blocks, input_rows, which_prices, prices):
    """The candle rows that are read, one bit each."""
    read = 0
    for w in range(which.size):
        block = blocks[which[w]]
        for i in range(block[INPUTS]):
            row = input_rows[block[INPUTS_AT] + i]
            if row >= 0:
                read |= 1 << row
    for p in range(which_prices.size):
        read |= 1 << prices[which_prices[p], 0]
    return read


def move_prices(which, prices, lane_series, candles, stepping, now, before):
    """Copy prices into their slots; a row of ``prices`` is candle row, lanes, where their series begin, first slot."""
    for w in range(which.size):
        price = prices[which[w]]
        row, lanes, at, first = price[0], price[1], price[2], price[3]
        values, series = candles[row], lane_series[at : at + lanes]
        shown, shown_before = now[first : first + lanes], before[first : first + lanes]
        for lane in range(lanes):
            if series[lane] >= 0 and stepping[series[lane]]:
                shown_before[lane] = shown[lane]
                shown[lane] = values[series[lane]]


def count_true(flags):
    """The number of true flags."""
    count = 0
    for i in range(flags.size):
        count += flags[i]
    return count


def count_lanes(series, present, stepping):
    """(lanes whose series step, lanes whose series have no candle), not counting spare lanes."""
    moving = missing = 0
    for lane in range(series.size):
        if series[lane] >= 0:
            moving += stepping[series[lane]]
            missing += not present[series[lane]]
    return moving, missing


def gather(values, places, row):
    """Collect the values of lanes, as far as they are finite; NaN for spare lanes, whose place is -1."""
    for lane in range(row.size):
        row[lane] = finite(values[places[lane]]) if places[lane] >= 0 else np.nan


def fill(row, value):
    """The same value for all lanes."""
    for lane in range(row.size):
        row[lane] = value


def calculate(operation, left, right):
    """The operation by its place in ``+ - * / abs min max``; NaN where a side or the result is not finite."""
    if operation == 0:
        result = left + right
    elif operation == 1:
        result = left - right
    elif operation == 2:
        result = left * right
    elif operation == 3:
        result = left / right
    elif operation == 4:
        result = abs(left)
    elif operation == 5:
        result = left if left <= right else right
    else:
        result = left if left >= right else right
    # A number divided by infinity would be 0, and the smaller one of both is a number.
    is_known = (abs(left) < np.inf) & (abs(right) < np.inf) & (abs(result) < np.inf)
    return result if is_known else np.nan


def calculate_lanes(operation, inputs, rows, first, outputs):
    """Arithmetic on two rows of the inputs; lane ``i`` reads column ``first + i``."""
    left, right, result = inputs[rows[0]], inputs[rows[1]], outputs[0]
    for lane in range(result.size):
        result[lane] = calculate(operation, left[first + lane], right[first + lane])


def copy(values, target):
    """Copy values."""
    for i in range(target.size):
        target[i] = values[i]


def advance(
    which, which_prices, blocks, parameters, state, memory, table, windows, lane_series, input_rows, input_places,
    lane_slots, work, prices, candles, present, stepping, now, before,
):  # fmt: skip
    """Move the price blocks ``which_prices`` and the blocks ``which`` by one candle, in this order: a block that reads
    slots comes after those that write them.

    ``candles`` float64[9, series]; ``present`` and ``stepping`` bool[series]. A lane whose series steps without a
    candle gets NaN; one that does not step keeps its values. Neither moves its state. ``before`` receives the values
    that ``now`` had one step earlier. Lanes of series -1 are spare and empty.
    """
    # The caller keeps the arrays alive: counting references to them and to parts of them would cost as much as a block.
    blocks = borrowed(blocks)
    parameters = borrowed(parameters)
    state = borrowed(state)
    memory = borrowed(memory)
    table = borrowed(table)
    windows = borrowed(windows)
    lane_series = borrowed(lane_series)
    input_rows = borrowed(input_rows)
    input_places = borrowed(input_places)
    lane_slots = borrowed(lane_slots)
    work = borrowed(work)
    candles = borrowed(candles)
    present = borrowed(present)
    stepping = borrowed(stepping)
    now = borrowed(now)
    before = borrowed(before)
    is_complete = count_true(present) == present.size
    if not is_complete:
        blank(candles, present)
    is_complete = is_complete and count_true(stepping) == stepping.size
    fill_means(candles, rows_read(which, blocks, input_rows, which_prices, prices))
    move_prices(which_prices, prices, lane_series, candles, stepping, now, before)
    gathered_rows = np.arange(candles.shape[0])
    for w in range(which.size):
        block = blocks[which[w]]
        lanes, first_series = block[LANES], block[FIRST_SERIES]
        series = lane_series[block[SERIES_AT] : block[SERIES_AT] + lanes]
        missing = 0
        if not (is_complete and first_series >= 0):
            moving, missing = count_lanes(series, present, stepping)
            if moving == 0:
                continue
        width = block[INPUTS] * lanes
        scratch = matrix(work, width, block[SCRATCH], lanes)
        # Lanes of consecutive series read the candles in place.
        inputs, first_lane, rows = candles, first_series, input_rows[block[INPUTS_AT] :]
        if first_series < 0:
            inputs, first_lane = matrix(work, 0, block[INPUTS], lanes), 0
            for i in range(block[INPUTS]):
                at = input_places[block[INPUTS_AT] + i]
                if rows[i] >= 0:
                    gather(candles[rows[i]], series, inputs[i])
                elif rows[i] == FROM_SLOTS:
                    gather(now, lane_slots[at : at + lanes], inputs[i])
                else:
                    fill(inputs[i], parameters[at])
            rows = gathered_rows
        first, last = block[FIRST_SLOT], block[FIRST_SLOT] + block[OUTPUTS] * lanes
        outputs = matrix(now, first, block[OUTPUTS], lanes)
        own_state = matrix(state, block[STATE_AT], block[STATES], lanes)
        own_memory = matrix(memory, block[MEMORY_AT], block[ROWS], lanes)
        own_table = table[block[TABLE_AT] : block[TABLE_AT] + block[SECTIONS]]
        own_windows = windows[block[WINDOWS_AT] : block[WINDOWS_AT] + block[WINDOWS]]
        own_parameters = parameters[block[PARAMETERS_AT] :]
        turn = block[TURN]
        block[TURN] += 1
        if missing == 0:
            copy(now[first:last], before[first:last])
            run(
                block[CODE], inputs, rows, first_lane, own_parameters, own_state, own_memory, own_table, own_windows,
                turn, outputs, scratch,
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
        shown_before = matrix(before, first, block[OUTPUTS], lanes)
        for k in range(missing):
            lane = absent[k]
            for s in range(block[STATES]):
                held_state[s, k] = own_state[s, lane]
            for s in range(block[SECTIONS]):
                replaced[s, k] = own_memory[own_table[s, 0] + turn % own_table[s, 1], lane]
            for o in range(block[OUTPUTS]):
                held_now[o, k], held_before[o, k] = outputs[o, lane], shown_before[o, lane]
        copy(now[first:last], before[first:last])
        run(
            block[CODE], inputs, rows, first_lane, own_parameters, own_state, own_memory, own_table, own_windows,
            turn, outputs, scratch,
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


HELPERS = (
    or_newest, typical_price, average_price, blank, finite, fill_means, rows_read, move_prices, count_true, count_lanes,
    gather, fill, calculate, calculate_lanes, copy,
)  # fmt: skip
"""The functions that ``advance`` calls besides ``run``."""
