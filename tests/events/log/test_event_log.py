"""The event log on a real Valkey: no hole, no double, whatever the server or the publisher goes through."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest
import redis

from common.errors import EventLogError, EventServerError
from common.settings import load_settings
from common.supervised import free_port
from events.log.payload import Entry, Event, channel, decode, encode, entry_of
from events.log.redis_log import STREAM, RedisEventLog
from events.opening import open_log
from events.server import BundledServer, connect_to


def event(seq: int, condition_id: str = "c" * 32) -> Event:
    return Event(
        trigger_id=f"{condition_id}:{seq}",
        seq=seq,
        condition_id=condition_id,
        exchange="BINANCE",
        symbol="BTCUSDT",
        timeframe="1h",
        open_time=seq - 1,
        close_time=seq,
        values={"rsi(14, close)": 29.5, "close": None},
        price=50_000.5,
        settled=True,
        late=False,
        definition_version="rsi=1",
        emitted_at=seq,
    )


def entries(*seqs: int) -> list[Entry]:
    return [entry_of(event(seq)) for seq in seqs]


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
    return [held.seq for held in log.read(0, 10_000)]


def test_an_event_survives_its_encoding() -> None:
    assert decode(encode(event(3))) == event(3)


def test_a_payload_speaks_of_the_condition_alone() -> None:
    assert Event.__struct_fields__ == (
        *("trigger_id", "seq", "condition_id", "exchange", "symbol", "timeframe", "open_time", "close_time"),
        *("values", "price", "settled", "late", "definition_version", "emitted_at"),
    )


def test_batches_go_in_where_the_log_continues(client: redis.Redis) -> None:
    log = RedisEventLog(client)
    assert log.last_seq() == 0
    assert log.append("store", 0, entries(1, 2)) == (True, 2)
    assert log.append("store", 2, entries(3)) == (True, 3)
    assert [held.event for held in log.read(0, 10)] == [event(1), event(2), event(3)]
    assert client.xinfo_stream(STREAM)["last-generated-id"] == b"3-0"


@pytest.mark.parametrize("first", [1, 2, 4, 9])
def test_a_batch_that_does_not_continue_changes_nothing(client: redis.Redis, first: int) -> None:
    log = RedisEventLog(client)
    log.append("store", 0, entries(1, 2))
    assert log.append("store", first - 1, entries(first, first + 1)) == (False, 2)
    assert seqs(log) == [1, 2]


def test_every_event_is_published_on_its_conditions_channel(client: redis.Redis, server: BundledServer) -> None:
    listener = server.connect().pubsub()
    listener.psubscribe("condition.*.triggered")
    assert listener.get_message(timeout=5)["type"] == "psubscribe"
    RedisEventLog(client).append("store", 0, [entry_of(event(1, "a" * 32)), entry_of(event(2, "b" * 32))])
    heard = [listener.get_message(timeout=5) for _ in range(2)]
    assert [(held["channel"].decode(), decode(held["data"])) for held in heard] == [
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


def test_events_are_on_disk_after_a_kill_of_the_server(tmp_path: Path) -> None:
    server = BundledServer(tmp_path / "events").start()
    client = server.connect()
    RedisEventLog(client).append("store", 0, entries(*range(1, 101)))
    # The append-only file is written once a second.
    wait_for(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0)
    time.sleep(1.1)
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    client.close()
    wait_for(lambda: server.pid is None)
    server.stop()
    again = BundledServer(tmp_path / "events").start()
    opened = again.connect()
    assert seqs(RedisEventLog(opened)) == list(range(1, 101))
    opened.close()
    again.stop()


def test_a_server_that_dies_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held: list[int] = []
    file = tmp_path / "events" / "valkey.pid"
    with open_log(load_settings(data_dir=tmp_path)) as log:
        log.append("store", 0, entries(1))
        pids = [int(file.read_text().split()[0])]
        for _ in range(2):
            wait_for(lambda: log.client.info("persistence")["aof_pending_bio_fsync"] == 0)
            time.sleep(1.1)
            os.kill(pids[-1], signal.SIGKILL)
            wait_for(lambda: file.exists() and file.read_text().split()[:1] not in ([], [str(pids[-1])]))
            wait_for(lambda: answers(log))
            pids.append(int(file.read_text().split()[0]))
            held += seqs(log)
    assert held == [1, 1], "with what it had on disk"
    assert caplog.text.count("it was started again") == 2


def test_a_server_that_cannot_be_started_again_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[None] = []

    def full(_: BundledServer) -> bool:
        tried.append(None)
        raise OSError("no space left on device")

    file = tmp_path / "events" / "valkey.pid"
    with open_log(load_settings(data_dir=tmp_path)) as log:
        with monkeypatch.context() as patched:
            patched.setattr(BundledServer, "revive", full)
            os.kill(int(file.read_text().split()[0]), signal.SIGKILL)
            wait_for(lambda: bool(tried))
        wait_for(lambda: answers(log))


def answers(log: RedisEventLog) -> bool:
    try:
        return log.last_seq() >= 0
    except EventLogError:
        return False


def test_a_second_start_adopts_the_running_server(tmp_path: Path) -> None:
    first = BundledServer(tmp_path / "events").start()
    second = BundledServer(tmp_path / "events").start()
    assert first.pid == second.pid is not None
    second.stop()
    assert first.pid is None
    first.stop()


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="the system does not tell what runs")
def test_a_start_that_is_killed_leaves_no_server_that_nobody_knows(tmp_path: Path) -> None:
    dying = """
        import os, signal, subprocess, sys
        from pathlib import Path
        from events.server import BundledServer

        class Last(subprocess.Popen):
            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                os.kill(os.getpid(), signal.SIGKILL)

        subprocess.Popen = Last
        BundledServer(Path(sys.argv[1])).start()
    """
    folder = tmp_path / "events"
    starter = subprocess.run([sys.executable, "-c", dedent(dying), str(folder)], check=False)
    assert starter.returncode == -signal.SIGKILL
    server = BundledServer(folder).start()
    assert living_in(folder) == [server.pid]
    server.stop()
    assert living_in(folder) == []


def living_in(folder: Path) -> list[int]:
    """Processes that work in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or belongs to somebody else
            if (place / "cwd").readlink() == folder:
                found.append(int(place.name))
    return found


