"""The memory of lanes is bounded by their longest window: it does not grow with the candles that they have seen."""

import tracemalloc

import numpy as np

from indicators.catalogue import NAMES, find
from indicators.kernels.lanes import LaneProgram
from indicators.kernels.tick_program import CANDLE_ROWS
from tests.indicators.reference import Case

LANES = 64
FIXED = 16
"""Numbers of a lane beside its windows, at most: averages, last prices."""
A_WINDOW_VALUE = 10
"""Numbers a value of the longest window, at most: several windows, and partial results of each."""


def test_a_lane_holds_its_windows_and_a_few_numbers(case: Case) -> None:
    indicator, parameters = case
    program = LaneProgram()
    program.add(indicator, indicator.complete(parameters), None, range(LANES), 0)
    longest = max(indicator.lengths(indicator.complete(parameters)), default=0)
    assert 0 < program.memory_bytes <= 8 * LANES * (FIXED + A_WINDOW_VALUE * longest)


def test_nothing_grows_with_the_candles() -> None:
    program, slots = LaneProgram(), 0
    for name in NAMES:
        indicator = find(name)
        program.add(indicator, indicator.complete({}), None, range(2), slots)
        slots += 2 * len(indicator.outputs)
    now, before = np.full(slots, np.nan), np.full(slots, np.nan)
    which, everywhere = np.arange(len(NAMES)), np.ones(2, np.bool_)
    candles = np.random.default_rng(3).uniform(99, 101, (50, len(CANDLE_ROWS), 2))

    def live(times: int) -> None:
        for _ in range(times):
            for candle in candles:
                program.advance(which, which[:0], candle, everywhere, everywhere, now, before)

    live(1)
    bounded = program.memory_bytes
    tracemalloc.start()
    try:
        live(1)
        small, _ = tracemalloc.get_traced_memory()
        live(400)
        large, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert program.memory_bytes == bounded
    # A number for each of the 20,000 candles of one lane would be 160 kB; the process itself takes a few.
    assert large - small < 16_000
