"""A hub with the sample's 1h candles up to the start of 5 August 2024."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from tests.condition_hub.served_hub import ServedHub, open_hub

DAY = datetime(2024, 8, 5, tzinfo=UTC)


@pytest.fixture(scope="session")
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    """BTC and ETH, 1h, two weeks around ``DAY``, oldest first."""
    near = pl.col("open_time").is_between(DAY - timedelta(days=12), DAY + timedelta(days=2))
    wanted = pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"]) & (pl.col("timeframe") == "1h")
    return sample.filter(wanted & near).sort("open_time")


@pytest.fixture
def hub(tmp_path: Path, clock: ReplayClock, hourly: pl.DataFrame) -> Iterator[ServedHub]:
    """Served, with candles up to ``DAY``."""
    with open_hub(tmp_path, clock) as made, made.serving():
        made.store.candles.upsert(hourly.filter(pl.col("open_time") < DAY))
        yield made
