"""However a worker came to its state, hundreds of conditions fire the same, to the last bit: started cold, grown, on a
restored backup, and on a store that has only the texts of its conditions."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from common.clock import ReplayClock
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.store.files.backup import restore_backup
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog
from tests.flows.watching import EmptyCache, WatchedStore

HOUR = 3_600_000
START_MS = to_ms(datetime(2024, 8, 5, tzinfo=UTC))
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
SHAPES = (
    "every(rsi(14) < {})",
    "rsi({}) crosses_below 40",
    "every(close > sma({}) and volume > 0)",
    "ema({}) crosses_above ema(50)",
    "every(rsi(14)@BTCUSDT < {} and close < sma(20))",
    "every(close < sma(5)@4h within {} bars)",
    "every(macd.histogram[{}] < macd.histogram)",
    "close rises_by 0.{}% within 3 bars",
    "every(ema(9, rsi({})) > 50)",
    "2 of (rsi(14) < {}, close < sma(20), volume > volume[1])",
    "every(stoch(14, 3, 3).k < {})",
    "every(close - open > 0 for 2 bars and cci({}) > 0)",
)
CONDITIONS = [
    Condition.parse(f"{symbol} 1h: {shape.format(number)}")
    for number in (12, 17, 23, 31, 44)
    for shape in SHAPES
    for symbol in SYMBOLS
]
BEFORE, COMPARED = 14, 20
"""Hours until all of them are judged, and hours after that."""


def opened(folder: Path, hourly: pl.DataFrame | None = None) -> FileStore:
    store = FileStore(folder, clock=ReplayClock(START_MS))
    if hourly is not None:
        store.candles.upsert(hourly)
    return store


def register(store: FileStore, conditions: list[Condition], since_ms: int = START_MS) -> None:
    store.registry.register(conditions, active_from_ms=since_ms, grace_ms=1_000 * HOUR)


def judge(store: object, runtime: Runtime | None, hour: int) -> Runtime:
    until_ms = START_MS + hour * HOUR
    runtime = runtime or Runtime(store, MemoryLog(), ReplayClock(START_MS))  # type: ignore[arg-type]
    runtime.clock.move_to(until_ms)  # type: ignore[attr-defined]
    asyncio.run(advance(runtime, "1h", until_ms))
    return runtime


def fired(store: FileStore) -> list[tuple[object, ...]]:
    """What fired in the hours that are compared."""
    rows = store.triggers.after(0, 1_000_000).filter(pl.col("close_time").dt.epoch("ms") > START_MS + BEFORE * HOUR)
    columns = rows.select("condition_id", "close_time", "price", "values", "settled")
    return sorted(columns.iter_rows(), key=str)


@pytest.fixture(scope="module")
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    return sample.filter(
        (pl.col("timeframe") == "1h")
        & pl.col("symbol").is_in(SYMBOLS)
        & pl.col("open_time").is_between(datetime(2024, 7, 20, tzinfo=UTC), datetime(2024, 8, 7, tzinfo=UTC))
    )


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, hourly: pl.DataFrame) -> tuple[Path, list[tuple[object, ...]]]:
    """A backup at the hour from which on is compared, and what one warm worker fires after it."""
    folder = tmp_path_factory.mktemp("warm")
    with opened(folder / "store", hourly) as store:
        register(store, CONDITIONS)
        runtime = judge(store, None, BEFORE)
        store.backup(str(folder / "backup"))
        for hour in range(BEFORE + 1, BEFORE + COMPARED + 1):
            judge(store, runtime, hour)
        expected = fired(store)
    assert len(expected) > 1_000
    return folder / "backup", expected


def test_growing_in_batches(tmp_path: Path, hourly: pl.DataFrame, warm: tuple[Path, list[tuple[object, ...]]]) -> None:
    with opened(tmp_path, hourly) as store:
        runtime = None
        for hour in range(1, BEFORE + COMPARED + 1):
            if hour <= BEFORE:
                register(store, CONDITIONS[hour - 1 :: BEFORE], START_MS + (hour - 1) * HOUR)
            runtime = judge(store, runtime, hour)
        assert fired(store) == warm[1]


@pytest.mark.parametrize("is_lost", [False, True], ids=["checkpoints", "no checkpoints"])
def test_restored_and_started_cold_again_and_again(
    tmp_path: Path, warm: tuple[Path, list[tuple[object, ...]]], is_lost: bool
) -> None:
    restore_backup(warm[0], tmp_path / "store", replace=False)
    with opened(tmp_path / "store") as store:
        for hour in range(BEFORE + 1, BEFORE + COMPARED + 1, 3):
            watched = WatchedStore(store, EmptyCache() if is_lost else None)
            judge(watched, None, min(hour + 2, BEFORE + COMPARED)).close()
        assert fired(store) == warm[1]


def test_a_store_with_nothing_but_texts(tmp_path: Path, warm: tuple[Path, list[tuple[object, ...]]]) -> None:
    restore_backup(warm[0], tmp_path / "store", replace=False)
    with duckdb.connect(str(tmp_path / "store" / "registry.duckdb")) as registry:
        registry.execute("UPDATE condition_registry SET packed = NULL")
    with opened(tmp_path / "store") as store:
        assert not any(each.packed for each in store.registry.conditions())
        judge(store, None, BEFORE + COMPARED)
        assert fired(store) == warm[1]
