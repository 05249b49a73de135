"""What is kept of a series gives the same previews as its candles, whatever comes to them or changes."""

import asyncio
import random
from datetime import timedelta
from importlib import import_module

import polars as pl
import pytest

import analysis
from analysis.kept_series import KeptSeries, sources_of
from analysis.preview import preview, preview_of_stretches
from analysis.stretches import moved
from candles.epochs import Epochs
from candles.series import SeriesReader
from common.clock import ReplayClock
from common.timeframes import DURATION_MS
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import series_of
from registry.store.files.file_store import FileStore
from registry.store.protocol import Store
from tests.engine.test_language_evaluation import gappy, some_conditions, some_sessions
from tests.events.log.memory_log import MemoryLog

HOUR_MS = DURATION_MS["1h"]
MIB = 1 << 20
TEXTS = (
    "BTCUSDT 1h: rsi(14) crosses_below 40",
    "BTCUSDT 1h: ema(9, rsi(14)) > rsi(14)[2] for 3 bars",
    "BTCUSDT 1h: every(close < bbands(20, 2).middle and rsi(14)@4h < 50)",
    "BTCUSDT 4h: close rises_by 1% within 5 bars",
)


def previewed(kept: KeptSeries, store: Store, condition: Condition) -> pl.DataFrame | None:
    """The triggers of all time by what is kept; ``None`` if the series are too long for that."""
    sources = sources_of(store, SeriesReader.of(store), condition)
    stretches = kept.stretches(condition, sources)
    if stretches is None:
        return None
    return preview_of_stretches(condition, stretches, start_ms=0, end_ms=1 << 42).triggers


def by_the_engine(store: Store, condition: Condition) -> pl.DataFrame:
    epochs = Epochs(store)
    histories, calendars = epochs.up_to(condition, None), epochs.calendars(condition, None)
    return preview(condition, histories, calendars, start_ms=0, end_ms=1 << 42).triggers


def check(kept: KeptSeries, store: Store) -> int:
    """Every preview is what the engine says; returns how many triggers there are."""
    triggers = 0
    for text in TEXTS:
        condition = Condition.parse(text)
        shown = previewed(kept, store, condition)
        assert shown is not None
        assert shown.equals(by_the_engine(store, condition)), text
        triggers += shown.height
    return triggers


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    return sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")).sort("open_time")[:1500]


@pytest.mark.parametrize("seed", range(4))
def test_a_span_is_judged_as_a_scan_judges_it(sample: pl.DataFrame, seed: int, store: FileStore) -> None:
    dice = random.Random(170 + seed)
    histories = gappy(sample, dice, dice.choice((0.0, 0.05)))
    sessions = some_sessions(seed, histories)
    for history in histories.values():
        store.candles.upsert(history)
    for name, calendar in sessions.items():
        store.candles.set_calendar(Condition.parse(f"{name} 1h: close > 1").series.instrument, calendar)
    kept, shown = KeptSeries(64 * MIB), 0
    conditions = some_conditions(dice, 25)
    epochs = Epochs(store)
    rows = analysis.scan(
        conditions, pl.concat(list(histories.values())), calendars=epochs.calendars(conditions[0], None)
    )
    for condition in conditions:
        stretches = kept.stretches(condition, sources_of(store, SeriesReader.of(store), condition))
        assert stretches is not None
        opens = histories[condition.series]["open_time"].dt.epoch("ms")
        first, last = sorted(dice.sample(range(opens.len()), 2))
        start_ms, end_ms = int(opens[first]), int(opens[last])
        scan = preview_of_stretches(condition, stretches, start_ms=start_ms, end_ms=end_ms)
        closes = pl.col("close_time").dt.epoch("ms")
        mine = rows.filter(pl.col("condition_id") == condition.id, closes > start_ms, closes <= end_ms)
        assert scan.triggers.equals(mine), str(condition)
        assert scan.candles == int(((opens + HOUR_MS > start_ms) & (opens + HOUR_MS <= end_ms)).sum())
        shown += mine.height
    assert shown > 100


def test_a_span_is_judged_in_pieces(store: FileStore, hourly: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("analysis.preview"), "_ROWS", 37)
    store.candles.upsert(hourly)
    assert check(KeptSeries(64 * MIB), store) > 100


def test_candles_that_come_continue_what_is_kept(store: FileStore, hourly: pl.DataFrame) -> None:
    kept = KeptSeries(64 * MIB)
    store.candles.upsert(hourly[:1000])
    triggers = check(kept, store)
    for end in (1001, 1004, 1100, 1500):
        store.candles.upsert(hourly[:end].tail(end - 999))
        triggers, before = check(kept, store), triggers
    assert triggers > before


