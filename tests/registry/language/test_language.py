"""The two spellings of a condition: what they mean, and that text and tree say the same."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import Condition, HubError
from registry.groups import Series
from registry.instruments import Instrument
from registry.language.as_text.text import parse
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode
from registry.language.tree import (
    All,
    Any,
    Arithmetic,
    AtLeast,
    Comparison,
    For,
    IndicatorOutput,
    Not,
    Number,
    Price,
    Within,
    is_momentary,
)
from registry.language.vocabulary import COMPARISONS
from tests.registry.language.reference import SERIES

RSI = IndicatorOutput(SERIES, "rsi", (("period", 14),), "close", "value")
CLOSE = Price(SERIES, "close")


def read(expression: str) -> SurfaceNode:
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
def test_operands(expression: str, tree: SurfaceNode) -> None:
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


@pytest.mark.parametrize("spelling", sorted(COMPARISONS))
def test_every_spelling_of_an_operator(spelling: str) -> None:
    operator = COMPARISONS[spelling]
    for text, right in ((f"close {spelling} 1", Number(1)), (f"close {spelling.upper().replace('_', ' ')} rsi", RSI)):
        assert read(text) == (Crosses(CLOSE, right) if operator == "crosses" else Comparison(operator, CLOSE, right))
    flat = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "close", "operator": spelling, "value": 1}
    assert Condition.parse(flat) == Condition.parse(f"BTCUSDT 1h: close {spelling} 1")


def test_blanks_and_lines_do_not_matter() -> None:
    assert read("\n  rsi(14)\t<30\r\n and(close>1)") == read("rsi(14) < 30 and close > 1")


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("RSI(period=14, source=close) IS BELOW 3e1", "rsi(14) < 30"),
        ("close>sma(200)@4h", "close > sma(200)@4h"),
        ("rsi[1]@BINANCE:ETHUSDT@4h < 30", "rsi(14)[1]@ETHUSDT@4h < 30"),
        ("close@KRAKEN:ETH/USD > 1", "close@KRAKEN:ETHUSD > 1"),
        ("close > 1 and open > 1", "close > 1 and open > 1"),
        ("close > 1 and open > 1 and high > 1", "all(close > 1, open > 1, high > 1)"),
        ("close > 1 and (open > 1 or high > 1)", "close > 1 and (open > 1 or high > 1)"),
        ("not (close > 1 and open > 1)", "not (close > 1 and open > 1)"),
        ("not not close > 1", "not not close > 1"),
        ("rsi entering channel 40 and 60", "rsi(14) enters 40 and 60"),
        ("close moving up 5 % within 3", "close rises_by 5% within 3 bars"),
        ("(close moving up 5%) within 3", "(close rises_by 5%) within 3 bars"),
        ("volume increasing for 3 candles", "volume rising for 3 bars"),
        ("volume is rising 3", "volume rising 3 bars"),
        ("(rsi < 30 for 3) within 5", "(rsi(14) < 30 for 3 bars) within 5 bars"),
        ("(not rsi < 30) for 3", "(not rsi(14) < 30) for 3 bars"),
        ("(close > 1 or open > 1) for 3", "(close > 1 or open > 1) for 3 bars"),
        ("2 of(close>1,open>1,not high>1)", "2 of (close > 1, open > 1, not high > 1)"),
        ("every(close > 1 or open > 1)", "every(close > 1 or open > 1)"),
        ("close-(open-high)*2>-atr", "close - (open - high) * 2 > -atr(14)"),
        ("(close-open)-high > 0", "close - open - high > 0"),
        ("close/(open*2) > -(close-open)", "close / (open * 2) > -(close - open)"),
        ("(close - open)[2]@4h > 0", "close[2]@4h - open[2]@4h > 0"),
    ],
)
def test_what_a_trader_reads(typed: str, shown: str) -> None:
    condition = Condition.parse(f"btc/usdt 60m: {typed}")
    assert str(condition) == f"BINANCE:BTCUSDT 1h: {shown}"
    assert Condition.parse(str(condition)) == condition


def test_precedence_of_arithmetic_and_windows() -> None:
    one, two, three = Number(1), Number(2), Number(3)
    a = Comparison(">", CLOSE, one)
    assert read("1 + 2 * close > 3") == Comparison(">", Arithmetic("+", one, Arithmetic("*", two, CLOSE)), three)
    assert read("(1 + 2) * close > 3") == Comparison(">", Arithmetic("*", Arithmetic("+", one, two), CLOSE), three)
    assert read("3 < close - 1 - 2") == Comparison("<", three, Arithmetic("-", Arithmetic("-", CLOSE, one), two))
    assert read("close -1 > 3") == read("close - 1 > 3")
    assert read("not close > 1 for 2 bars") == Not(For(a, 2))
    assert read("close > 1 for 2 bars and close > 1") == All((For(a, 2), a))
    assert read("close > 1 for 2 bars within 3 bars") == Within(For(a, 2), 3)
    assert read("close between 1 and 3 and close > 1") == All((Channel("between", CLOSE, one, three), a))
    assert read("close rises_by 1 within 3 bars within 2 bars") == Within(PriceMove("rises_by", CLOSE, one, bars=3), 2)
    assert read("(close rises_by 1) within 3 bars") == Within(PriceMove("rises_by", CLOSE, one), 3)
    assert read("close rises_by 1% for 3 bars") == For(PriceMove("rises_by", CLOSE, one, percent=True), 3)
    assert read("2 of (close > 1, close > 1, close > 1) for 2 bars") == For(AtLeast(2, (a, a, a)), 2)


def test_where_an_operand_is_read() -> None:
    longer, other = Series(SERIES.instrument, "4h"), Series(Instrument("BINANCE", "ETHUSDT"), "1h")
    assert read("close[3]@4h > 1") == read("close@4h[3] > 1") == Comparison(">", Price(longer, "close", 3), Number(1))
    assert read("close@ETHUSDT > 1") == Comparison(">", Price(other, "close"), Number(1))
    assert read("close@btc-usdt@60m[0] > 1") == Comparison(">", CLOSE, Number(1))
    kraken = Condition.parse("KRAKEN:BTC/EUR 1h: close > close@ETH/EUR")
    assert kraken.all_series[1].instrument == Instrument("KRAKEN", "ETHEUR")
    assert read("close@1INCHUSDT - 5 > 1") == read("close@1INCHUSDT-5 > 1")
    assert read("close@4h-open > 1") == read("close@4h - open > 1")


def test_series_of_a_condition() -> None:
    condition = Condition.parse("BTCUSDT 1h: close@ETHUSDT > close@ADAUSDT@4h and close@ETHUSDT > 5")
    names = ["BINANCE:BTCUSDT 1h", "BINANCE:ADAUSDT 4h", "BINANCE:ETHUSDT 1h"]
    assert [str(series) for series in condition.all_series] == names
    assert condition.group == " + ".join(names)
    assert [instrument.symbol for instrument in condition.instruments] == ["BTCUSDT", "ADAUSDT", "ETHUSDT"]
    assert Condition.parse("BTCUSDT 1h: close > 5").group == "BINANCE:BTCUSDT 1h"


def test_attributes() -> None:
    condition = Condition.parse("btc/usdt:usdt 60m: rsi crosses_below 30 and close > sma(200, hl2)")
    assert condition.canonical == ("BINANCE:BTCUSDT.P 1h: all(close > sma(200, hl2), rsi(14, close) crosses_below 30)")
    assert str(condition) == "BINANCE:BTCUSDT.P 1h: rsi(14) crosses_below 30 and close > sma(200, hl2)"
    assert condition.timeframe == "1h"
    assert condition.instruments == (Instrument("BINANCE", "BTCUSDT.P"),)
    assert str(condition.series) == "BINANCE:BTCUSDT.P 1h"
    assert condition.definition_versions == "rsi=2,sma=1"
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
        ("close crosses open", True),
        ("not close crosses open", False),
        ("rsi enters 40 and 60", True),
        ("rsi exits 40 and 60", True),
        ("not rsi enters 40 and 60", False),
        ("not not rsi enters 40 and 60", True),
        ("rsi between 40 and 60", False),
        ("rsi outside 40 and 60", False),
        ("every(rsi < 30)", True),
        ("every(rsi crosses_below 30)", True),
        ("any(rsi enters 40 and 60, close crosses_above open)", True),
        ("any(rsi enters 40 and 60, close > open)", False),
        ("rsi enters 40 and 60 and close > open", True),
        ("not any(not rsi enters 40 and 60, close <= open)", True),
        ("2 of (rsi enters 40 and 60, close crosses open, rsi crosses_below 30)", True),
        ("2 of (rsi enters 40 and 60, close crosses open, rsi < 30)", False),
        ("2 of (rsi enters 40 and 60, rsi < 30)", True),
        ("1 of (rsi enters 40 and 60, rsi < 30)", False),
        ("not 1 of (not rsi enters 40 and 60, close > 1)", True),
        ("not 2 of (not rsi enters 40 and 60, close > 1)", False),
        ("rsi crosses_below 30 for 1 bar", True),
        ("rsi crosses_below 30 within 2 bars", False),
        ("rsi enters 40 and 60 within 1 bar", True),
        ("close rises_by 5 within 3 bars", False),
        ("volume rising 3 bars", False),
    ],
)
def test_momentary(expression: str, momentary: bool) -> None:
    condition = Condition.parse(f"BTCUSDT 1h: {expression}")
    assert is_momentary(condition.tree) is momentary
    assert condition.momentary is momentary
    assert Condition.from_canonical(condition.canonical).momentary is momentary


def test_defaults_stand_in_and_never_override() -> None:
    expected = Condition.parse("KRAKEN:ETHUSDT 4h: rsi < 30")
    stand_ins = {"symbol": "ETHUSDT", "timeframe": "4h", "default_exchange": "KRAKEN"}
    assert Condition.parse("rsi < 30", **stand_ins) == expected
    assert Condition.parse({"indicator": "RSI", "operator": "<", "value": 30}, **stand_ins) == expected
    own = Condition.parse("BINANCE:BTCUSDT 1h: rsi < 30")
    assert Condition.parse("BINANCE:BTCUSDT 1h: rsi < 30", **stand_ins) == own
    flat = {"symbol": "BINANCE:BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "<", "value": 30}
    assert Condition.parse(flat, **stand_ins) == own


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
    st.sampled_from(sorted(COMPARISONS)),
)
@settings(max_examples=50)
def test_a_flat_condition_equals_its_text(period: int, value: float, operator: str) -> None:
    flat = {**SERIES_FIELDS, "indicator": "rsi", "operator": operator, "value": value, "period": period}
    assert Condition.parse(flat) == Condition.parse(f"BTCUSDT 1h: rsi({period}) {operator} {value!r}")
