"""Conditions in the shapes of other platforms: read as they are meant, or refused with their place."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import Condition, ConditionError
from registry.extraction import extract_conditions

SERIES = {"symbol": "BTCUSDT", "timeframe": "1h"}
Shape = Callable[[str, int, str, float], object]
"""From an indicator, its period, an operator and a threshold to how a configuration writes it."""

SHAPES: Mapping[str, Shape] = {
    "flat": lambda name, period, op, x: {"indicator": name, "period": period, "operator": op, "value": x},
    "short": lambda name, period, op, x: {"type": name, "length": period, "op": op, "threshold": x},
    "texts": lambda name, period, op, x: {"name": name, "timeperiod": f"{period}", "comparison": op, "level": f"{x}"},
    "humps": lambda name, period, op, x: {"study": name, "timePeriod": period, "comparator": op, "targetValue": x},
    "condition": lambda name, period, op, x: {"indicator": name, "window": period, "condition": op, "value": x},
    "options": lambda name, period, op, x: {
        "strategy": name, "options": {"points": str(x), "time_period": str(period), "trigger_condition": op}
    },
    "list": lambda name, period, op, x: [f"{name}({period})", op, x],
    "keys": lambda name, period, op, x: {name: {op: x, "period": period}},
    "tree": lambda name, period, op, x: {"left": {"indicator": name, "period": period}, "operator": op, "right": x},
    "text": lambda name, period, op, x: f"{name}({period}) {op} {x}",
    "whole text": lambda name, period, op, x: f"BTCUSDT 1h: {name}{period} {op} {x}",
    "when": lambda name, period, op, x: {"when": f"{name}({period}) {op} {x}"},
}  # fmt: skip
KEYS = st.sampled_from(("entry", "entryConditions", "buy_signal", "rules", "x", "safetyOrders", "a b", "filters", "if"))
NESTING = st.lists(KEYS | st.just(0), min_size=1, max_size=6)
OPERATORS = st.sampled_from(("<", ">=", "crosses_below", "crossing_up", "above", "lt", "crossesAbove"))


def nested(value: object, keys: list[str | int]) -> Mapping[str, object]:
    """``value`` below keys, 0 standing for a list."""
    for key in reversed(keys):
        value = {"orderSize": 5, key: value} if isinstance(key, str) else [value]
    return {**SERIES, "baseOrderSize": 100, "bot": value}


def pointer(keys: list[str | int]) -> str:
    return "/".join(["/bot", *map(str, keys)])


@settings(max_examples=150)
@given(
    shape=st.sampled_from(sorted(SHAPES)), keys=NESTING, name=st.sampled_from(("RSI", "mfi", "Cci", "roc")),
    period=st.integers(2, 99), operator=OPERATORS, threshold=st.integers(1, 99),
)  # fmt: skip
def test_every_shape_is_read_wherever_it_is(
    shape: str, keys: list[str | int], name: str, period: int, operator: str, threshold: int
) -> None:
    config = nested(SHAPES[shape](name, period, operator, threshold), keys)
    meant = Condition.parse(f"BTCUSDT 1h: {name}({period}) {operator} {threshold}")
    assert extract_conditions(config) == [meant]


@settings(max_examples=100)
@given(
    shape=st.sampled_from(sorted(set(SHAPES) - {"whole text"})), keys=NESTING,
    name=st.sampled_from(("RSI", "mfi")), operator=OPERATORS, wrong=st.sampled_from((1, 5000)),
)  # fmt: skip
def test_what_is_wrong_has_its_place(shape: str, keys: list[str | int], name: str, operator: str, wrong: int) -> None:
    config = nested(SHAPES[shape](name, wrong, operator, 30), keys)
    with pytest.raises(ConditionError, match=rf"period must be between 2 and 1000, got {wrong}") as caught:
        extract_conditions(config)
    assert caught.value.pointer is not None
    assert caught.value.pointer.startswith(pointer(keys))


@settings(max_examples=60)
@given(
    keys=NESTING, logic=st.sampled_from(("and", "AND", "all", "or", "any")), as_key=st.booleans(),
    shapes=st.lists(st.sampled_from(sorted(set(SHAPES) - {"whole text", "keys"})), min_size=2, max_size=4),
)  # fmt: skip
def test_a_group_stays_one_condition(keys: list[str | int], logic: str, as_key: bool, shapes: list[str]) -> None:
    parts = [SHAPES[shape]("rsi", 5 + place, "<", 30) for place, shape in enumerate(shapes)]
    group = {logic.lower(): parts} if as_key else {"logic": logic, "rules": parts}
    kind = "all" if logic.lower() in ("and", "all") else "any"
    meant = ", ".join(f"rsi({5 + place}) < 30" for place in range(len(shapes)))
    assert extract_conditions(nested(group, keys)) == [Condition.parse(f"BTCUSDT 1h: {kind}({meant})")]


@pytest.mark.parametrize(
    ("part", "at", "message"),
    [
        ({"indicator": "RSI", "value": 30}, "/operator", "operator is missing"),
        ({"operator": "<", "value": 30}, "/indicator", "indicator is missing"),
        ({"type": "RSI", "op": "<", "threshold": "abc"}, "/threshold", "unknown indicator or price 'abc'"),
        ({"type": "RSI", "op": "<"}, "/value", "value is missing"),
        ({"indicator": "RSI", "oprator": "<", "value": 30}, "/oprator", "did you mean operator?"),
        ({"indicatr": "RSI", "operator": "<", "value": 30}, "/indicatr", "did you mean indicator?"),
        ({"indicator": "RSI", "op": "smaller", "value": 30}, "/op", "unknown operator 'smaller'"),
        ({"ind": "RSI", "cond": "<", "val": 30}, "", "cannot be read as a condition; it takes the fields"),
        ({"or": ["rsi < 30", {"foo": 1}]}, "/or/1", "cannot be read as a condition"),
        ({"conditions": [{"foo": 1}]}, "/conditions/0", "cannot be read as a condition"),
        ({"conditions": [[{"ind": "rsi"}]]}, "/conditions/0/0", "cannot be read as a condition"),
        ({"entry": "RSI oversold"}, "/entry", "unknown operator 'oversold'"),
        ({"entry": "rsi 14 < 30"}, "/entry", r"write rsi\(14\) < 30"),
        ({"enter_long": "(dataframe['rsi'] < 30) & (dataframe['volume'] > 0)"}, "/enter_long", r"and \(volume > 0\)"),
        ({"options": {"time": "3m"}, "strategy": "rsi", "trigger_condition": "less", "points": "x"}, "/points", "'x'"),
        ({"strategy": "rsi", "options": {"points": "x", "trigger_condition": "less"}}, "/options/points", "'x'"),
    ],
)
def test_what_is_refused(part: Mapping[str, object], at: str, message: str) -> None:
    with pytest.raises(ConditionError, match=message) as caught:
        extract_conditions(nested(part, ["x"]))
    assert caught.value.pointer == f"/bot/x{at}"


@pytest.mark.parametrize(
    "part",
    [
        {"indicator": "RSI", "period": 14},
        {"name": "RSI < 30", "description": "buys when RSI < 30", "notes": ["close > open"]},
        {"entry": "market order", "exit": "close position"},
        {"mode": "immediately", "startCondition": {"mode": "immediately"}},
        {"take_profit": {"type": "percent", "value": 5}},
        {"type": "dca", "name": "Momentum", "value": 3},
        {"orders": [{"type": "limit", "price": 100, "operator": "me", "side": "buy"}]},
        {"minimal_roi": {"0": 0.1}, "stoploss": -0.1, "order_types": {"entry": "limit", "exit": "limit"}},
        {"legend": {"position": "above", "anchor": "close"}},
        {"grid": {"price_range": {"low": 1, "high": 2}, "volume": {"min": 3, "max": 5}}},
        {"conditions": [], "entryConditions": [{}]},
        {"strategy": "BTCUSDT 1h scalping", "webhook": "https://example.com/?volume=3&close=1"},
        {"apiSecret": "ma = 3", "blob": "c2VjcmV0/ma+rsi=="},
        {"enabled": False, "entry": "rsi < 30"},
    ],
)
def test_what_is_no_condition(part: Mapping[str, object]) -> None:
    assert extract_conditions(nested(part, ["x"])) == []
