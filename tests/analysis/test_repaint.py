"""``analysis.repaint``: firings on forming candles that the close took back, counted as a person would count them."""

import polars as pl
import pytest

import analysis
from candles.sample import SAMPLE_FILES
from common.errors import CandlesMissing
from tests.analysis.backtesting.candles import HOUR_MS, START_MS, sample

PARTS = 4
"""Smaller candles of 15 minutes in an hour."""


def quarters(closes: list[list[float]]) -> pl.DataFrame:
    """Candles of 15 minutes with those closes, four an hour."""
    flat = [close for hour in closes for close in hour]
    opens = [START_MS + HOUR_MS // PARTS * number for number in range(len(flat))]
    return pl.DataFrame(
        {
            "symbol": "BTCUSDT",
            "timeframe": "15m",
            "open_time": pl.Series(opens).cast(pl.Datetime("ms", "UTC")),
            "open": flat,
            "high": flat,
            "low": flat,
            "close": flat,
            "volume": 1.0,
        }
    )


def test_what_the_close_takes_back_is_counted() -> None:
    hours = [[90, 90, 90, 90], [90, 110, 90, 90], [90, 90, 110, 110], [90, 90, 90, 90], [90, 90, 90, 110], [90] * 4]
    repainted = analysis.repaint("BTCUSDT 1h: close > 100", quarters([[float(x) for x in hour] for hour in hours]))
    assert (repainted.candles, repainted.fired_forming, repainted.vanished) == (5, 2, 1)
    assert (repainted.fired, repainted.only_at_close) == (2, 1)
    assert repainted.vanished_share == 0.5
    assert repainted.frame.select("first_part", "fired").rows() == [(2, False), (3, True), (None, True)]
    assert "on 1 of these (50%) not at the close" in str(repainted)
    assert "<table" in repainted._repr_html_()


@pytest.mark.parametrize("when", ["rsi(7) crosses_below 40", "close > sma(20)[2] for 2 bars", "close > sma(10)@4h"])
def test_at_the_close_it_is_what_a_scan_says(when: str) -> None:
    candles = sample("BTCUSDT", SAMPLE_FILES[0]).head(1500)
    steps: list[tuple[int, int]] = []
    repainted = analysis.repaint(
        f"BTCUSDT 15m: {when}", candles, last=120, progress=lambda done, total: steps.append((done, total))
    )
    scanned = analysis.scan(f"BTCUSDT 15m: {when}", candles)["close_time"].to_list()
    at_close = repainted.frame.filter("fired")["close_time"].to_list()
    assert repainted.candles == 120
    assert at_close == scanned[len(scanned) - len(at_close) :]
    assert at_close
    assert repainted.fired_forming > 0
    assert steps[-1] == (120, 120)


def test_without_smaller_candles_it_says_what_is_missing() -> None:
    with pytest.raises(CandlesMissing, match="over a timeframe that divides 1h; there are BINANCE:BTCUSDT 1h"):
        analysis.repaint("BTCUSDT 1h: close > 100", sample())
