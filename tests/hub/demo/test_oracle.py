"""The oracle against the product's scan, on what the demo's population never says: above all ``not`` before crossings.

It needs no process, so it is where a difference between the two is found in a second.
"""

import polars as pl
import pytest

from analysis import scan
from registry.conditions import Condition
from tests.hub.demo import oracle

CROSSING = "rsi(14) crosses_below 30"
OTHER = "close crosses_above sma(20)"
STATE = "close > ema(50)"


@pytest.mark.parametrize(
    ("expression", "momentary"),
    [
        (CROSSING, True),
        (f"not {CROSSING}", False),
        (f"not not {CROSSING}", True),
        (f"all({CROSSING}, {STATE})", True),
        (f"any({CROSSING}, {STATE})", False),
        (f"any({CROSSING}, {OTHER})", True),
        (f"not any({CROSSING}, {STATE})", False),
        # What it says is "the crossing, and not the state".
        (f"not any(not {CROSSING}, {STATE})", True),
        (f"not all(not {CROSSING}, {STATE})", False),
        (f"not all(not {CROSSING}, not {OTHER})", True),
        (f"all(any({CROSSING}, {STATE}), {OTHER})", True),
        (f"all(any({CROSSING}, {STATE}), volume > sma(20, volume))", False),
        (f"{STATE} or {CROSSING} and {OTHER}", False),
        (f"not {STATE} and {CROSSING}", True),
        ("macd.histogram crosses_above 0", True),
        ("macd.histogram > 0 and macd(8, 21, 5).signal < 0.5", False),
        ("bbands.percent_b < 0.1 or bbands(20, 2.5).bandwidth >= 0.05", False),
        ("highest(50, high) <= high", False),
        ("ema(9, low) > ema(21) and stoch(21, 5, 5).d crosses_over 50", True),
        ("atr(7) > atr and not stoch > 80", False),
    ],
)
@pytest.mark.parametrize("series", ["SOLUSDT 5m", "DOGEUSDT 1h"])
def test_it_agrees_with_the_scan(
    sample: pl.DataFrame, candles: oracle.Oracle, series: str, expression: str, momentary: bool
) -> None:
    text = f"{series}: {expression}"
    wish = oracle.understand(text)
    expected = candles.judge(wish)

    condition = Condition.parse(text)
    symbol, timeframe = series.split()
    triggers = scan([condition], sample.filter(symbol=symbol, timeframe=timeframe)).select(
        pl.col("close_time").dt.epoch("ms"), "price"
    )
    within = triggers.filter(pl.col("close_time").is_between(oracle.AFTER_MS, oracle.UNTIL_MS, closed="right"))

    assert oracle.is_momentary(wish.tree) is condition.momentary is momentary
    fires = dict(within.iter_rows())
    assert set(fires) ^ set(expected.fires) <= set(expected.near)
    assert len(expected.near) < 10
    assert all(expected.fires.get(close_ms, price) == price for close_ms, price in fires.items())


@pytest.mark.parametrize(
    "spec", ["BTCUSDT 1h: rsi(14) touches 30", "BTCUSDT 1h: close > 2 * sma(20)", "BTCUSDT 1h: rsi(14) < 30 maybe"]
)
def test_it_does_not_guess(spec: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        oracle.understand(spec)
