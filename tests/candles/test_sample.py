"""The shipped candles are what their README says, and pass every check."""

import polars as pl
import pytest

from candles.files.reading import read_candles
from candles.quality import CheckedCandles, check, gaps_between
from candles.sample import SAMPLE_FILES
from common.timeframes import show_time, to_ms

PAIRS = {"AVAXUSDT", "BTCUSDT", "DOGEUSDT", "ETHUSDT", "LINKUSDT", "LTCUSDT", "SOLUSDT", "XRPUSDT"}
AFTER = 1_735_689_600_000  # 2025-01-01


@pytest.fixture(scope="module")
def checked() -> dict[str, CheckedCandles]:
    results = (check(read_candles(path), now_ms=AFTER) for path in SAMPLE_FILES)
    return {result.candles["timeframe"][0]: result for result in results}


@pytest.mark.parametrize(
    ("timeframe", "a_pair", "first", "last"),
    [("5m", 9_216, "2024-07-20 00:00", "2024-08-20 23:55"), ("1h", 5_980, "2024-01-01 00:00", "2024-09-06 03:00")],
)
def test_every_row_is_a_candle(
    checked: dict[str, CheckedCandles], timeframe: str, a_pair: int, first: str, last: str
) -> None:
    result = checked[timeframe]
    assert result.quarantined.is_empty()
    assert gaps_between(result.candles) == ()
    assert result.notes == ()
    spans = result.candles.group_by("exchange", "symbol", "timeframe").agg(
        pl.len().alias("rows"), pl.col("open_time").min().alias("first"), pl.col("open_time").max().alias("last")
    )
    assert set(spans["symbol"]) == PAIRS
    for row in spans.iter_rows(named=True):
        assert (row["exchange"], row["timeframe"], row["rows"]) == ("BINANCE", timeframe, a_pair)
        assert (show_time(to_ms(row["first"])), show_time(to_ms(row["last"]))) == (first, last)


def test_hours_are_made_of_their_five_minutes(checked: dict[str, CheckedCandles]) -> None:
    built = (
        checked["5m"]
        .candles.group_by("symbol", pl.col("open_time").dt.truncate("1h"), maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
    )
    both = built.join(checked["1h"].candles, on=["symbol", "open_time"], suffix="_1h")
    assert both.height == built.height == 8 * 32 * 24
    # All eight pairs trade in every five minutes, so the first and last candle of the hour always count.
    for name in ("open", "high", "low", "close"):
        assert both[name].equals(both[f"{name}_1h"])
    assert ((both["volume"] / both["volume_1h"] - 1).abs() < 1e-12).all()


def test_shipped_size() -> None:
    assert sum(path.stat().st_size for path in SAMPLE_FILES) < 2_000_000
    beside = {path.name for path in SAMPLE_FILES[0].parent.iterdir()}
    assert {"README.md", "LICENSE.GeneTrader"} <= beside
