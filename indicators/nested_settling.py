"""When an indicator that is computed from another one has settled.

The settling times of both add up for linear averages: what the inner one lacks is averaged, and what the outer one
lacks is added. Of other outputs it has to be measured, over every other indicator with a source, with several periods,
on real candles (``tests/indicators/test_nested_settling.py``). The sum is not enough where an output is a share of
something that may be near 0, such as ``roc``, ``rsi`` and ``percent_b``, or adapts to the values, such as ``kama``: a
difference of a millionth between two inner values may be everything that they consist of. Those never count as settled,
unless neither of the two remembers more than its window; then the sum is exact.
"""

from collections.abc import Mapping

from indicators.catalogue import Indicator, Parameters

ADDS_UP: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("sma", "ema", "wma", "dema", "tema", "hma", "rma"), ("value",)),
    **dict.fromkeys(("vwma", "trix", "mom", "stdev", "highest", "lowest"), ("value",)),
    "macd": ("line", "signal", "histogram"),
    "bbands": ("upper", "middle", "lower"),
    "linreg": ("value", "slope"),
}
"""Indicator -> its outputs for which the sum is enough: linear averages first, then those that were measured."""


def forgets_exactly(record: Indicator, parameters: Parameters) -> bool:
    """Whether an output depends on nothing but the last values, ``lookback`` and one."""
    return not record.start and record.settle(parameters) == record.lookback(parameters)
