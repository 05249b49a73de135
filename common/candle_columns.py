"""The value columns of a candle, in their usual order."""

OHLC = ("open", "high", "low", "close")
VALUES = (*OHLC, "volume")
