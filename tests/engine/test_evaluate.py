"""A tick and a scan give the same triggers, bit for bit, and both do what the design says."""

import random
from collections.abc import Sequence

import polars as pl
import pytest

import analysis
from common.errors import CandlesMissing
from engine.evaluate import FiredCondition
from engine.plan import make_plan
from engine.program import ALL
from registry.conditions import Condition
from tests.engine.live import histories_of, loader, make_part, run_live

HOUR = 3_600_000
START_MS = 1_704_067_200_000


def candles(closes: Sequence[float | None], symbol: str = "BTCUSDT", timeframe: str = "1h") -> pl.DataFrame:
    """Flat candles at the given closes; ``None`` is a missing slot."""
    length = {"1h": HOUR, "5m": 300_000}[timeframe]
    rows = [(START_MS + number * length, close) for number, close in enumerate(closes) if close is not None]
    return (
        pl.DataFrame(rows, schema={"open_time": pl.Int64, "close": pl.Float64}, orient="row")
        .with_columns(
            pl.from_epoch("open_time", "ms").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"),
            pl.lit(symbol).alias("symbol"),
            pl.lit(timeframe).alias("timeframe"),
            pl.col("close").alias("open"),
            pl.col("close").alias("high"),
            pl.col("close").alias("low"),
            pl.lit(1.0).alias("volume"),
        )
        .select("symbol", "timeframe", "open_time", "open", "high", "low", "close", "volume")
    )


def fired_at(condition: str, closes: list[float | None]) -> list[int]:
    """Slots of the candles on which a condition fires."""
    triggers = analysis.scan([condition], candles(closes))
    return [(int(time) - START_MS) // HOUR for time in triggers["open_time"].dt.epoch("ms")]


_: None = None


@pytest.mark.parametrize(
    ("condition", "closes", "expected"),
    [
        ("close crosses_below 30", [31, 30, 29], [2]),
        ("close crosses_below 30", [29, 30, 29], [2]),
        ("close crosses_below 30", [31, 30, 30, 29, 28], [3]),
        ("close crosses_above 30", [29, 30, 31, 32], [2]),
        ("close crosses_below 30", [35, 31, 30, 29, 28, _, 31, 29], [3, 7]),
        ("close crosses_below 30", [31, _, 29, 28], []),
        ("close < 30", [31, 29, 28, 31, 29], [1, 4]),
        ("close < 30", [29, 28], []),
        ("close < 30", [31, 29, _, 29, 31, 29], [1, 5]),
        ("close <= 30", [31, 30, 29], [1]),
        ("not close < 30", [29, 30, 31], [1]),
        ("all(close > 10, close < 20)", [5, 15, 25, 15], [1, 3]),
        ("any(close < 10, close > 20)", [15, 5, 25, 15, 25], [1, 4]),
        ("all(close crosses_above 10, close < 20)", [5, 15, 5, 25, 5, 15], [1, 5]),
        ("any(close crosses_above 10, close crosses_above 20)", [5, 15, 25, 15, 25], [1, 2, 4]),
        ("any(close crosses_above 10, close > 20)", [15, 25, 26, 5, 15, 25], [4]),
        ("not close crosses_above 10", [9, 9, 11, 12, 13], [3]),
        ("sma(3) > 10", [10, 10, 10, 13, 13, 1], [3]),
        ("sma(3) > 10", [13, 13, 13, 13], []),
    ],
)
def test_what_fires(condition: str, closes: list[float | None], expected: list[int]) -> None:
    assert fired_at(f"BTCUSDT 1h: {condition}", closes) == expected


def test_windows_count_the_candles_that_exist() -> None:
    """A missing slot does not enter an average; the step over it is unknown."""
    assert fired_at("BTCUSDT 1h: sma(3) > 10", [8, 8, _, 8, 20, 20]) == [4]
    assert fired_at("BTCUSDT 1h: sma(3) > 10", [8, 8, 8, _, 20, 20]) == []


CONDITIONS = (
    "rsi(14) crosses_below 30",
    "rsi(14) < 35 and close > sma(50)",
    "ema(12) crosses_above ema(26)",
    "macd.histogram crosses_above 0",
    "close crosses_below bbands(20, 2).lower",
    "not any(bbands(20, 2).bandwidth > 0.04, rsi(7) < 30)",
    "stoch.k crosses_above stoch.d and stoch.k < 25",
    "close >= highest(20) or close <= lowest(20)",
    "atr(14) > atr(50)",
    "hl2 crosses_above sma(20, hlc3)",
    "volume > sma(20, volume)",
)


@pytest.mark.parametrize("seed", range(3))
def test_live_equals_scan_whatever_is_missing_and_whenever_it_restarts(sample: pl.DataFrame, seed: int) -> None:
    dice = random.Random(seed)
    hourly = sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "SOLUSDT", "DOGEUSDT"]) & (pl.col("timeframe") == "1h")
    ).filter(pl.col("open_time").dt.epoch("ms") < START_MS + 600 * HOUR)
    keep = [dice.random() > 0.04 for _ in range(hourly.height)]
    gappy = hourly.filter(pl.Series(keep))
    conditions = [
        Condition.parse(f"{symbol} 1h: {text}") for symbol in ("BTCUSDT", "SOLUSDT", "DOGEUSDT") for text in CONDITIONS
    ]
    first = 100
    scanned = analysis.scan(conditions, gappy).filter(pl.col("open_time").dt.epoch("ms") >= START_MS + first * HOUR)
    expected = sorted(
        zip(
            scanned["condition_id"],
            scanned["open_time"].dt.epoch("ms"),
            scanned["price"],
            scanned["settled"],
            strict=True,
        )
    )
    assert len(expected) > 500
    restarts = set(dice.sample(range(first, 600), 5))
    live = run_live(conditions, histories_of(gappy), START_MS + first * HOUR, 600 - first, restarts)
    assert sorted((fired.condition.id, open_ms, fired.price, fired.settled) for open_ms, fired in live) == expected


