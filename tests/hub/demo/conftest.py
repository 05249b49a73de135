"""Data folders for demos that run as real processes, and the oracle that knows what they should find."""

from collections.abc import Callable, Iterator

import pytest

from tests.hub.demo.oracle import Oracle
from tests.hub.demo.processes import DemoFolder


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], DemoFolder]]:
    """Makes empty data folders; whatever still runs in them at the end is ended."""
    folders: list[DemoFolder] = []

    def make(name: str) -> DemoFolder:
        folders.append(DemoFolder(tmp_path_factory.mktemp(name)))
        return folders[-1]

    yield make
    for folder in folders:
        folder.clear()


@pytest.fixture(scope="session")
def candles() -> Oracle:
    """The oracle on the sample's candles."""
    return Oracle()
