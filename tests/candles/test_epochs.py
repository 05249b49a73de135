"""What a condition was judged from at a time; answers about the present read nothing of the past."""

from datetime import UTC, datetime

import polars as pl
import pytest

from api.on_demand import OnDemand
from candles.epochs import Epochs
from candles.rebasing import plan_rebase
from common.clock import ReplayClock
from common.timeframes import to_ms
from engine.candle_history import as_history
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Series
from registry.store.files.file_store import FileStore
from registry.store.files.tick_tables import TickTables
from tests.events.log.memory_log import MemoryLog

HOUR_MS = 3_600_000
NOON_MS = to_ms(datetime(2024, 8, 5, 12, tzinfo=UTC))
BTC = Series.parse("BINANCE:BTCUSDT 1h")
CONDITION = Condition.parse("BTCUSDT 1h: close > sma(3)")


@pytest.fixture
async def rebased(store: FileStore, log: MemoryLog, clock: ReplayClock, sample: pl.DataFrame) -> pl.DataFrame:
    """A store with a rebase at noon, which doubled the close at ten; returns the candles as they were."""
    candles = sample.filter(
        (pl.col("symbol") == "BTCUSDT")
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(datetime(2024, 8, 1, tzinfo=UTC), datetime(2024, 8, 5, 20, tzinfo=UTC))
    )
    store.candles.upsert(candles)
    store.registry.register([CONDITION], active_from_ms=NOON_MS - 6 * HOUR_MS)
    clock.move_to(NOON_MS)
    await advance(Runtime(store, log, clock), "1h", NOON_MS)
    at_ten = candles.filter(pl.col("open_time") == datetime(2024, 8, 5, 10, tzinfo=UTC))
    store.candles.upsert(at_ten.with_columns(pl.col("close") * 2, pl.col("high") * 2))
    store.rebase(plan_rebase(store, BTC))
    return candles


async def test_a_time_before_a_rebase_has_the_candles_of_then(store: FileStore, rebased: pl.DataFrame) -> None:
    def close_at_ten(at_ms: int | None) -> float:
        history = as_history(Epochs(store).up_to(CONDITION, at_ms)[BTC])
        candles = pl.concat(list(history.blocks()))
        return float(candles.filter(pl.col("open_time") == datetime(2024, 8, 5, 10, tzinfo=UTC))["close"][0])

    was = close_at_ten(NOON_MS)
    assert was == rebased.filter(pl.col("open_time") == datetime(2024, 8, 5, 10, tzinfo=UTC))["close"][0]
    assert close_at_ten(None) == close_at_ten(NOON_MS + HOUR_MS) == 2 * was


def test_answers_about_the_present_ask_for_nothing_of_the_past(
    store: FileStore, sample: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.candles.upsert(sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")).tail(800))
    monkeypatch.delattr(TickTables, "anchor_history")
    monkeypatch.delattr(TickTables, "rebase_watermarks")
    on_demand = OnDemand(store, most_values=10**9, kept_bytes=0)
    never = Condition.parse("BTCUSDT 1h: close < 1")
    assert on_demand.preview(never, None, None).triggers.is_empty()
    assert on_demand.preview(CONDITION, None, None).triggers.height > 10
    assert on_demand.now(CONDITION).truth != "UNKNOWN"
    assert on_demand.explain(CONDITION, None)[0].truth != "UNKNOWN"
    # Nothing was ever rebased, so any time is of the present.
    assert on_demand.explain(CONDITION, NOON_MS)[0].close_time == NOON_MS