def test_a_series_that_waits_is_left_alone(sample: pl.DataFrame) -> None:
    """Moving one series through its slots first and the other later gives the same as moving both together."""
    hourly = sample.filter(pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"]) & (pl.col("timeframe") == "1h")).filter(
        pl.col("open_time").dt.epoch("ms") < START_MS + 300 * HOUR
    )
    conditions = [Condition.parse(f"{symbol} 1h: {text}") for symbol in ("BTCUSDT", "ETHUSDT") for text in CONDITIONS]
    histories = histories_of(hourly)
    together = run_live(conditions, histories, START_MS + 50 * HOUR, 250, set())
    part = make_part(conditions, histories, START_MS + 50 * HOUR)
    apart = []
    for group in reversed(part.groups):
        for slot in range(50, 300):
            open_ms = START_MS + slot * HOUR
            apart += [(open_ms, fired) for fired in part.move([group], open_ms + HOUR, loader(histories)).fired]
    assert len(together) > 100

    def shown(triggers: list[tuple[int, FiredCondition]]) -> list[tuple[int, str, tuple[tuple[str, float], ...]]]:
        return sorted((open_ms, fired.condition.id, tuple(fired.values.items())) for open_ms, fired in triggers)

    assert shown(apart) == shown(together)


def test_a_fired_condition_shows_what_it_read() -> None:
    condition = Condition.parse("BTCUSDT 1h: close crosses_below sma(2)")
    history = candles([10.0, 12.0, 8.0]).with_columns(pl.lit("BINANCE").alias("exchange"))
    ((open_ms, fired),) = run_live([condition], histories_of(history), START_MS + HOUR, 2, set())
    assert open_ms == START_MS + 2 * HOUR
    assert fired.price == 8.0
    assert fired.values == {"close": 8.0, "sma(2, close)": 10.0}
    assert fired.settled


def test_settled_needs_the_candles_that_the_indicator_needs() -> None:
    rise = [100.0 + (number % 7) for number in range(400)]
    triggers = analysis.scan(["BTCUSDT 1h: ema(20) crosses_above close"], candles(rise))
    settled = triggers.sort("open_time")["settled"].to_list()
    assert settled == sorted(settled), "once settled, always settled"
    assert not settled[0]
    assert settled[-1]


def test_equal_nodes_are_planned_once() -> None:
    conditions = [
        Condition.parse("BTCUSDT 1h: rsi(14) < 30"),
        Condition.parse("btc/usdt 60m: RSI below 30.0"),
        Condition.parse("BTCUSDT 1h: rsi(14) < 30 and macd.line > macd.signal"),
        Condition.parse("ETHUSDT 1h: rsi(14) < 30"),
    ]
    plan = make_plan(conditions)
    assert len(plan.conditions) == 3
    assert [(block.indicator.name, block.lanes) for block in plan.indicators] == [("macd", 1), ("rsi", 2)]
    assert (plan.program.code.array < ALL).sum() == 3
    assert plan.lanes.tolist() == [2, 1]


def test_a_condition_without_candles_is_refused() -> None:
    with pytest.raises(CandlesMissing, match="BINANCE:ETHUSDT 1h"):
        analysis.scan(["ETHUSDT 1h: close > 1"], candles([1.0, 2.0]))


def test_no_triggers_is_an_empty_frame_of_the_same_columns() -> None:
    triggers = analysis.scan(["BTCUSDT 1h: close > 1e9"], candles([1.0, 2.0]))
    assert triggers.is_empty()
    assert triggers.columns == [
        "condition_id",
        "condition",
        "symbol",
        "timeframe",
        "open_time",
        "close_time",
        "price",
        "settled",
    ]


LOOKING_BACK = (
    "close[1] crosses_above sma(20)[3]",
    "rsi(14)[7] < 45 for 3 bars",
    "close < close[2] within 4 bars",
    "every(close > open for 2 bars)",
    "rsi(14)@1h[1] < 50 and close > close[1]",
)


def test_histories_are_judged_in_spans_without_a_seam(sample: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans and blocks of a few candles give the same as a single one for the whole history."""
    dice = random.Random(1)
    btc = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "5m")).head(1200)
    gappy = btc.filter(pl.Series([dice.random() > 0.02 for _ in range(btc.height)]))
    conditions = [f"BTCUSDT 5m: {text}" for text in (*CONDITIONS, *LOOKING_BACK)]
    at_once = analysis.scan(conditions, gappy)
    fired = set(at_once["condition_id"])
    assert {Condition.parse(f"BTCUSDT 5m: {text}").id for text in LOOKING_BACK} <= fired
    monkeypatch.setattr("engine.history._SPAN", 23)
    monkeypatch.setattr("engine.history_truths._FEWEST", 5)
    monkeypatch.setattr("engine.history_truths._BLOCK_BYTES", 1)
    assert analysis.scan(conditions, gappy).equals(at_once)
