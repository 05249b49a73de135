"""Which conditions are the same: equal ids for equal conditions, different ids for different ones."""

import json
import pickle
import subprocess
import sys
from dataclasses import fields, replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConditionError
from indicators.catalogue import catalogue
from registry import Condition, conditions
from registry.condition_cache import ConditionCache
from registry.defaults import defaults
from registry.language.as_text.text import to_text
from registry.language.surface import Channel, Crosses, SurfaceNode, Then
from registry.language.tree import All, Any, AtLeast, Before, Comparison, For, Not, Operator, Within
from tests.registry.language.reference import SERIES
from tests.registry.language.strategies import any_tree, examples

MIRRORED: dict[Operator, Operator] = {
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
    "crosses_above": "crosses_below",
    "crosses_below": "crosses_above",
}
NEGATED: dict[Operator, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}

HEADER = "BTCUSDT 1h: "


def test_how_an_id_is_made() -> None:
    condition = Condition.parse("BTCUSDT 1h: close > sma(20) and rsi < 30")
    hashed = "v1|rsi=2,sma=1|BINANCE:BTCUSDT 1h: all(close > sma(20, close), rsi(14, close) < 30)"
    assert condition.id == sha256(hashed.encode()).hexdigest()[:32]
    assert Condition.parse("BTCUSDT 1h: close > 1").id == sha256(b"v1||BINANCE:BTCUSDT 1h: close > 1").hexdigest()[:32]


def test_another_formula_is_another_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Condition.parse("BTCUSDT 1h: rsi < 30")
    records = catalogue()
    monkeypatch.setattr(conditions, "_CACHE", ConditionCache())
    monkeypatch.setitem(records, "rsi", replace(records["rsi"], version=records["rsi"].version + 1))
    after = Condition.parse("BTCUSDT 1h: rsi < 30")
    assert (before.definition_versions, after.definition_versions) == ("rsi=2", "rsi=3")
    assert after.canonical == before.canonical
    assert after != before


def test_conditions_are_values() -> None:
    condition = Condition.parse("BTCUSDT 1h: rsi < 30")
    assert {condition: 1}[Condition.parse("btc/usdt 60m: 30 > rsi(14)")] == 1
    restored = pickle.loads(pickle.dumps(condition))
    assert (restored, restored.tree, restored.canonical) == (condition, condition.tree, condition.canonical)


@st.composite
def respelled(draw: st.DrawFn, node: SurfaceNode) -> SurfaceNode:
    """Another spelling of the same condition: shuffled, repeated, mirrored, negated twice, nested."""
    match node:
        case Not(child):
            other: SurfaceNode = Not(draw(respelled(child)))
        case All(children) | Any(children):
            parts = [draw(respelled(child)) for child in children]
            parts = draw(st.permutations([*parts, draw(st.sampled_from(parts))]))
            kind, dual = (All, Any) if isinstance(node, All) else (Any, All)
            split = draw(st.integers(1, len(parts) - 1))
            nested: SurfaceNode = kind((*parts[:split], kind(tuple(parts[split:]))))
            negated: SurfaceNode = Not(dual(tuple(Not(part) for part in parts)))
            flat: SurfaceNode = kind(tuple(parts))
            other = draw(st.sampled_from([flat, nested, negated]))
        case AtLeast(count, children):
            parts = draw(st.permutations([draw(respelled(child)) for child in children]))
            same: SurfaceNode = AtLeast(count, tuple(parts))
            dual_count: SurfaceNode = Not(AtLeast(len(parts) - count + 1, tuple(Not(part) for part in parts)))
            other = draw(st.sampled_from([same, dual_count]))
        case For(child, bars) | Within(child, bars):
            kept, turned = (For, Within) if isinstance(node, For) else (Within, For)
            inner: SurfaceNode = draw(respelled(child))
            other = draw(st.sampled_from([kept(inner, bars), Not(turned(Not(inner), bars))]))
        case Before(child):
            inner = draw(respelled(child))
            earlier: list[SurfaceNode] = [Before(inner), Not(Before(Not(inner)))]
            other = draw(st.sampled_from(earlier))
        case Then(first, second, bars):
            one, two = draw(respelled(first)), draw(respelled(second))
            ordered: list[SurfaceNode] = [Then(one, two, bars), All((Within(Before(one), bars), two))]
            other = draw(st.sampled_from(ordered))
        case Comparison(operator, left, right):
            choices: list[SurfaceNode] = [node, Comparison(MIRRORED[operator], right, left)]
            if operator in NEGATED:
                choices.append(Not(Comparison(NEGATED[operator], left, right)))
            other = draw(st.sampled_from(choices))
        case Crosses(left, right):
            other = Crosses(right, left)
        case Channel("between"):
            other = Not(replace(node, operator="outside"))
        case _:
            other = node
    return draw(st.sampled_from([other, Not(Not(other)), All((other,)), For(other, 1)]))


