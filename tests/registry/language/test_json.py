"""Conditions as JSON: trees, operands, flat objects that take more than a value, and what is refused where."""

import json

import pytest

from registry import Condition, ConditionError

CLOSE = {"price": "close"}
RSI = {"indicator": "RSI"}


def parsed(when: object) -> Condition:
    return Condition.parse({"symbol": "BTCUSDT", "timeframe": "1h", "when": when})


def text(expression: str) -> Condition:
    return Condition.parse(f"BTCUSDT 1h: {expression}")


@pytest.mark.parametrize(
    ("when", "expression"),
    [
        ("rsi < 30 and close > 1", "rsi < 30 and close > 1"),
        ({"left": RSI, "operator": "crossing down", "right": 30}, "rsi crosses_below 30"),
        ({"left": CLOSE, "operator": "crosses", "right": "sma(200)@4h"}, "close crosses sma(200)@4h"),
        ({"all": ["close > 1", {"left": RSI, "operator": "<", "right": 30}]}, "close > 1 and rsi < 30"),
        ({"any": [{"indicator": "RSI", "operator": "<", "value": 30}, "close > 1"]}, "rsi < 30 or close > 1"),
        ({"not": {"for": {"bars": 3, "of": "close > 1"}}}, "not (close > 1 for 3 bars)"),
        ({"within": {"bars": 3.0, "of": "close > 1"}}, "close > 1 within 3 bars"),
        ({"every": {"left": RSI, "operator": "<", "right": 30}}, "every(rsi < 30)"),
        ("every(rsi < 30)", "every(rsi < 30)"),
        ({"at_least": {"count": 2, "of": ["close > 1", "close > 2", "close > 3"]}}, "2 of (close>1, close>2, close>3)"),
        ({"value": RSI, "operator": "between", "low": 40, "high": 60}, "rsi between 40 and 60"),
        (
            {"value": CLOSE, "operator": "exits", "low": "bbands.lower", "high": "bbands.upper"},
            "close exits bbands.lower and bbands.upper",
        ),
        ({"value": CLOSE, "operator": "rises_by", "percent": 5, "bars": 3}, "close rises_by 5% within 3 bars"),
        ({"value": CLOSE, "operator": "falls_by", "amount": "2 * atr"}, "close falls_by 2 * atr"),
        ({"value": CLOSE, "operator": "moving_up_%", "amount": 5}, "close rises_by 5%"),
        ({"value": {"price": "volume"}, "operator": "rising", "bars": 3}, "volume rising 3 bars"),
        ({"value": "volume", "operator": "falling"}, "volume falling"),
        (
            {"left": {**CLOSE, "offset": 2, "timeframe": "240m", "symbol": "eth/usdt"}, "operator": ">", "right": 1},
            "close[2]@ETHUSDT@4h > 1",
        ),
        (
            {
                "left": {"indicator": "macd", "params": {"Fast": 5}, "output": "hist", "source": "hl2", "offset": 1},
                "operator": ">=",
                "right": {"indicator": "sma", "period": 50},
            },
            "macd(5, 26, 9, hl2).histogram[1] >= sma(50)",
        ),
        (
            {"left": {"left": CLOSE, "operator": "/", "right": {"price": "open"}}, "operator": ">", "right": 1.01},
            "close / open > 1.01",
        ),
    ],
)
def test_trees(when: object, expression: str) -> None:
    condition = parsed(when)
    assert condition == text(expression)
    assert Condition.parse(condition.to_json()) == condition


def test_the_json_of_a_condition() -> None:
    condition = Condition.parse("btc/usdt 60m: rsi(close)[1]@4h < 30 and close rises_by 5% within 3 bars")
    assert condition.to_json() == {
        "symbol": "BINANCE:BTCUSDT",
        "timeframe": "1h",
        "when": {
            "all": [
                {
                    "left": {"indicator": "rsi", "params": {"period": 14}, "offset": 1, "timeframe": "4h"},
                    "operator": "<",
                    "right": 30,
                },
                {"value": {"price": "close"}, "operator": "rises_by", "percent": 5, "bars": 3},
            ]
        },
    }


FLAT: dict[str, object] = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI"}


