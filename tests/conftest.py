"""Real small parts that many tests share: sample candles, a store in a temporary folder, an event log in memory."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, settings

from events.log import Appended
from events.payload import Entry, Event, decode, entry_of
from flows.candles.sample import SAMPLE_FILES
from registry.clock import ReplayClock
from registry.store.file_store import FileStore
from registry.timeframes import to_ms

# How long a machine takes is no promise: examples are neither timed nor given up because others are slow.
settings.register_profile("hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hub")


class MemoryLog:
    """An event log with the promise of the real one: it takes a batch only where it continues."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.marked: str | None = None
        self.skipped = 0

    def owner(self) -> str | None:
        return self.marked

    def last_seq(self) -> int:
        return max(self.skipped, self.events[-1].seq if self.events else 0)

    def append(self, owner: str, after: int, entries: Sequence[Entry]) -> Appended:
        if taken := after == self.last_seq():
            self.marked = owner
            self.events.extend(decode(entry.payload) for entry in entries)
        return Appended(taken, self.last_seq())

    def skip(self, owner: str, after: int, seq: int) -> Appended:
        if taken := after == self.last_seq():
            self.marked, self.skipped = owner, seq
        return Appended(taken, self.last_seq())

    def read(self, after_seq: int, limit: int, *, wait_ms: int = 0) -> list[Entry]:
        found = [event for event in self.events if event.seq > after_seq][:limit]
        if wait_ms and not found:
            time.sleep(min(wait_ms, 20) / 1000)
        return [entry_of(event) for event in found]

    def newest(self, until_seq: int) -> Entry | None:
        found = [event for event in self.events if event.seq <= until_seq]
        return entry_of(found[-1]) if found else None


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
