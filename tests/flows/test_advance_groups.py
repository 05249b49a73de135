"""Conditions that read several series are judged when all of them are there, and no other condition waits for them."""

from datetime import UTC, datetime

import polars as pl
import pytest

import analysis
from common.clock import ReplayClock
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.instruments import Instrument
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = datetime(2024, 8, 5, tzinfo=UTC)
DAY_MS = to_ms(DAY)
TEXTS = (
    "BTCUSDT 5m: close crosses_below sma(20)",
    "SOLUSDT 5m: every(rsi(7) < 30)",
    "SOLUSDT 5m: close crosses_below sma(20) and rsi(14)@1h < 50",
    "SOLUSDT 5m: every(rsi(7) < 35 and rsi(7)@BTCUSDT < 35)",
    "ETHUSDT 5m: close - close[3] < 0 - atr(14) for 2 bars",
    "ETHUSDT 5m: close crosses_below ema(9) and close@BTCUSDT@1h < sma(5)@BTCUSDT@1h",
    "ETHUSDT 1h: close crosses_below sma(5)@SOLUSDT * 18 within 2 bars",
)
CONDITIONS = [Condition.parse(text) for text in TEXTS]


@pytest.fixture
def candles(sample: pl.DataFrame) -> pl.DataFrame:
    """Two days before the crash's day and that day, three symbols, 5m and 1h."""
    return sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT", "SOLUSDT"])
        & pl.col("open_time").is_between(datetime(2024, 8, 3, tzinfo=UTC), datetime(2024, 8, 6, tzinfo=UTC))
    )


def fill(store: FileStore, candles: pl.DataFrame, clock: ReplayClock) -> None:
    store.candles.upsert(candles)
    store.registry.register(CONDITIONS, active_from_ms=clock.now_ms())


def recorded(store: FileStore) -> list[tuple[str, int, bool]]:
    rows = store.triggers.after(0, 100_000)
    return sorted(zip(rows["condition_id"], rows["close_time"].dt.epoch("ms"), rows["settled"], strict=True))


def scanned(candles: pl.DataFrame, until_ms: int) -> list[tuple[str, int, bool]]:
    rows = analysis.scan(CONDITIONS, candles).filter(
        pl.col("close_time").dt.epoch("ms").is_between(DAY_MS, until_ms, closed="right")
    )
    return sorted(zip(rows["condition_id"], rows["close_time"].dt.epoch("ms"), rows["settled"], strict=True))


async def run(store: FileStore, log: MemoryLog, clock: ReplayClock, until_ms: int, cold: bool) -> None:
    runtime = Runtime(store, log, clock)
    while clock.now_ms() < until_ms:
        runtime = Runtime(store, log, clock) if cold else runtime
        now = clock.now_ms() + HOUR
        await advance(runtime, "5m", now)
        await advance(runtime, "1h", now)


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold at every run"])
async def test_live_equals_scan(
    store: FileStore, log: MemoryLog, clock: ReplayClock, candles: pl.DataFrame, cold: bool
) -> None:
    fill(store, candles, clock)
    await run(store, log, clock, DAY_MS + 12 * HOUR, cold)
    triggers = recorded(store)
    assert triggers == scanned(candles, DAY_MS + 12 * HOUR)
    assert {condition_id for condition_id, _, _ in triggers} == {condition.id for condition in CONDITIONS}, (
        "some did not fire"
    )
    # The order within a tick is fixed: judged again after a restored backup, triggers get the same numbers.
    numbered = store.triggers.after(0, 100_000).filter(timeframe="5m").select("close_time", "condition_id")
    assert numbered.equals(numbered.sort("close_time", "condition_id"))
    assert set(store.ticks.watermarks("5m")) == {
        condition.group for condition in CONDITIONS if condition.timeframe == "5m"
    }


async def test_a_group_waits_for_its_other_series_and_nobody_else_does(
    store: FileStore, log: MemoryLog, clock: ReplayClock, candles: pl.DataFrame
) -> None:
    at_three = DAY_MS + 3 * HOUR
    bitcoin = (pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "5m")
    early = candles.filter(~bitcoin | (pl.col("open_time").dt.epoch("ms") < at_three))
    fill(store, early, clock)
    runtime = Runtime(store, log, clock)
    await advance(runtime, "5m", DAY_MS + 6 * HOUR)
    marks = store.ticks.watermarks("5m")
    assert {group: mark for group, mark in marks.items() if "BTCUSDT 5m" in group} == {
        "BINANCE:BTCUSDT 5m": at_three,
        "BINANCE:SOLUSDT 5m + BINANCE:BTCUSDT 5m": at_three,
    }
    assert {mark for group, mark in marks.items() if "BTCUSDT 5m" not in group} == {DAY_MS + 6 * HOUR}
    store.candles.upsert(candles)
    await advance(runtime, "5m", DAY_MS + 6 * HOUR)
    expected = [row for row in scanned(candles, DAY_MS + 6 * HOUR) if row[0] != CONDITIONS[-1].id]
    assert recorded(store) == expected


