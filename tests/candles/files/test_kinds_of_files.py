"""Kinds of files, not files: any order of columns, vendors' words, clocks, zones, delimiters and lines of header."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candles import reasons
from common.errors import CandleFileError
from tests.candles.files.made_files import (
    BTC,
    NAMES,
    Candle,
    a_file,
    expected,
    moments,
    rows_of,
    table,
    values,
    walks,
)
from tests.candles.files.reading import read

Write = Callable[..., Path]

VENDORS = [
    ("timestamp", "open", "high", "low", "close", "volume"),
    ("Open time", "Open", "High", "Low", "Close", "Volume"),
    ("<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>"),
    ("time_period_start", "price_open", "price_high", "price_low", "price_close", "volume_traded"),
    ("Unix Timestamp", "o", "h", "l", "c", "v"),
    ("date", "1. open", "2. high", "3. low", "4. close", "5. volume"),
    ("Date", "Open (USD)", "High (USD)", "Low (USD)", "Close/Last", "Volume_(BTC)"),
    ("window_start", "OPENPRICE", "HIGHPRICE", "LOWPRICE", "CLOSEPRICE", "base_volume"),
    ("startTime", "openPrice", "highPrice", "lowPrice", "closePrice", "baseVolume"),
    ("__index_level_0__", "BTC Open", "BTC High", "BTC Low", "BTC Close", "Volume BTC"),
]
DISTRACTIONS = {
    "close_time": "1733014799999", "Adj Close": "7", "quote_volume": "123456789", "turnover": "99", "OpenInterest": "5",
    "taker_buy_base_asset_volume": "11", "number_of_trades": "17", "vwap": "3", "Change %": "0.5%", "received_at": "x",
    "Volume USD": "4711",
}  # fmt: skip


@a_file
@given(
    walks(), st.sampled_from(VENDORS), st.permutations(range(6)), st.sets(st.sampled_from(sorted(DISTRACTIONS))),
    st.sampled_from(",;\t|"), st.booleans(),
)  # fmt: skip
def test_vendors_words_in_any_order(
    write: Write, candles: list[Candle], names: tuple[str, ...], order: list[int], others: set[str], mark: str, up: bool
) -> None:
    stamps = [str(int(moment.timestamp() * 1000)) for moment in moments(len(candles))]
    parts = [stamps, *values(candles).values()]
    columns = {(names[n].upper() if up else names[n]): parts[n] for n in order}
    columns |= {name: [DISTRACTIONS[name]] * len(candles) for name in sorted(others)}
    path = write(table(columns, mark), "export.csv")
    assert rows_of(read(path, **BTC)) == expected(candles)


@a_file
@given(
    walks(),
    st.sampled_from(["open,high,low,close", "open,close,high,low", "low,high,open,close", "close,high,low,open"]),
    st.booleans(), st.sampled_from(["s", "ms", "us", "ns", "iso"]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_the_order_of_nameless_columns_is_told_from_their_values(
    write: Write, candles: list[Candle], order: str, newest_first: bool, unit: str, turnover: bool, as_json: bool
) -> None:
    scale = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
    stamps = [
        moment.isoformat() if unit == "iso" else str(int(moment.timestamp()) * scale[unit])
        for moment in moments(len(candles))
    ]
    cells = values(candles)
    columns = {"time": stamps, **{name: cells[name] for name in order.split(",")}, "volume": cells["volume"]}
    if turnover:
        columns["turnover"] = [repr(candle[4] * (candle[1] + candle[2]) / 2) for candle in candles]
    rows = list(zip(*columns.values(), strict=True))
    rows = rows[::-1] if newest_first else rows
    text = json.dumps(rows) if as_json else "\n".join(map(",".join, rows))
    path = write(text, "export.json" if as_json else "export.csv")
    assert rows_of(read(path, **BTC)) == expected(candles)


@a_file
@given(walks(), st.permutations(["time", *NAMES]), st.integers(0, 2))
def test_an_order_that_is_told(write: Write, candles: list[Candle], order: list[str], ignored: int) -> None:
    stamps = [str(int(moment.timestamp())) for moment in moments(len(candles))]
    cells = {"time": stamps, **values(candles)}
    columns = {f"x{n}": ["7"] * len(candles) for n in range(ignored)} | {f"c{name}": cells[name] for name in order}
    path = write(table(columns, header=False), "export.csv")
    assert rows_of(read(path, **BTC, columns=",".join(["-"] * ignored + order))) == expected(candles)


CLOCKS = [
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y.%m.%d %H:%M", "%m/%d/%Y %I:%M %p", "%Y-%m-%d %I-%p", "%d.%m.%Y %H:%M:%S",
    "%b %d, %Y %H:%M", "%d-%b-%Y %I:%M:%S %p", "%Y%m%d %H%M%S", "%Y%m%d%H%M%S", "%d/%m/%Y %H:%M", "%Y-%m-%d %I:%M %p",
    "%a, %d %b %Y %H:%M:%S",
]  # fmt: skip


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_clocks_in_any_zone(write: Write, clock: str, zone: str | None) -> None:
    candles = [(10.0, 12.0, 9.0, 11.0, 5e6)] * 30
    if "%M" not in clock and zone in ("Asia/Kolkata", "Australia/Lord_Howe"):
        zone = "EET"  # A clock without minutes cannot show half an hour.
    place = ZoneInfo(zone or "UTC")
    stamps = [moment.astimezone(place).strftime(clock) for moment in moments(30)]
    marks = {"%b %d, %Y %H:%M": ";", "%a, %d %b %Y %H:%M:%S": ";"}
    path = write(table({"date": stamps, **values(candles)}, marks.get(clock, ",")), "export.csv")
    raw = read(path, **BTC, **({} if zone is None else {"zone": zone}))
    assert rows_of(raw) == expected(candles)
    assert raw.notes == (("times without an offset were taken as UTC",) if zone is None else ())


@pytest.mark.parametrize(
    ("date", "clock"),
    [
        ("%Y.%m.%d", "%H:%M"),
        ("%m/%d/%Y", "%H:%M:%S"),
        ("%Y%m%d", "%H%M%S"),
        ("%Y-%m-%d", "%I:%M %p"),
    ],
)
@pytest.mark.parametrize("header", [True, False])
def test_date_and_clock_in_two_columns(write: Write, date: str, clock: str, header: bool) -> None:
    candles = [(10.0, 12.0, 9.0, 11.0 - n / 10, 5e6) for n in range(10)]
    when = moments(10)
    columns = {"Date": [moment.strftime(date) for moment in when], "Time": [moment.strftime(clock) for moment in when]}
    path = write(table(columns | values(candles), header=header), "export.csv")
    assert rows_of(read(path, **BTC)) == expected(candles)


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_hour_that_clocks_show_twice_and_the_one_that_they_skip(write: Write, newest_first: bool) -> None:
    times = ["2024-11-03 00:30", "2024-11-03 01:30", "2024-11-03 01:30", "2024-11-03 02:30"]
    lines = [f"{time},1,2,1,2,5" for time in (times[::-1] if newest_first else times)]
    path = write("\n".join(["date,open,high,low,close,volume", *lines]), "export.csv")
    raw = read(path, **BTC, zone="America/New_York")
    hours = [datetime(2024, 11, 3, hour, 30, tzinfo=UTC) for hour in (4, 5, 6, 7)]
    assert raw.rows["open_time"].to_list() == (hours[::-1] if newest_first else hours)
    skipped = write("date,open,high,low,close,volume\n2024-03-10 02:30,1,2,1,2,5\n", "export.csv")
    assert read(skipped, **BTC, zone="America/New_York").rows["problem"].to_list() == [reasons.SKIPPED_TIME]


def test_any_number_of_header_lines(write: Write) -> None:
    candles = [(10.0, 12.0, 9.0, 11.0, 5e6)] * 3
    body = table({"date": [moment.isoformat() for moment in moments(3)], **values(candles)})
    for preamble in ("", "https://example.org\n", "An address, and a comma\n\nGenerated by somebody\n"):
        raw = read(write(preamble + body, "export.csv"), **BTC)
        assert rows_of(raw) == expected(candles)
    levels = "Price,Close,High,Low,Open,Volume\nTicker,MSFT,MSFT,MSFT,MSFT,MSFT\nDate,,,,,\n2024-01-15,11,12,9,10,5\n"
    raw = read(write(levels, "export.csv"), timeframe="1d", exchange="NASDAQ")
    assert raw.rows.select("exchange", "symbol", *NAMES).rows() == [("NASDAQ", "MSFT", 10.0, 12.0, 9.0, 11.0, 5.0)]
    assert raw.rows["line"].to_list() == [4]


@pytest.mark.parametrize(
    ("cells", "volume", "note"),
    [
        ({"TICKVOL": "447", "VOL": "0"}, 447.0, True),
        ({"TICKVOL": "447", "VOL": "3"}, 3.0, False),
        ({"Tick Volume": "12"}, 12.0, True),
        ({"Volume USD": "5500", "Volume BTC": "500"}, 500.0, False),
        ({"Volume EUR": "500", "Volume USD": "5500"}, 500.0, False),
        ({"amount": "500", "vol": "5500"}, 500.0, False),
        ({"volume": "7000", "base_volume": "500"}, 500.0, False),
        ({"quote_volume": "5500", "volume": "500", "taker_buy_volume": "3"}, 500.0, False),
    ],
)
def test_which_of_several_volumes(write: Write, cells: dict[str, str], volume: float, note: bool) -> None:
    header = ",".join(["time,open,high,low,close", *cells])
    row = ",".join(["1705356000,10,12,9,11", *cells.values()])
    raw = read(write(f"{header}\n{row}\n", "export.csv"), **BTC)
    assert raw.rows["volume"].to_list() == [volume]
    assert any("ticks" in text for text in raw.notes) == note


def test_only_a_turnover_is_no_volume(write: Write) -> None:
    path = write("time,open,high,low,close,turnover\n1705356000,10,12,9,11,5500\n", "export.csv")
    with pytest.raises(CandleFileError, match=r"no column for volume.*--columns"):
        read(path, **BTC)


@pytest.mark.parametrize(
    ("text", "open_rows"),
    [
        ('[["1706711400000","10","12","9","11","121","121","5163","0"],["1706707800000","10","12","9","11","4","4","9","1"],'
         '["1706704200000","10","12","9","11","4","4","9","1"]]', [0]),
        ('[{"t":1706707800,"o":10,"h":12,"l":9,"c":11,"v":5,"complete":true},'
         '{"t":1706711400,"o":10,"h":12,"l":9,"c":11,"v":5,"complete":false}]', [1]),
        ('{"code":"0","data":[{"ts":1706711400,"o":10,"h":12,"l":9,"c":11,"v":5,"confirm":0}]}', [0]),
        ('[{"t":1706711400,"o":10,"h":12,"l":9,"c":11,"v":5,"is_closed":"1"}]', []),
    ],
)  # fmt: skip
def test_candles_that_their_source_calls_open(write: Write, text: str, open_rows: list[int]) -> None:
    raw = read(write(text, "export.json"), **BTC)
    problems = raw.rows["problem"].to_list()
    assert [n for n, problem in enumerate(problems) if problem == reasons.STILL_OPEN] == open_rows
    assert set(problems) <= {None, reasons.STILL_OPEN}


@pytest.mark.parametrize(
    "order", ["time,high,low,close", "time,open,high,low,close,bid", "time,time,open,high,low,close"]
)
def test_columns_that_are_no_candle(order: str) -> None:
    with pytest.raises(CandleFileError, match="--columns"):
        read(Path("export.csv"), columns=order)


def test_ambiguous_columns_are_asked_for(write: Write) -> None:
    both = "time,bid_open,ask_open,bid_high,ask_high,bid_low,ask_low,bid_close,ask_close,volume\n"
    row = "1705356000," + ",".join(["10,11", "12,13", "9,9.5", "11,12"]) + ",5\n"
    assert read(write(both + row, "export.csv"), **BTC).rows.select(NAMES).rows() == [(10.0, 12.0, 9.0, 11.0, 5.0)]
    twice = "time,A Open,B Open,high,low,close,volume\n1705356000,10,11,12,9,11,5\n"
    with pytest.raises(CandleFileError, match=r"'A Open' and 'B Open' can each be the open.*--columns"):
        read(write(twice, "export.csv"), **BTC)
    with pytest.raises(CandleFileError, match=r"values do not tell which is which.*--columns"):
        read(write("1705356000,12,9,14,20,5\n1705359600,9,13,3,8,5\n", "export.csv"), **BTC)


@pytest.mark.parametrize(
    ("cell", "value"),
    [("$1,234.50", 1234.5), ("1,234", 1234.0), ("12.5K", 12_500.0), ("1e3", 1000.0), ("€ 7", 7.0), ("2M", 2e6)],
)
def test_numbers_for_people(write: Write, cell: str, value: float) -> None:
    text = f'time,open,high,low,close,volume\n1705356000,"{cell}","{cell}","{cell}","{cell}",5\n'
    assert read(write(text, "export.csv"), **BTC).rows["open"].to_list() == [value]


def test_a_decimal_comma_needs_another_delimiter(write: Write) -> None:
    text = "time;open;high;low;close;volume\n2024-01-15 22:00;1,5;2,5;0,5;1,75;1000\n"
    assert read(write(text, "export.csv"), **BTC).rows.select(NAMES).rows() == [(1.5, 2.5, 0.5, 1.75, 1000.0)]


def test_spreadsheets_lines_of_json_and_utf_16(write: Write, tmp_path: Path) -> None:
    candles = [(10.0, 12.0, 9.0, 11.0, 5e6), (11.0, 12.0, 9.0, 10.5, 5e6)]
    when = [moment.replace(tzinfo=None) for moment in moments(2)]
    frame = pl.DataFrame(candles, schema=NAMES, orient="row").insert_column(0, pl.Series("Date", when))
    frame.write_excel(tmp_path / "export.xlsx")
    assert rows_of(read(tmp_path / "export.xlsx", **BTC)) == expected(candles)
    frame.write_ndjson(tmp_path / "export.jsonl")
    assert rows_of(read(tmp_path / "export.jsonl", **BTC)) == expected(candles)
    text = table({"Date": [str(moment) for moment in when], **values(candles)}, "\t")
    assert rows_of(read(write(text.encode("utf-16"), "export.tsv"), **BTC)) == expected(candles)
    frame.rename({"Date": "__index_level_0__"}).write_parquet(tmp_path / "export.parquet")
    assert rows_of(read(tmp_path / "export.parquet", **BTC)) == expected(candles)
    with pytest.raises(CandleFileError, match="not a spreadsheet"):
        read(write("nothing of the kind", "broken.xlsx"), **BTC)


def test_no_price_is_kept_apart_from_no_number(write: Write) -> None:
    text = "time,open,high,low,close,volume\n1705356000,NaN,NaN,NaN,NaN,NaN\n1705359600,inf,12,9,11,5\n"
    raw = read(write(text, "export.csv"), **BTC)
    assert raw.rows["problem"].to_list() == [None, None]
    assert raw.rows["open"].to_list()[1] == inf
