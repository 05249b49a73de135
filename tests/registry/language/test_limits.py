"""How much a condition may be, and that whatever is sent, nothing but a HubError escapes, and that at once."""

import contextlib
import json
import math
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import Condition, ConditionError, HubError
from registry.extraction import extract_conditions
from registry.language.as_text import syntax
from registry.language.limits import TYPED
from registry.language.tree import All, Node
from registry.language.vocabulary import COMPARISONS

BASE: dict[str, object] = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "<", "value": 30}


def refused(source: str | Mapping[str, object]) -> ConditionError:
    with pytest.raises(ConditionError) as caught:
        Condition.parse(source)
    return caught.value


def nested(levels: int) -> str:
    """A comparison under ``levels - 1`` others; all and any alternate, so that nothing is flattened."""
    expression = "close > 0"
    for level in range(1, levels):
        expression = f"{'any' if level % 2 else 'all'}({expression}, close > {level})"
    return f"BTCUSDT 1h: {expression}"


def depth(node: Node) -> int:
    children = getattr(node, "children", ())
    return 1 + max(map(depth, children), default=0)


def test_limits_are_what_they_say() -> None:
    assert depth(Condition.parse(nested(TYPED.levels)).tree) == TYPED.levels
    assert "nested too deeply; at most 8 levels" in str(refused(nested(TYPED.levels + 1)))
    assert "nested too deeply" in str(refused("BTCUSDT 1h: " + "not " * TYPED.levels + "close > 1"))
    many = [f"close > {n}" for n in range(TYPED.leaves)]
    tree = Condition.parse("BTCUSDT 1h: " + " and ".join(many)).tree
    assert isinstance(tree, All)
    assert len(tree.children) == TYPED.leaves
    error = refused("BTCUSDT 1h: " + " and ".join([*many, "open > 1"]))
    assert "too many comparisons; at most 32" in str(error)
    assert str(error).split("\n")[1][str(error).split("\n")[2].index("^") :] == "open > 1"
    assert Condition.parse("BTCUSDT 1h: close > 1" + " + close" * 30)
    assert "a comparison has at most 32" in str(refused("BTCUSDT 1h: close > 1" + " + close" * 31))
    fitting = "BTCUSDT 1h: close > 1"
    assert Condition.parse(fitting + " " * (TYPED.characters - len(fitting)))
    assert "at most 4096 are allowed" in str(refused(fitting + " " * (TYPED.characters + 1 - len(fitting))))
    assert Condition.parse("BTCUSDT 1h: " + "(" * 64 + "close > 1" + ")" * 64)
    error = refused("BTCUSDT 1h: " + "(" * 65 + "close > 1" + ")" * 65)
    assert "parentheses are nested too deeply; at most 64 levels" in str(error)
    assert error.position == len("BTCUSDT 1h: ") + 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("close" + "+close" * 600 + " > 1", "too many words, numbers and signs; at most 1024"),
        ("close > 1 and " * 200 + "close ? 1", "unexpected '?'; no condition contains it"),
        ("(" * 65 + "close ; 1", "parentheses are nested too deeply"),
    ],
)
def test_what_cannot_be_a_condition_is_never_parsed(text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse() -> None:
        raise AssertionError("the parser was asked")

    monkeypatch.setattr(syntax, "_lark", parse)
    assert message in str(refused(f"BTCUSDT 1h: {text}"))


def test_the_texts_of_a_tree_are_bounded_together() -> None:
    def tree(blanks: int) -> dict[str, object]:
        texts = [f"close > {number}{' ' * blanks}" for number in range(8)]
        return {"symbol": "BTCUSDT", "timeframe": "1h", "when": {"all": texts}}

    assert Condition.parse(tree(500))
    error = refused(tree(510))
    assert "texts in the condition have more than 4096 characters" in str(error)
    assert error.pointer == "/when/all/7"
    operands = [{"left": f"close{' ' * 2000}", "operator": ">", "right": number} for number in range(3)]
    assert "more than 4096 characters" in str(refused({**tree(0), "when": {"all": operands}}))


def test_the_largest_condition_is_read_back_from_its_own_text() -> None:
    wide = [f"bbands({900 + n}, 12.345678901234567, volume).percent_b < -0.{n + 1}23456789012345e-7" for n in range(32)]
    condition = Condition.parse("BTCUSDT 1h: " + "|".join(wide).replace("|", " or "))
    assert Condition.from_canonical(condition.canonical) == condition


BOMBS = {
    "a megabyte": "BTCUSDT 1h: " + "x" * 1_000_000,
    "a megabyte of JSON": '{"symbol": "' + "x" * 1_000_000 + '"}',
    "parentheses": "BTCUSDT 1h: " + "(" * 8000,
    "closed parentheses": "BTCUSDT 1h: " + "(" * 4000 + ")" * 4000,
    "all": "BTCUSDT 1h: " + "all(" * 2000 + "close > 1" + ")" * 2000,
    "not": "BTCUSDT 1h: " + "not " * 2000 + "close > 1",
    "not without an end": "BTCUSDT 1h: " + "not " * 2000,
    "and": "BTCUSDT 1h: " + " and ".join(["close>1"] * 650),
    "digits": "BTCUSDT 1h: close > " + "9" * 8000,
    "arguments": "BTCUSDT 1h: rsi(" + "2," * 4000 + "2) > 1",
    "a name": "BTCUSDT 1h: " + "rsi_" * 2000 + " > 1",
    "an operator": "BTCUSDT 1h: rsi " + "<" * 8000 + " 1",
    "blanks": "BTCUSDT" + " " * 8000 + "1h",
    "a symbol": "B" * 8000 + " 1h: close > 1",
    "a timeframe": "BTCUSDT " + "1" * 8000 + ": close > 1",
    "crosses": "BTCUSDT 1h: close " + "crosses " * 1000,
    "sums": "BTCUSDT 1h: close" + "+1" * 4000 + " > 1",
    "parentheses of sums": "BTCUSDT 1h: " + "(1+" * 2000 + "close" + ")" * 2000 + " > 1",
    "steps": "BTCUSDT 1h: close" + "[1]" * 2500 + " > 1",
    "places": "BTCUSDT 1h: close" + "@4h" * 2500 + " > 1",
    "a place": "BTCUSDT 1h: close@" + "A" * 8000 + " > 1",
    "windows": "BTCUSDT 1h: close > 1" + " for 2" * 1300,
    "counts": "BTCUSDT 1h: " + "1 of (" * 1300 + "close > 1" + ")" * 1300,
    "moves": "BTCUSDT 1h: " + " and ".join(["close rises_by 1% within 500"] * 32),
    "a move of a sum": "BTCUSDT 1h: (close" + "+ 1" * 30 + ") rises_by 1% within 500",
    "a huge exponent": "BTCUSDT 1h: close > 1e" + "9" * 60,
    "JSON": '{"when": ' + '{"not":' * 7000,
    "JSON lists": '{"symbol": "BTCUSDT", "timeframe": "1h", "when": {"all": [' + ",".join(["1"] * 30_000) + "]}}",
}


A_LOT_OF_CALLS = 100_000
"""Some hundredths of a second of Python; unlike seconds, the same on every machine. The worst bomb takes a fifth."""


class CountedCalls:
    """Counts the function calls within a block."""

    def __enter__(self) -> "CountedCalls":
        self.count = 0
        sys.setprofile(self._count)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.setprofile(None)

    def _count(self, frame: object, event: str, argument: object) -> None:
        self.count += event in ("call", "c_call")


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_at_once(bomb: str) -> None:
    Condition.parse("BTCUSDT 1h: rsi < 30")
    with CountedCalls() as calls:
        error = refused(bomb)
    assert calls.count < A_LOT_OF_CALLS
    assert len(str(error)) < 1000


def test_large_mappings_are_refused_at_once() -> None:
    fields = {**BASE, **{f"f{n}": n for n in range(100_000 - len(BASE))}}
    parameters = {**BASE, "params": {f"p{n}": n for n in range(100_000)}}
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    with CountedCalls() as calls:
        assert "100000 fields" in str(refused(fields))
        assert refused(parameters).pointer == "/params"
        assert refused({**BASE, "value": deep}).pointer == "/value"
    assert calls.count < A_LOT_OF_CALLS
    while isinstance(deep, list):
        # Freed level by level: dropping the whole chain at once would recurse in the interpreter.
        deep = deep.pop()


def attempt(source: object, **defaults: str) -> None:
    try:
        condition = Condition.parse(source, **defaults)  # type: ignore[arg-type]
    except HubError as error:
        told = str(error) + str(getattr(error, "pointer", ""))
    else:
        told = str(condition)
        assert Condition.parse(told) == condition
    assert told.replace("\n", "").isprintable()


WORDS = [
    "BTCUSDT", "1h", ":", " ", "rsi", "macd", "bbands", "close", "period", "source", "histogram", "(", ")", ",", ".",
    "=", "<", ">=", "crosses_above", "crosses", "below", "and", "or", "not", "all", "any", "14", "-3e1", "0", "every",
    "[1]", "@4h", "@ETHUSDT", "@", "for", "within", "bars", "of", "between", "rises_by", "rising", "+", "-", "*", "/",
    "[", "]", "%", "\n", "\x00", "{", "}", '"', "\u0130", "2 of (", "for 3 bars", "1e999",
    "@\u5e01", '@"X Y"',
]  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)))
@settings(max_examples=400)
def test_any_text_raises_hub_errors_only(text: str) -> None:
    attempt(text)
    attempt("BTCUSDT 1h: " + text)
    attempt(text, symbol="BTCUSDT", timeframe="1h")


