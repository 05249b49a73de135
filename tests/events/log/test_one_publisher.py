"""Of several processes on one store in Postgres, one publishes at a time; another takes over when it dies."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from common.clock import ReplayClock
from events.log.publisher import BATCH, drain
from events.log.redis_log import RedisEventLog
from registry.store import open_store
from registry.store.protocol import SharedStore
from tests.events.log.memory_log import MemoryLog
from tests.events.servers import FaultyServer, binary
from tests.postgres_server import PostgresServer, postgres_server
from tests.registry.store.ticks import BTC, HOUR, tick
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def test_who_waits_takes_over_from_who_died(postgres: PostgresServer, tmp_path: Path, clock: ReplayClock) -> None:
    import psycopg

    url, log = postgres.url_of(tmp_path), MemoryLog()
    with (
        open_store(url, clock=clock) as dying,
        open_store(url, clock=clock) as waiting,
        psycopg.connect(url, autocommit=True) as onlooker,
    ):
        assert isinstance(dying, SharedStore)
        dying.ticks.record_tick(tick(HOUR, (BTC, None), triggers=3))
        with dying.publishing():
            publisher = threading.Thread(target=lambda: drain(waiting, log))
            publisher.start()
            waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            wait_for(lambda: onlooker.execute(waits).fetchall()[0][0] == 1, "the other to wait")
            assert log.last_seq() == 0
            # What becomes of a process that is killed: its session ends.
            onlooker.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            publisher.join()
        assert log.last_seq() == 3
        assert drain(dying, log) == 0


PUBLISHER = """
import sys
from events.log.publisher import drain
from events.log.redis_log import RedisEventLog
from events.server import connect_to
from registry.store import open_store
with open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    drain(store, RedisEventLog(connect_to(sys.argv[2])))
"""
"""A process that publishes what there is, once it is told to."""


@pytest.mark.parametrize("step", ["before_publish:2", "after_publish:2"])
def test_when_the_publisher_is_killed_the_next_one_loses_and_doubles_nothing(
    postgres: PostgresServer, tmp_path: Path, clock: ReplayClock, step: str
) -> None:
    url, server, root = postgres.url_of(tmp_path), FaultyServer(binary("valkey"), tmp_path), Path(__file__).parents[3]
    server.start()
    processes: list[subprocess.Popen[str]] = []

    def publisher(**environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, url, f"unix://{server.socket}"],
            env={**os.environ, "PYTHONPATH": str(root), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    try:
        with open_store(url, clock=clock) as store, closing(server.client()) as client:
            store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=3 * BATCH - 500))
            paused = tmp_path / "paused"
            first = publisher(HUB_FAILPOINT=f"before_publish:1:pause={paused},{step}")
            _go(first)
            wait_for(paused.exists, "the first to have the lock")
            others = [publisher() for _ in range(2)]
            for other in others:
                _go(other)
            assert client.xlen("triggers") == 0, "the others wait for the first"
            paused.unlink()
            assert first.wait(60) == -signal.SIGKILL
            assert [other.wait(60) for other in others] == [0, 0]
            entries = RedisEventLog(client).read(0, 10_000)
            assert [entry.seq for entry in entries] == list(range(1, store.triggers.last_seq() + 1))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
        server.close()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
