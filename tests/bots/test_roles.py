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
