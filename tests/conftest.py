"""Real small parts that many tests share: sample candles, a store in a temporary folder, an event log in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

from events.payload import Event
from flows.candles.sample import SAMPLE_FILES
from registry.clock import ReplayClock
from registry.store.file_store import FileStore
from registry.timeframes import to_ms


class MemoryLog:
    """An event log with the promise of the real one: it takes a batch only where it continues."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def last_seq(self) -> int:
        return self.events[-1].seq if self.events else 0

    def append(self, events: Sequence[Event]) -> int:
        if events[0].seq == self.last_seq() + 1:
            self.events.extend(events)
        return self.last_seq()


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
