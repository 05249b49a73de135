"""One contract, two stores: tests of a store run on the files themselves and through the process that owns them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.clock import Clock, ReplayClock
from registry.store import open_store
from registry.store.protocol import Store
from tests.registry.store.serving import TOKEN, OpenAt, serving


@contextmanager
def _files(folder: Path, clock: Clock | None = None) -> Iterator[Store]:
    with open_store(f"duckdb:{folder}", clock=clock) as store:
        yield store


@contextmanager
def _owner(folder: Path, clock: Clock | None = None) -> Iterator[Store]:
    with _files(folder, clock) as owned, serving(owned) as url, open_store(url, token=TOKEN) as store:
        yield store


@pytest.fixture(params=[_files, _owner], ids=["file", "http"])
def open_at(request: pytest.FixtureRequest) -> OpenAt:
    """Opens the store of a folder, ``open_at(folder, clock=None)``."""
    opener: OpenAt = request.param
    return opener


@pytest.fixture
def store(open_at: OpenAt, tmp_path: Path, clock: ReplayClock) -> Iterator[Store]:
    """An empty store in the folder ``store``."""
    with open_at(tmp_path / "store", clock) as opened:
        yield opened
