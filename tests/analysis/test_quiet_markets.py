"""Markets that stand still fire nothing, and an explanation says why."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

import analysis
from analysis.explain import explain
from condition_hub.explanation import CandleExplanation
from indicators.compute import Array
from registry.conditions import Condition
from tests.engine.live import histories_of
from tests.indicators.quiet_markets import volumes

AVERAGES = ("sma(20)", "ema(12)", "wma(20)", "dema(9)", "tema(9)", "hma(16)", "rma(14)", "vwma(20)", "kama(10)")
BANDS = (
    "vwap(0)",
    "vwap(20)",
    "keltner(20).middle",
    "bbands(20, 2).upper",
    "hlc3",
    "ohlc4",
    "hl2",
    "heikin_ashi.close",
)
UNKNOWN = ("rsi < 30", "stoch.k < 20", "stochrsi.k < 20", "mfi < 20", "ultosc < 30", "cci < 0", "adx < 20", "cmo < 0")


def market(timeframe: str, close: Array, volume: Array) -> pl.DataFrame:
    """Candles without shadows."""
    begin = np.concatenate([close[:1], close[:-1]])
    opened = datetime(2024, 1, 1, tzinfo=UTC)
    every = {"1m": "1m", "1d": "1d"}[timeframe]
    times = pl.datetime_range(opened, opened.replace(year=2025), every, eager=True).head(close.size)
    return pl.DataFrame(
        {
            "exchange": "BINANCE",
            "symbol": "BTCUSDT",
            "timeframe": timeframe,
            "open_time": times.cast(pl.Datetime("ms", "UTC")),
            "open": begin,
            "high": np.maximum(begin, close),
            "low": np.minimum(begin, close),
            "close": close,
            "volume": volume,
        }
    )


@pytest.mark.parametrize("price", [100.1, 0.9999])
def test_a_price_that_stands_still_crosses_nothing(price: float) -> None:
    """Two days of minutes at one price, traded in varying amounts."""
    frame = market("1m", np.full(2880, price), volumes(3, 2880))
    texts = ["every(ema(12) > ema(26))", "every(rma(9) < rma(14))", "every(macd.line > macd.signal)"]
    for operand in (*AVERAGES, *BANDS):
        texts += [f"close crosses {operand}", f"every(close > {operand})", f"every(close < {operand})"]
    texts += [f"every({text} or not {text})" for text in UNKNOWN]
    conditions = [Condition.parse(f"BTCUSDT 1m: {text}") for text in texts]
    assert analysis.scan(conditions, frame).is_empty()


def after_a_rise() -> pl.DataFrame:
    """45 rising days, then 25 without a trade."""
    close = 100.1 * 1.013 ** np.minimum(np.arange(70.0), 44.0)
    return market("1d", close, np.where(np.arange(70) < 45, 7.0, 0.0))


@pytest.mark.parametrize(
    "text", ["mfi < 20", "ultosc < 30", "stochrsi.k < 20", "stoch.k < 20", "cmf < 0", "vwma > close"]
)
def test_days_without_a_trade_are_unknown(text: str) -> None:
    condition = Condition.parse(f"BTCUSDT 1d: {text}")
    assert analysis.scan([condition], after_a_rise()).is_empty()
    assert explained(condition, after_a_rise()).truth == "UNKNOWN"


@pytest.mark.parametrize("text", ["rsi crosses_above 30", "rsi > 30", "cmo > 0", "williams_r > -50", "stoch.k > 80"])
def test_the_first_uptick_fires_nothing(text: str) -> None:
    frame = market("1d", np.concatenate([np.full(40, 7.3), [7.4], np.full(3, 7.4)]), np.full(44, 5.0))
    assert analysis.scan([Condition.parse(f"BTCUSDT 1d: {text}")], frame).is_empty()


def explained(condition: Condition, frame: pl.DataFrame) -> CandleExplanation:
    return explain(condition, histories_of(frame))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mfi < 20", "nothing traded at a changed price in the window: mfi(14) is not defined"),
        ("stoch.k < 20", "no range in a window: stoch(14, 3, 3).k is not defined"),
        ("stochrsi.k < 20", "no movement of its rsi in a window: stochrsi(14, 14, 3, 3).k is not defined"),
        ("vwma(20) > 3", "no volume in the window: vwma(20) is not defined"),
        ("bbands.percent_b < 0", "no movement in the window: bbands(20, 2).percent_b is not defined"),
        ("roc(5, volume) > 3", "an earlier value of 0: roc(5, volume) is not defined"),
        ("close > sma(100)", "sma(100) needs 100 candles of BINANCE:BTCUSDT 1d and has 70"),
    ],
)
def test_an_explanation_names_the_reason(text: str, says: str) -> None:
    shown = explained(Condition.parse(f"BTCUSDT 1d: {text}"), after_a_rise())
    assert shown.verdict == "unknown"
    assert says in shown.reasons
