"""The triggers of a backtest are those of the live evaluation, bit for bit, for the whole language."""

import random

import polars as pl
import pytest

import analysis
from analysis.backtesting.trials import SessionTrials
from candles.sample import SAMPLE_FILES
from registry.conditions import Condition
from registry.groups import Series
from tests.engine.live import histories_of, run_live
from tests.engine.random_conditions import Conditions, constructs_of
from tests.engine.slow_oracle import Oracle

EVERY_CONSTRUCT = (
    "rsi(14) < 45",
    "close >= ema(20)",
    "close <= sma(20)",
    "rsi(7) crosses_above 50",
    "ema(5) crosses_below ema(13)",
    "close crosses vwap",
    "rsi between 40 and 55",
    "rsi outside 35 and 65",
    "close enters bbands.lower and bbands.upper",
    "close exits bbands(20, 2).lower and bbands(20, 2).upper",
    "close rises_by 0.4% within 3 bars",
    "close falls_by 20 within 2 bars",
    "volume rising 2 bars",
    "hl2 falling 3 bars",
    "all(close > open, volume > sma(10, volume))",
    "any(stoch.k crosses_above stoch.d, macd.histogram > 0)",
    "2 of (rsi > 50, close > sma(50), adx > 20)",
    "not (close > sma(10)) and rsi > 40",
    "(close < bbands(20, 2).middle) for 3 bars",
    "rsi crosses_below 45 within 4 bars",
    "(rsi(7) < 40) then (close > ema(5)) within 6 bars",
    "every(close > supertrend.value)",
    "close > sma(20) and during(08:00-16:00)",
    "rsi > 50 and during(22:00-04:00, mon-fri, America/New_York)",
    "close / open > 1.001",
    "high - low > 1.5 * atr",
    "abs(close - open) > 0.4 * (high - low)",
    "max(close, close[1], close[2]) > highest(10)[1]",
    "min(rsi, rsi(7)) < 40",
    "rsi(14) crosses_above ema(9, rsi(14))",
    "close > sma(5)@1h",
    "rsi@ETHUSDT < 45 and close > close[12]",
    "close@ETHUSDT > ema(10)@ETHUSDT",
)
"""Of a 5m series."""
BEGIN, SLOTS = 900, 500


def test_a_backtest_fires_where_live_fires(frame: pl.DataFrame) -> None:
    conditions = [Condition.parse(f"BTCUSDT 5m: {text}") for text in EVERY_CONSTRUCT]
    fired = compared(conditions, frame)
    assert fired == {condition.id for condition in conditions}, "each of them fires"


@pytest.mark.parametrize("seed", range(3))
def test_it_does_for_conditions_that_nobody_would_write(frame: pl.DataFrame, seed: int) -> None:
    histories = histories_of(pl.concat([frame, hours_of(frame)]))
    base = Series.parse("BINANCE:BTCUSDT 5m")
    maker = Conditions(random.Random(seed), Oracle(histories, {}), sorted(histories))
    conditions = maker.some(100, [base])
    constructs = {name for condition in conditions for name in constructs_of(condition)}
    fired = compared(conditions, frame)
    assert len(fired) > len(conditions) / 2
    assert len(constructs) > 30, constructs


def compared(conditions: list[Condition], frame: pl.DataFrame) -> set[str]:
    """Assert that both fire on the same candles, with the same prices and flags; the conditions that do."""
    first_ms = int(frame.filter(symbol="BTCUSDT")["open_time"].dt.epoch("ms")[-SLOTS + len(LOST_OF_BTC)])
    report = analysis.backtest(conditions, frame, start=first_ms, trials=SessionTrials())
    histories = histories_of(pl.concat([frame, hours_of(frame)]))
    live = run_live(conditions, histories, first_ms, SLOTS, {0, 37, 301})
    expected = sorted((fired.condition.id, open_ms, fired.price, fired.settled) for open_ms, fired in live)
    rows = report.triggers.with_columns(pl.col("open_time").dt.epoch("ms"))
    assert sorted(rows.select("condition_id", "open_time", "price", "settled").rows()) == expected
    return {row[0] for row in expected}


LOST_OF_BTC = (40, 41, 130, 250, *range(300, 312))


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """5m candles of two pairs. Some are missing of either, and an hour of both."""
    candles = pl.read_parquet(SAMPLE_FILES[0]).with_columns(pl.lit("BINANCE").alias("exchange"))
    candles = candles.filter(pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"])).sort("symbol", "open_time")
    times = candles.filter(symbol="BTCUSDT")["open_time"]
    lost = [times[BEGIN + at] for at in LOST_OF_BTC]
    candles = candles.filter(~(pl.col("open_time").is_in(lost) & (pl.col("symbol") == "BTCUSDT")))
    candles = candles.filter(~(pl.col("open_time").is_in(lost[3:]) & (pl.col("symbol") == "ETHUSDT")))
    return candles.filter(pl.col("open_time") <= times[BEGIN + SLOTS - 1])


def hours_of(frame: pl.DataFrame) -> pl.DataFrame:
    """The hours that live evaluation reads: of complete and of incomplete spans, as they are built."""
    from engine.calendars import Calendars
    from engine.resampling import with_built

    hour = Series.parse("BINANCE:BTCUSDT 1h")
    return with_built(histories_of(frame), [hour], Calendars())[hour].select(frame.columns)
