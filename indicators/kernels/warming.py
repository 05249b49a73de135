"""Makes a process ready to compute: compiles the kernels, or loads them from numba's cache."""

from collections.abc import Callable, Iterable

import numpy as np

from indicators.catalogue import NAMES, find
from indicators.compute import scan, start
from indicators.kernels.compiling import compiling
from indicators.kernels.lanes import LaneProgram
from indicators.kernels.tick_program import CANDLE_ROWS

LIVE = "the tick program"
"""The name by which :func:`warm` reports the live kernels, which are one program."""


def warm(names: Iterable[str] | None = None, progress: Callable[[str], object] | None = None) -> None:
    """Compile the history kernels of the indicators and the tick program, or load them.

    ``progress`` is called with each name before its turn.
    """
    for name in NAMES if names is None else names:
        if progress is not None:
            progress(find(name).name)
        warm_history(name)
    if progress is not None:
        progress(LIVE)
    warm_live()


def warm_history(name: str) -> None:
    """Compile or load the history kernels of one indicator."""
    indicator = find(name)
    parameters = indicator.complete({})
    with compiling(indicator.name):
        for record in (indicator,) if indicator.source_step is None else (indicator, indicator.of_prices):
            scan(record, parameters, start(record, parameters), tuple(np.zeros(1) for _ in record.inputs))


def warm_live() -> None:
    """Compile or load the tick program."""
    program = LaneProgram()
    sma = find("sma")
    nothing, slots = np.zeros(1, np.int64), np.zeros(1)
    program.add(sma, sma.complete({}), None, [0], 0)
    no = np.zeros(1, np.bool_)
    with compiling(LIVE):
        program.advance(nothing, nothing[:0], np.zeros((len(CANDLE_ROWS), 1)), no, no, slots, slots.copy())
