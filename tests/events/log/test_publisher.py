"""Draining: whatever the log already has, and however many publish, every trigger ends up there once, in order."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from common.errors import EventLogError
from events.log.payload import Entry
from events.log.publisher import BATCH, drain
from events.log.redis_log import Appended, RedisEventLog
from events.server import BundledServer
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog
from tests.registry.store.ticks import BTC, HOUR, tick


@pytest.fixture
def full(store: FileStore) -> FileStore:
    """A store with 3 * BATCH + 7 triggers in four ticks."""
    for number, count in enumerate((BATCH, BATCH + 3, 0, BATCH + 4), 1):
        store.ticks.record_tick(tick(number * HOUR, (BTC, (number - 1) * HOUR if number > 1 else None), triggers=count))
    return store


TOTAL = 3 * BATCH + 7


def test_everything_goes_to_a_real_server_in_order(full: FileStore, tmp_path: Path) -> None:
    server = BundledServer(tmp_path / "events").start()
    client = server.connect()
    try:
        log = RedisEventLog(client)
        assert drain(full, log) == TOTAL
        assert drain(full, log) == 0
        events = [entry.event for entry in log.read(0, 10_000)]
        rows = full.triggers.after(0, 10_000)
        assert [(event.seq, event.trigger_id, event.price) for event in events] == list(
            zip(rows["seq"], rows["trigger_id"], rows["price"], strict=True)
        )
        assert events[0].values == {"rsi(14, close)": 29.5}
    finally:
        client.close()
        server.stop()


def test_a_log_that_lost_its_end_gets_it_again(full: FileStore, log: MemoryLog) -> None:
    drain(full, log)
    del log.events[300:]
    assert drain(full, log) == TOTAL - 300
    assert [event.seq for event in log.events] == list(range(1, TOTAL + 1))


def test_a_log_that_lost_everything_gets_everything(full: FileStore, log: MemoryLog) -> None:
    drain(full, log)
    log.events.clear()
    assert drain(full, log) == TOTAL


class ShorterOnce(MemoryLog):
    """A server that comes back with a shorter log, once, between the publisher's look and its write."""

    def __init__(self) -> None:
        super().__init__()
        self.was_cut = False

    def append(self, owner: str, after: int, entries: Sequence[Entry]) -> Appended:
        if after >= 2 * BATCH and not self.was_cut:
            self.was_cut = True
            del self.events[50:]
        return super().append(owner, after, entries)


def test_a_shorter_log_between_look_and_write_leaves_no_hole(full: FileStore) -> None:
    log = ShorterOnce()
    drain(full, log)
    assert log.was_cut
    assert [event.seq for event in log.events] == list(range(1, TOTAL + 1))


class Deaf(MemoryLog):
    """A log that accepts nothing."""

    def append(self, owner: str, after: int, entries: Sequence[Entry]) -> Appended:
        return Appended(False, self.last_seq())


def test_a_log_that_takes_nothing_is_given_up_with_an_error(full: FileStore) -> None:
    with pytest.raises(EventLogError, match="does not accept what follows trigger 0"):
        drain(full, Deaf())
