"""The event log on a real Valkey: its stream and channels, trimming, and a server without memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from common.errors import EventLogError
from events.log.payload import channel, decode, entry_of
from events.log.redis_log import STREAM, RedisEventLog
from events.server import BundledServer
from tests.events.log.made_events import entries, event
from tests.events.servers import listen


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BundledServer]:
    started = BundledServer(tmp_path / "events").start()
    yield started
    started.stop()


@pytest.fixture
def client(server: BundledServer) -> Iterator[redis.Redis]:
    opened = server.connect()
    yield opened
    opened.close()


def seqs(log: RedisEventLog) -> list[int]:
    return [entry.seq for entry in log.read(0, 10_000)]


def test_the_ids_of_the_stream_are_the_numbers_of_the_triggers(client: redis.Redis) -> None:
    RedisEventLog(client).append("store", 0, entries(1, 2, 3))
    assert client.xinfo_stream(STREAM)["last-generated-id"] == b"3-0"


def test_every_event_is_published_on_its_conditions_channel(client: redis.Redis) -> None:
    listener = listen(client, "condition.*.triggered")
    RedisEventLog(client).append("store", 0, [entry_of(event(1, "a" * 32)), entry_of(event(2, "b" * 32))])
    messages = [listener.get_message(timeout=5) for _ in range(2)]
    assert [(message["channel"].decode(), decode(message["data"])) for message in messages] == [
        (channel("a" * 32), event(1, "a" * 32)),
        (channel("b" * 32), event(2, "b" * 32)),
    ]
    listener.close()


def test_the_newest_id_outlives_trimming(client: redis.Redis) -> None:
    log = RedisEventLog(client)
    log.append("store", 0, entries(1, 2, 3))
    client.xtrim(STREAM, maxlen=0, approximate=False)
    assert log.last_seq() == 3
    assert log.append("store", 3, entries(4)) == (True, 4)
    assert seqs(log) == [4]


def test_a_full_memory_fails_loudly_and_leaves_no_part_of_a_batch(client: redis.Redis) -> None:
    log = RedisEventLog(client)
    log.append("store", 0, entries(1))
    client.config_set("maxmemory", "1mb")
    with pytest.raises(EventLogError, match=r"OutOfMemory|OOM"):
        log.append("store", 1, entries(2, 3))
    client.config_set("maxmemory", "0")
    assert seqs(log) == [1]
    assert log.append("store", 1, entries(2)) == (True, 2)


def test_what_cannot_be_read_is_passed_over_and_said_once(
    client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    log = RedisEventLog(client)
    log.append("store", 0, entries(1))
    client.xadd(STREAM, {"event": "no json"}, id="2-0")
    client.xadd(STREAM, {"something": "else"}, id="3-0")
    client.xadd(STREAM, {"event": entries(1)[0].payload}, id="4-0")  # the event of another number
    assert seqs(log) == [1]
    assert log.read(1, 1) == []
    assert log.read(1, 1, wait_ms=1) == []
    assert log.newest(10) == log.newest(1) == entries(1)[0]
    assert log.newest(0) is None
    assert log.append("store", 4, entries(5)) == (True, 5)
    assert log.read(1, 1, wait_ms=1) == entries(5)
    assert seqs(log) == [1, 5]
    assert [line.split()[1] for line in caplog.messages] == ["2-0", "3-0", "4-0"]
