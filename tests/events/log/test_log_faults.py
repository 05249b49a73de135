"""Whatever a server goes through, the log ends up equal to the store: contiguous, in order, complete."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from common import failpoints
from common.errors import EventLogError
from events.log.publisher import drain
from events.log.redis_log import STREAM, RedisEventLog
from registry.store.files.file_store import FileStore
from tests.events.firing import Firing
from tests.events.servers import FaultyServer


@pytest.fixture
def firing(store: FileStore, any_server: FaultyServer) -> Iterator[Firing]:
    client = any_server.client()
    yield Firing(store, RedisEventLog(client))
    client.close()


def test_twenty_publishers_at_once_publish_each_trigger_once(firing: Firing, any_server: FaultyServer) -> None:
    def publish(_: int) -> int:
        client = any_server.client()
        try:
            return drain(firing.store, RedisEventLog(client))
        finally:
            client.close()

    with ThreadPoolExecutor(20) as pool:
        published = 0
        for _ in range(3):
            firing.fire(1_200)
            published += sum(pool.map(publish, range(20)))
    assert published == 3_600
    assert firing.log_is_whole()


def test_a_log_cut_between_look_and_publish_has_no_hole(
    firing: Firing, any_server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    firing.publish(50)
    firing.fire(10)

    def lose_the_end(name: str) -> None:
        if name == "before_publish":
            monkeypatch.setattr(failpoints, "reach", lambda _: None)
            any_server.kill()
            any_server.cut(5_000)
            any_server.start()

    monkeypatch.setattr(failpoints, "reach", lose_the_end)
    # The batch after 50 does not continue what the server still has: it is refused, and what is missing is sent first.
    assert drain(firing.store, firing.log) > 10
    assert firing.log_is_whole()


def test_a_wiped_server_is_filled_again(firing: Firing) -> None:
    firing.publish(1_200)
    firing.log.client.flushall()
    assert firing.publish(3) == 1_203
    assert firing.log_is_whole()


def test_a_full_server_delays_events_and_loses_none(firing: Firing) -> None:
    firing.publish(5)
    firing.log.client.config_set("maxmemory", "1mb")
    with pytest.raises(EventLogError, match=r"OutOfMemory|OOM"):
        firing.publish(2_000)
    with pytest.raises(EventLogError):
        firing.publish(7)
    firing.log.client.config_set("maxmemory", "0")
    assert drain(firing.store, firing.log) == 2_007
    assert firing.log_is_whole()


def test_groups_are_seen_with_what_they_have_not_acknowledged(firing: Firing) -> None:
    firing.publish(10)
    client = firing.log.client
    client.xgroup_create(STREAM, "g", id="0")
    client.xgroup_create(STREAM, "unused", id="$")
    client.xreadgroup("g", "me", {STREAM: ">"}, count=6)
    client.xack(STREAM, "g", "1-0", "2-0", "4-0")
    reading, unused = sorted(firing.log.groups(), key=lambda group: group.name)
    assert (reading.read_seq, reading.oldest_pending, reading.pending, reading.applied_seq) == (6, 3, 3, 2)
    assert reading.idle_ms is not None
    assert (unused.read_seq, unused.applied_seq, unused.idle_ms) == (10, 10, None)
