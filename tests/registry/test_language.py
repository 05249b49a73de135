"""The two spellings of a condition: what they mean, and that text and tree say the same."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_reference import SERIES
from language_strategies import any_tree

from registry import Condition, HubError
from registry.canonical import canonicalise
from registry.expression import All, Any, Comparison, IndicatorOutput, Node, Not, Number, Price, is_momentary
from registry.instruments import Instrument
from registry.surface import Crosses
from registry.text import parse, to_text
from registry.vocabulary import OPERATORS

RSI = IndicatorOutput(SERIES, "rsi", (("period", 14),), "close", "value")
CLOSE = Price(SERIES, "close")


def read(expression: str) -> Node:
    return parse(f"BTCUSDT 1h: {expression}", default_exchange="BINANCE")[1]


@pytest.mark.parametrize(
    ("expression", "tree"),
    [
        ("rsi < 30", Comparison("<", RSI, Number(30))),
        ("RSI(14, Close) Crosses Below -3e1", Comparison("crosses_below", RSI, Number(-30))),
        ("rsi(period=14, source=close) >= .5", Comparison(">=", RSI, Number(0.5))),
        ("rsi() <= + 30.", Comparison("<=", RSI, Number(30))),
        (
            "sma(20, volume) > volume",
            Comparison(
                ">", IndicatorOutput(SERIES, "sma", (("period", 20),), "volume", "value"), Price(SERIES, "volume")
            ),
        ),
        (
            "macd(5, 8, signal=3).hist > 0",
            Comparison(
                ">",
                IndicatorOutput(SERIES, "macd", (("fast", 5), ("slow", 8), ("signal", 3)), "close", "histogram"),
                Number(0),
            ),
        ),
        (
            "close > bbands(20, 2.5, hl2).upper",
            Comparison(
                ">", CLOSE, IndicatorOutput(SERIES, "bbands", (("period", 20), ("stddev", 2.5)), "hl2", "upper")
            ),
        ),
        (
            "atr(7) > 1",
            Comparison(">", IndicatorOutput(SERIES, "atr", (("period", 7),), None, "value"), Number(1)),
        ),
    ],
)
def test_operands(expression: str, tree: Node) -> None:
    assert read(expression) == tree


def test_precedence() -> None:
    a, b, c = (Comparison(">", CLOSE, Number(n)) for n in (1, 2, 3))
    assert read("close > 1 or not close > 2 and close > 3") == Any((a, All((Not(b), c))))
    assert read("close > 1 and close > 2 and close > 3") == All((a, b, c))
    assert read("(close > 1 or close > 2) and close > 3") == All((Any((a, b)), c))
    assert read("not (close > 1 and close > 2)") == Not(All((a, b)))
    assert read("NOT NOT close > 1") == Not(Not(a))
    assert read("all(close > 1, any(close > 2, close > 3))") == All((a, Any((b, c))))
    assert read("((close > 1))") == a


@pytest.mark.parametrize("spelling", sorted(OPERATORS))
def test_every_spelling_of_an_operator(spelling: str) -> None:
    operator = OPERATORS[spelling]
    for text, right in ((f"close {spelling} 1", Number(1)), (f"close {spelling.upper().replace('_', ' ')} rsi", RSI)):
        assert read(text) == (Crosses(CLOSE, right) if operator == "crosses" else Comparison(operator, CLOSE, right))
    flat = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "close", "operator": spelling, "value": 1}
    assert Condition.parse(flat) == Condition.parse(f"BTCUSDT 1h: close {spelling} 1")


def test_blanks_and_lines_do_not_matter() -> None:
    assert read("\n  rsi(14)\t<30\r\n and(close>1)") == read("rsi(14) < 30 and close > 1")


@given(any_tree)
def test_text_and_tree_round_trip(tree: Node) -> None:
    assert read(to_text(tree)) == tree
    assert read(to_text(tree, short=True)) == tree


@given(any_tree)
def test_a_condition_is_read_back_from_its_own_texts(tree: Node) -> None:
    condition = Condition.parse(f"BTCUSDT 1h: {to_text(tree)}")
    assert Condition.parse(str(condition)) == condition
    assert Condition.from_canonical(condition.canonical) == condition
    assert Condition.from_canonical(condition.canonical).tree == condition.tree
    assert hash(Condition.parse(str(condition))) == hash(condition)


def test_attributes() -> None:
    condition = Condition.parse("btc/usdt:usdt 60m: rsi crosses_below 30 and close > sma(200, hl2)")
    assert condition.canonical == ("BINANCE:BTCUSDT.P 1h: all(close > sma(200, hl2), rsi(14, close) crosses_below 30)")
    assert str(condition) == "BINANCE:BTCUSDT.P 1h: rsi(14) crosses_below 30 and close > sma(200, hl2)"
    assert condition.timeframe == "1h"
    assert condition.instruments == (Instrument("BINANCE", "BTCUSDT.P"),)
    assert str(condition.series) == "BINANCE:BTCUSDT.P 1h"
    assert condition.definition_versions == "rsi=1,sma=1"
    assert condition.momentary
    assert Condition.parse("BTCUSDT 1h: close > open").definition_versions == ""


def test_only_the_canonical_text_is_taken_as_canonical() -> None:
    with pytest.raises(HubError, match=r"rsi\(14, close\) < 30"):
        Condition.from_canonical("BINANCE:BTCUSDT 1h: rsi(14) < 30")


@pytest.mark.parametrize(
    ("expression", "momentary"),
    [
        ("rsi < 30", False),
        ("rsi crosses_below 30", True),
        ("not rsi crosses_below 30", False),
        ("not not rsi crosses_below 30", True),
        ("all(rsi crosses_below 30, close > 1)", True),
        ("all(not rsi crosses_below 30, close > 1)", False),
        ("any(rsi crosses_below 30, close > 1)", False),
        ("any(rsi crosses_below 30, close crosses_above open)", True),
        ("any(rsi crosses_below 30, all(close > 1, close crosses_above open))", True),
    ],
)
def test_momentary(expression: str, momentary: bool) -> None:
    assert is_momentary(canonicalise(read(expression), SERIES)) is momentary
    assert Condition.parse(f"BTCUSDT 1h: {expression}").momentary is momentary


def test_defaults_stand_in_and_never_override() -> None:
    expected = Condition.parse("KRAKEN:ETHUSDT 4h: rsi < 30")
    given_ = {"symbol": "ETHUSDT", "timeframe": "4h", "default_exchange": "KRAKEN"}
    assert Condition.parse("rsi < 30", **given_) == expected
    assert Condition.parse({"indicator": "RSI", "operator": "<", "value": 30}, **given_) == expected
    own = Condition.parse("BINANCE:BTCUSDT 1h: rsi < 30")
    assert Condition.parse("BINANCE:BTCUSDT 1h: rsi < 30", **given_) == own
    flat = {"symbol": "BINANCE:BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "<", "value": 30}
    assert Condition.parse(flat, **given_) == own


SERIES_FIELDS: dict[str, object] = {"symbol": "BTCUSDT", "timeframe": "1h"}


@pytest.mark.parametrize(
    ("flat", "expression"),
    [
        ({"indicator": "RSI", "operator": "crosses_below", "value": 30, "period": 14}, "rsi(14) crosses_below 30"),
        ({"indicator": "RSI", "operator": "<", "value": 30}, "rsi < 30"),
        ({"indicator": "RSI", "operator": ">", "value": 70}, "rsi > 70"),
        (
            {"indicator": "MACD", "operator": "crosses_above", "component": "histogram"},
            "macd.histogram crosses_above 0",
        ),
        ({"indicator": "macd", "operator": "gt", "component": "HIST", "value": None}, "macd.histogram > 0"),
        ({"indicator": "macd", "operator": "lt", "params": {"fast": 5, "Slow": 8.0}}, "macd(5, 8, 9).line < 0"),
        ({"indicator": "Bollinger Bands", "operator": ">", "value": 1, "component": "upperband"}, "bbands.upper > 1"),
        ({"indicator": "close", "operator": "above", "value": 6e4}, "close > 60000"),
        ({"indicator": "PRICE", "operator": "crosses above", "value": 6e4}, "close crosses_above 60000"),
        (
            {"indicator": "SMA", "operator": "<", "value": 9.5, "source": "VOLUME", "exchange": "binance"},
            "sma(20, volume) < 9.5",
        ),
    ],
)
def test_flat_conditions(flat: dict[str, object], expression: str) -> None:
    expected = Condition.parse(f"BTCUSDT 1h: {expression}")
    assert Condition.parse({**SERIES_FIELDS, **flat}) == expected
    assert Condition.parse(json.dumps({**SERIES_FIELDS, **flat})) == expected


@given(
    st.integers(2, 1000),
    st.one_of(st.integers(-(10**15), 10**15), st.floats(-1e15, 1e15)),
    st.sampled_from(sorted(OPERATORS)),
)
@settings(max_examples=50)
def test_a_flat_condition_equals_its_text(period: int, value: float, operator: str) -> None:
    flat = {**SERIES_FIELDS, "indicator": "rsi", "operator": operator, "value": value, "period": period}
    assert Condition.parse(flat) == Condition.parse(f"BTCUSDT 1h: rsi({period}) {operator} {value!r}")
