"""Ranges of candles, shared by the steps that need one. Plain Python: the generated kernels copy the source."""


def true_range(high: float, low: float, previous: float) -> float:
    """The candle's range, widened to the close before; NaN without one, because NaN fails both comparisons."""
    top = high if high > previous else previous
    bottom = low if low < previous else previous
    return top - bottom
