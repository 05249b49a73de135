"""Real small parts that many tests share: sample candles, a store in a temporary folder, an event log in memory."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, settings

from candles.sample import SAMPLE_FILES
from common.clock import ReplayClock
from common.timeframes import to_ms
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog

# How long a machine takes is no promise: examples are neither timed nor given up because others are slow.
settings.register_profile("hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hub")

# Folders whose files take longest: they wait for processes. Begun last, one of them would run on alone.
LONGEST_FIRST = ("chaos", "hub", "attacks", "engine", "events", "flows")

# Prefect logs to the standard error of the test that was the first to use it, which may be closed by then; a test that
# logs badly still fails, by pytest's own handler.
logging.raiseExceptions = False

# Only the tests of the worker need one: it starts Prefect's server.
os.environ["HUB_WITHOUT"] = "worker,bots,dashboard"


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are processors, as many tests wait for other processes."""
    return min((os.cpu_count() or 1) + 1, 4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def sample() -> pl.DataFrame:
    """The candles that ship with the project, with their exchange."""
    frames = [pl.read_parquet(path) for path in SAMPLE_FILES]
    return pl.concat(frames).select(pl.lit("BINANCE").alias("exchange"), pl.all())


@pytest.fixture
def clock() -> ReplayClock:
    """A clock that stands at the start of the crash's day."""
    from datetime import UTC, datetime

    return ReplayClock(to_ms(datetime(2024, 8, 5, tzinfo=UTC)))


@pytest.fixture
def store(tmp_path: Path, clock: ReplayClock) -> Iterator[FileStore]:
    """An empty store."""
    with FileStore(tmp_path / "store", clock=clock) as opened:
        yield opened


@pytest.fixture
def log() -> MemoryLog:
    """An empty event log."""
    return MemoryLog()
