"""All spellings of a file become the same rows; the error for an unreadable file says why."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from candles import reasons
from candles.files.raw import RawCandles
from common.errors import CandleFileError, HubError, InstrumentError, TimeframeError
from tests.candles.files.reading import read

Write = Callable[..., Path]

HOUR = 3_600_000
START = 1_735_689_600_000  # 2025-01-01 00:00 UTC
VALUES = [(100.0, 102.0, 99.0, 101.0, 12.5), (101.0, 103.0, 100.5, 102.0, 0.0)]
TIMES = [datetime(2025, 1, 1, 0, tzinfo=UTC), datetime(2025, 1, 1, 1, tzinfo=UTC)]
LINES = [",".join(map(str, values)) for values in VALUES]


def content(raw: RawCandles) -> list[tuple[object, ...]]:
    return raw.rows.drop("line", "problem", "dated").rows()


def problems(raw: RawCandles) -> list[str | None]:
    return raw.rows["problem"].to_list()


def expected(symbol: str = "BTCUSDT", timeframe: str = "1h", exchange: str = "BINANCE") -> list[tuple[object, ...]]:
    return [(exchange, symbol, timeframe, moment, *values) for moment, values in zip(TIMES, VALUES, strict=True)]


def with_times(first: object, second: object, header: str = "open_time,open,high,low,close,volume") -> str:
    return f"{header}\n{first},{LINES[0]}\n{second},{LINES[1]}\n"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (START, START + HOUR),
        (START // 1000, START // 1000 + 3600),
        (START * 1000, (START + HOUR) * 1000),
        (START * 1_000_000, (START + HOUR) * 1_000_000),
        (f"{START // 1000}.0", f"{START // 1000 + 3600}.0"),
        ("1.7356896e12", START + HOUR),
        ("2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z"),
        ("2025-01-01 00:00:00.000+00:00", "2025-01-01 01:00:00.000+00:00"),
        ("2025-01-01 00:00 UTC", "2025-01-01 01:00 UTC"),
        ("2025-01-01T05:30:00+05:30", "2025-01-01T06:30:00+0530"),
        ("2024-12-31T19:00:00-05:00", "2024-12-31T20:00:00-05"),
    ],
)
def test_times_with_a_zone(write: Write, first: object, second: object) -> None:
    raw = read(write(with_times(first, second)))
    assert content(raw) == expected()
    assert problems(raw) == [None, None]
    assert raw.notes == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2025-01-01", "2025-01-01 01:00"),
        ("2025.01.01 00:00", "2025/1/1 1:00:00"),
        ("20250101", "2025-01-01T01:00:00.000"),
    ],
)
def test_times_without_a_zone_are_utc_and_said_so(write: Write, first: str, second: str) -> None:
    raw = read(write(with_times(first, second)))
    assert content(raw) == expected()
    assert raw.notes == ("times without an offset were taken as UTC",)


@pytest.mark.parametrize(("dates", "month"), [(("1/3/2017", "1/13/2017"), 1), (("01/03/2017", "13/01/2017"), 3)])
def test_slashed_dates_show_their_order_somewhere(write: Write, dates: tuple[str, str], month: int) -> None:
    assert read(write(with_times(*dates))).rows["open_time"][0].month == month


@pytest.mark.parametrize("dates", [("01/03/2017", "01/04/2017"), ("13/03/2017", "03/13/2017")])
def test_slashed_dates_that_do_not_are_refused(write: Write, dates: tuple[str, str]) -> None:
    with pytest.raises(CandleFileError, match="do not show which number is the month; write them as YYYY-MM-DD"):
        read(write(with_times(*dates)))


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2025-02-30", "2025-01-01 24:00", "2025-01-01 00:61", "25-01-01", "2025-01-01 13:00 PM", "1e400"],
)
def test_unreadable_time_costs_one_row(write: Write, text: str) -> None:
    raw = read(write(with_times(text, START + HOUR)))
    assert raw.rows["open_time"].to_list() == [None, TIMES[1]]
    assert problems(raw) == [reasons.UNREADABLE_TIME, None]


@pytest.mark.parametrize(
    "time", [START * 1000 + 1, START * 1_000_000 + 500, f"{START}.5", "2025-01-01T00:00:00.0000001Z"]
)
def test_time_between_milliseconds_is_off_the_grid(write: Write, time: object) -> None:
    raw = read(write(with_times(time, START + HOUR)))
    assert problems(raw) == [reasons.OFF_GRID, None]


@pytest.mark.parametrize(
    "header",
    [
        "Open Time,Open,High,Low,Close,Volume",
        "date,o,h,l,c,v",
        "timestamp,OPEN,HIGH,LOW,CLOSE,VOL",
        ",Open,High,Low,Close,Volume",
        "<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
        ' "time" , "open" , "high" , "low" , "close" , "volume" ',
        "\ufeffopen_time,open,high,low,close,volume",
    ],
)
def test_header_spellings(write: Write, header: str) -> None:
    assert content(read(write(with_times(START, START + HOUR, header)))) == expected()


def test_header_decides_the_order(write: Write) -> None:
    text = f"volume,close,low,high,open,quote,unix,date\n12.5,101,99,102,100,1,{START},ignored\n"
    text += f"0,102,100.5,103,101,1,{START + HOUR},ignored\n"
    assert content(read(write(text))) == expected()


def test_date_and_time_in_two_columns(write: Write) -> None:
    text = f"Date,Time,Open,High,Low,Close,Volume\n2025-01-01,00:00:00,{LINES[0]}\n2025-01-01,01:00:00,{LINES[1]}\n"
    assert content(read(write(text))) == expected()


@pytest.mark.parametrize("unit", [1, 1000])
def test_binance_dump_without_header(write: Write, unit: int) -> None:
    tail = "1735693199999,1.0,5,1.0,1.0,0"
    raw = read(write(f"{START * unit},{LINES[0]},{tail}\n{(START + HOUR) * unit},{LINES[1]},{tail}\n"))
    assert content(raw) == expected()
    assert raw.rows["line"].to_list() == [1, 2]


@pytest.mark.parametrize(
    "text", [f"{START},{LINES[0]}\n{START + HOUR},{LINES[1]}", f"{START},{LINES[0]},7\n{START + HOUR},{LINES[1]},9"]
)
def test_plain_rows_without_header(write: Write, text: str) -> None:
    assert content(read(write(text))) == expected()


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_line_ends_and_delimiters(write: Write, newline: str, delimiter: str) -> None:
    text = with_times(START, START + HOUR).replace(",", delimiter).replace("\n", newline)
    assert content(read(write(text))) == expected()


def test_lines_are_those_of_an_editor(write: Write) -> None:
    text = f"\nopen_time,open,high,low,close,volume\n\n{START},{LINES[0]}\n   \n{START + HOUR},{LINES[1]}\n\n"
    assert read(write(text)).rows["line"].to_list() == [4, 6]
    quoted = text.replace(str(START), f'"{START}"')
    assert read(write(quoted)).rows["line"].to_list() == [4, 6]


def _zip(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("BTCUSDT-1h-2025-01.csv", text)
    return buffer.getvalue()


def test_other_containers(write: Write) -> None:
    text = with_times(START, START + HOUR)
    lists: list[list[object]] = [[START, *VALUES[0]], [START + HOUR, *map(str, VALUES[1])]]
    objects = [{"t": row[0], **dict(zip("ohlcv", row[1:], strict=True))} for row in lists]
    files = [
        write(gzip.compress(text.encode()), "BTCUSDT-1h.csv.gz"),
        write(_zip(text), "BTCUSDT-1h-2025-01.zip"),
        write(json.dumps(lists), "BTC_USDT-1h.json"),
        write(gzip.compress(json.dumps(objects).encode()), "BTC-USDT_60m.json.gz"),
    ]
    names = ["open", "high", "low", "close", "volume"]
    frame = pl.DataFrame(VALUES, schema=names, orient="row").with_columns(date=pl.Series(TIMES))
    files += [write(b"", "BTCUSDT-1h.feather"), write(b"", "[1]/BTCUSDT-1h.parquet")]
    frame.write_ipc(files[-2])
    frame.write_parquet(files[-1])
    for path in files:
        assert content(read(path)) == expected(), path.name


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(TIMES, dtype=pl.Datetime("ns", "UTC")),
        pl.Series(TIMES, dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone("Asia/Kolkata"),
        pl.Series([START, START + HOUR]),
        pl.Series([START / 1000, START / 1000 + 3600]),
        pl.Series([str(START), "2025-01-01T01:00:00Z"]),
    ],
)
def test_typed_times(tmp_path: Path, column: pl.Series) -> None:
    path = tmp_path / "typed.parquet"
    values = pl.DataFrame(VALUES, schema=["open", "high", "low", "close", "volume"], orient="row")
    values.with_columns(pl.col("open").cast(pl.Decimal(38, 8)), column.alias("open_time")).write_parquet(path)
    assert content(read(path, symbol="btc/usdt", timeframe="60m")) == expected()


def test_decimals_round_once(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    text = "12345678901.234567890123456789"
    row = dict.fromkeys(("open", "high", "low", "close", "volume"), Decimal(text))
    pl.DataFrame([{"t": START, **row}], schema_overrides=dict.fromkeys(row, pl.Decimal(38, 18))).write_parquet(path)
    assert read(path).rows["open"][0] == float(text)


def test_bad_cells_cost_their_row(write: Write) -> None:
    good = f"{START},{LINES[0]}"
    rows = [
        f"{START},abc,102,99,101,12.5",
        f"{START},,102,99,101,12.5",
        f"{START},1,234.5,102,99,101,12.5",
        f"{START},100",
        "open_time,open,high,low,close,volume",
    ]
    raw = read(write("\n".join(["open_time,open,high,low,close,volume", good, good, *rows, good])))
    assert problems(raw) == [
        None,
        None,
        reasons.NOT_A_NUMBER,
        None,
        reasons.FIELD_COUNT,
        reasons.FIELD_COUNT,
        reasons.UNREADABLE_TIME,
        None,
    ]
    assert raw.rows["open"].to_list() == [100.0, 100.0, None, None, None, None, None, 100.0]


def test_names_from_columns(write: Write) -> None:
    header = "exchange,symbol,timeframe,open_time,open,high,low,close,volume"
    text = f"{header}\nkraken,eth/usd,60m,{START},{LINES[0]}\nkraken,,1h,{START},{LINES[0]}\n"
    text += f"kraken,???,1h,{START},{LINES[0]}\nkraken,ethusd,1Mo,{START},{LINES[0]}\n"
    text += f"kraken,ethusd,7h,{START},{LINES[0]}\nkraken,ethusd,1M,{START},{LINES[0]}\n"
    raw = read(write(text, "some export.csv"))
    assert raw.rows.select("exchange", "symbol", "timeframe", "problem").rows() == [
        ("KRAKEN", "ETHUSD", "1h", None),
        ("KRAKEN", None, "1h", None),
        ("KRAKEN", "???", "1h", reasons.UNREADABLE_NAME),
        ("KRAKEN", "ETHUSD", "1mo", None),
        ("KRAKEN", "ETHUSD", "7h", reasons.UNSUPPORTED_TIMEFRAME),
        ("KRAKEN", "ETHUSD", "1M", reasons.UNSUPPORTED_TIMEFRAME),
    ]


def test_symbol_column_may_name_the_exchange_or_a_perpetual(write: Write) -> None:
    text = "symbol,t,o,h,l,c,v\n" + "".join(
        f"{symbol},{START},{LINES[0]}\n" for symbol in ("KRAKEN:BTCUSD", "BTC/USDT:USDT", "BTCUSDT.P")
    )
    raw = read(write(text, "export.csv"), timeframe="1h")
    assert raw.rows.select("exchange", "symbol").rows() == [
        ("KRAKEN", "BTCUSD"),
        ("BINANCE", "BTCUSDT.P"),
        ("BINANCE", "BTCUSDT.P"),
    ]


def test_options_may_name_the_exchange(write: Write) -> None:
    path = write(with_times(START, START + HOUR), "export.csv")
    assert content(read(path, symbol="KRAKEN:BTC/USD", timeframe="1h")) == expected("BTCUSD", "1h", "KRAKEN")
    assert content(read(path, symbol="btcusd", timeframe="1h", exchange="kraken")) == expected("BTCUSD", "1h", "KRAKEN")


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe"),
    [
        ("BTCUSDT-1h-2024-12.csv", "BTCUSDT", "1h"),
        ("BTC_USDT-1w.csv", "BTCUSDT", "1w"),
        ("ADAUSDT_60m.csv", "ADAUSDT", "1h"),
        ("1000PEPE-USDT-15m-2024-12-31.csv", "1000PEPEUSDT", "15m"),
    ],
)
def test_names_from_the_file_name(write: Write, name: str, symbol: str, timeframe: str) -> None:
    assert content(read(write(with_times(START, START + HOUR), name))) == expected(symbol, timeframe)


CANDLE = f"{START},{LINES[0]}\n"
ONE = {"symbol": "BTCUSDT", "timeframe": "1h"}
SHORT_HEADER = f"t,o,h,l,c,v\n2025-01-01,00:00,{LINES[0]}\n"


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("BTCUSDT-1h.csv", "", {}, "the file is empty (0 bytes)"),
        ("BTCUSDT-1h.csv", "\n\n", {}, "the file contains no rows"),
        ("BTCUSDT-1h.csv", "open_time,open,high,low,close,volume\n", {}, "the file contains no rows"),
        ("BTCUSDT-1h.json", "[]", {}, "the file contains no rows"),
        ("BTCUSDT-1h.json", "{}", {}, "the JSON is not a list of candles"),
        ("BTCUSDT-1h.json", "[1, [2]]", {}, "neither a list of lists nor a list of objects"),
        ("BTCUSDT-1h.json", "[1", {}, "the file is not valid JSON"),
        ("BTCUSDT-1h.parquet", "PAR1", {}, "the file cannot be read"),
        ("BTCUSDT-1h.feather", "nothing of the kind", {}, "the file cannot be read"),
        ("BTCUSDT-1h.csv.gz", "nothing of the kind", {}, "the file cannot be read"),
        ("BTCUSDT-1h.zip", "nothing of the kind", {}, "the file cannot be read"),
        ("BTCUSDT-1h.hdf5", "nothing of the kind", {}, "supported are .parquet .feather .csv .txt .tsv .json"),
        ("BTCUSDT-1h.csv", "time,price\n1,2\n", {}, "no column for open, high, low, close, volume; the file has time"),
        ("BTCUSDT-1h.csv", "t,o,h,l,c\n1,2,3,4,5\n", {}, "no column for volume; the file has t, o, h, l, c"),
        ("BTCUSDT-1h.csv", "t,o,h,l,c,v,Close\n1,2,3,4,5,6,7\n", {}, "'c' and 'Close' can each be the close"),
        ("BTCUSDT-1h.csv", "1,2,3\n", {}, "the file has 3 columns without a header"),
        ("B-1h.csv", SHORT_HEADER, {}, "names 6 columns (t, o, h, l, c, v) but the rows have 7"),
        ("export.csv", with_times(START, START), {}, "pass the option symbol"),
        ("export.csv", with_times(START, START), {"symbol": "BTCUSDT"}, "pass the option timeframe"),
        ("BTC_USDT_USDT-1h-mark.csv", with_times(START, START), {"timeframe": "1h"}, "pass the option symbol"),
        ("BTCUSDT-8m.csv", with_times(START, START), {}, "in the file's name: timeframe '8m' is not supported"),
        ("e.csv", f"symbol,t,o,h,l,c,v\nETHUSDT,{CANDLE}", ONE, "a column says ETHUSDT"),
        ("e.csv", f"interval,t,o,h,l,c,v\n5m,{CANDLE}", ONE, "a column says 5m"),
        ("e.csv", f"exchange,t,o,h,l,c,v\nBINANCE,{CANDLE}", {**ONE, "exchange": "KRAKEN"}, "a column says BINANCE"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read(write: Write, name: str, text: str, options: dict[str, str], message: str) -> None:
    path = write(text, name)
    with pytest.raises(CandleFileError) as caught:
        read(path, **options)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_other_unreadable_files(write: Write, tmp_path: Path) -> None:
    with pytest.raises(CandleFileError, match="no such file"):
        read(tmp_path / "BTCUSDT-1h.csv")
    with pytest.raises(CandleFileError, match="byte 1 is not UTF-8 text"):
        read(write(b"t\xff", "BTCUSDT-1h.csv"))
    two = io.BytesIO()
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("a.csv", "")
        archive.writestr("b.csv", "")
    with pytest.raises(CandleFileError, match="contains 2 candle files; it must contain exactly one"):
        read(write(two.getvalue(), "BTCUSDT-1h.zip"))
    nested = tmp_path / "BTCUSDT-1h.parquet"
    pl.DataFrame({"t": [START], **{name: [[1.0]] for name in "ohlcv"}}).write_parquet(nested)
    with pytest.raises(CandleFileError, match="a column has a type that cannot be read"):
        read(nested)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeframe": "7m"}, TimeframeError),
        ({"symbol": "???"}, InstrumentError),
        ({"exchange": "no name"}, InstrumentError),
        ({"symbol": "KRAKEN:BTCUSD", "exchange": "COINBASE"}, InstrumentError),
    ],
)
def test_invalid_options(write: Write, options: dict[str, str], error: type[HubError]) -> None:
    with pytest.raises(error):
        read(write(with_times(START, START)), **options)
