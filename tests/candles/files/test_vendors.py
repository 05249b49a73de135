"""Files as vendors, exchanges and platforms write them: each is read as it is meant, or refused with what mends it."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import CandleFileError
from tests.candles.files.made_files import (
    BTC,
    HOUR,
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
Row = dict[str, Any]

PRICES = [43_000.0, 43_100.5, 42_950.25, 43_207.75, 43_180.5, 43_312.0, 43_290.25]
CANDLES: list[Candle] = [
    (opened, max(opened, closed) + 12.5, min(opened, closed) - 7.25, closed, 10.5 + n)
    for n, (opened, closed) in enumerate(pairwise(PRICES))
]
TURNOVERS = [volume * (high + low) / 2 for _, high, low, _, volume in CANDLES]
WHEN = moments(len(CANDLES))
SECONDS = [int(moment.timestamp()) for moment in WHEN]
ROWS: list[Row] = [
    dict(zip("ohlcv", candle, strict=True)) | {"t": second, "q": turnover, "w": moment}
    for candle, second, turnover, moment in zip(CANDLES, SECONDS, TURNOVERS, WHEN, strict=True)
]


def lists(order: str) -> list[list[Any]]:
    """Rows by the letters of their parts; ``T`` counts milliseconds, ``x`` is anything."""
    return [[row["t"] * 1000 if part == "T" else 7 if part == "x" else row[part] for part in order] for row in ROWS]


def objects(**names: str) -> list[Row]:
    """Name -> the letter of its part."""
    return [{name: row["t"] * 1000 if part == "T" else row[part] for name, part in names.items()} for row in ROWS]


OHLCV = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
ANSWERS: dict[str, Any] = {
    "Alpha Vantage": {
        "Meta Data": {"1. Information": "Intraday", "2. Symbol": "IBM"},
        "Time Series (60min)": {
            row["w"].strftime("%Y-%m-%d %H:%M:%S"): {
                "1. open": str(row["o"]), "2. high": str(row["h"]), "3. low": str(row["l"]), "4. close": str(row["c"]),
                "5. volume": str(row["v"]),
            }
            for row in reversed(ROWS)
        },
    },
    "Yahoo's chart": {
        "chart": {
            "result": [
                {
                    "meta": {"symbol": "BTC-USD", "currency": "USD"},
                    "timestamp": SECONDS,
                    "indicators": {"quote": [{name: [row[part] for row in ROWS] for name, part in OHLCV.items()}]},
                }
            ],
            "error": None,
        }
    },
    "Polygon": {"ticker": "X:BTCUSD", "results": objects(v="v", vw="o", o="o", c="c", h="h", l="l", t="T"), "count": 6},
    "Kraken": {"error": [], "result": {"XXBTZUSD": lists("tohlcoxx".replace("xx", "vx")), "last": SECONDS[-1]}},
    "Coinbase": lists("tlhocv")[::-1],
    "Bitfinex": lists("Tochlv")[::-1],
    "Bybit": {"retCode": 0, "result": {"category": "linear", "list": lists("Tohlcvq")[::-1]}},
    "OKX, contracts": [[*row[:5], row[5] * 100, *row[5:], "1"] for row in lists("Tohlcvq")],
    "KuCoin": {"code": "200000", "data": lists("tochlvq")},
    "Gate": [[str(cell) for cell in row] + ["true"] for row in lists("tqchlov")],
    "HTX": {"status": "ok", "data": objects(id="t", open="o", close="c", low="l", high="h", amount="v", vol="q")},
    "Poloniex": objects(date="t", high="h", low="l", open="o", close="c", volume="q", quoteVolume="v"),
    "Deribit": {
        "result": {name: [row[part] for row in ROWS] for name, part in ({"ticks": "t", "cost": "q"} | OHLCV).items()}
    },
    "Upbit": [
        {
            "market": "KRW-BTC", "candle_date_time_utc": row["w"].strftime("%Y-%m-%dT%H:%M:%S"),
            "candle_date_time_kst": (row["w"] + 9 * HOUR).strftime("%Y-%m-%dT%H:%M:%S"), "opening_price": row["o"],
            "high_price": row["h"], "low_price": row["l"], "trade_price": row["c"],
            "timestamp": row["t"] * 1000 + 3_599_000,
            "candle_acc_trade_price": row["q"], "candle_acc_trade_volume": row["v"], "unit": 60,
        }
        for row in reversed(ROWS)
    ],
    "CryptoCompare": {
        "Data": {"Data": objects(time="t", high="h", low="l", open="o", volumefrom="v", volumeto="q", close="c")}
    },
    "pandas, by index": {str(row["t"] * 1000): {name: row[part] for name, part in OHLCV.items()} for row in ROWS},
    "pandas, by columns": {name: {str(row["t"] * 1000): row[part] for row in ROWS} for name, part in OHLCV.items()},
    "pandas, split": {"columns": ["time", *OHLCV], "index": list(range(len(ROWS))), "data": lists("Tohlcv")},
}  # fmt: skip


@pytest.mark.parametrize("vendor", ANSWERS)
def test_answers_of_interfaces(write: Write, vendor: str) -> None:
    path = write(json.dumps(ANSWERS[vendor]), "answer.json")
    assert rows_of(read(path, symbol="BTCUSD", timeframe="1h")) == expected(CANDLES)


TEXTS = {
    "TradeStation's up and down volume": (
        '"Date","Time","Open","High","Low","Close","Up","Down"', "{w:%m/%d/%Y},{w:%H:%M},{o},{h},{l},{c},{v},0"
    ),
    "CoinMarketCap": (
        "timeOpen;timeClose;timeHigh;timeLow;name;open;high;low;close;volume;marketCap;timestamp",
        '"{w:%FT%T.000Z}";"x";"{w:%FT12:00:00.000Z}";"{w:%FT03:00:00.000Z}";"2781";{o};{h};{l};{c};{v};9;"{w:%FT23:59:59.999Z}"',
    ),
    "CoinAPI": (
        "time_period_start;time_period_end;time_open;time_close;price_open;price_high;price_low;price_close;volume_traded",
        "{w:%FT%TZ};{w:%FT%H:59:59Z};{w:%FT%H:00:03Z};{w:%FT%H:59:50Z};{o};{h};{l};{c};{v}",
    ),
    "NSE": (
        "Date,Prev Close,Open Price,High Price,Low Price,Last Price,Close Price,Average Price,"
        "Total Traded Quantity,Turnover",
        "{w:%d-%b-%Y %H:%M},1,{o},{h},{l},{l},{c},{h},{v},{q}",
    ),
    "OKX's header": ("ts,o,h,l,c,vol,volCcy,volCcyQuote,confirm", "{t}000,{o},{h},{l},{c},5,{v},{q},1"),
    "TradingView's, with the volume twice": (
        "time,open,high,low,close,Plot,Plot,Volume,Volume MA,Volume", "{t},{o},{h},{l},{c},1,2,{v},5,{v}"
    ),
    "MetaStock": (
        "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
        "BTCUSD,I,{w:%Y%m%d},{w:%H%M%S},{o},{h},{l},{c},{v}",
    ),
    "columns that blanks keep apart": (
        "date   time  open high low close volume", "{w:%F}  {w:%T} {o} {h} {l}  {c} {v}"
    ),
    "Interactive Brokers' zone": (
        "date,open,high,low,close,volume", "{e:%Y%m%d %H:%M:%S} US/Eastern,{o},{h},{l},{c},{v}"
    ),
    "an offset of one digit": ("date,open,high,low,close,volume", "{f:%F %T} UTC+1,{o},{h},{l},{c},{v}"),
    "years of two digits": ("Date,Open,High,Low,Close,Volume", "{w:%m/%d/%y %H:%M},{o},{h},{l},{c},{v}"),
    "names of months, short years": ("Date,Open,High,Low,Close,Volume", "{w:%d-%b-%y %H:%M},{o},{h},{l},{c},{v}"),
    "Chinese": ("日期,开盘,最高,最低,收盘,成交量", "{w:%F %T},{o},{h},{l},{c},{v}"),
}  # fmt: skip


@pytest.mark.parametrize("vendor", TEXTS)
def test_texts_of_platforms(write: Write, vendor: str) -> None:
    header, pattern = TEXTS[vendor]
    lines = [pattern.format(**row, e=row["w"] - 5 * HOUR, f=row["w"] + HOUR) for row in ROWS]
    path = write("\n".join([header, *lines]), "export.csv")
    assert rows_of(read(path, symbol="BTCUSD", timeframe="1h")) == expected(CANDLES)


def german(number: float) -> str:
    return f"{number:,.4f}".replace(",", " ").replace(".", ",").replace(" ", ".")


@a_file
@given(walks(), st.sampled_from(";\t|,"), st.booleans())
def test_numbers_as_germans_write_them(write: Write, candles: list[Candle], mark: str, whole: bool) -> None:
    candles = [(*(round(price, 4) for price in candle[:4]), candle[4]) for candle in candles]  # type: ignore[misc]
    cells = {name: [german(candle[n]) for candle in candles] for n, name in enumerate(NAMES)}
    if whole and mark != ",":
        cells["volume"] = [cell.removesuffix(",0000") for cell in cells["volume"]]
    columns = {"Datum": [f"{moment:%d.%m.%Y %H:%M}" for moment in moments(len(candles))], **cells}
    quoted = {name: [f'"{cell}"' for cell in column] for name, column in columns.items()}
    raw = read(write(table(quoted if mark == "," else columns, mark), "export.csv"), **BTC)
    assert rows_of(raw) == expected(candles)


@a_file
@given(walks(), st.integers(5, 10), st.integers(-19_000, 20_000))
def test_days_as_spreadsheets_count_them(write: Write, candles: list[Candle], digits: int, days: int) -> None:
    start = datetime(2024, 1, 15, 22, tzinfo=UTC) + timedelta(days)
    when = [start + n * HOUR for n in range(len(candles))]
    serials = [(moment - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(days=1) for moment in when]
    raw = read(write(table({"Date": [f"{one:.{digits}f}" for one in serials], **values(candles)}), "export.csv"), **BTC)
    assert raw.rows["open_time"].to_list() == when


def test_prices_are_no_days(write: Write) -> None:
    rows = [
        [low, high, opened, closed, volume, 1_705_356_000 + 3600 * n]
        for n, (opened, high, low, closed, volume) in enumerate(CANDLES)
    ]
    raw = read(write(json.dumps(rows), "answer.json"), **BTC)
    assert rows_of(raw) == expected(CANDLES)


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        (["24/01/15", "24/01/16", "24/01/17"], "which number is the year"),
        (["01/02/24", "01/03/24"], "which number"),
        (["2024-01-15 09:30 EST", "2024-01-15 10:30 EST"], "--zone America/New_York"),
        (["2024-07-15 09:30 EDT", "2024-01-15 10:30 EST"], "'EDT' or 'EST'"),
    ],
)
def test_dates_with_two_readings_are_refused(write: Write, dates: list[str], words: str) -> None:
    text = table({"Date": dates, **values(CANDLES[: len(dates)])})
    with pytest.raises(CandleFileError, match=words):
        read(write(text, "export.csv"), **BTC)


def test_a_word_for_a_zone_is_no_obstacle_where_the_zone_is_named(write: Write) -> None:
    text = table({"Date": [f"{moment - 5 * HOUR:%F %T} EST" for moment in WHEN], **values(CANDLES)})
    assert rows_of(read(write(text, "export.csv"), **BTC, zone="America/New_York")) == expected(CANDLES)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("nameless", [False, True])
def test_a_file_without_volumes_is_refused_with_what_imports_it(
    write: Write, newest_first: bool, nameless: bool
) -> None:
    columns = {"low": "l", "high": "h", "time": "t", "open": "o", "close": "c"}
    columns = {"time": "t", "open": "o", "high": "h", "low": "l", "close": "c"} if nameless else columns
    rows = [[str(row[part]) for part in columns.values()] for row in ROWS]
    lines = list(map(",".join, rows[::-1] if newest_first else rows))
    path = write("\n".join(lines if nameless else [",".join(columns), *lines]), "export.csv")
    with pytest.raises(CandleFileError, match=f"no column for volume.*--columns {','.join(columns)}$"):
        read(path, **BTC)
    told = read(path, **BTC, columns=",".join(columns))
    assert rows_of(told) == expected([(*candle[:4], 0.0) for candle in CANDLES])


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("EURUSD60.csv", ("BINANCE", "EURUSD", "1h")),
        ("XAUUSD1440.csv", ("BINANCE", "XAUUSD", "1d")),
        ("GBPJPY43200.csv", ("BINANCE", "GBPJPY", "1mo")),
        ("EURUSD_Daily_201001040000_202406280000.csv", ("BINANCE", "EURUSD", "1d")),
        ("XBTUSD_720.csv", ("BINANCE", "XBTUSD", "12h")),
        ("BTCUSDT_15_2024-01-01_2024-01-31.csv", ("BINANCE", "BTCUSDT", "15m")),
        ("Bitstamp_BTCUSD_1h.csv", ("BITSTAMP", "BTCUSD", "1h")),
        ("Binance_BTCUSDT_d.csv", ("BINANCE", "BTCUSDT", "1d")),
        ("Gemini_BTCUSD_2024_1min.csv", ("GEMINI", "BTCUSD", "1m")),
        ("Kraken_ETHEUR_minute.csv", ("KRAKEN", "ETHEUR", "1m")),
    ],
)
def test_names_of_files(write: Write, name: str, series: tuple[str, str, str]) -> None:
    raw = read(write(table({"time": [str(second) for second in SECONDS], **values(CANDLES)}), name))
    assert raw.rows.select("exchange", "symbol", "timeframe").unique().rows() == [series]
    assert raw.guessed_symbol


@pytest.mark.parametrize("name", ["EXPORT_1.csv", "REPORT15.csv", "AAPL_60.csv"])
def test_numbers_behind_other_words_count_no_minutes(write: Write, name: str) -> None:
    with pytest.raises(CandleFileError, match="neither a column nor the file's name tells the symbol"):
        read(write(table({"time": [str(second) for second in SECONDS], **values(CANDLES)}), name))


CONTENT = {
    "x/candles.csv": table({"time": [str(second) for second in SECONDS], **values(CANDLES)}).encode(),
    "candles.json": json.dumps(lists("Tohlcv")).encode(),
    "candles.jsonl": "\n".join(map(json.dumps, lists("Tohlcv"))).encode(),
    "candles.txt": table({"time": [str(second) for second in SECONDS], **values(CANDLES)}, ";").encode(),
    "candles.csv.gz": gzip.compress(table({"time": [str(second) for second in SECONDS], **values(CANDLES)}).encode()),
}


@pytest.mark.parametrize("member", CONTENT)
@pytest.mark.parametrize("beside", [[], ["__MACOSX/._candles.csv", "readme.md"], ["notes.txt"]])
def test_the_candle_file_in_an_archive(write: Write, member: str, beside: list[str]) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for other in beside:
            archive.writestr(other, "x")
        archive.writestr(member, CONTENT[member])
    path = write(data.getvalue(), "archive.zip")
    if member.endswith(".txt") and "notes.txt" in beside:
        with pytest.raises(CandleFileError, match="contains 2 candle files"):
            read(path, **BTC)
    else:
        assert rows_of(read(path, **BTC)) == expected(CANDLES)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(write: Write, encoding: str, newline: str) -> None:
    text = table({"time": [str(second) for second in SECONDS], **values(CANDLES)}).replace("\n", newline)
    assert rows_of(read(write(text.encode(encoding), "export.csv"), **BTC)) == expected(CANDLES)
