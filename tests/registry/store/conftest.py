"""One contract, three stores: tests of a store run on files, through the process that owns them, and on Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.clock import Clock, ReplayClock
from registry.store import open_store
from registry.store.protocol import Store
from tests.postgres_server import PostgresServer, postgres_server
from tests.registry.store.serving import TOKEN, OpenAt, serving


@contextmanager
def _files(folder: Path, clock: Clock | None = None, *, read_only: bool = False) -> Iterator[Store]:
    with open_store(f"duckdb:{folder}", clock=clock, read_only=read_only) as store:
        yield store


@contextmanager
def _owner(folder: Path, clock: Clock | None = None, *, read_only: bool = False) -> Iterator[Store]:
    with (
        _files(folder, clock) as owned,
        serving(owned) as url,
        open_store(url, token=TOKEN, read_only=read_only) as store,
    ):
        yield store


_OVER_FILES: dict[str, OpenAt] = {"file": _files, "http": _owner}


@pytest.fixture(params=_OVER_FILES)
def open_files_at(request: pytest.FixtureRequest) -> OpenAt:
    """As ``open_at``, for what only files have: backups, upgrades, and an owner."""
    return _OVER_FILES[request.param]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres server; tests that ask for it are skipped where none is installed."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=[*_OVER_FILES, "postgres"])
def open_at(request: pytest.FixtureRequest) -> Iterator[OpenAt]:
    """Opens the store of a folder, ``open_at(folder, clock=None)``; in Postgres, a database stands for the folder."""
    if request.param != "postgres":
        yield _OVER_FILES[request.param]
        return
    server: PostgresServer = request.getfixturevalue("postgres")

    @contextmanager
    def in_postgres(folder: Path, clock: Clock | None = None, *, read_only: bool = False) -> Iterator[Store]:
        with open_store(server.url_of(folder), clock=clock, read_only=read_only) as store:
            yield store

    yield in_postgres
    server.drop_databases()


@pytest.fixture
def file_store(open_files_at: OpenAt, tmp_path: Path, clock: ReplayClock) -> Iterator[Store]:
    """As ``store``, for what only files have."""
    with open_files_at(tmp_path / "store", clock) as opened:
        yield opened


@pytest.fixture
def store(open_at: OpenAt, tmp_path: Path, clock: ReplayClock) -> Iterator[Store]:
    """An empty store in the folder ``store``."""
    with open_at(tmp_path / "store", clock) as opened:
        yield opened
