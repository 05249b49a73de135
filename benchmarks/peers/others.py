"""ta-numba, polars-talib and talipp for the entries that they share with ours, each in its own best way.

Runs in the environment of the peers: imports nothing but numpy, these libraries and ``talib_calls``. polars-talib
contains its own TA-Lib; ta-numba computes long histories with numba and streams with Rust.
"""

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.peers.talib_calls import Columns, Work, moments_of, turns

Parameters = Mapping[str, float]
_BAR = ("high", "low", "close")


def ta_numba_series(name: str, p: Parameters, columns: Columns) -> Work | None:
    """A long history, one call."""
    from ta_numba import momentum, trend, volatility

    c = [columns["close"]]
    bar = [columns[name] for name in _BAR]
    calls: dict[str, Callable[[], Work]] = {
        "sma": lambda: lambda: trend.sma(*c, p["period"]),
        "ema": lambda: lambda: trend.ema(*c, p["period"], False),
        "rsi": lambda: lambda: momentum.rsi(*c, p["period"]),
        "macd": lambda: lambda: trend.macd(*c, p["fast"], p["slow"], p["signal"]),
        "bbands": lambda: lambda: volatility.bollinger_bands(*c, p["period"], p["stddev"]),
        "atr": lambda: lambda: volatility.average_true_range(*bar, p["period"]),
        "stoch": lambda: lambda: momentum.stoch(*bar, p["k"], p["d"]),
    }
    return calls[name]() if name in calls else None


def polars_talib_series(name: str, p: Parameters, columns: Columns) -> Work | None:
    """A long history, one expression over an existing frame."""
    import polars as pl
    import polars_talib as plta

    calls: dict[str, Callable[[], Any]] = {
        "sma": lambda: plta.sma(pl.col("close"), p["period"]),
        "ema": lambda: plta.ema(pl.col("close"), p["period"]),
        "rsi": lambda: plta.rsi(pl.col("close"), p["period"]),
        "macd": lambda: plta.macd(pl.col("close"), p["fast"], p["slow"], p["signal"]),
        "bbands": lambda: plta.bbands(pl.col("close"), p["period"], p["stddev"], p["stddev"], 0),
        "atr": lambda: plta.atr(*(pl.col(column) for column in _BAR), p["period"]),
        "stoch": lambda: plta.stoch(*(pl.col(column) for column in _BAR), p["k"], p["smooth"], 0, p["d"], 0),
    }
    if name not in calls:
        return None
    expression = calls[name]().alias("values")
    frame = pl.DataFrame({column: columns[column] for column in _BAR})
    return lambda: frame.select(expression)


def talipp_indicator(name: str, p: Parameters) -> tuple[Callable[[], Any], bool] | None:
    """How to make an indicator, and whether it takes whole candles instead of prices."""
    from talipp import indicators as t

    calls: dict[str, tuple[Callable[[], Any], bool]] = {
        "sma": (lambda: t.SMA(p["period"]), False),
        "ema": (lambda: t.EMA(p["period"]), False),
        "rsi": (lambda: t.RSI(p["period"]), False),
        "macd": (lambda: t.MACD(p["fast"], p["slow"], p["signal"]), False),
        "bbands": (lambda: t.BB(p["period"], p["stddev"]), False),
        "atr": (lambda: t.ATR(p["period"]), True),
        "stoch": (lambda: t.Stoch(p["k"], p["d"]), True),
        "adx": (lambda: t.ADX(p["period"], p["period"]), True),
        "cci": (lambda: t.CCI(p["period"]), True),
        "obv": (t.OBV, True),
        "wma": (lambda: t.WMA(p["period"]), False),
        "roc": (lambda: t.ROC(p["period"]), False),
        "williams_r": (lambda: t.Williams(p["period"]), True),
        "supertrend": (lambda: t.SuperTrend(p["period"], p["multiplier"]), True),
        "vwap": (t.VWAP, True),
        "keltner": (lambda: t.KeltnerChannels(p["period"], p["atr_period"], p["multiplier"], p["multiplier"]), True),
        "donchian": (lambda: t.DonchianChannels(p["period"]), True),
    }
    return calls.get(name)


