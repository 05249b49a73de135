"""Files end up in a store, and reports say what became of every row."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from candles import reasons
from candles.files.options import ImportOptions
from candles.importing import ImportReport, candle_files, import_candles
from candles.quality import Gap
from candles.sample import SAMPLE_FILES
from common.clock import ReplayClock, SystemClock
from common.errors import TimeframeError
from common.grids import Grid
from common.slots import slots_of
from common.timeframes import to_ms
from registry.groups import Series
from registry.store.files.file_store import FileStore

Write = Callable[..., Path]

HOUR = 3_600_000
START = 1_704_067_200_000
CLOCK = ReplayClock(START + 5 * HOUR)
HEADER = "open_time,open,high,low,close,volume\n"


def line(hour: int, close: float = 101.0) -> str:
    return f"{START + hour * HOUR},100,102,99,{close},12.5\n"


def test_a_file_with_everything(write: Write, store: FileStore) -> None:
    text = HEADER + line(3) + line(0) + line(0) + line(1, 110) + line(2) + line(2, 100.5) + line(5) + "x,1,1,1,1,1\n"
    report = import_candles([write(text)], store, clock=CLOCK)[0]
    assert report == ImportReport(
        path=report.path,
        series=(Series.parse("BINANCE:BTCUSDT 1h"),),
        accepted=3,
        inserted=3,
        quarantined={
            reasons.REPEATED: 1,
            reasons.OUTSIDE_RANGE: 1,
            reasons.SUPERSEDED: 1,
            reasons.STILL_OPEN: 1,
            reasons.UNREADABLE_TIME: 1,
        },
        gaps=(Gap(Series.parse("BINANCE:BTCUSDT 1h"), START + HOUR, 1),),
    )
    assert not report.failed
    stored = store.candles.between(Series.parse("BINANCE:BTCUSDT 1h"), 0, START * 2)
    assert stored["close"].to_list() == [101.0, 100.5, 101.0]
    kept = store.candles.quarantined()
    assert kept.select("line", "reason", "source").rows() == [
        (4, reasons.REPEATED, "BTCUSDT-1h.csv"),
        (5, reasons.OUTSIDE_RANGE, "BTCUSDT-1h.csv"),
        (6, reasons.SUPERSEDED, "BTCUSDT-1h.csv"),
        (8, reasons.STILL_OPEN, "BTCUSDT-1h.csv"),
        (9, reasons.UNREADABLE_TIME, "BTCUSDT-1h.csv"),
    ]


def test_a_second_import_changes_nothing(write: Write, store: FileStore) -> None:
    path = write(HEADER + line(0) + line(1) + line(1, 110))
    import_candles([path], store, clock=CLOCK)
    again = import_candles([path], store, clock=CLOCK)[0]
    assert (again.accepted, again.inserted, again.unchanged, again.replaced) == (2, 0, 2, 0)
    assert again.quarantined == {reasons.OUTSIDE_RANGE: 1}
    assert store.candles.quarantined().height == 1


def test_a_corrected_candle_is_replaced(write: Write, store: FileStore) -> None:
    import_candles([write(HEADER + line(0) + line(1))], store, clock=CLOCK)
    report = import_candles([write(HEADER + line(0) + line(1, 100.5))], store, clock=CLOCK)[0]
    assert (report.unchanged, report.replaced) == (1, 1)


def test_folders_are_searched_and_one_bad_file_does_not_stop_the_others(
    write: Write, store: FileStore, tmp_path: Path
) -> None:
    good = write(HEADER + line(0), "data/b/BTCUSDT-1h.csv")
    empty = write("", "data/a/ETHUSDT-1h.csv")
    write("notes", "data/readme.txt")
    write("notes", "data/.hidden.csv")
    (tmp_path / "nothing").mkdir()
    seen: list[ImportReport] = []
    reports = import_candles(
        [tmp_path / "data", good, tmp_path / "nothing", tmp_path / "missing.csv"],
        store,
        clock=CLOCK,
        progress=seen.append,
    )
    assert [(report.path, report.failed) for report in reports] == [
        (empty, True),
        (good, False),
        (tmp_path / "nothing", True),
        (tmp_path / "missing.csv", True),
    ]
    assert seen == reports
    assert [report.error for report in reports] == [
        f"{empty}: the file is empty (0 bytes)",
        None,
        f"{tmp_path / 'nothing'}: the folder holds no candle files",
        f"{tmp_path / 'missing.csv'}: no such file",
    ]


def test_wrong_options_are_not_a_files_fault() -> None:
    with pytest.raises(TimeframeError):
        ImportOptions.parse(timeframe="7m")


def test_the_sample(store: FileStore, sample: pl.DataFrame) -> None:
    late = ReplayClock(2 * START)
    reports = import_candles([SAMPLE_FILES[0].parent], store, clock=late)
    assert [report.path for report in reports] == sorted(candle_files(SAMPLE_FILES))
    assert sum(report.inserted for report in reports) == sample.height == 121_568
    assert [(len(report.series), report.quarantined, report.gaps) for report in reports] == [(8, {}, ())] * len(
        SAMPLE_FILES
    )


def test_a_session_is_told_from_times_of_the_close(store: FileStore, tmp_path: Path) -> None:
    """The last bar is half an hour long: an hour before its close is no open."""
    grid = Grid.parse("America/New_York, session 09:30-16:00")
    slots = slots_of("1h", grid)
    opens = slots.between(to_ms(datetime(2024, 3, 7, tzinfo=UTC)), to_ms(datetime(2024, 3, 9, tzinfo=UTC)))
    closes = slots.close(slots.number(opens))
    rows = [f"{close // 1000},10,12,9,11,500" for close in closes.tolist()]
    path = tmp_path / "bars.csv"
    path.write_text("\n".join(["time,open,high,low,close,volume", *rows]))
    options = ImportOptions.parse(symbol="NASDAQ:AAPL", timeframe="1h", stamps_the_close=True)
    (report,) = import_candles([path], store, clock=SystemClock(), options=options)
    assert (report.error, report.quarantined, report.inserted) == (None, {}, 14)
    stored = store.candles.between(Series.parse("NASDAQ:AAPL 1h"), 0, 10**15)
    assert stored["open_time"].dt.epoch("ms").to_list() == opens.tolist()
    assert [str(one.grid) for one in store.candles.listings()] == [str(grid)]
