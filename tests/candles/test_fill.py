"""Filling the gaps of thinly traded pairs: flat candles, marked, and never in place of real ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from candles.files.options import ImportOptions
from candles.importing import import_candles
from common.clock import SystemClock
from common.grids import Grid
from common.slots import slots_of
from common.timeframes import from_ms, to_ms
from registry.groups import Series
from registry.store.files.file_store import FileStore

START = datetime(2024, 8, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FILL = ImportOptions(fill=True)


def write(path: Path, minutes: list[int]) -> Path:
    times = [START + minute * MINUTE for minute in minutes]
    pl.DataFrame(
        {
            "symbol": "XRPETH",
            "timeframe": "1m",
            "open_time": times,
            "open": [1.0 + minute for minute in minutes],
            "high": [2.5 + minute for minute in minutes],
            "low": [0.5 + minute for minute in minutes],
            "close": [2.0 + minute for minute in minutes],
            "volume": 7.0,
        }
    ).write_parquet(path)
    return path


def test_gaps_become_flat_marked_candles(store: FileStore, tmp_path: Path) -> None:
    path = write(tmp_path / "thin.parquet", [0, 1, 4, 5, 7])
    (report,) = import_candles([path], store, clock=SystemClock(), options=FILL)
    assert (report.accepted, report.filled, report.inserted, len(report.gaps)) == (5, 3, 8, 2)
    stored = store.candles.between(Series.parse("BINANCE:XRPETH 1m"), 0, 10**15)
    assert stored["open_time"].to_list() == [START + minute * MINUTE for minute in range(8)]
    assert stored["close"].to_list() == [2.0, 3.0, 3.0, 3.0, 6.0, 7.0, 7.0, 9.0]
    flat = stored.filter(pl.col("volume") == 0)
    assert flat.height == 3
    assert flat.select(pl.all_horizontal(pl.col("open", "high", "low") == pl.col("close")).all()).item()
    assert store.candles.series()["filled"].to_list() == [3]
    (again,) = import_candles([path], store, clock=SystemClock(), options=FILL)
    assert (again.unchanged, again.filled, again.gaps) == (5, 0, ()), "its gaps are filled"


def test_a_real_candle_replaces_a_filled_one_and_not_the_other_way_round(store: FileStore, tmp_path: Path) -> None:
    thin = write(tmp_path / "thin.parquet", [0, 3])
    import_candles([thin], store, clock=SystemClock(), options=FILL)
    (report,) = import_candles([write(tmp_path / "full.parquet", [0, 1, 2, 3])], store, clock=SystemClock())
    assert (report.unchanged, report.replaced) == (2, 2)
    assert store.candles.series()["filled"].to_list() == [0]
    (report,) = import_candles([thin], store, clock=SystemClock(), options=FILL)
    assert (report.unchanged, report.filled) == (2, 0)
    assert store.candles.between(Series.parse("BINANCE:XRPETH 1m"), 0, 10**15)["volume"].to_list() == [7.0] * 4


def test_without_the_option_a_gap_stays_a_gap(store: FileStore, tmp_path: Path) -> None:
    (report,) = import_candles([write(tmp_path / "thin.parquet", [0, 3])], store, clock=SystemClock())
    assert (report.inserted, report.filled) == (2, 0)


def test_nights_and_weekends_are_neither_missing_nor_filled(store: FileStore, tmp_path: Path) -> None:
    grid = Grid.parse("America/New_York, session 09:30-16:00")
    slots = slots_of("1h", grid)
    # From the Thursday before clocks change to the Tuesday after it.
    opens = slots.between(to_ms(datetime(2024, 3, 7, tzinfo=UTC)), to_ms(datetime(2024, 3, 13, tzinfo=UTC)))
    days = slots_of("1d", grid)
    weekdays = [ms for ms in opens.tolist() if from_ms(days.open(days.number(ms))).weekday() < 5]
    lacking = weekdays[9]
    path = tmp_path / "NASDAQ_AAPL, 60.csv"
    rows = [f"{ms // 1000},10,12,9,{11 - n / 100},500" for n, ms in enumerate(weekdays) if ms != lacking]
    path.write_text("\n".join(["time,open,high,low,close,Volume", *rows]))
    (report,) = import_candles([path], store, clock=SystemClock(), options=FILL)
    assert [(gap.first_missing_ms, gap.missing) for gap in report.gaps] == [(lacking, 1)]
    assert (report.inserted, report.filled) == (len(weekdays), 1)
    series = Series.parse("NASDAQ:AAPL 1h")
    (flat,) = store.candles.between(series, lacking, lacking + 1).select("close", "volume").rows()
    assert flat == (11 - 8 / 100, 0.0), "the close before it"
    assert store.candles.gaps().is_empty()
    store.candles.delete(series, lacking, lacking + 1)
    (gap,) = store.candles.gaps(series).rows(named=True)
    assert (gap["slots"], gap["calendar"], to_ms(gap["first_open_time"].replace(tzinfo=UTC))) == (
        1,
        "sessions",
        lacking,
    )