@pytest.mark.parametrize(
    ("fields", "expression"),
    [
        ({"operator": "between", "value": [40, 60]}, "rsi between 40 and 60"),
        ({"operator": "Inside Channel", "value": [40, "sma(50)"]}, "rsi between 40 and sma(50)"),
        ({"operator": "entering channel", "value": (40, 60)}, "rsi enters 40 and 60"),
        ({"operator": "crossing", "value": 50}, "rsi crosses 50"),
        ({"operator": ">", "value": "rsi(28)@4h"}, "rsi > rsi(28)@4h"),
        ({"operator": "rises_by", "value": 5, "bars": 3}, "rsi rises_by 5 within 3 bars"),
        ({"operator": "rises_by", "value": "2.5 %"}, "rsi rises_by 2.5%"),
        ({"operator": "Moving Down %", "value": 5, "bars": 2.0}, "rsi falls_by 5% within 2 bars"),
        ({"operator": "rising", "bars": 3}, "rsi rising 3 bars"),
        ({"operator": "is falling"}, "rsi falling"),
        ({"operator": "<", "value": 30, "fire": "every_bar"}, "every(rsi < 30)"),
        ({"operator": "<", "value": 30, "component": "RSI"}, "rsi < 30"),
        ({"indicator": "MACD", "operator": "crosses", "component": "histogram"}, "macd.histogram crosses 0"),
    ],
)
def test_flat_conditions(fields: dict[str, object], expression: str) -> None:
    condition = Condition.parse({**FLAT, **fields})
    assert condition == text(expression)
    assert Condition.parse(condition.to_json()) == condition


