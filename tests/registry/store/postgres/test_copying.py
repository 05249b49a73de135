"""``hub store copy``: a hub moves from files to Postgres and back, and both say the same."""

from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import StoreError, StoreUnreachable
from events.log.publisher import drain
from registry.conditions import Condition
from registry.store import open_store
from registry.store.parts.registry import SubscriptionRequest
from registry.store.postgres.copying import copy_store
from registry.store.protocol import Store
from tests.events.log.memory_log import MemoryLog
from tests.postgres_server import PostgresServer
from tests.registry.store.ticks import BTC, HOUR, tick

RSI = Condition.parse("BINANCE:BTCUSDT 1h: rsi(14) < 30")


def said(store: Store) -> list[object]:
    """What a store says of everything that was put into it."""
    return [
        store.identity(),
        store.registry.conditions(),
        store.registry.subscriptions_of("ann"),
        store.registry.bot_config("ann", "bot", RSI.id),
        store.registry.activity(),
        store.registry.version(),
        store.ticks.watermarks("1h"),
        store.ticks.anchors(),
        store.ticks.totals().rows(),
        store.ticks.ticks().rows(),
        store.triggers.after(0, 1_000).rows(),
        store.triggers.counts().rows(),
        store.candles.series().rows(),
        store.candles.listings(),
        store.candles.between(BTC.base, 0, 2**42).rows(),
    ]


def test_a_hub_moves_to_postgres_and_back(
    postgres: PostgresServer, tmp_path: Path, clock: ReplayClock, sample: pl.DataFrame
) -> None:
    with open_store(f"duckdb:{tmp_path}/files", clock=clock) as files:
        files.candles.upsert(sample.filter(pl.col("timeframe") == "1h"))
        files.registry.register([RSI], active_from_ms=0)
        files.registry.subscribe([SubscriptionRequest("ann", "bot", RSI.id, "dca", {"ü": "'%?"})], active_from_ms=0)
        files.ticks.record_tick(tick(HOUR, (BTC, None), triggers=40))
        before = said(files)
    url = postgres.url_of(tmp_path)
    copied = copy_store(f"duckdb:{tmp_path}/files", url, lambda *_: None)
    assert {table.table: table.rows for table in copied}["registry.condition_triggers"] == 40
    with open_store(url, clock=clock) as in_postgres:
        assert said(in_postgres) == before
        with pytest.raises(StoreUnreachable, match="event log"):
            in_postgres.ticks.record_tick(tick(2 * HOUR, (BTC, HOUR), triggers=2))
        assert drain(in_postgres, MemoryLog()) == 40
        in_postgres.ticks.record_tick(tick(2 * HOUR, (BTC, HOUR), triggers=2))
        after = said(in_postgres)
    with pytest.raises(StoreError, match="already has rows"):
        copy_store(f"duckdb:{tmp_path}/files", url, lambda *_: None)
    copy_store(url, f"duckdb:{tmp_path}/back", lambda *_: None)
    with open_store(f"duckdb:{tmp_path}/back", clock=clock) as back:
        assert said(back) == after
        assert [finding.subject for finding in back.check() if finding.problem] == [
            "triggers belong to registered conditions"
        ], "the conditions of the made-up triggers are not registered"
    postgres.drop_databases()


def test_one_side_is_files_and_the_other_postgres(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match="one side"):
        copy_store(f"duckdb:{tmp_path}/a", f"duckdb:{tmp_path}/b", lambda *_: None)