def talipp_series(name: str, p: Parameters, columns: Columns) -> Work | None:
    """A long history, candle by candle: talipp has no other way."""
    known = talipp_indicator(name, p)
    if known is None:
        return None
    make, whole = known
    values = _candles(columns) if whole else columns["close"].tolist()

    def work() -> None:
        indicator = make()
        for value in values:
            indicator.add(value)

    return work


def talipp_stream(name: str, p: Parameters, columns: Columns, candles: int) -> Work | None:
    """One indicator per instrument, moved by one candle after another."""
    known = talipp_indicator(name, p)
    if known is None:
        return None
    make, whole = known
    rows = range(columns["close"].shape[0])
    by_row = [{column: columns[column][row] for column in ("open", *_BAR, "volume")} for row in rows]
    values = [_candles(row) if whole else row["close"].tolist() for row in by_row]
    indicators = [make() for _ in rows]
    for indicator, own in zip(indicators, values, strict=True):
        for value in own[:candles]:
            indicator.add(value)
    moments = list(zip(*(own[candles:] for own in values), strict=True))
    turn = turns(len(moments))

    def work() -> None:
        for indicator, value in zip(indicators, moments[turn()], strict=True):
            indicator.add(value)

    return work


def ta_numba_stream(name: str, p: Parameters, columns: Columns, candles: int) -> Work | None:
    """One indicator per instrument, moved by one candle after another."""
    from ta_numba import streaming as s

    traded = (*_BAR, "volume")
    calls: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
        "sma": (lambda: s.SMA(p["period"]), ("close",)),
        "ema": (lambda: s.EMA(p["period"]), ("close",)),
        "rsi": (lambda: s.RSI(p["period"]), ("close",)),
        "macd": (lambda: s.MACD(p["fast"], p["slow"], p["signal"]), ("close",)),
        "bbands": (lambda: s.BBands(p["period"], p["stddev"]), ("close",)),
        "atr": (lambda: s.ATR(p["period"]), _BAR),
        "stoch": (lambda: s.Stochastic(p["k"], p["d"]), _BAR),
        "adx": (lambda: s.ADX(p["period"]), _BAR),
        "cci": (lambda: s.CCI(p["period"]), _BAR),
        "mfi": (lambda: s.MoneyFlowIndex(p["period"]), traded),
        "obv": (s.OnBalanceVolume, ("close", "volume")),
        "wma": (lambda: s.WMA(p["period"]), ("close",)),
        "roc": (lambda: s.ROC(p["period"]), ("close",)),
        "williams_r": (lambda: s.WilliamsR(p["period"]), _BAR),
        "vwap": (s.VWAP, traded),
        "keltner": (lambda: s.KeltnerChannel(p["period"], p["atr_period"], p["multiplier"]), _BAR),
        "donchian": (lambda: s.DonchianChannel(p["period"]), ("high", "low")),
    }
    if name not in calls:
        return None
    make, inputs = calls[name]
    updates = [make().update for _ in range(columns["close"].shape[0])]
    for moment in moments_of({column: columns[column][:, :candles] for column in inputs}, inputs, 0):
        for update, candle in zip(updates, moment, strict=True):
            update(*candle)
    moments = moments_of(columns, inputs, candles)
    turn = turns(len(moments))

    def work() -> None:
        for update, candle in zip(updates, moments[turn()], strict=True):
            update(*candle)

    return work


def _candles(columns: Columns) -> list[Any]:
    from talipp.ohlcv import OHLCV

    names = ("open", *_BAR, "volume")
    return [OHLCV(*values) for values in zip(*(columns[name].tolist() for name in names), strict=True)]
