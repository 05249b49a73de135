"""Technical indicators: arrays in, arrays out.

>>> import indicators
>>> indicators.compute("rsi", {"close": closes}, period=14)["value"]  # doctest: +SKIP

``catalogue()`` lists all indicators. Importing this package loads neither numba nor a kernel. ``indicators.compute``
scans a series in spans, ``indicators.kernels.lanes`` moves many series candle by candle, and
``indicators.kernels.warming`` compiles the kernels.
"""

from indicators.catalogue import PRICES, Indicator, IndicatorError, catalogue, find
from indicators.compute import compute, compute_many

__all__ = ["PRICES", "Indicator", "IndicatorError", "catalogue", "compute", "compute_many", "find"]
