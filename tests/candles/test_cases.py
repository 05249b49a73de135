"""Files as people send them, each imported whole: what is stored, on which grid, and what is said of it."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from candles import reasons
from candles.files.options import ImportOptions
from candles.importing import ImportReport, import_candles
from common.clock import SystemClock
from common.grids import Grid
from registry.groups import Series
from registry.instruments import normalise_instrument
from registry.store.files.file_store import FileStore


def import_case(store: FileStore, path: Path, **options: Any) -> ImportReport:
    [report] = import_candles([path], store, clock=SystemClock(), options=ImportOptions.parse(**options))
    return report


def stored(store: FileStore, series: str) -> pl.DataFrame:
    return store.candles.between(Series.parse(series), 0, 10**14)


def grid_of(store: FileStore, instrument: str) -> tuple[str, str]:
    wanted = normalise_instrument(instrument, "BINANCE")
    return next((str(one.grid), one.calendar) for one in store.candles.listings() if one.instrument == wanted)


@pytest.mark.parametrize(
    ("name", "options", "series", "first"),
    [
        ("cdd_2019.csv", {"timeframe": "1h"}, "BINANCE:BTCUSD 1h", (8495.17, 8563.44, 8464.28, 8529.38, 327.67)),
        ("coinbase.csv", {"symbol": "BTCUSD", "timeframe": "5m"}, "BINANCE:BTCUSD 5m",
         (43360.58, 43360.71, 43281.95, 43295.80, 2.105679)),
        ("okx.json", {"symbol": "OKX:BTC-USDT", "timeframe": "5m"}, "OKX:BTCUSDT 5m",
         (42730.0, 42730.0, 42563.9, 42634.9, 95.06)),
        ("mt4.csv", {"symbol": "FX:USDJPY", "timeframe": "1m"}, "FX:USDJPY 1m", (77.708, 77.71, 77.702, 77.702, 30.0)),
        ("mt5_XAUUSD_M15.csv", {}, "BINANCE:XAUUSD 15m", (2062.0, 2062.5, 2060.04, 2060.54, 447.0)),
        ("pandas_index.parquet", {"symbol": "ABC", "timeframe": "1h"}, "BINANCE:ABC 1h", (1.0, 2.0, 1.0, 2.0, 10.0)),
        ("ampm.csv", {"symbol": "ABC", "timeframe": "1h"}, "BINANCE:ABC 1h", (1.0, 2.0, 1.0, 2.0, 10.0)),
        ("kucoin.json", {"symbol": "KUCOIN:ABC", "timeframe": "1w"}, "KUCOIN:ABC 1w",
         (0.019245, 0.019487, 0.014132, 0.015826, 1754894524.6530957)),
    ],
)  # fmt: skip
def test_files_that_say_what_their_columns_are(
    cases: Path, store: FileStore, name: str, options: dict[str, str], series: str, first: tuple[float, ...]
) -> None:
    report = import_case(store, cases / "files" / name, **options)
    assert (report.error, report.quarantined) == (None, {})
    assert stored(store, series).select("open", "high", "low", "close", "volume").row(0) == first


def test_minutes_without_a_trade_are_gaps(cases: Path, store: FileStore) -> None:
    report = import_case(store, cases / "files" / "kaggle_bitstamp.csv", symbol="BITSTAMP:BTCUSD", timeframe="1m")
    assert (report.accepted, report.untraded, report.quarantined) == (2, 1, {})
    assert [gap.missing for gap in report.gaps] == [1]


def test_a_file_of_yfinance_names_its_stock(cases: Path, store: FileStore) -> None:
    report = import_case(store, cases / "files" / "yfinance.csv", timeframe="1d", exchange="NASDAQ")
    assert (report.accepted, report.series) == (2, ("NASDAQ:MSFT 1d",))


def test_opens_outside_their_range_are_widened_on_request(cases: Path, store: FileStore) -> None:
    path = cases / "files" / "bitmex.json"
    report = import_case(store, path, timeframe="1m", exchange="BITMEX")
    assert report.quarantined == {reasons.OPEN_IS_CLOSE_BEFORE: 2}
    assert "--widen" in reasons.OPEN_IS_CLOSE_BEFORE
    report = import_case(store, path, timeframe="1m", exchange="BITMEX", widen=True)
    assert (report.accepted, report.widened, report.quarantined) == (5, 2, {})
    rows = stored(store, "BITMEX:XBTUSD 1m").select("open", "high", "low", "close").rows()
    assert rows[1] == (964.09, 964.09, 964.0, 964.0)
    assert rows[4] == (964.0, 964.76, 964.0, 964.76)
    assert store.candles.series()["widened"].to_list() == [2]


@pytest.mark.parametrize(("name", "timeframe", "shown"), [("daily_as_minutes.csv", "1m", "1d"), ("h1.csv", "4h", "1h")])
def test_the_wrong_timeframe_needs_force_and_can_be_deleted(
    cases: Path, store: FileStore, name: str, timeframe: str, shown: str
) -> None:
    path = cases / "files" / name
    report = import_case(store, path, symbol="ABC", timeframe=timeframe)
    assert report.error is not None
    assert f"most rows are {shown} apart" in report.error
    assert store.candles.names() == set()
    report = import_case(store, path, symbol="ABC", timeframe=timeframe, force=True)
    series = Series.parse(f"BINANCE:ABC {timeframe}")
    assert store.candles.delete(series, 0, 10**14) == report.inserted > 0
    assert store.candles.names() == set()


def test_a_fragment_does_not_replace_the_whole(cases: Path, store: FileStore) -> None:
    report = import_case(store, cases / "files" / "fragment_after_candle.csv", timeframe="1m")
    assert report.quarantined == {reasons.FRAGMENT: 1}
    assert stored(store, "BINANCE:BTCUSDT 1m")["volume"].to_list() == [12.5, 11.0, 10.0]


@pytest.mark.parametrize(
    ("name", "instrument", "timeframe", "grid", "calendar"),
    [
        ("BTCUSDT_3d.csv", "BTCUSDT", "3d", "UTC, 3d 1", "24x7"),
        ("okx_daily_hk.csv", "OKX:BTCUSDT", "1d", "Etc/GMT-8", "24x7"),
        ("kucoin_weeks.csv", "KUCOIN:BTCUSDT", "1w", "UTC, week thu", "24x7"),
        ("aapl_60.csv", "NASDAQ:AAPL", "60m", "America/New_York, session 09:30-16:00", "sessions"),
    ],
)
def test_files_on_another_grid(
    cases: Path, store: FileStore, name: str, instrument: str, timeframe: str, grid: str, calendar: str
) -> None:
    report = import_case(store, cases / "grids" / name, symbol=instrument, timeframe=timeframe)
    assert (report.error, report.quarantined) == (None, {})
    assert grid_of(store, instrument) == (grid, calendar)
    assert any(grid in note for note in report.notes)


def test_bars_of_a_broker_are_all_imported(cases: Path, store: FileStore) -> None:
    report = import_case(store, cases / "grids" / "eet_4h.csv", symbol="FX:EURUSD", timeframe="4h")
    assert (report.accepted, report.quarantined) == (4, {})


def test_the_folder_tells_the_market_and_an_option_overrides_it(cases: Path, store: FileStore) -> None:
    name = "BTCUSDT-1h-2024-12.csv"
    perpetual = import_case(store, cases / "markets" / "futures" / "um" / name)
    spot = import_case(store, cases / "markets" / "spot" / name)
    assert (perpetual.series, spot.series) == (("BINANCE:BTCUSDT.P 1h",), ("BINANCE:BTCUSDT 1h",))
    assert (perpetual.inserted, spot.inserted, spot.replaced) == (2, 2, 0)
    told = import_case(store, cases / "markets" / "spot" / name, symbol="BYBIT:BTCUSDT.P")
    assert told.series == ("BYBIT:BTCUSDT.P 1h",)


def test_two_perpetuals_of_a_pair_stay_apart_if_their_names_do(cases: Path, store: FileStore) -> None:
    report = import_case(store, cases / "markets" / "two_perps.csv")
    names = {normalise_instrument(text, "BINANCE") for text in ("BTC/USD:BTC", "BTC/USD:USD")}
    assert {series.instrument for series in report.series} == names
    assert report.accepted == len(names)


def test_a_proposed_grid_is_that_of_the_listing(cases: Path, store: FileStore) -> None:
    import_case(store, cases / "grids" / "okx_daily_hk.csv", symbol="OKX:BTCUSDT", timeframe="1d")
    [listing] = [one for one in store.candles.listings() if str(one.instrument) == "OKX:BTCUSDT"]
    assert listing.grid == Grid("Etc/GMT-8")