def test_what_is_kept_is_not_computed_again(
    store: FileStore, hourly: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved_over: list[int] = []

    def counted(*arguments: object) -> object:
        moved_over.append(len(arguments[3]["close"]))  # type: ignore[index]
        return moved(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("analysis.kept_series.moved", counted)
    kept = KeptSeries(64 * MIB)
    store.candles.upsert(hourly[:1000])
    previewed(kept, store, Condition.parse("BTCUSDT 1h: rsi(14) < 30"))
    assert moved_over == [1000]
    previewed(kept, store, Condition.parse("BTCUSDT 1h: rsi(14) crosses_above 70"))
    assert moved_over == [1000]
    store.candles.upsert(hourly[1000:1003])
    previewed(kept, store, Condition.parse("BTCUSDT 1h: rsi(14) < 31"))
    assert moved_over == [1000, 3]


@pytest.mark.parametrize("row", [0, 700, 999])
def test_a_corrected_candle_is_seen(store: FileStore, hourly: pl.DataFrame, row: int) -> None:
    kept = KeptSeries(64 * MIB)
    store.candles.upsert(hourly[:1000])
    check(kept, store)
    store.candles.upsert(hourly[row : row + 1].with_columns(pl.col("close", "high") * 1.5))
    check(kept, store)


def test_a_candle_that_fills_a_gap_is_seen(store: FileStore, hourly: pl.DataFrame) -> None:
    kept = KeptSeries(64 * MIB)
    store.candles.upsert(pl.concat([hourly[:500], hourly[503:1000]]))
    check(kept, store)
    store.candles.upsert(hourly[501:502])
    check(kept, store)


def test_earlier_candles_are_seen(store: FileStore, hourly: pl.DataFrame) -> None:
    kept = KeptSeries(64 * MIB)
    store.candles.upsert(hourly[600:1000])
    check(kept, store)
    store.candles.upsert(hourly[:600])
    check(kept, store)


def judge_until(store: FileStore, hourly: pl.DataFrame, row: int) -> None:
    """Have the series judged up to a candle."""
    asyncio.run(
        advance(
            Runtime(store, MemoryLog(), ReplayClock(int(opens(hourly)[-1]))), "1h", int(opens(hourly)[row]) + HOUR_MS
        )
    )


def opens(candles: pl.DataFrame) -> pl.Series:
    return candles["open_time"].dt.epoch("ms")


def test_a_candle_that_changed_and_was_judged_afterwards_is_seen(store: FileStore, hourly: pl.DataFrame) -> None:
    kept = KeptSeries(64 * MIB)
    store.candles.upsert(hourly[:1000])
    store.registry.register([Condition.parse(TEXTS[0])], active_from_ms=int(opens(hourly)[700]))
    judge_until(store, hourly, 800)
    check(kept, store)
    store.candles.upsert(hourly[900:901].with_columns(pl.col("close", "high") * 1.5))
    judge_until(store, hourly, 950)
    store.candles.upsert(hourly[1000:1001])
    check(kept, store)


def test_judged_candles_are_not_read_again(store: FileStore, hourly: pl.DataFrame) -> None:
    kept, condition = KeptSeries(64 * MIB), Condition.parse("BTCUSDT 1h: rsi(14) < 30")
    store.candles.upsert(hourly[:1000])
    store.registry.register([condition], active_from_ms=int(opens(hourly)[700]))
    judge_until(store, hourly, 997)
    previewed(kept, store, condition)
    store.candles.upsert(hourly[1000:1001])
    read: list[int] = []
    sources = sources_of(store, SeriesReader.of(store), condition)
    reader = sources[condition.series].history.reader
    between = reader.between

    def counted(*arguments: object) -> pl.DataFrame:
        candles = between(*arguments)  # type: ignore[arg-type]
        read.append(candles.height)
        return candles

    reader.between = counted  # type: ignore[method-assign, assignment]
    assert kept.stretches(condition, sources) is not None
    assert sum(read) <= 4


def test_memory_is_bounded(store: FileStore, hourly: pl.DataFrame) -> None:
    store.candles.upsert(hourly)
    kept = KeptSeries(256 * 1024)
    for period in range(2, 60):
        condition = Condition.parse(f"BTCUSDT 1h: rsi({period}) < 30")
        shown = previewed(kept, store, condition)
        assert shown is not None
        assert shown.equals(by_the_engine(store, condition))
        assert kept.nbytes <= 256 * 1024


def test_a_series_that_is_too_long_is_not_kept(store: FileStore, hourly: pl.DataFrame) -> None:
    store.candles.upsert(hourly)
    for most in (0, 100_000):
        kept = KeptSeries(most)
        assert previewed(kept, store, Condition.parse(TEXTS[0])) is None
        assert kept.nbytes == 0


def test_the_series_of_a_grid_that_changes(store: FileStore, hourly: pl.DataFrame) -> None:
    kept = KeptSeries(64 * MIB)
    store.candles.upsert(hourly)
    check(kept, store)
    instrument = series_of("BINANCE", "BTCUSDT", "1h").instrument
    store.candles.set_calendar(instrument, "sessions")
    store.candles.upsert(hourly.tail(1).with_columns(pl.col("open_time") + timedelta(hours=30)))
    check(kept, store)
