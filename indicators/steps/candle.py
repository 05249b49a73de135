"""Values that steps derive from one candle. Plain Python: the generated kernels copy the source."""

import math

from indicators.steps.limits import or_newest


def true_range(high: float, low: float, previous: float) -> float:
    """The candle's range, widened to the previous close; NaN without one, because NaN fails both comparisons."""
    top = high if high > previous else previous
    bottom = low if low < previous else previous
    return top - bottom


def typical_price(high: float, low: float, close: float) -> float:
    """The mean of a candle's high, low and close, the price ``hlc3``; that of equal prices is the price."""
    return or_newest((high + low + close) / 3.0, close)


def typical_source(high: float, low: float, close: float) -> float:
    """The price ``hlc3`` as a source: NaN where the sum overflows."""
    price = typical_price(high, low, close)
    return price if math.isfinite(price) else math.nan


def average_price(open: float, high: float, low: float, close: float) -> float:
    """The mean of a candle's four prices, the price ``ohlc4``; that of equal prices is the price."""
    return or_newest((open + high + low + close) / 4.0, close)