def test_a_pid_of_another_process_is_not_ours(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    folder.mkdir()
    (folder / "valkey.pid").write_text(f"{os.getpid()} 12345")
    server = BundledServer(folder).start()
    assert server.pid not in (None, os.getpid())
    server.stop()


def test_a_busy_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(EventServerError, match=rf"port {port} .* HUB_REDIS_PORT"):
            BundledServer(tmp_path / "events", port=port).start()


def test_a_wished_port_is_taken_and_wants_the_password(tmp_path: Path) -> None:
    port = free_port()
    server = BundledServer(tmp_path / "events", port=port).start()
    try:
        with pytest.raises(EventServerError, match="does not answer"):
            connect_to(f"redis://127.0.0.1:{port}/0")
        password = (tmp_path / "events" / "password").read_text()
        client = connect_to(f"redis://:{password}@127.0.0.1:{port}/0")
        assert RedisEventLog(client).append("store", 0, entries(1)) == (True, 1)
        client.close()
    finally:
        server.stop()


def test_secrets_are_for_this_user_alone(server: BundledServer, tmp_path: Path) -> None:
    for name in ("password", "valkey.conf"):
        assert (tmp_path / "events" / name).stat().st_mode & 0o077 == 0


def test_a_long_path_still_has_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("deep-" * 20) / "events"
    server = BundledServer(folder).start()
    client = server.connect()
    assert client.ping()
    client.close()
    server.stop()


def test_a_server_that_does_not_answer_is_said_without_its_password() -> None:
    with pytest.raises(EventServerError, match="REDIS_URL") as refused:
        connect_to(f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    assert "hunter2" not in str(refused.value)


def test_a_url_of_something_else_is_refused_without_its_password() -> None:
    with pytest.raises(EventServerError, match=r"redis://127\.0\.0\.1") as refused:
        connect_to("postgres://me:hunter2@127.0.0.1/db")
    assert "hunter2" not in str(refused.value)


def test_a_server_that_may_evict_is_refused(client: redis.Redis, tmp_path: Path) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    password = (tmp_path / "events" / "password").read_text()
    port = int(client.config_get("port")["port"])
    with pytest.raises(EventServerError, match="noeviction"):
        connect_to(f"redis://:{password}@127.0.0.1:{port}/0")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
