"""Real candles and the cases of the contract: every catalogue entry with several parameter sets."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from indicator_reference import parameter_sets

import indicators

ROOT = Path(__file__).resolve().parents[2]
PRICES = ("open", "high", "low", "close", "volume")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``case`` is (record, parameters); ``record`` is a record."""
    records = list(indicators.catalogue().values())
    if "case" in metafunc.fixturenames:
        cases = [(record, parameters) for record in records for parameters in parameter_sets(record)]
        names = [f"{record.name}({','.join(f'{value:g}' for value in sets.values())})" for record, sets in cases]
        metafunc.parametrize("case", cases, ids=names)
    elif "record" in metafunc.fixturenames:
        metafunc.parametrize("record", records, ids=[record.name for record in records])


HOURLY = ROOT / "flows" / "candles" / "sample" / "binance_spot_1h_2024.parquet"


@pytest.fixture(scope="session")
def markets() -> dict[str, dict[str, np.ndarray]]:
    """See :func:`hourly_markets`."""
    if not HOURLY.exists():
        pytest.skip(f"the sample of real candles is not there: {HOURLY.relative_to(ROOT)}")
    return hourly_markets()


def hourly_markets() -> dict[str, dict[str, np.ndarray]]:
    """Symbol -> columns: 3,000 hourly candles of each of six markets of the shipped sample."""
    frame = pl.read_parquet(HOURLY).sort("symbol", "open_time")
    found = {}
    for symbol in frame["symbol"].unique().sort().head(6):
        rows = frame.filter(pl.col("symbol") == symbol).head(3000)
        found[symbol] = _columns(rows)
    return found


@pytest.fixture(scope="session")
def candles(markets: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The columns of one market."""
    return next(iter(markets.values()))


@pytest.fixture(scope="session")
def crash() -> dict[str, np.ndarray]:
    """5-minute candles of one market around the crash of 2024-08-05: a quiet month, a violent day, a quiet month."""
    path = ROOT / "flows" / "candles" / "sample" / "binance_spot_5m_2024-07-20_2024-08-20.parquet"
    if not path.exists():
        pytest.skip(f"the sample of real candles is not there: {path.relative_to(ROOT)}")
    frame = pl.read_parquet(path)
    rows = frame.filter(pl.col("symbol") == frame["symbol"].min()).sort("open_time")
    return _columns(rows)


def _columns(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """Prices and the number of the UTC day, which may be torn like any other column; a time could not."""
    days = rows["open_time"].dt.epoch("d").cast(pl.Float64)
    return {column: rows[column].to_numpy().copy() for column in PRICES} | {"day": days.to_numpy().copy()}


@pytest.fixture(scope="session")
def published() -> tuple[pl.DataFrame, pl.DataFrame]:
    """(candles, values) of a table that somebody else computed with TA-Lib and published."""
    folder = ROOT.parent / "shared" / "vectors" / "talib-btc4h"
    if not folder.exists():
        pytest.skip("the published TA-Lib table may not be redistributed and is not beside this checkout")
    return pl.read_parquet(folder / "candles.parquet"), pl.read_parquet(folder / "expected.parquet")
