"""A hub for bots, and candles of the crash of August 2024."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.timeframes import to_ms
from events.log.redis_log import RedisEventLog
from registry.store.files.file_store import FileStore
from tests.bots.executor.lab import Lab
from tests.events.servers import FaultyServer, binary

START = datetime(2024, 8, 3, tzinfo=UTC)
END = datetime(2024, 8, 7, tzinfo=UTC)


@pytest.fixture
def crash(sample: pl.DataFrame) -> pl.DataFrame:
    """Four days of BTCUSDT around the crash, 5m and 1h."""
    return sample.filter(
        (pl.col("symbol") == "BTCUSDT") & pl.col("open_time").is_between(START, END, closed="left")
    ).sort("open_time", "timeframe")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An empty hub at the start of the candles."""
    clock = ReplayClock(to_ms(START))
    server = FaultyServer(binary("valkey"), tmp_path / "server")
    server.start()
    client = server.client()
    with FileStore(tmp_path / "store", clock=clock) as store:
        yield Lab(store, RedisEventLog(client), clock, tmp_path)
    client.close()
    server.close()
