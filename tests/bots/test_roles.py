"""What a condition in a configuration is to its bot."""

from typing import Any

import pytest

from bots.roles import conditions_with_roles
from common.errors import BotConfigError
from registry.extraction import extract_conditions

SERIES = {"symbol": "BTCUSDT", "timeframe": "1h"}


def roles(**config: Any) -> list[tuple[str, str]]:
    return [
        (condition.canonical.split(": ")[1], role)
        for condition, role in conditions_with_roles({**SERIES, **config})
    ]  # fmt: skip


def test_the_nearest_key_says_the_role() -> None:
    assert roles(
        entryConditions=["rsi < 30"],
        exit_conditions=["rsi > 70"],
        dcaRules={"rules": [{"indicator": "RSI", "operator": "<", "value": 25, "orderSize": 50}]},
        oppositeCondition="close < sma(50)",
    ) == [
        ("rsi(14, close) < 30", "entry"),
        ("rsi(14, close) > 70", "exit"),
        ("rsi(14, close) < 25", "safety"),
        ("close < sma(50, close)", "opposite"),
    ]


def test_a_condition_may_say_its_role() -> None:
    condition = {"indicator": "RSI", "operator": "<", "value": 30}
    assert roles(conditions=[{**condition, "action": "buy"}, {**condition, "value": 20, "role": "safety"}]) == [
        ("rsi(14, close) < 30", "entry"),
        ("rsi(14, close) < 20", "safety"),
    ]


@pytest.mark.parametrize(
    "config",
    [
        {"conditions": [{"condition": "rsi > 70", "action": "sell"}]},
        {"conditions": [{"condition": "rsi > 70", "role": "exit"}]},
        {"rules": [{"signal": {"indicator": "RSI", "operator": ">", "value": 70}, "side": "sell"}]},
        {"orders": [{"action": "sell", "conditions": ["rsi > 70"]}]},
        {"entry": [{"action": "sell", "condition": "rsi > 70"}]},
    ],
)
def test_an_object_says_the_role_of_the_conditions_in_it(config: dict[str, Any]) -> None:
    assert roles(**config) == [("rsi(14, close) > 70", "exit")]


def test_a_key_within_an_object_counts_more_than_what_the_object_says() -> None:
    assert roles(orders=[{"side": "sell", "entryCondition": "rsi < 30"}]) == [("rsi(14, close) < 30", "entry")]


def test_a_safety_order_that_buys_is_none_that_enters() -> None:
    rule = {"indicator": "RSI", "operator": "<", "value": 25, "action": "buy"}
    assert roles(dcaRules={"rules": [rule]}) == [("rsi(14, close) < 25", "safety")]
    assert roles(dcaRules={"side": "long", "rules": ["rsi < 25"]}) == [("rsi(14, close) < 25", "safety")]
    assert roles(dcaRules={"rules": [{**rule, "role": "entry"}]}) == [("rsi(14, close) < 25", "entry")]


def test_who_is_short_sells_to_enter() -> None:
    condition = {"indicator": "RSI", "operator": ">", "value": 70, "action": "sell"}
    assert roles(strategy="short", conditions=[condition]) == [("rsi(14, close) > 70", "entry")]
    assert roles(conditions=[condition]) == [("rsi(14, close) > 70", "exit")]


def test_the_grid_of_the_mission_says_nothing_and_enters() -> None:
    conditions = [
        {"indicator": "RSI", "operator": "<", "value": 30},
        {"indicator": "RSI", "operator": ">", "value": 70},
    ]
    assert roles(conditions=conditions) == [("rsi(14, close) < 30", "entry"), ("rsi(14, close) > 70", "entry")]


def test_one_condition_may_have_two_roles() -> None:
    config = {**SERIES, "entryConditions": ["rsi < 30"], "dcaRules": {"condition": "rsi < 30"}}
    assert [role for _, role in conditions_with_roles(config)] == ["entry", "safety"]
    assert len(extract_conditions(config)) == 1


def test_a_role_that_there_is_not_is_refused() -> None:
    with pytest.raises(
        BotConfigError, match="/conditions/0/role is 'hold'; write one of exit, opposite, safety, entry"
    ):
        roles(conditions=[{"indicator": "RSI", "operator": "<", "value": 30, "role": "hold"}])
    with pytest.raises(BotConfigError, match="/conditions/0/action is 'hold'"):
        roles(conditions=[{"condition": "rsi < 30", "action": "hold"}])
