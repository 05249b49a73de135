"""One hub for all pages."""

from collections.abc import Iterator, Mapping

import pytest

from tests.docs.documented_hub import documented_hub


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A shell in which ``hub`` and ``$HUB`` are there."""
    with documented_hub(tmp_path_factory.mktemp("hub")) as made:
        yield made
