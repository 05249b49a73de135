"""Technical indicators: arrays in, arrays out.

>>> import indicators
>>> indicators.compute("rsi", {"close": closes}, period=14)["value"]  # doctest: +SKIP

``catalogue()`` lists what there is. Importing this package loads neither numba nor a kernel. What scans a series in
spans is in ``indicators.compute``, what moves many series candle by candle in ``indicators.kernels.lanes``;
``indicators.kernels.warming`` compiles the kernels.
"""

from indicators.catalogue import PRICES, Indicator, IndicatorError, catalogue, find
from indicators.compute import compute, compute_many

__all__ = ["PRICES", "Indicator", "IndicatorError", "catalogue", "compute", "compute_many", "find"]
