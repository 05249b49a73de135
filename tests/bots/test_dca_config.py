"""The configuration of a DCA bot: what it reads, and what it refuses."""

from decimal import Decimal
from typing import Any

import pytest

from bots import dca
from common.errors import BotConfigError

LADDER = {
    "base_order_volume": 100, "safety_order_volume": 100, "max_safety_orders": 3, "safety_order_step_percentage": 2,
    "take_profit": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"max_safety_orders": 6, "safety_order_step_percentage": 1, "martingale_step_coefficient": 4},
            "safety order 5 would be 341 % below",
        ),
        ({"safety_order_step_percentage": 50}, "safety order 2 would be 100 % below"),
        ({"safety_order_step_percentage": 100, "deviation_from": "previous"}, "safety order 1 would be 100 %"),
        ({"take_profit_steps": [{"amount_percentage": 100, "profit_percentage": 1}]}, "exclude each other"),
        ({"base_order_volume": "a lot"}, "base_order_volume: 'a lot' is no number"),
        ({"base_order_volume": float("nan")}, "no finite number"),
        ({"base_order_volume": True}, "True is no number"),
        ({"take_profits": 3}, r"take_profits is no parameter of this bot \(did you mean take_profit"),
        ({"stop_loss_percentage": 100}, "a stop at or below zero"),
        ({"safety_order_volume": None}, "safety_order_volume is needed"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BotConfigError, match=message):
        dca.Config(**{**LADDER, **changes})


def test_a_short_ladder_may_rise_without_end() -> None:
    config = dca.Config(**{**LADDER, "strategy": "short", "safety_order_step_percentage": 60})
    assert [price for price, *_ in dca.safety_orders(config, 100)] == [160, 220, 280]


def test_the_configurations_of_the_mission_are_read_as_they_are() -> None:
    config = dca.Config.parse({"baseOrderSize": 100, "dcaRules": {...}})
    assert config == dca.Config(base_order_volume=100) == dca.Config.parse({"baseOrderSize": 100, "dcaRules": {}})
    assert config == dca.Config(**{"baseOrderSize": 100, "dcaRules": {}})


def test_parameters_of_dca_rules_are_the_bots() -> None:
    rules = {"maxSafetyOrders": 2, "safetyOrderSize": 50, "safetyOrderStepPercentage": "1.5"}
    config = dca.Config.parse({"baseOrderSize": 100, "dcaRules": rules})
    assert [size for _, size in config.ladder] == [50, 50]
    with pytest.raises(BotConfigError, match="max_safety_orders is said twice"):
        dca.Config.parse({"baseOrderSize": 100, "max_safety_orders": 3, "dcaRules": rules})
    with pytest.raises(BotConfigError, match="have orders of 2 sizes; write one"):
        dca.Config.parse({"baseOrderSize": 1, "dcaRules": {"rules": [{"orderSize": 1}, {"orderSize": 2}]}})


def test_parameters_stand_beside_conditions_and_names() -> None:
    config = dca.Config.parse({
        "bot_id": "dca_bot_123", "symbol": "BTC/USDT", "timeframe": "60m", "baseOrderSize": "100.10",
        "takeProfit": 1.5, "entryConditions": [{"indicator": "RSI", "operator": "<", "value": 30}],
    })  # fmt: skip
    assert (config.base_order_volume, config.take_profit) == (Decimal("100.10"), Decimal("1.5"))


def test_a_float_is_what_it_is_printed_as() -> None:
    assert dca.Config(base_order_volume=0.1).base_order_volume == Decimal("0.1")


def test_a_configuration_is_stored_and_read() -> None:
    config = dca.Config(**LADDER, trailing_deviation="0.5")
    assert dca.Config.model_validate_json(config.model_dump_json()) == config
