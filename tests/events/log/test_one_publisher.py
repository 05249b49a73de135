"""Of several processes on one store in Postgres, one publishes at a time; another takes over when it dies."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import ReplayClock
from events.log.publisher import drain
from registry.store import open_store
from registry.store.protocol import SharedStore
from tests.events.log.memory_log import MemoryLog
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
