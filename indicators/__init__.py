"""Technical indicators: arrays in, arrays out.

>>> import indicators
>>> indicators.compute("rsi", {"close": closes}, period=14)["value"]  # doctest: +SKIP

``catalogue()`` lists what there is. Importing this package loads neither numba nor a kernel. What scans a series in
spans (``scan``, ``Carry``) or moves many instruments candle by candle (``Lanes``) is in ``indicators.compute``.
"""

from indicators.catalogue import PRICES, Indicator, IndicatorError, catalogue, find
from indicators.compute import compute, warm

__all__ = ["PRICES", "Indicator", "IndicatorError", "catalogue", "compute", "find", "warm"]
