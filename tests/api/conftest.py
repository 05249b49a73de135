"""A hub that tests of the API share."""

from collections.abc import Iterator

import polars as pl
import pytest

from tests.api.served_hub import Hub


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, sample: pl.DataFrame) -> Iterator[Hub]:
    """A hub that many tests share: each takes users of its own."""
    with Hub(tmp_path_factory.mktemp("hub"), sample) as served:
        yield served