@given(any_tree, st.data())
@examples(200)
def test_respelling_keeps_the_id(tree: SurfaceNode, data: st.DataObject) -> None:
    other = data.draw(respelled(tree))
    condition = Condition._of(SERIES, tree)
    assert Condition._of(SERIES, other) == condition
    assert Condition._of(SERIES, other).momentary == condition.momentary


@given(any_tree)
@examples(300)
def test_all_spellings_of_a_tree_have_one_id(tree: SurfaceNode) -> None:
    """Text -> tree -> text, JSON -> tree -> JSON, crosswise, and the canonical text."""
    condition = Condition._of(SERIES, tree)
    assert Condition.from_canonical(condition.canonical) == condition
    assert Condition.from_canonical(condition.canonical).tree == condition.tree
    from_text = Condition.parse(HEADER + to_text(tree, SERIES))
    from_short = Condition.parse(str(condition))
    from_json = Condition.parse(condition.to_json())
    from_json_text = Condition.parse(json.dumps(condition.to_json()))
    assert {from_text, from_short, from_json, from_json_text} == {condition}
    assert from_text.surface == from_json.surface == tree
    assert from_text.to_json() == from_json.to_json() == condition.to_json()
    assert str(from_json) == str(from_text) == str(condition)


def test_the_registry_is_light() -> None:
    heavy = {"numba", "duckdb", "redis", "prefect", "polars"}
    code = "import sys, registry; registry.Condition.parse('BTCUSDT 1h: rsi < 30'); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert "registry" in loaded
    assert not heavy & loaded


def test_what_is_parsed_again_is_not_confused_with_what_looks_like_it() -> None:
    flat = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "rsi", "operator": "<", "value": 1}
    first = Condition.parse(flat)
    assert Condition.parse(dict(flat)) == first
    flat["value"] = 2
    assert Condition.parse(flat) != first, "the caller's object may change"
    for value in (True, [1], None):
        with pytest.raises(ConditionError):
            Condition.parse({**flat, "value": value})
    nameless = "rsi(14) < 31.5"
    with defaults(symbol="BTCUSDT", timeframe="1h"):
        btc = Condition.parse(nameless)
    with defaults(symbol="ETHUSDT", timeframe="1h"):
        assert Condition.parse(nameless) != btc
    with pytest.raises(ConditionError):
        Condition.parse(nameless)


NAMES = [field.name for field in fields(Condition)]
thresholds = st.one_of(
    st.integers(-(10**15), 10**15), st.floats(-1e15, 1e15), st.sampled_from([0, 0.0, -0.0, 30, 30.0, 5e-324, 1e15])
)


@given(
    st.sampled_from(
        [
            {"indicator": "macd", "component": "histogram"},
            {"indicator": "MACD", "component": "line", "params": {"fast": 5}},
            {"indicator": "rsi", "period": 7},
            {"indicator": "rsi", "fire": "every_bar"},
            {"indicator": "bbands", "component": "upper"},
            {"indicator": "close"},
        ]
    ),
    st.sampled_from(["<", "<=", "above", ">=", "crosses_above", "crosses_under", "crosses"]),
    thresholds,
    thresholds,
)
@examples(300)
def test_thresholds_of_flat_conditions_are_told_apart(
    operand: dict[str, object], operator: str, first: float, second: float
) -> None:
    """What is known of a condition with one number never changes what another number means."""
    flat = {"symbol": "btc/usdt", "timeframe": "60m", "operator": operator, **operand}
    for value in (first, second):
        source = {**flat, "value": value}
        try:
            plain = Condition._parse(source, None, None, "BINANCE")
        except ConditionError:
            with pytest.raises(ConditionError):
                Condition.parse(source)
            continue
        condition = Condition.parse(source)
        assert [getattr(condition, name) for name in NAMES] == [getattr(plain, name) for name in NAMES]