@given(st.binary(max_size=60))
def test_any_bytes_raise_hub_errors_only(data: bytes) -> None:
    attempt(data)
    attempt("BTCUSDT 1h: " + data.decode("latin-1"))
    attempt("{" + data.decode("utf-8", "surrogateescape"))


anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from([*WORDS, *COMPARISONS]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=5,
)
fields = [
    "symbol",
    "exchange",
    "timeframe",
    "indicator",
    "operator",
    "value",
    "period",
    "params",
    "component",
    "source",
    "bars",
    "fire",
]


def test_what_a_condition_comes_down_to_is_bounded() -> None:
    largest = Condition.parse("BTCUSDT 1h: " + " or ".join(["close rises_by 1% within 500"] * 3))
    assert Condition.from_canonical(largest.canonical) == largest
    text = "BTCUSDT 1h: " + " and ".join(["close rises_by 1% within 500"] * 4)
    assert "reduces to 12000 operands" in str(refused(text))
    many = " or ".join(["macd>" + "+".join(["macd"] * 31)] * 15)
    assert "characters when written with its parameters" in str(refused(f"BTCUSDT 1h: {many}"))


@given(st.dictionaries(st.one_of(st.sampled_from(fields), st.text(max_size=8)), anything))
@settings(max_examples=250)
def test_any_json_raises_hub_errors_only(changes: dict[str, object]) -> None:
    attempt(changes)
    attempt({**BASE, **changes})
    attempt(json.dumps({**BASE, **changes}))


tree_keys = st.sampled_from(
    [
        "all", "any", "not", "at_least", "for", "within", "every", "left", "right", "operator", "value", "low", "high",
        "amount", "percent", "bars", "of", "count", "price", "indicator", "params", "output", "source", "offset",
        "timeframe", "symbol",
    ]
)  # fmt: skip
tree_values = st.one_of(
    st.integers(-1, 600),
    st.sampled_from([*WORDS, *COMPARISONS, "close > 1", "rsi(14)", {"price": "close"}, math.nan, math.inf, True, None]),
)
tree_like = st.recursive(
    tree_values,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(tree_keys, inner, max_size=4)),
    max_leaves=12,
)


@given(tree_like)
@settings(max_examples=300)
def test_any_tree_raises_hub_errors_only(when: object) -> None:
    attempt({"symbol": "BTCUSDT", "timeframe": "1h", "when": when})


@given(st.dictionaries(st.sampled_from(["conditions", "entryCondition", "symbol", "pairs", "dcaRules"]), tree_like))
def test_any_configuration_raises_hub_errors_only(config: dict[str, object]) -> None:
    with contextlib.suppress(HubError):
        extract_conditions(config)
