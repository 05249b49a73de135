"""What an import learns of an instrument's base and quote: only what something says plainly."""

from pathlib import Path
from typing import Any

import pytest

from candles.files.options import ImportOptions
from candles.importing import import_candles
from common.clock import SystemClock
from registry.naming import reading
from registry.store.files.file_store import FileStore

HEADER, ROW = "time,open,high,low,close,volume", "1705356000,1,2,1,2,5"


def pairs(store: FileStore, path: Path, text: str, **options: Any) -> dict[str, tuple[str, str] | None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with reading(store.candles.directory()):
        [report] = import_candles([path], store, clock=SystemClock(), options=ImportOptions.parse(**options))
    assert report.error is None
    return {str(one.instrument): one.pair for one in store.candles.listings()}


@pytest.mark.parametrize(
    ("symbol", "instrument", "pair"),
    [
        ("BTC/USDT", "BINANCE:BTCUSDT", ("BTC", "USDT")),
        ("OKX:BTC-USDT", "OKX:BTCUSDT", ("BTC", "USDT")),
        ("btc_usdc", "BINANCE:BTCUSDC", ("BTC", "USDC")),
        ("BTC/USDT:USDT", "BINANCE:BTCUSDT.P", ("BTC", "USDT")),
        ("BTC/USD:BTC", "BINANCE:BTCUSD.P:BTC", ("BTC", "USD")),
        ("BTC/USDT:USDT-250328", "BINANCE:BTCUSDT-20250328", ("BTC", "USDT")),
        ("1000PEPE/USDT", "BINANCE:1000PEPEUSDT", ("1000PEPE", "USDT")),
        ("币安人生/USDT", "BINANCE:币安人生USDT", ("币安人生", "USDT")),
        ("BTCUSDT", "BINANCE:BTCUSDT", None),
        ("NYSE:BRK-B", "NYSE:BRKB", None),
        ("NYSE:BRK.B", "NYSE:BRK.B", None),
        ("NSE:M&M", "NSE:M&M", None),
    ],
)
@pytest.mark.parametrize("in_column", [False, True])
def test_what_a_symbol_says(
    store: FileStore, tmp_path: Path, symbol: str, instrument: str, pair: tuple[str, str] | None, in_column: bool
) -> None:
    text = f"symbol,{HEADER}\n{symbol},{ROW}\n" if in_column else f"{HEADER}\n{ROW}\n"
    options = {} if in_column else {"symbol": symbol}
    assert pairs(store, tmp_path / "export.csv", text, timeframe="1h", **options) == {instrument: pair}


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("BTC_USDT-1h.csv", ("BTC", "USDT")),
        ("BTC_USDT_USDT-1h-futures.csv", ("BTC", "USDT")),
        ("futures/cm/BTCUSD_PERP-1h-2024-01.csv", ("BTC", "USD")),
        ("BTCUSDT-1h-2024-01.csv", None),
    ],
)
def test_what_the_name_of_a_file_says(store: FileStore, tmp_path: Path, name: str, pair: object) -> None:
    assert list(pairs(store, tmp_path / name, f"{HEADER}\n{ROW}\n").values()) == [pair]


@pytest.mark.parametrize(
    ("volumes", "pair"),
    [
        ("Volume BTC,Volume USDT", ("BTC", "USDT")),
        ("Volume USDT,Volume BTC", ("BTC", "USDT")),
        ("Volume BTC,Trades", None),
    ],
)
def test_what_the_names_of_volumes_say(store: FileStore, tmp_path: Path, volumes: str, pair: object) -> None:
    text = f"time,symbol,open,high,low,close,{volumes}\n1705356000,BTCUSDT,10,20,10,20,5,75\n"
    assert pairs(store, tmp_path / "export.csv", text, timeframe="1h") == {"BINANCE:BTCUSDT": pair}


def test_what_is_known_stays(store: FileStore, tmp_path: Path) -> None:
    text = f"{HEADER}\n{ROW}\n"
    first = pairs(store, tmp_path / "a.csv", text, timeframe="1h", symbol="AB/CUSD")
    assert first == {"BINANCE:ABCUSD": ("AB", "CUSD")}
    second = pairs(store, tmp_path / "b.csv", text, timeframe="1h", symbol="ABC/USD")
    assert second == first | {"BINANCE:ABC/USD": ("ABC", "USD")}, "another instrument of the same letters"