@pytest.mark.parametrize(
    ("fields", "pointer", "message"),
    [
        ({"operator": "between", "value": 40}, "/value", "value must be [low, high] for between, got 40"),
        ({"operator": "between", "value": [40]}, "/value", "value must be [low, high]"),
        ({"operator": "between", "value": [40, True]}, "/value/1", "value.1 must be a finite number, got true"),
        ({"operator": "between", "value": [60, 40]}, "/value", "the channel from 60 to 40 is empty"),
        ({"operator": "<", "value": "rsii"}, "/value", "unknown indicator or price 'rsii'"),
        ({"operator": "<", "value": "30"}, "/value", "value must be a finite number, got '30'"),
        ({"operator": "rises_by"}, "/value", 'value is missing; say by how much, such as 100 or "5%"'),
        ({"operator": "rises_by", "value": "x%"}, "/value", "unknown indicator or price 'x'"),
        ({"operator": "rises_by", "value": "atr%"}, "/value", "a percentage is a number such as 5%"),
        ({"operator": "rises_by", "value": -5}, "/value", "rises_by needs an amount above 0, got -5"),
        ({"operator": "rises_by", "value": 5, "bars": 0}, "/bars", "bars must be between 1 and 500, got 0"),
        ({"operator": "rising", "value": 3}, "/value", "rising takes bars and no value"),
        ({"operator": "<", "value": 30, "bars": 3}, "/bars", "< takes no bars"),
        ({"operator": "<", "value": 30, "fire": "once"}, "/fire", "fire: "),
        ({"operator": "betwen", "value": [1, 2]}, "/operator", "did you mean between?"),
    ],
)
def test_what_a_flat_condition_is_refused_for(fields: dict[str, object], pointer: str, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        Condition.parse({**FLAT, **fields})
    assert message in str(caught.value)
    assert caught.value.pointer == pointer


def deep(levels: int) -> object:
    tree: object = "close > 1"
    for _ in range(levels):
        tree = {"not": tree}
    return tree


def wide(operator: str, levels: int) -> object:
    operand: object = CLOSE
    for _ in range(levels):
        operand = {"left": 1, "operator": operator, "right": operand}
    return {"left": operand, "operator": ">", "right": 1}


@pytest.mark.parametrize(
    ("when", "pointer", "message"),
    [
        (None, "/when", "a condition is an object or text, got null"),
        ([1], "/when", "got a value of type list"),
        ({}, "/when/operator", "a condition needs an operator, or one of all any not at_least for"),
        ({"during": {"days": ["mon"]}}, "/when", "a time window is part of a condition, never all of it"),
        ({"all": ["close > 1", {"during": {"start": "08:00"}}]}, "/when/all/1/during/end", "end is missing"),
        ({"all": ["close > 1", {"during": {"days": ["EET"]}}]}, "/when/all/1/during/days/0", "a weekday is one such"),
        ({"all": ["close > 1", {"during": {"days": "mon"}}]}, "/when/all/1/during/days", "days must be a list of up"),
        ({"all": ["close > 1", {"during": {"zone": "mon"}}]}, "/when/all/1/during/zone", "'mon' is no time zone"),
        ({"all": ["close > 1", {"during": {"start": "8", "end": "9"}}]}, "/when/all/1/during/start", "'8-9' is no"),
        ({"all": ["close > 1", {"during": {}}]}, "/when/all/1/during", "so it is always true; leave it out"),
        ({"all": ["close > 1", {"during": "mon"}]}, "/when/all/1/during", "expected an object"),
        ({"then": {"first": "rsi < 30", "second": "close > 1"}}, "/when/then/bars", "bars is missing"),
        ({"then": {"first": "rsi < 30", "second": "close > 1", "bars": 0}}, "/when/then/bars", "between 1 and 500"),
        ({"then": {"first": {"every": "rsi < 3"}, "second": "low > 1", "bars": 2}}, "/when/then/first/every", "every"),
        ({"left": {"max": [20, "high"]}, "operator": "<", "right": 1}, "/when/left/max", "write highest(20, high)"),
        ({"left": {"max": 3}, "operator": "<", "right": 1}, "/when/left/max", "max takes a list of operands, got 3"),
        ({"left": {"min": ["low"]}, "operator": "<", "right": 1}, "/when/left/min", "min takes two or more operands"),
        ({"left": {"abs": "low", "min": []}, "operator": "<", "right": 1}, "/when/left", "abs has no other fields"),
        ({"all": "close > 1"}, "/when/all", "expected a list of conditions, got 'close > 1'"),
        ({"all": []}, "/when/all", "expected a list of conditions"),
        ({"all": ["close > 1", "close >"]}, "/when/all/1", "the condition ends too early"),
        ({"all": ["close > 1"], "any": ["close > 1"]}, "/when", "an object with all has no other field"),
        ({"all": ["close > 1"] * 33}, "/when/all", "33 conditions; at most 32 are allowed"),
        ({"all": ["close > 1", "any(" + ", ".join(["close > 1"] * 32) + ")"]}, "/when", "too many comparisons"),
        ({"at_least": {"count": 3, "of": ["close > 1"]}}, "/when/at_least/count", "needs a whole k from 1 to 1, got 3"),
        ({"at_least": {"cuont": 1, "of": ["close > 1"]}}, "/when/at_least/count", "count is missing"),
        ({"at_least": ["close > 1"]}, "/when/at_least", "expected an object"),
        ({"for": {"bars": 501, "of": "close > 1"}}, "/when/for/bars", "bars must be between 1 and 500, got 501"),
        ({"for": {"bars": True, "of": "close > 1"}}, "/when/for/bars", "must be a finite number, got true"),
        ({"not": {"every": "close > 1"}}, "/when/not/every", "every is allowed only at the top of a condition"),
        ({"not": "every(close > 1)"}, "/when/not", "every is allowed only at the top of a condition"),
        ({"left": CLOSE, "operator": "<"}, "/when/right", "when.right is missing; the fields are left operator right"),
        ({"left": CLOSE, "operator": "<", "rigth": 1, "right": 1}, "/when/rigth", "did you mean right?"),
        ({"left": CLOSE, "operator": "<<", "right": 1}, "/when/operator", "unknown operator '<<'"),
        ({"left": CLOSE, "operator": 5, "right": 1}, "/when/operator", "a condition needs an operator"),
        ({"left": CLOSE, "operator": "<", "right": True}, "/when/right", "must be a finite number, got true"),
        ({"left": CLOSE, "operator": "<", "right": 1e16}, "/when/right", "must be between -1e15 and 1e15, got 1e+16"),
        ({"left": CLOSE, "operator": "<", "right": float("nan")}, "/when/right", "must be a finite number, got nan"),
        ({"left": CLOSE, "operator": "<", "right": None}, "/when/right", "an operand is a number, an object or text"),
        ({"left": 2, "operator": "<", "right": 1}, "/when", "both sides of the comparison are numbers"),
        ({"left": {"price": "clse"}, "operator": "<", "right": 1}, "/when/left/price", "did you mean close?"),
        ({"left": {"price": "close", "period": 3}, "operator": "<", "right": 1}, "/when/left/period", "unknown field"),
        ({"left": {"indicator": "rsii"}, "operator": "<", "right": 1}, "/when/left/indicator", "did you mean rsi,"),
        (
            {"left": {"indicator": "rsi", "params": {"period": 0}}, "operator": "<", "right": 1},
            "/when/left/params/period",
            "rsi: period must be between 2 and 1000, got 0",
        ),
        ({"left": {"indicator": "bbands"}, "operator": "<", "right": 1}, "/when/left/output", "several outputs"),
        ({"left": {**CLOSE, "offset": 0.5}, "operator": "<", "right": 1}, "/when/left/offset", "a whole number"),
        ({"left": {**CLOSE, "offset": -1}, "operator": "<", "right": 1}, "/when/left/offset", "from 0 to 500"),
        ({"left": {**CLOSE, "timeframe": "1m"}, "operator": "<", "right": 1}, "/when/left/timeframe", "not a multiple"),
        ({"left": {**CLOSE, "symbol": "A//B"}, "operator": "<", "right": 1}, "/when/left/symbol", "malformed"),
        ({"left": {"left": 1, "operator": "^", "right": CLOSE}, "operator": "<", "right": 1}, "/when/left/operator",
         "the operator of an operand is one of + - * /, got '^'"),
        ({"left": {"x": 1}, "operator": "<", "right": 1}, "/when/left", "an operand needs one of price, indicator"),
        ({"left": "close >", "operator": "<", "right": 1}, "/when/left", "unexpected '>'"),
        ({"value": CLOSE, "operator": "rises_by"}, "/when/amount", "rises_by needs either amount or percent"),
        ({"value": CLOSE, "operator": "rising", "bars": 0}, "/when/bars", "bars must be between 1 and 500, got 0"),
        ({"value": 5, "operator": "rising"}, "/when/value", "a number neither rises nor falls"),
        ({"indicator": "rsi", "operator": "<", "value": 3, "symbol": "A"}, "/when/symbol", "belongs to the whole"),
        ({"not": {"indicator": "rsi", "operator": "<", "value": 3, "fire": "every_bar"}}, "/when/not/fire", "belongs"),
        (deep(8), "/when" + "/not" * 8, "nested too deeply; at most 8 levels are allowed"),
        (wide("+", 31), "/when", "too many numbers, prices and indicators; a comparison has at most 32"),
        (wide("+", 200), "/when/left" + "/right" * 95 + "/left", "too many numbers"),
        (deep(100_000), "/when" + "/not" * 8, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_a_tree_is_refused_for(when: object, pointer: str, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parsed(when)
    assert message in str(caught.value)
    assert caught.value.pointer == pointer
    assert str(caught.value).isascii()
    while isinstance(when, dict) and "not" in when:
        # Freed level by level: dropping the whole chain at once would recurse in the interpreter.
        when = when.pop("not")


def test_a_mistake_inside_a_text_has_a_pointer_and_a_position() -> None:
    with pytest.raises(ConditionError) as caught:
        parsed({"all": ["close > 1", "rsii < 30"]})
    assert (caught.value.pointer, caught.value.position) == ("/when/all/1", 0)
    assert str(caught.value).endswith("\n  rsii < 30\n  ^")


@pytest.mark.parametrize(
    "broken", ['{"when": ', "{}", "{1: 2}", '{"when": "close > 1"', '{"a":' * 5000, "{" + "\ud800"]
)
def test_broken_json(broken: str) -> None:
    with pytest.raises(ConditionError):
        Condition.parse(broken)


def test_long_json() -> None:
    long = json.dumps({"symbol": "BTCUSDT", "timeframe": "1h", "when": "close > 1" + " " * 70_000})
    with pytest.raises(ConditionError, match="at most 65536 are allowed"):
        Condition.parse(long)


def test_an_object_that_holds_itself_many_times() -> None:
    tree: object = "close > 1"
    for _ in range(7):
        tree = {"all": [tree] * 32}
    with pytest.raises(ConditionError, match="too many comparisons"):
        parsed(tree)
    operand: object = CLOSE
    for _ in range(40):
        operand = {"left": operand, "operator": "+", "right": operand}
    with pytest.raises(ConditionError, match="too many numbers"):
        parsed({"left": operand, "operator": ">", "right": 1})


@pytest.mark.parametrize(
    "operand",
    [
        " + ".join(f"sma({period}, volume)" for period in range(2, 33)),
        " + ".join(f"sma({period}, max(high - low, 1))" for period in range(2, 9)),
        " + ".join(f"abs(abs(abs(close - open[{steps}])))" for steps in range(1, 16)),
        "abs(" * 62 + "close" + ")" * 62,
        " - (".join(f"close[{steps}]" for steps in range(31)) + ")" * 30,
    ],
    ids=["sources", "arithmetic in sources", "many functions", "nested functions", "nested arithmetic"],
)
def test_whatever_is_a_text_is_json(operand: str) -> None:
    """As large as a text may be: JSON has more objects for it than the text has operands."""
    condition = Condition.parse(f"BTCUSDT 1h: {operand} > 1")
    assert Condition.parse(condition.to_json()) == condition
    assert Condition.parse(condition.to_json()).surface == condition.surface
