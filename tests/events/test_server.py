"""The bundled Valkey: one for each folder, for this user alone; and servers that are refused."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest

from common.errors import EventServerError
from common.supervised import free_port
from events.log.redis_log import RedisEventLog
from events.server import BundledServer, connect_to
from tests.events.log.made_events import entries
from tests.events.servers import wait_until_on_disk
from tests.waiting import wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BundledServer]:
    started = BundledServer(tmp_path / "events").start()
    yield started
    started.stop()


def test_events_are_on_disk_after_a_kill_of_the_server(tmp_path: Path) -> None:
    server = BundledServer(tmp_path / "events").start()
    client = server.connect()
    RedisEventLog(client).append("store", 0, entries(*range(1, 101)))
    wait_until_on_disk(client)
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    client.close()
    wait_for(lambda: server.pid is None, "the server to be gone")
    server.stop()
    again = BundledServer(tmp_path / "events").start()
    client = again.connect()
    assert RedisEventLog(client).read(0, 1_000) == entries(*range(1, 101))
    client.close()
    again.stop()


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
    assert processes_in(folder) == [server.pid]
    server.stop()
    assert processes_in(folder) == []


def processes_in(folder: Path) -> list[int]:
    """Processes whose working directory is a folder."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or belongs to another user
            if (process / "cwd").readlink() == folder:
                pids.append(int(process.name))
    return pids


def test_a_pid_of_another_process_is_not_ours(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    folder.mkdir()
    (folder / "valkey.pid").write_text(f"{os.getpid()} 12345")
    server = BundledServer(folder).start()
    assert server.pid not in (None, os.getpid())
    server.stop()


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(EventServerError, match=rf"port {port} .* HUB_REDIS_PORT"):
            BundledServer(tmp_path / "events", port=port).start()


def test_a_requested_port_is_used_and_wants_the_password(tmp_path: Path) -> None:
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


def test_a_server_that_does_not_run_is_named_with_the_way_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(EventServerError, match=r"is not running; start it with `hub up`.*REDIS_URL"):
        BundledServer(tmp_path / "events").connect_running()


def test_an_error_about_a_server_that_does_not_answer_hides_its_password() -> None:
    with pytest.raises(EventServerError, match="REDIS_URL") as refused:
        connect_to(f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    assert "hunter2" not in str(refused.value)


def test_an_error_about_a_url_of_something_else_hides_its_password() -> None:
    with pytest.raises(EventServerError, match=r"redis://127\.0\.0\.1") as refused:
        connect_to("postgres://me:hunter2@127.0.0.1/db")
    assert "hunter2" not in str(refused.value)


def test_a_server_that_may_evict_is_refused(server: BundledServer, tmp_path: Path) -> None:
    client = server.connect()
    client.config_set("maxmemory-policy", "allkeys-lru")
    port = client.config_get("port")["port"]
    client.close()
    assert port is not None
    password = (tmp_path / "events" / "password").read_text()
    with pytest.raises(EventServerError, match="noeviction"):
        connect_to(f"redis://:{password}@127.0.0.1:{int(port)}/0")