async def test_what_is_behind_catches_up_before_anything_newer_is_judged(
    store: FileStore, log: MemoryLog, clock: ReplayClock, candles: pl.DataFrame
) -> None:
    bitcoin = (pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "5m")
    fill(store, candles.filter(~bitcoin | (pl.col("open_time").dt.epoch("ms") < DAY_MS + 3 * HOUR)), clock)
    runtime = Runtime(store, log, clock)
    await advance(runtime, "5m", DAY_MS + 6 * HOUR)
    before = store.triggers.last_seq()
    store.candles.upsert(candles)
    await advance(runtime, "5m", DAY_MS + 8 * HOUR)
    closes = store.triggers.after(before, 100_000)["close_time"].dt.epoch("ms")
    assert closes.min() <= DAY_MS + 6 * HOUR < closes.max()  # type: ignore[operator]
    assert closes.is_sorted()
    together = store.ticks.ticks().filter(pl.col("close_time").dt.epoch("ms") > DAY_MS + 6 * HOUR)
    assert together.height == 24, "from then on all groups move in one tick"


async def test_a_hole_in_another_series_is_final_for_all(
    store: FileStore, log: MemoryLog, clock: ReplayClock, candles: pl.DataFrame
) -> None:
    missing = (pl.col("timeframe") == "1h") & (pl.col("open_time") == datetime(2024, 8, 5, 2, tzinfo=UTC))
    gappy = candles.filter(~(missing & (pl.col("symbol") == "SOLUSDT")))
    fill(store, gappy, clock)
    # Half an hour late, so that the hold time of every missing candle is over.
    clock.move_to(DAY_MS + 12 * HOUR + 30 * MINUTE)
    await advance(Runtime(store, log, clock), "5m", DAY_MS + 12 * HOUR)
    await advance(Runtime(store, log, clock), "1h", DAY_MS + 12 * HOUR)
    assert recorded(store) == scanned(gappy, DAY_MS + 12 * HOUR)
    late = candles.filter(missing & (pl.col("symbol") == "SOLUSDT"))
    assert store.candles.upsert(late).revised == 1
    assert analysis.scan(CONDITIONS, candles).height != analysis.scan(CONDITIONS, gappy).height


async def test_a_market_with_sessions_is_judged_when_it_is_open(
    store: FileStore, log: MemoryLog, clock: ReplayClock, candles: pl.DataFrame
) -> None:
    """SOL trades from 06:00 to 20:00 here; conditions of a market that never closes read it and continue at night."""
    open_hours = pl.col("open_time").dt.hour().is_between(6, 19)
    daytime = candles.filter((pl.col("symbol") != "SOLUSDT") | open_hours)
    conditions = [
        Condition.parse("SOLUSDT 1h: close crosses_below sma(5)"),
        Condition.parse("SOLUSDT 1h: every(close < close[2] and close@BTCUSDT < open@BTCUSDT)"),
        Condition.parse("BTCUSDT 1h: every(close < sma(5) and rsi(3)@SOLUSDT < 60)"),
    ]
    store.candles.upsert(daytime)
    store.candles.set_calendar(Instrument("BINANCE", "SOLUSDT"), "sessions")
    store.registry.register(conditions, active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    for hour in range(1, 25):
        clock.move_to(DAY_MS + hour * HOUR + 6 * MINUTE)
        await advance(runtime, "1h", DAY_MS + hour * HOUR)
    rows = analysis.scan(conditions, daytime, calendars={"BINANCE:SOLUSDT": "sessions"}).filter(
        pl.col("close_time").dt.epoch("ms").is_between(DAY_MS, DAY_MS + 24 * HOUR, closed="right")
    )
    expected = sorted(zip(rows["condition_id"], rows["close_time"].dt.epoch("ms"), rows["settled"], strict=True))
    assert recorded(store) == expected
    assert {condition_id for condition_id, _, _ in expected} == {condition.id for condition in conditions}
