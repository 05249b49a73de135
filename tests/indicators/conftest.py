"""Real candles and the cases of the contract: every catalogue entry with several parameter sets."""

import polars as pl
import pytest

import indicators
from tests.indicators.markets import HOURLY, ROOT, columns_of, hourly_markets
from tests.indicators.reference import Columns, parameter_sets


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``case`` is (record, parameters); ``record`` is a record."""
    records = list(indicators.catalogue().values())
    if "case" in metafunc.fixturenames:
        cases = [(record, parameters) for record in records for parameters in parameter_sets(record)]
        names = [f"{record.name}({','.join(f'{value:g}' for value in sets.values())})" for record, sets in cases]
        metafunc.parametrize("case", cases, ids=names)
    elif "record" in metafunc.fixturenames:
        metafunc.parametrize("record", records, ids=[record.name for record in records])


@pytest.fixture(scope="session")
def markets() -> dict[str, Columns]:
    """See :func:`hourly_markets`."""
    if not HOURLY.exists():
        pytest.skip(f"the sample of real candles is missing: {HOURLY.relative_to(ROOT)}")
    return hourly_markets()


@pytest.fixture(scope="session")
def candles(markets: dict[str, Columns]) -> Columns:
    """The columns of one market."""
    return next(iter(markets.values()))


@pytest.fixture(scope="session")
def crash() -> Columns:
    """5-minute candles of one market around the crash of 2024-08-05: a quiet month, a violent day, a quiet month."""
    path = ROOT / "candles" / "sample" / "binance_spot_5m_2024-07-20_2024-08-20.parquet"
    if not path.exists():
        pytest.skip(f"the sample of real candles is missing: {path.relative_to(ROOT)}")
    frame = pl.read_parquet(path)
    rows = frame.filter(pl.col("symbol") == frame["symbol"].min()).sort("open_time")
    return columns_of(rows)


@pytest.fixture(scope="session")
def published() -> tuple[pl.DataFrame, pl.DataFrame]:
    """(candles, values) of a table that somebody else computed with TA-Lib and published."""
    folder = ROOT.parent / "shared" / "vectors" / "talib-btc4h"
    if not folder.exists():
        pytest.skip("the published TA-Lib table may not be redistributed and is not beside this checkout")
    return pl.read_parquet(folder / "candles.parquet"), pl.read_parquet(folder / "expected.parquet")
