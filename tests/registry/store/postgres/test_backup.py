"""A hub in Postgres is backed up as of one moment while it works; what is restored and its event log agree."""

import subprocess
import threading
from collections.abc import Iterator
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
from tests.postgres_server import PostgresServer, programs
from tests.registry.store.ticks import BTC, HOUR, tick

RSI = Condition.parse("BINANCE:BTCUSDT 1h: rsi(14) < 30")


@pytest.fixture
def url(postgres: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    yield postgres.url_of(tmp_path)
    postgres.drop_databases()


def fill(store: Store, sample: pl.DataFrame) -> None:
    """Some of everything: candles, a condition, a subscription, ten triggers."""
    store.candles.upsert(sample.filter(pl.col("timeframe") == "1h"))
    store.registry.register([RSI], active_from_ms=0)
    store.registry.subscribe([SubscriptionRequest("ann", "bot", RSI.id, "dca", {"size": 1})], active_from_ms=0)
    store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=10))


def agree(store: Store, log: MemoryLog) -> bool:
    """Whether store and log have the same triggers under the same numbers."""
    recorded = store.triggers.after(0, 10_000).select("seq", "trigger_id").rows()
    return recorded == [(event.seq, event.trigger_id) for event in log.events]


def test_a_backup_is_of_one_moment_while_ticks_go_on(
    url: str, tmp_path: Path, clock: ReplayClock, sample: pl.DataFrame
) -> None:
    with open_store(url, clock=clock) as store, open_store(url, clock=clock) as worker:
        fill(store, sample)
        stop = threading.Event()

        def work() -> None:
            step = 2
            while not stop.is_set():
                worker.ticks.record_tick(tick(step * HOUR, (BTC, (step - 1) * HOUR), triggers=5))
                step += 1

        working = threading.Thread(target=work)
        working.start()
        try:
            before = store.triggers.last_seq()
            made = store.backup(str(tmp_path / "backup"))
            after = store.triggers.last_seq()
        finally:
            stop.set()
            working.join()
        assert made.rows > 100
        with pytest.raises(StoreError, match="already exists"):
            store.backup(str(tmp_path / "backup"))
    with open_store(f"duckdb:{tmp_path}/backup", read_only=True) as copy:
        assert before <= copy.triggers.last_seq() <= after
        mark = copy.ticks.watermark(BTC)
        assert mark is not None
        assert copy.triggers.last_seq() == 10 + 5 * (mark // HOUR - 1), "watermarks and triggers are of one moment"
        assert copy.registry.bot_config("ann", "bot", RSI.id) == {"size": 1}
        assert copy.candles.series().height == sample.filter(pl.col("timeframe") == "1h")["symbol"].n_unique()


@pytest.mark.parametrize("stream", ["ahead", "lost"])
def test_a_restored_hub_and_its_stream_agree(
    stream: str, url: str, postgres: PostgresServer, tmp_path: Path, clock: ReplayClock, sample: pl.DataFrame
) -> None:
    log, new = MemoryLog(), postgres.url_of(tmp_path / "new")
    with open_store(url, clock=clock) as store:
        fill(store, sample)
        drain(store, log)
        store.backup(str(tmp_path / "backup"))
        store.ticks.record_tick(tick(2 * HOUR, (BTC, HOUR), triggers=5))
        drain(store, log)
        copy_store(f"duckdb:{tmp_path}/backup", new, lambda *_: None)
        late = MemoryLog() if stream == "lost" else log
        with open_store(new, clock=clock) as restored:
            again = tick(2 * HOUR, (BTC, HOUR), triggers=5)
            with pytest.raises(StoreUnreachable, match="event log"):
                restored.ticks.record_tick(again)
            drain(restored, late)
            assert restored.triggers.last_seq() == (10 if stream == "lost" else 15)
            restored.ticks.record_tick(again)
            drain(restored, late)
            assert restored.triggers.last_seq() == 15, "what came back from the stream is not recorded twice"
            assert agree(restored, late)
            assert not restored.triggers.floor_gaps()
        if stream == "ahead":
            store.ticks.record_tick(tick(3 * HOUR, (BTC, 2 * HOUR), triggers=1))
            before = len(log.events)
            with pytest.raises(Exception, match="taken its place"):
                drain(store, log)
            assert len(log.events) == before, "who goes on with the database before publishes nothing"


def test_a_dump_of_postgres_and_the_stream_agree(
    url: str, postgres: PostgresServer, tmp_path: Path, clock: ReplayClock, sample: pl.DataFrame
) -> None:
    log, new = MemoryLog(), postgres.url_of(tmp_path / "new")
    folder = programs()
    assert folder is not None
    with open_store(url, clock=clock) as store:
        fill(store, sample)
        drain(store, log)
        dump = subprocess.run([folder / "pg_dump", "-Fc", url], check=True, capture_output=True).stdout
        store.ticks.record_tick(tick(2 * HOUR, (BTC, HOUR), triggers=5))
        drain(store, log)
    subprocess.run([folder / "pg_restore", "-d", new], input=dump, check=True)
    with open_store(new, clock=clock) as restored:
        assert restored.triggers.last_seq() == 10
        drain(restored, log)
        assert agree(restored, log)
        assert restored.triggers.last_seq() == 15
