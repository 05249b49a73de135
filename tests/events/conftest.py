"""Event servers, and a store with its log on one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from events.log.redis_log import RedisEventLog
from registry.store.files.file_store import FileStore
from tests.events.firing import Firing
from tests.events.servers import SERVERS, FaultyServer, binary


@pytest.fixture(params=SERVERS)
def any_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FaultyServer]:
    """A running server of each kind."""
    server = FaultyServer(binary(request.param), tmp_path / "server")
    server.start()
    yield server
    server.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    """A running Valkey."""
    started = FaultyServer(binary("valkey"), tmp_path / "server")
    started.start()
    yield started
    started.close()


@pytest.fixture
def firing(store: FileStore, server: FaultyServer) -> Iterator[Firing]:
    """An empty store with its log."""
    client = server.client()
    yield Firing(store, RedisEventLog(client))
    client.close()
