"""Which conditions are the same: equal ids for equal conditions, different ids for different ones."""

import pickle
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_reference import trees

from indicators.catalogue import catalogue
from registry import Condition
from registry.expression import All, Any, Comparison, Node, Not
from registry.text import to_text

MIRRORED = {
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
    "crosses_above": "crosses_below",
    "crosses_below": "crosses_above",
}
NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}

HEADER = "BTCUSDT 1h: "
SAME = [
    ("rsi < 30", "RSI < 30"),
    ("rsi < 30", "rsi(14) < 30"),
    ("rsi < 30", "rsi(period=14) < 30"),
    ("rsi < 30", "rsi(14, close) < 30"),
    ("rsi < 30", "rsi(close) < 30"),
    ("rsi < 30", "rsi(source=close, period=14) < 30"),
    ("rsi < 30", "rsi.value < 30"),
    ("rsi < 30", "rsi(14.0) < 30.0"),
    ("rsi < 30", "rsi() < 3e1"),
    ("rsi < 30", "rsi < +30"),
    ("rsi < 30", "rsi<30"),
    ("rsi < 30", "relative_strength_index below 30"),
    ("rsi < 30", "30 > rsi"),
    ("rsi < 30", "not rsi >= 30"),
    ("rsi < 30", "not 30 <= rsi"),
    ("rsi < 30", "not not rsi lt 30"),
    ("rsi < 30", "all(rsi < 30)"),
    ("rsi < 30", "any(all(any(rsi < 30)))"),
    ("rsi < 30", "rsi < 30 and rsi < 30"),
    ("rsi < 30", "rsi < 30 or 30 > rsi"),
    ("rsi < 30", "(((rsi < 30)))"),
    ("rsi crosses_below 30", "rsi crosses_under 30"),
    ("rsi crosses_below 30", "rsi crosses below 30"),
    ("rsi crosses_below 30", "rsi crossing_down 30"),
    ("rsi crosses_below 30", "rsi crossed_below 30"),
    ("rsi crosses_below 30", "30 crosses_above rsi"),
    ("rsi crosses_below 30", "not not rsi crosses_below 30"),
    ("ema(12) crosses_above ema(26)", "ema(26) crosses_below ema(12)"),
    ("ema(12) crosses_above ema(26)", "ema(26, close) crosses_under ema(12)"),
    ("not ema(12) crosses_above ema(26)", "not ema(26) crosses_below ema(12)"),
    ("close > sma(200)", "sma(200) < close"),
    ("close > sma(200)", "price above ma(200)"),
    ("close >= open", "not open > close"),
    ("close < close", "close > close"),
    ("volume > sma(20, volume)", "vol > sma(source=volume)"),
    ("close > -0", "close > 0"),
    ("close > 1e-5", "close > 0.00001"),
    ("close > 1e15", "close > 1000000000000000.0"),
    ("close > 0.1", "close > .1000"),
    ("close > 0.3", "close > 0.299999999999999999999"),
    ("macd.histogram > 0", "macd.line > macd.signal"),
    ("macd.histogram > 0", "macd(12, 26, 9).hist > 0"),
    ("macd.histogram > 0", "0 < macd.histogram"),
    ("macd.histogram > 0", "macd.signal < macd.macd"),
    ("macd.histogram > 0", "macd > macd.signal"),
    ("macd.histogram > 0", "not macd.histogram <= -0"),
    ("macd.histogram crosses_above 0", "macd.line crosses_above macd.signal"),
    ("macd.histogram crosses_above 0", "macd.signal crosses_below macd.line"),
    ("macd(5, 8, 3, hl2).histogram > 0", "macd(5, 8, 3, hl2) > macd(5, 8, 3, hl2).signal"),
    ("close < bbands(20, 2).lower", "close < bb(stddev=2).lower"),
    ("close < bbands(20, 2.50).lower", "bollinger(stddev=2.5).lowerband > close"),
    ("stoch.k > 80", "stochastic(14, 3, 3) > 80"),
    ("highest(20, high) <= close", "close at_least max(20, high)"),
    ("rsi < 30 and close > 1", "close > 1 and rsi < 30"),
    ("rsi < 30 and close > 1", "all(close > 1, rsi < 30, close > 1)"),
    ("rsi < 30 and close > 1 and open > 1", "all(open > 1, all(rsi < 30, all(close > 1)))"),
    ("rsi < 30 or close > 1 or open > 1", "any(open > 1, any(rsi < 30, close > 1))"),
    ("rsi < 30 or close > 1 and open > 1", "any(all(open > 1, close > 1), rsi < 30)"),
    ("not (rsi < 30 and close > 1)", "rsi >= 30 or close <= 1"),
    ("not (rsi < 30 or close > 1)", "rsi >= 30 and close <= 1"),
    ("not (rsi < 30 or rsi crosses_above 5)", "rsi >= 30 and not rsi crosses_above 5"),
    ("not (not rsi < 30 or not close > 1)", "rsi < 30 and close > 1"),
    ("not rsi < 30 and close > 1", "(not rsi < 30) and close > 1"),
    ("all(rsi < 30, any(close > 1, close > 1))", "close > 1 and rsi < 30"),
]
DIFFERENT = [
    ("rsi < 30", "rsi <= 30"),
    ("rsi < 30", "rsi > 30"),
    ("rsi < 30", "not rsi < 30"),
    ("rsi < 30", "rsi < 30.000000000000004"),
    ("rsi < 30", "rsi < -30"),
    ("rsi < 30", "rsi(15) < 30"),
    ("rsi < 30", "rsi(14, hl2) < 30"),
    ("rsi < 30", "rsi crosses_below 30"),
    ("rsi crosses_below 30", "rsi crosses_above 30"),
    ("rsi crosses_below 30", "not rsi crosses_above 30"),
    ("not rsi crosses_below 30", "rsi crosses_above 30"),
    ("close < open", "open < close"),
    ("close < open", "close <= open"),
    ("ema(12) crosses_above ema(26)", "ema(26) crosses_above ema(12)"),
    ("ema(12) > ema(26)", "sma(12) > sma(26)"),
    ("sma(20) > volume", "sma(20, volume) > volume"),
    ("macd.histogram > 0", "macd.histogram > 1"),
    ("macd.histogram > 0", "macd.line > 0"),
    ("macd.histogram > 0", "macd.signal > macd.line"),
    ("macd.histogram > 0", "macd(12, 26, 8).histogram > 0"),
    ("macd.line > macd(12, 26, 8).signal", "macd.histogram > 0"),
    ("close < bbands(20, 2).lower", "close < bbands(20, 2).upper"),
    ("close < bbands(20, 2).lower", "close < bbands(20, 2.5).lower"),
    ("stoch.k > 80", "stoch.d > 80"),
    ("highest(20) > 1", "lowest(20) > 1"),
    ("rsi < 30 and close > 1", "rsi < 30 or close > 1"),
    ("rsi < 30 and close > 1", "rsi < 30"),
    ("rsi < 30 or close > 1 and open > 1", "(rsi < 30 or close > 1) and open > 1"),
    ("not (rsi < 30 and close > 1)", "not rsi < 30 and not close > 1"),
    ("rsi < 30 or rsi >= 30", "close < 30 or close >= 30"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_that_share_an_id(one: str, other: str) -> None:
    assert Condition.parse(HEADER + one).canonical == Condition.parse(HEADER + other).canonical
    assert Condition.parse(HEADER + one).id == Condition.parse(HEADER + other).id


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_near_misses_that_share_none(one: str, other: str) -> None:
    assert Condition.parse(HEADER + one) != Condition.parse(HEADER + other)


@pytest.mark.parametrize(
    "header",
    [
        "BTCUSDT 1h", "btcusdt 60m", "BTC/USDT 1H", "BTC-USDT 60min", "BTC_USDT 1 hour", "BINANCE:BTCUSDT 1h",
        "binance:btc/usdt 60m", "  BTCUSDT   1h ",
    ],
)  # fmt: skip
def test_headers_that_share_an_id(header: str) -> None:
    assert Condition.parse(f"{header}: rsi < 30").canonical == "BINANCE:BTCUSDT 1h: rsi(14, close) < 30"


@pytest.mark.parametrize(
    "header", ["BTCUSDT 2h", "ETHUSDT 1h", "KRAKEN:BTCUSDT 1h", "BTCUSDT.P 1h", "BTC/USDT:USDT 1h"]
)
def test_headers_that_share_none(header: str) -> None:
    assert Condition.parse(f"{header}: rsi < 30") != Condition.parse("BTCUSDT 1h: rsi < 30")


PINNED = [
    ("BINANCE:BTCUSDT 1h: rsi(14) crosses_below 30", "f4fda3d9a0c12279b03c7582ae1cf0f0"),
    ("BTCUSDT 1h: rsi < 30", "b42e78e7c6e7db519cd0b345e0f0c613"),
    ("BTCUSDT 1h: rsi > 70", "e2f820347c12da108d3a840d93f46478"),
    ("BTCUSDT 1h: macd.histogram crosses_above 0", "e83c55dcc51a12ce995ff4ba7815a18b"),
    ("ETHUSDT 15m: ema(12) crosses_above ema(26) and close > sma(200)", "4046311952ac6899e9b7b1644c84b3d8"),
    ("BTC/USDT:USDT 4h: close < bbands(20, 2.5).lower", "f8b1ffc839f600e3d06d0b33b1c14bf8"),
    ("KRAKEN:BTC/EUR 1d: not (rsi < 30 or close crosses_above open)", "0da1f316ff0d5414b29c40839d12a8d1"),
    ("SOLUSDT 5m: volume > sma(20, volume)", "aa8e44c0b3246ef74da8d4ac4b828bfb"),
    ("BTCUSDT 1w: any(stoch.k crosses_above stoch.d, atr > 1e-5)", "0cb4756ecdd4523242833e58c5ec563f"),
    ("BTCUSDT 3d: close >= highest(20, high) or close <= lowest(20, low)", "91c37021687e221e19794b32d1f00e70"),
]


@pytest.mark.parametrize(("text", "condition_id"), PINNED)
def test_pinned_ids(text: str, condition_id: str) -> None:
    assert Condition.parse(text).id == condition_id


def test_how_an_id_is_made() -> None:
    condition = Condition.parse("BTCUSDT 1h: close > sma(20) and rsi < 30")
    hashed = "v1|rsi=1,sma=1|BINANCE:BTCUSDT 1h: all(close > sma(20, close), rsi(14, close) < 30)"
    assert condition.id == sha256(hashed.encode()).hexdigest()[:32]
    assert Condition.parse("BTCUSDT 1h: close > 1").id == sha256(b"v1||BINANCE:BTCUSDT 1h: close > 1").hexdigest()[:32]


def test_another_formula_is_another_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Condition.parse("BTCUSDT 1h: rsi < 30")
    records = catalogue()
    monkeypatch.setitem(records, "rsi", replace(records["rsi"], version=2))
    after = Condition.parse("BTCUSDT 1h: rsi < 30")
    assert (after.canonical, after.definition_versions) == (before.canonical, "rsi=2")
    assert after != before


def test_conditions_are_values() -> None:
    condition = Condition.parse("BTCUSDT 1h: rsi < 30")
    assert {condition: 1}[Condition.parse("btc/usdt 60m: 30 > rsi(14)")] == 1
    restored = pickle.loads(pickle.dumps(condition))
    assert (restored, restored.tree, restored.canonical) == (condition, condition.tree, condition.canonical)


@st.composite
def respelled(draw: st.DrawFn, node: Node) -> Node:
    """Another spelling of the same condition: shuffled, repeated, mirrored, negated twice, nested."""
    match node:
        case Not(child):
            other: Node = Not(draw(respelled(child)))
        case All(children) | Any(children):
            parts = [draw(respelled(child)) for child in children]
            parts = draw(st.permutations([*parts, draw(st.sampled_from(parts))]))
            kind, dual = (All, Any) if isinstance(node, All) else (Any, All)
            split = draw(st.integers(1, len(parts) - 1))
            nested = kind((*parts[:split], kind(tuple(parts[split:]))))
            negated = Not(dual(tuple(Not(part) for part in parts)))
            other = draw(st.sampled_from([kind(tuple(parts)), nested, negated]))
        case Comparison(operator, left, right):
            choices: list[Node] = [node, Comparison(MIRRORED[operator], right, left)]
            if operator in NEGATED:
                choices.append(Not(Comparison(NEGATED[operator], left, right)))
            other = draw(st.sampled_from(choices))
    return draw(st.sampled_from([other, Not(Not(other)), All((other,))]))


@given(trees(), st.data())
def test_respelling_keeps_the_id(tree: Node, data: st.DataObject) -> None:
    other = data.draw(respelled(tree))
    condition = Condition.parse(HEADER + to_text(tree))
    assert Condition._of(condition.series, other) == condition


def test_the_registry_is_light() -> None:
    heavy = {"numba", "duckdb", "redis", "prefect", "polars"}
    code = "import sys, registry; registry.Condition.parse('BTCUSDT 1h: rsi < 30'); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(found.stdout.split())
