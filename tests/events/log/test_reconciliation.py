"""A restored backup of the store takes back what its log knows; the log of another store is refused."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import ReplayClock
from common.errors import EventLogAhead
from events import metrics
from events.log.publisher import drain
from events.log.reconciliation import reconcile
from events.log.redis_log import OWNER, STREAM, RedisEventLog
from registry.store.files.file_store import FileStore
from tests.events.firing import Firing
from tests.events.servers import FaultyServer
from tests.registry.store.ticks import BTC, HOUR, tick


@pytest.fixture
def restored(tmp_path: Path, clock: ReplayClock, server: FaultyServer) -> Iterator[Firing]:
    """A backup with 30 triggers in three ticks, whose log has 60 in six."""
    client = server.client()
    log = RedisEventLog(client)
    with FileStore(tmp_path / "first", clock=clock) as store:
        firing = Firing(store, log)
        for _ in range(3):
            firing.publish(10)
    shutil.copytree(tmp_path / "first", tmp_path / "backup")
    with FileStore(tmp_path / "first", clock=clock) as store:
        firing = Firing(store, log)
        firing.ticks = 3
        for _ in range(3):
            firing.publish(10)
    with FileStore(tmp_path / "backup", clock=clock) as store:
        firing = Firing(store, log)
        firing.ticks = 3
        yield firing
    client.close()


def test_a_restored_backup_gets_back_what_the_log_knows(restored: Firing, caplog: pytest.LogCaptureFixture) -> None:
    before = metrics.METRICS.get_sample_value("hub_triggers_restored_total")
    published = restored.log.read(30, 100)
    with caplog.at_level(logging.ERROR):
        assert reconcile(restored.store, restored.log) == 30
    assert "older backup" in caplog.text
    assert metrics.METRICS.get_sample_value("hub_triggers_restored_total") == (before or 0) + 30
    assert restored.log_is_whole()
    rows = restored.store.triggers.after(30, 100)
    assert [tuple(row) for row in rows.select("seq", "trigger_id", "price", "values").rows()] == [
        (entry.seq, entry.event.trigger_id, entry.event.price, '{"rsi(14, close)":29.5}') for entry in published
    ]
    assert reconcile(restored.store, restored.log) == 0


def test_ticks_that_are_judged_again_fire_nothing_twice(restored: Firing) -> None:
    reconcile(restored.store, restored.log)
    for _ in range(3):
        assert restored.publish(10) == 0
    assert restored.publish(4) == 4
    assert restored.store.triggers.last_seq() == 64
    assert restored.log_is_whole()


def test_draining_alone_brings_them_together_too(restored: Firing) -> None:
    assert drain(restored.store, restored.log) == 0
    assert restored.store.triggers.last_seq() == 60


def test_numbers_that_were_trimmed_away_are_never_used_again(restored: Firing) -> None:
    restored.log.client.xtrim(STREAM, minid="41-0", approximate=False)
    assert reconcile(restored.store, restored.log) == 20
    assert restored.store.triggers.floor_gaps() == [(31, 40)]
    assert restored.publish(10) == 10, "what was trimmed away is judged again and gets new numbers"
    assert [entry.seq for entry in restored.log.read(0, 100)] == list(range(41, 71))


def test_a_log_without_any_events_left_still_says_where_numbers_go_on(restored: Firing) -> None:
    restored.log.client.xtrim(STREAM, maxlen=0, approximate=False)
    assert reconcile(restored.store, restored.log) == 0
    assert restored.store.triggers.floor_gaps() == [(31, 60)]
    restored.publish(2)
    assert restored.log.last_seq() == 62


def test_a_wiped_log_jumps_over_numbers_that_no_trigger_has(restored: Firing) -> None:
    restored.log.client.xtrim(STREAM, minid="41-0", approximate=False)
    reconcile(restored.store, restored.log)
    restored.log.client.flushall()
    drain(restored.store, restored.log)
    assert [entry.seq for entry in restored.log.read(0, 100)] == [*range(1, 31), *range(41, 61)]


def test_a_wiped_log_goes_on_after_numbers_at_the_end_that_no_trigger_has(restored: Firing) -> None:
    restored.log.client.xtrim(STREAM, maxlen=0, approximate=False)
    reconcile(restored.store, restored.log)
    restored.log.client.flushall()
    assert drain(restored.store, restored.log) == 30
    assert restored.log.last_seq() == 60
    restored.publish(1)
    assert restored.log.last_seq() == 61


def test_the_log_of_another_store_is_refused(firing: Firing, tmp_path: Path) -> None:
    firing.publish(5)
    with FileStore(tmp_path / "other") as other:
        for triggers in (0, 9):
            if triggers:
                other.ticks.record_tick(tick(HOUR, (BTC, None), triggers=triggers))
            with pytest.raises(EventLogAhead, match=r"another store.*REDIS_URL or HUB_DATA_DIR at"):
                reconcile(other, firing.log)
            with pytest.raises(EventLogAhead):
                drain(other, firing.log)
    assert firing.log_is_whole()


def test_a_log_without_a_mark_is_known_by_its_triggers(firing: Firing, tmp_path: Path) -> None:
    firing.publish(5)
    firing.log.client.delete(OWNER)
    assert reconcile(firing.store, firing.log) == 0
    with FileStore(tmp_path / "other") as other:
        with pytest.raises(EventLogAhead):
            reconcile(other, firing.log)
        other.ticks.record_tick(tick(7 * HOUR, (BTC, None), triggers=9))
        with pytest.raises(EventLogAhead, match=r"number 5 is .* there and .* here"):
            reconcile(other, firing.log)
    firing.publish(1)
    assert firing.log.owner() == firing.store.identity()


def test_a_backup_that_went_on_by_itself_is_refused(restored: Firing) -> None:
    """Restored while the log's server was away, and judged on: the numbers stand for other triggers by then."""
    restored.ticks += 4
    restored.store.ticks.record_tick(tick(restored.ticks * HOUR, (BTC, 3 * HOUR), triggers=5))
    with pytest.raises(EventLogAhead, match="restore it once more"):
        reconcile(restored.store, restored.log)
