"""Instruments of every kind in both spellings of a condition, at its start and after ``@``."""

import pytest
from hypothesis import given, settings

from registry.conditions import Condition
from registry.naming import CANONICAL, reading
from registry.symbols import Spelling
from tests.registry.language.test_errors import refused
from tests.registry.made_instruments import spellings


@settings(max_examples=60, deadline=None)
@given(spellings(), spellings())
def test_every_kind_round_trips(own: Spelling, other: Spelling) -> None:
    first, second = f"EX:{own.symbol(split=True)}", f"OTHER:{other.symbol(split=True)}"
    text = f"{first} 1h: close > close[1]@{second}@4h - 1"
    with reading(CANONICAL):
        condition = Condition.parse(text)
        assert [str(one) for one in condition.instruments] == [first, second]
        assert Condition.parse(str(condition)) == condition
        assert Condition.parse(condition.to_json()) == condition
    assert Condition.from_canonical(condition.canonical) == condition


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("BTC/USD:BTC 60: rsi < 30", "BINANCE:BTCUSD.P:BTC 1h: rsi(14) < 30"),
        ("OKX:BTC-USDT-SWAP H4: rsi < 30", "OKX:BTCUSDT.P 4h: rsi(14) < 30"),
        ("NSE:M&M D: close > close@L&T", "NSE:M&M 1d: close > close@L&T"),
        ('"NSE:M&M" 1d: close > close@"L&T"', "NSE:M&M 1d: close > close@L&T"),
        ("币安人生usdt 1h: close@币安人生usdt > 1", "BINANCE:币安人生USDT 1h: close > 1"),
        ("BTCUSDT 1h: close@BTCUSDT-20250328 - close > 5", "BINANCE:BTCUSDT 1h: close@BTCUSDT-20250328 - close > 5"),
        ("BTCUSDT 1h: close@BTC/USDT:USDT-250328-5 > 1", "BINANCE:BTCUSDT 1h: close@BTCUSDT-20250328 - 5 > 1"),
        ("BTCUSDT 1h: close@BTCUSDT_250328-5 > 1", "BINANCE:BTCUSDT 1h: close@BTCUSDT-20250328 - 5 > 1"),
        ("BTCUSDT 1h: close@BTCUSDT-5 > 1", "BINANCE:BTCUSDT 1h: close - 5 > 1"),
        ("BTCUSDT 1h: close@BTCUSD.P:BTC@4h > 1", "BINANCE:BTCUSDT 1h: close@BTCUSD.P:BTC@4h > 1"),
        ("BTCUSDT 1h: rsi@H4 < 30 and rsi@D1 < 30", "BINANCE:BTCUSDT 1h: rsi(14)@4h < 30 and rsi(14)@1d < 30"),
        ("NYSE:BRK.B 1d: close > close@NYSE:D", "NYSE:BRK.B 1d: close > close@NYSE:D"),
        # A symbol that could be taken for a timeframe keeps its exchange.
        ("NYSE:DAY 1d: close@NYSE:M > close@NYSE:KO", "NYSE:DAY 1d: close@NYSE:M > close@KO"),
    ],
)
def test_what_is_read(text: str, short: str) -> None:
    condition = Condition.parse(text)
    assert str(condition) == short
    assert Condition.parse(short) == condition


def test_json_takes_any_name() -> None:
    flat = {"symbol": "币安人生/USDT", "timeframe": "D", "indicator": "close", "operator": ">", "value": 'close@"M&M"'}
    condition = Condition.parse(flat)
    assert str(condition) == "BINANCE:币安人生USDT 1d: close > close@M&M"
    assert condition.to_json()["symbol"] == "BINANCE:币安人生USDT"
    tree = {"symbol": "M&M", "timeframe": "1d", "when": {"left": {"price": "close", "symbol": "L&T"}, "operator": ">",
                                                        "right": 1}}  # fmt: skip
    assert str(Condition.parse(tree, default_exchange="NSE")) == "NSE:M&M 1d: close@L&T > 1"
    error = refused({**flat, "symbol": "A\x1bB"})
    assert (error.pointer, str(error).isprintable()) == ("/symbol", True)


def test_a_caret_stands_below_wide_letters() -> None:
    error = refused("币安人生USDT 1h: rsii < 30")
    _, shown, caret = str(error).split("\n")
    assert error.position == len("币安人生USDT 1h: ")
    # Each of the four letters is two columns wide.
    assert caret == " " * (2 + error.position + 4) + "^"
    assert shown == "  币安人生USDT 1h: rsii < 30"


@pytest.mark.parametrize(
    ("text", "condition_id"),
    [
        ("BTCUSDT 1h: close > 30", "c7a242467ea43754cf4ec1559036f514"),
        ("BTC/USDT 1h: close > 30", "c7a242467ea43754cf4ec1559036f514"),
        ("BTCUSDT.P 1h: close > 30", "67e95438064de35d0b94ba71642e8a65"),
        ("BTC/USDT:USDT 1h: close > 30", "67e95438064de35d0b94ba71642e8a65"),
        ("BTC/USD:USD 1h: close > 30", "e39e23293caff39d19eeabbcf9af8dd9"),
    ],
)
def test_ids_of_spot_and_linear_contracts_are_fixed(text: str, condition_id: str) -> None:
    assert Condition.parse(text).id == condition_id
