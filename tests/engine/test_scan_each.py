"""The same conditions on many instruments: each is planned once, and fires as if it had been written for that one."""

from datetime import UTC, datetime

import polars as pl
import pytest

import analysis
from common.errors import CandlesMissing
from engine.plan import make_plan
from registry.conditions import Condition
from registry.instruments import normalise_instrument
from registry.other_instruments import names_on, on_instrument

SYMBOLS = ("ETHUSDT", "BTCUSDT", "SOLUSDT")
ALONE = (
    "rsi(14) crosses_below 35",
    "close > sma(20)@4h and hl2 > open[2]",
    "every(macd.histogram > 0 for 3 bars)",
    "2 of (close rising 2 bars, volume > sma(20, volume), rsi < 50)",
    "max(close, open) - sma(9, high - low) > ema(9, ema(9))",
    "(close crosses_above ema(12)) then (close < open) within 4 bars",
    "during(08:00-16:00) and close < bbands(20, 2).lower",
)
OTHERS = ("rsi(14) < rsi(14)@LTCUSDT", "close > close[1] and close@BTCUSDT@4h crosses_above sma(10)@BTCUSDT@4h")


@pytest.fixture(name="hours")
def hours_of_sample(sample: pl.DataFrame) -> pl.DataFrame:
    begin, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 10, tzinfo=UTC)
    hours = sample.filter((pl.col("timeframe") == "1h") & pl.col("open_time").is_between(begin, end, closed="left"))
    # Each misses other candles.
    return hours.filter(pl.int_range(pl.len()) % 97 != 5)


def test_it_is_what_scans_of_each_give(hours: pl.DataFrame) -> None:
    texts = (*ALONE, *OTHERS)
    conditions = [f"XRPUSDT 1h: {text}" for text in texts] + [f"DOGEUSDT 2h: {text}" for text in ALONE[:2]]
    seen = []
    for instrument, triggers in analysis.scan_each(conditions, hours, SYMBOLS):
        mine = [f"{instrument} 1h: {text}" for text in texts] + [f"{instrument} 2h: {text}" for text in ALONE[:2]]
        expected = analysis.scan(mine, hours)
        assert triggers.equals(expected)
        # On Bitcoin itself, Bitcoin is no other instrument.
        assert triggers["condition"].n_unique() == len(mine)
        seen.append(str(instrument))
    assert seen == [f"BINANCE:{symbol}" for symbol in SYMBOLS]


def test_a_plan_is_made_once(hours: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[int] = []

    def counted(conditions: list[Condition]) -> object:
        plans.append(len(conditions))
        return make_plan(conditions)

    monkeypatch.setattr("engine.scanning.make_plan", counted)
    list(analysis.scan_each([f"BTCUSDT 1h: {text}" for text in ALONE], hours, SYMBOLS))
    assert plans == [len(ALONE)]


def test_progress_counts_the_candles_of_all(hours: pl.DataFrame) -> None:
    steps: list[tuple[int, int]] = []
    list(analysis.scan_each("BTCUSDT 1h: close > open", hours, SYMBOLS, progress=lambda *step: steps.append(step)))
    total = hours.filter(pl.col("symbol").is_in(SYMBOLS)).height
    assert steps[-1] == (total, total)
    assert len(steps) == len(SYMBOLS)


def test_candles_that_are_missing_are_named_before_anything_is_judged(hours: pl.DataFrame) -> None:
    with pytest.raises(CandlesMissing, match="NONEUSDT"):
        analysis.scan_each("BTCUSDT 1h: close > open", hours, ["BTCUSDT", "NONEUSDT"])


def test_no_symbols_and_no_conditions_are_nothing(hours: pl.DataFrame) -> None:
    assert list(analysis.scan_each("BTCUSDT 1h: close > open", hours, [])) == []
    ((_, triggers),) = analysis.scan_each([], hours, ["BTCUSDT"])
    assert triggers.is_empty()


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTC/USDT:USDT", "COINBASE:BTC-USD", "NASDAQ:AAPL"])
def test_names_are_those_of_the_condition_that_is_written_for_the_instrument(symbol: str) -> None:
    instrument = normalise_instrument(symbol, "BINANCE")
    conditions = [Condition.parse(f"BTCUSDT 1h: {text}") for text in ALONE]
    written = [Condition.parse(f"{instrument} 1h: {text}") for text in ALONE]
    assert list(names_on(conditions, instrument)) == [(each.id, each.text) for each in written]
    bound = [on_instrument(each, instrument) for each in conditions]
    assert [each.names for each in bound] == [each.names for each in written]
    assert [each.tree for each in bound] == [each.tree for each in written]


def test_other_instruments_stay() -> None:
    condition = Condition.parse("BTCUSDT 1h: close > close@ETHUSDT + close@LTCUSDT")
    ether = on_instrument(condition, normalise_instrument("ETHUSDT", "BINANCE"))
    assert ether.id == Condition.parse("ETHUSDT 1h: close > close + close@LTCUSDT").id
