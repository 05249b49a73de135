"""What an import makes of what is stored already: grids, fuller candles, other markets, gaps."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from candles import reasons
from candles.files.options import ImportOptions
from candles.importing import ImportReport, import_candles
from candles.quality import Gap
from common.clock import SystemClock
from common.grids import Grid
from common.slots import slots_of
from common.timeframes import to_ms
from registry.groups import Group, Series
from registry.instruments import Instrument, Listing
from registry.store.files.file_store import FileStore
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove
from tests.registry.store.test_candles import NO_TRIGGERS

Write = Callable[..., Path]

HEADER = "open_time,open,high,low,close,volume"
HOUR = 3_600_000
START = to_ms(datetime(2024, 1, 1, tzinfo=UTC))
BTC = Series.parse("BINANCE:BTCUSDT 1h")


def lines(*hours: int, close: float = 101.0, volume: float = 12.5) -> str:
    rows = [f"{START + hour * HOUR},100,102,99,{close},{volume}" for hour in hours]
    return "\n".join([HEADER, *rows]) + "\n"


def at(*times_ms: int) -> str:
    return "\n".join([HEADER, *(f"{time_ms},100,102,99,101,12.5" for time_ms in times_ms)]) + "\n"


def run(store: FileStore, path: Path, **options: Any) -> ImportReport:
    [report] = import_candles([path], store, clock=SystemClock(), options=ImportOptions.parse(**options))
    return report


def judge(store: FileStore, series: Series, first_ms: int, until_ms: int) -> None:
    store.ticks.record_tick(
        TickRecord(
            timeframe=series.timeframe,
            close_time_ms=until_ms,
            late=False,
            moves=(WatermarkMove(Group([series]), None, until_ms),),
            triggers=NO_TRIGGERS,
            holes=(),
            anchors={series: first_ms},
            metrics=TickMetrics(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        )
    )


def test_a_fragment_does_not_replace_a_stored_candle_that_was_not_judged(write: Write, store: FileStore) -> None:
    run(store, write(lines(0, 1, 2, 3)))
    report = run(store, write(lines(2, 3, close=100.5, volume=0.5) + lines(4).removeprefix(HEADER + "\n")))
    assert (report.accepted, report.inserted, report.quarantined) == (1, 1, {reasons.FRAGMENT: 2})
    assert store.candles.quarantined()["line"].to_list() == [2, 3]
    assert store.candles.between(BTC, START, START + 4 * HOUR)["volume"].to_list() == [12.5] * 4
    assert run(store, write(lines(3, close=100.5, volume=13.0))).replaced == 1, "more volume is a later state"


def test_a_judged_candle_gets_a_revision_whatever_its_volume(write: Write, store: FileStore) -> None:
    run(store, write(lines(0, 1, 2, 3)))
    judge(store, BTC, START, START + 2 * HOUR)
    report = run(store, write(lines(1, 2, close=100.5, volume=0.5)))
    assert (report.revised, report.quarantined) == (1, {reasons.FRAGMENT: 1})


def test_a_file_without_an_accepted_row_fails_and_says_why_once(write: Write, store: FileStore) -> None:
    report = run(store, write(lines(0).replace("102", "98")))
    assert report.failed
    assert report.error is not None
    assert report.error.count(reasons.HIGH_BELOW_LOW) == 1
    assert "--columns" in report.error
    assert store.candles.quarantined().height == 1
    nothing = run(store, write("open_time,open,high,low,close,volume\n1704067200,NaN,NaN,NaN,NaN,0\n"))
    assert nothing.error is not None
    assert "none of its 1 rows has a price" in nothing.error


def test_gaps_are_those_of_the_store(write: Write, store: FileStore) -> None:
    assert run(store, write(lines(0, 1, 8, 9))).gaps == (Gap(BTC, START + 2 * HOUR, 6),)
    assert run(store, write(lines(4))).gaps == (Gap(BTC, START + 2 * HOUR, 2), Gap(BTC, START + 5 * HOUR, 3))
    assert run(store, write(lines(2, 3, 5, 6, 7))).gaps == ()
    assert run(store, write(lines(1, 8))).gaps == (), "what lies between is stored"
    assert run(store, write(lines(12))).gaps == (Gap(BTC, START + 10 * HOUR, 2),)


def test_filling_reaches_to_the_stored_candles(write: Write, store: FileStore) -> None:
    run(store, write(lines(0)))
    assert run(store, write(lines(3)), fill=True).filled == 2
    assert store.candles.between(BTC, START, START + 4 * HOUR)["close"].to_list() == [101.0] * 4


def test_other_prices_under_a_guessed_name_are_another_market(write: Write, store: FileStore) -> None:
    run(store, write(lines(0, 1, 2, 3)))
    path = write(lines(1, 2, 3).replace(",100,102,99,", ",100,103,99.5,"), "elsewhere/BTCUSDT-1h.csv")
    report = run(store, path)
    assert report.error is not None
    assert "3 of 3 candles have other prices" in report.error
    assert "--symbol BTCUSDT.P" in report.error
    assert run(store, path, symbol="BTCUSDT.P").inserted == 3
    assert run(store, path, force=True).replaced == 3
    assert run(store, write(lines(1, 2)), symbol="BTCUSDT").replaced == 2, "who names it means it"


@pytest.mark.parametrize(
    ("path", "series"),
    [
        ("futures/um/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-12.csv", "BINANCE:BTCUSDT.P 1h"),
        ("spot/futures/um/BTCUSDT-1h.csv", "BINANCE:BTCUSDT.P 1h"),
        ("futures/um/spot/BTCUSDT-1h.csv", "BINANCE:BTCUSDT 1h"),
        ("futures/BTC_USDT_USDT-1h-futures.csv", "BINANCE:BTCUSDT.P 1h"),
    ],
)
def test_folders_name_markets(write: Write, store: FileStore, path: str, series: str) -> None:
    assert run(store, write(lines(0, 1), path)).series == (series,)


def test_inverse_contracts_are_named_by_their_settlement(write: Write, store: FileStore) -> None:
    from registry.instruments import normalise_instrument

    report = run(store, write(lines(0, 1), "futures/cm/daily/BTCUSD_PERP-1h-2024-12-01.csv"))
    assert [series.instrument for series in report.series] == [normalise_instrument("BTC/USD:BTC", "BINANCE")]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("futures/BTCUSDT-1h.csv", "not which; put them under futures/um or futures/cm"),
        ("futures/um/markPriceKlines/BTCUSDT-1h.csv", "these are mark prices"),
    ],
)
def test_folders_that_do_not_tell_are_asked_about(write: Write, store: FileStore, path: str, says: str) -> None:
    file = write(lines(0, 1), path)
    report = run(store, file)
    assert report.error is not None
    assert says in report.error
    assert "--symbol" in report.error
    assert run(store, file, symbol="BTCUSDT.P").inserted == 2


def test_options_override_what_a_name_says(write: Write, store: FileStore) -> None:
    file = write(lines(*range(0, 48, 4)), "futures/um/BTCUSDT-1h.csv")
    report = run(store, file, symbol="KRAKEN:ETHUSD", timeframe="4h")
    assert (report.series, report.inserted) == (("KRAKEN:ETHUSD 4h",), 12)


def test_a_column_of_one_symbol_may_be_named_as_its_perpetual(write: Write, store: FileStore) -> None:
    text = f"symbol,{HEADER}\n" + "".join(f"BTCUSDT,{row}\n" for row in lines(0, 1).splitlines()[1:])
    report = run(store, write(text, "export.csv"), symbol="BTCUSDT.P", timeframe="1h")
    assert report.series == ("BINANCE:BTCUSDT.P 1h",)
    assert any("the symbol column says BTCUSDT" in note for note in report.notes)


DAYS_FROM_16 = [START - 8 * HOUR + n * 24 * HOUR for n in range(5)]


def test_a_proposed_grid_is_stored_once_and_holds(write: Write, store: FileStore) -> None:
    report = run(store, write(at(*DAYS_FROM_16), "BTCUSDT-1d.csv"))
    assert (report.accepted, report.gaps) == (5, ())
    assert [listing.grid for listing in store.candles.listings()] == [Grid("Etc/GMT-8")]
    later = run(store, write(at(DAYS_FROM_16[-1] + 24 * HOUR), "BTCUSDT-1d.csv"))
    assert (later.accepted, later.notes) == (1, ())


def test_judged_candles_keep_their_grid(write: Write, store: FileStore) -> None:
    run(store, write(lines(0, 1, 2)))
    judge(store, BTC, START, START + 2 * HOUR)
    report = run(store, write(at(*DAYS_FROM_16), "BTCUSDT-1d.csv"))
    assert report.failed
    assert any("BINANCE:BTCUSDT 1h was judged on its grid" in note for note in report.notes)
    assert any('hub instruments set BINANCE:BTCUSDT --grid "Etc/GMT-8"' in note for note in report.notes)
    assert [listing.grid for listing in store.candles.listings()] == [Grid()]
    told = run(store, write(at(*DAYS_FROM_16), "BTCUSDT-1d.csv"), grid="Etc/GMT-8")
    assert told.error is not None
    assert "was judged on its grid" in told.error


def test_stored_candles_that_contradict_keep_their_grid(write: Write, store: FileStore) -> None:
    run(store, write(at(START, START + 24 * HOUR), "BTCUSDT-1d.csv"))
    report = run(store, write(at(*(time + 7 * 24 * HOUR for time in DAYS_FROM_16)), "BTCUSDT-1d.csv"))
    assert report.quarantined == {reasons.OFF_GRID: 5}
    assert any("stored candles of BINANCE:BTCUSDT 1d are off that grid" in note for note in report.notes)


def test_grid_and_calendar_may_be_told(write: Write, store: FileStore) -> None:
    run(store, write(at(*DAYS_FROM_16), "BTCUSDT-1d.csv"), grid="day 16:00", calendar="sessions")
    [listing] = store.candles.listings()
    assert (listing.grid, listing.calendar) == (Grid.parse("day 16:00"), "sessions")


def test_dates_name_the_days_of_the_grid(write: Write, store: FileStore) -> None:
    store.candles.list_instruments([Listing(Instrument("OKX", "BTCUSDT"), grid=Grid("Etc/GMT-8"))])
    text = "date,open,high,low,close,volume\n2024-01-02,1,2,1,2,5\n2024-01-03,1,2,1,2,5\n"
    report = run(store, write(text, "BTCUSDT-1d.csv"), exchange="OKX")
    assert (report.accepted, report.notes) == (2, ())
    opens = store.candles.between(Series.parse("OKX:BTCUSDT 1d"), 0, 10**14)["open_time"].to_list()
    assert opens == [datetime(2024, 1, 1, 16, tzinfo=UTC), datetime(2024, 1, 2, 16, tzinfo=UTC)]


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_dates_name_the_sessions_of_the_grid(write: Write, store: FileStore, zone: str | None) -> None:
    grid = Grid.parse("America/New_York, session 09:30-16:00")
    store.candles.list_instruments([Listing(Instrument("NYSE", "IBM"), grid=grid, calendar="sessions")])
    text = "date,open,high,low,close,volume\n2024-03-08,1,2,1,2,5\n2024-03-11,1,2,1,2,5\n"
    report = run(store, write(text, "IBM-1d.csv"), exchange="NYSE", zone=zone)
    assert (report.accepted, report.notes) == (2, ())
    opens = store.candles.between(Series.parse("NYSE:IBM 1d"), 0, 10**14)["open_time"].to_list()
    assert opens == [datetime(2024, 3, 8, 14, 30, tzinfo=UTC), datetime(2024, 3, 11, 13, 30, tzinfo=UTC)]


def test_midnights_of_a_zone_are_days_of_a_grid_in_it(write: Write, store: FileStore) -> None:
    rows = "".join(f"2024-{month:02}-05,1,2,1,2,5\n" for month in range(1, 13))
    report = run(store, write(f"date,open,high,low,close,volume\n{rows}", "IBM-1d.csv"), zone="America/New_York")
    assert (report.accepted, report.quarantined) == (12, {})
    assert [str(listing.grid) for listing in store.candles.listings()] == ["America/New_York"]


@pytest.mark.parametrize("short", [0, 1])
@pytest.mark.parametrize(
    ("timeframe", "grid"),
    [("1h", "UTC"), ("1d", "UTC"), ("1w", "UTC, week thu"), ("1h", "America/New_York, session 09:30-16:00")],
)
def test_times_of_the_close(write: Write, store: FileStore, short: int, timeframe: str, grid: str) -> None:
    slots = slots_of(timeframe, Grid.parse(grid))
    opens = slots.between(START, START + 21 * 24 * HOUR)
    closes = [int(slots.close(slots.number(int(time)))) - short for time in opens]
    text = at(*closes)
    report = run(store, write(text, f"ABC-{timeframe}.csv"), stamps_the_close=True, grid=grid, force=True)
    assert (report.accepted, report.quarantined) == (len(opens), {})
    stored = store.candles.between(Series.parse(f"BINANCE:ABC {timeframe}"), 0, 10**14)
    assert stored["open_time"].dt.epoch("ms").to_list() == opens.tolist()


def test_gaps_and_filling_follow_the_grid(write: Write, store: FileStore) -> None:
    grid = Grid("EET")
    opens = slots_of("4h", grid).between(START + 88 * 24 * HOUR, START + 93 * 24 * HOUR)
    report = run(store, write(at(*opens[::3].tolist()), "ABC-4h.csv"), grid="EET", fill=True)
    assert report.filled == sum(gap.missing for gap in report.gaps) > 0
    stored = store.candles.between(Series.parse("BINANCE:ABC 4h"), 0, 10**14)["open_time"].dt.epoch("ms").to_list()
    assert stored == opens[: len(stored)].tolist()


def test_a_price_that_jumps_and_is_back_is_noted(write: Write, store: FileStore) -> None:
    rows = lines(*range(30)).splitlines()
    rows[12] = f"{START + 11 * HOUR},1000,1020,990,1010,5"
    report = run(store, write("\n".join(rows)))
    assert report.accepted == 30
    assert any("1 candle, first the one of 2024-01-01 11:00, is 3 times away" in note for note in report.notes)
    fallen = [
        f"{START + n * HOUR},{price},{price},{price},{price},5" for n, price in enumerate([100.0] * 5 + [20.0] * 9)
    ]
    assert run(store, write("\n".join([HEADER, *fallen]), "ETHUSDT-1h.csv")).notes == (), "a fall that lasts is one"


def test_long_imports_tell_how_far_they_are(write: Write, store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candles.importing._BLOCK", 10)
    steps: list[tuple[str, int, int]] = []
    path = write(lines(*range(25)))
    import_candles(
        [path], store, clock=SystemClock(), step=lambda file, done, total: steps.append((file.name, done, total))
    )
    assert steps == [(path.name, 10, 25), (path.name, 20, 25), (path.name, 25, 25)]
