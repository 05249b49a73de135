"""What every event log promises: it accepts what continues it, belongs to one store, and has no gaps or duplicates."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from common.errors import EventLogAhead, EventLogError
from events.log.redis_log import EventLog, RedisEventLog, owner_name
from tests.events.log.made_events import entries
from tests.events.log.memory_log import MemoryLog
from tests.events.servers import SERVERS, FaultyServer, binary


@pytest.fixture(params=["memory", *SERVERS])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    """An empty log of each kind."""
    if request.param == "memory":
        yield MemoryLog()
        return
    server = FaultyServer(binary(request.param), tmp_path / "server")
    server.start()
    client = server.client()
    yield RedisEventLog(client)
    client.close()
    server.close()


def seqs(log: EventLog) -> list[int]:
    return [entry.seq for entry in log.read(0, 10_000)]


def test_an_empty_log_has_no_owner_and_no_events(log: EventLog) -> None:
    assert log.owner() is None
    assert log.last_seq() == 0
    assert log.read(0, 10) == []
    assert log.newest(10) is None


def test_batches_are_taken_where_they_continue_the_log(log: EventLog) -> None:
    assert log.append("store", 0, entries(1, 2)) == (True, 2)
    assert log.append("store", 2, entries(3)) == (True, 3)
    assert log.last_seq() == 3
    assert log.read(0, 10) == entries(1, 2, 3)


@pytest.mark.parametrize("first", [1, 2, 4, 9])
def test_a_batch_that_does_not_continue_the_log_changes_nothing(log: EventLog, first: int) -> None:
    log.append("store", 0, entries(1, 2))
    assert log.append("store", first - 1, entries(first, first + 1)) == (False, 2)
    assert log.read(0, 10) == entries(1, 2)


def test_numbers_that_no_trigger_has_may_be_missing_inside_a_batch(log: EventLog) -> None:
    assert log.append("store", 0, entries(3, 7)) == (True, 7)
    assert log.append("store", 7, entries(9)) == (True, 9)
    assert seqs(log) == [3, 7, 9]


def test_a_repeated_batch_is_refused_and_doubles_nothing(log: EventLog) -> None:
    assert log.append("store", 0, entries(1, 2)) == (True, 2)
    for _ in range(2):
        assert log.append("store", 0, entries(1, 2)) == (False, 2)
    assert seqs(log) == [1, 2]


def test_a_log_belongs_to_the_store_that_first_appended(log: EventLog) -> None:
    log.append("store", 0, entries(1))
    assert log.owner() == "store"


def test_a_log_belongs_to_the_store_that_first_skipped(log: EventLog) -> None:
    log.skip("store", 0, 5)
    assert log.owner() == "store"


def test_a_refused_batch_makes_nobody_the_owner(log: EventLog) -> None:
    assert log.append("store", 4, entries(5)) == (False, 0)
    assert log.skip("store", 4, 5) == (False, 0)
    assert log.owner() is None


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize(
    "change",
    [lambda log, after: log.append("other", after, entries(after + 1)), lambda log, after: log.skip("other", after, 9)],
    ids=["append", "skip"],
)
def test_another_store_is_refused_whether_or_not_it_continues(
    log: EventLog, change: Callable[[EventLog, int], object], after: int
) -> None:
    log.append("store", 0, entries(1, 2))
    with pytest.raises(EventLogAhead, match=r"another store \(store\)"):
        change(log, after)
    assert log.owner() == "store"
    assert log.last_seq() == 2
    assert log.read(0, 10) == entries(1, 2)


def test_who_publishes_for_the_copy_before_is_refused(log: EventLog) -> None:
    log.append("store", 0, entries(1, 2))
    assert log.generation() == 0
    log.claim(owner_name("store", 2))
    assert (log.owner(), log.generation()) == ("store", 2)
    for before in ("store", owner_name("store", 1)):
        for change in (partial(log.append, before, 2, entries(3)), partial(log.skip, before, 2, 9)):
            with pytest.raises(EventLogError, match="taken its place") as refusal:
                change()
            assert not isinstance(refusal.value, EventLogAhead), "it is tried again"
    assert log.append(owner_name("store", 2), 2, entries(3)) == (True, 3)
    with pytest.raises(EventLogAhead, match=r"another store \(store\)"):
        log.claim("other")
    assert log.owner() == "store"


def test_skipped_numbers_are_used_up_and_hold_no_event(log: EventLog) -> None:
    log.append("store", 0, entries(1))
    assert log.skip("store", 1, 6) == (True, 6)
    assert log.last_seq() == 6
    assert log.append("store", 1, entries(2)) == (False, 6)
    assert log.append("store", 6, entries(7)) == (True, 7)
    assert seqs(log) == [1, 7]


def test_an_empty_log_can_begin_with_a_skip(log: EventLog) -> None:
    assert log.skip("store", 0, 6) == (True, 6)
    assert log.read(0, 10) == []
    assert log.newest(10) is None
    assert log.append("store", 6, entries(7)) == (True, 7)


@pytest.mark.parametrize("after", [0, 4])
def test_a_skip_that_does_not_continue_the_log_changes_nothing(log: EventLog, after: int) -> None:
    log.append("store", 0, entries(1, 2))
    assert log.skip("store", after, 9) == (False, 2)
    assert log.last_seq() == 2


def test_reading_goes_on_after_a_number_up_to_a_limit(log: EventLog) -> None:
    log.append("store", 0, entries(1, 2, 4, 5))
    assert log.read(1, 2) == entries(2, 4)
    assert log.read(2, 10) == entries(4, 5)
    assert log.read(3, 10) == entries(4, 5)
    assert log.read(5, 10) == []


def test_a_wait_is_not_needed_for_what_is_there(log: EventLog) -> None:
    log.append("store", 0, entries(1, 2))
    started = time.monotonic()
    assert log.read(0, 10, wait_ms=5_000) == entries(1, 2)
    assert time.monotonic() - started < 5


def test_a_wait_without_events_ends_without_any(log: EventLog) -> None:
    log.append("store", 0, entries(1))
    started = time.monotonic()
    assert log.read(1, 10, wait_ms=50) == []
    assert time.monotonic() - started >= 0.04


def test_a_wait_ends_with_the_first_event_that_comes(log: EventLog) -> None:
    is_about_to_read = threading.Event()

    def read() -> list[int]:
        is_about_to_read.set()
        return [entry.seq for entry in log.read(1, 10, wait_ms=9_000)]

    log.append("store", 0, entries(1))
    started = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(read)
        assert is_about_to_read.wait(10)
        log.append("store", 1, entries(2))
        assert reading.result(20) == [2]
    assert time.monotonic() - started < 9


@pytest.mark.parametrize(("until", "newest"), [(1, None), (2, 2), (3, 2), (4, 4), (9, 4)])
def test_the_newest_event_up_to_a_number(log: EventLog, until: int, newest: int | None) -> None:
    log.append("store", 0, entries(2, 4))
    entry = log.newest(until)
    assert (entry and entry.seq) == newest
