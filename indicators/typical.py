"""The typical price, shared by the steps that need it. Plain Python: the generated kernels copy the source."""


def typical_price(high: float, low: float, close: float) -> float:
    """The mean of a candle's high, low and close."""
    return (high + low + close) / 3.0
