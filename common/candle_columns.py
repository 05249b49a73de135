"""The columns of a candle, in the order in which everybody writes them."""

OHLC = ("open", "high", "low", "close")
VALUES = (*OHLC, "volume")
