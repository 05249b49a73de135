"""Configurations of other platforms, in the shape of their documents."""

import json
import logging
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from bots import dca, grid
from bots.definition import define_bot
from bots.importing import from_3commas, from_freqtrade, from_hummingbot
from bots.importing_conditions import conditions_from_3commas
from common.errors import AmbiguousImport, BotConfigError, HubError

RSI: dict[str, Any] = {
    "strategy": "rsi",
    "options": {"time": "5m", "points": 30, "trigger_condition": "less", "time_period": 7},
}
DCA_BOT: dict[str, Any] = {
    "id": 15564828, "account_id": 32833909, "is_enabled": True, "max_safety_orders": 4,
    "active_safety_orders_count": 1, "pairs": ["USDT_ETH"], "strategy_list": [RSI], "close_strategy_list": [],
    "safety_strategy_list": [], "max_active_deals": 1, "trailing_enabled": False, "tsl_enabled": False,
    "deal_start_delay_seconds": None, "stop_loss_timeout_enabled": False, "disable_after_deals_count": None,
    "close_deals_timeout": None, "take_profit_steps": [], "name": "ETH/USDT Classic trading", "take_profit": "1.0",
    "min_profit_percentage": "0.0", "base_order_volume": "80.0", "safety_order_volume": "30.0",
    "safety_order_step_percentage": "1.0", "take_profit_type": "total", "min_profit_type": None,
    "martingale_volume_coefficient": "1.7", "martingale_step_coefficient": "4.0", "stop_loss_percentage": "22.0",
    "cooldown": "300", "btc_price_limit": "0.0", "strategy": "long", "min_volume_btc_24h": "0.0",
    "profit_currency": "quote_currency", "min_price": None, "max_price": None, "stop_loss_type": "stop_loss",
    "safety_order_volume_type": "quote_currency", "base_order_volume_type": "quote_currency",
    "trailing_deviation": "0.2", "leverage_type": "not_specified", "leverage_custom_value": None,
    "start_order_type": "limit", "reinvesting_percentage": "100.0", "risk_reduction_percentage": "100.0",
}  # fmt: skip
GRID_BOT: dict[str, Any] = {
    "id": 2338357, "grids_quantity": "81", "strategy_type": "manual", "upper_stop_loss_enabled": False,
    "lower_stop_loss_enabled": False, "lower_price": "0.016352", "lower_stop_loss_price": None,
    "lower_stop_loss_action": "stop_bot", "upper_price": "0.022503", "quantity_per_grid": "20.0",
    "pair": "USDT_VET", "max_active_buy_lines": "81", "max_active_sell_lines": "81", "order_currency_type": "quote",
    "profit_currency_type": "quote", "trailing_up_enabled": "true", "grid_type": "geometric",
    "expansion_down_enabled": "false", "leverage_type": "cross", "leverage_custom_value": "1.0",
}  # fmt: skip


def test_a_dca_bot_of_3commas() -> None:
    config = from_3commas(json.dumps(DCA_BOT))
    assert config == dca.Config(
        base_order_volume=80, safety_order_volume=30, max_safety_orders=4, active_safety_orders_count=1,
        safety_order_step_percentage=1, martingale_volume_coefficient="1.7", martingale_step_coefficient=4,
        take_profit=1, stop_loss_percentage=22, cooldown=300, pairs=("ETH/USDT",),
    )  # fmt: skip


def test_what_was_read_is_a_bot_of_the_hub() -> None:
    """As the page says: the parameters, and the conditions under the names of their roles."""
    config = from_3commas(DCA_BOT)
    conditions = conditions_from_3commas({**DCA_BOT, "close_strategy_list": [RSI]}, "ETHUSDT")
    bot_config: dict[str, Any] = {"bot_type": "dca", **config.model_dump(mode="json")}
    for condition, role in conditions:
        bot_config.setdefault(f"{role}_conditions", []).append(str(condition))
    defined = define_bot(json.loads(json.dumps(bot_config)))
    assert defined.definition.config == config
    assert list(map(str, defined.instruments)) == ["BINANCE:ETHUSDT"]
    assert [(condition.id, role) for condition, role in defined.conditions] == [
        (condition.id, role) for condition, role in conditions
    ]


def test_what_is_switched_on_counts() -> None:
    bot = {**DCA_BOT, "trailing_enabled": True, "stop_loss_type": "stop_loss_and_disable_bot",
           "strategy_list": [{"strategy": "nonstop", "options": {}}], "safety_strategy_list": [RSI]}  # fmt: skip
    config = from_3commas(bot)
    assert isinstance(config, dca.Config)
    assert config.trailing_deviation == Decimal("0.2")
    assert config.stop_loss_type == "stop_and_disable"
    assert config.start == "at_once"
    assert config.safety_orders_by_condition


def test_steps_stand_instead_of_a_take_profit() -> None:
    steps = [{"id": 1, "amount_percentage": 50, "profit_percentage": 10}] * 2
    config = from_3commas({**DCA_BOT, "take_profit": None, "take_profit_steps": steps})
    assert isinstance(config, dca.Config)
    assert [step.profit_percentage for step in config.take_profit_steps] == [10, 10]


def test_a_grid_bot_of_3commas() -> None:
    assert from_3commas(json.dumps(GRID_BOT)) == grid.Config(
        "0.016352", "0.022503", 81, counted="lines", spacing="geometric", quantity_per_grid=20, trailing_up=True,
        max_active_buy_lines=81, max_active_sell_lines=81,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tsl_enabled": True}, "tsl_enabled is True, which bots here cannot do"),
        ({"btc_price_limit": "50000.0"}, "btc_price_limit is 50000.0"),
        ({"leverage_type": "cross", "leverage_custom_value": "10.0"}, "the leverage is 10.0"),
        ({"base_order_volume_type": "percent"}, "base_order_volume_type is percent"),
        ({"stop_loss_type": "sell"}, "stop_loss_type 'sell' is not known"),
        ({"max_safety_orders": 6}, "safety order 5 would be 341 % below"),
        ({"base_order_volume": None}, "base_order_volume is needed"),
    ],
)
def test_what_ours_cannot_do_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BotConfigError, match=message):
        from_3commas({**DCA_BOT, **changes})


def test_pairs_with_two_readings_are_asked_about() -> None:
    with pytest.raises(AmbiguousImport, match=r"BTC/USDT.* spot .*BTC/USDT:USDT.* perpetual"):
        from_3commas({**DCA_BOT, "pairs": "BNFCR_1INCHUSDT"})
    config = from_3commas({**DCA_BOT, "pairs": "BNFCR_1INCHUSDT"}, pairs=["1INCH/USDT:USDT"])
    assert isinstance(config, dca.Config)
    assert config.pairs == ("1INCH/USDT:USDT",)


def test_what_is_left_out_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        from_3commas({**DCA_BOT, "reinvesting_percentage": "50.0"})
    assert "reinvesting_percentage is 50.0, which is left out" in caplog.text


@pytest.mark.parametrize("text", ["[]", "{", "null"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(BotConfigError, match="JSON"):
        from_3commas(text)


def conditions(**bot: Any) -> list[tuple[str, str]]:
    return [(condition.canonical, role) for condition, role in conditions_from_3commas(bot, "BTCUSDT")]


def test_a_list_of_conditions_is_one_that_holds_on_every_candle() -> None:
    slow = {"strategy": "rsi", "options": {**RSI["options"], "time": "1h", "points": "40", "time_period": 14}}
    assert conditions(strategy_list=[slow, RSI]) == [
        ("BINANCE:BTCUSDT 5m: every(all(rsi(14, close)@1h < 40, rsi(7, close) < 30))", "entry")
    ]
    assert conditions(strategy_list=[{"strategy": "nonstop", "options": {}}], close_strategy_list=[RSI]) == [
        ("BINANCE:BTCUSDT 5m: every(rsi(7, close) < 30)", "exit")
    ]


@pytest.mark.parametrize(
    ("strategy", "options", "text"),
    [
        ("mfi", {"time_period": 14, "points": 20, "trigger_condition": "crossing_up"}, "mfi(14) crosses_above 20"),
        ("cci", {"time_period": 20, "points": -100, "trigger_condition": "less"}, "cci(20) < -100"),
        ("adx", {"time_period": 14, "points": 25, "trigger_condition": "greater"}, "adx(14) > 25"),
        (
            "ult",
            {"first_period": 7, "second_period": 14, "third_period": 28, "points": 30, "trigger_condition": "less"},
            "ultosc(7, 14, 28) < 30",
        ),
        (
            "b_bands_percent",
            {"time_period": 20, "deviation": 2, "points": 0, "trigger_condition": "crossing_down"},
            "bbands(20, 2).percent_b crosses_below 0",
        ),
        (
            "ma_cross",
            {"indicator_type": "ema", "time_period_first": 9, "time_period_second": 21, "trigger_condition": "greater"},
            "ema(9) > ema(21)",
        ),
        (
            "macd",
            {
                "fast_period": 12, "slow_period": 26, "signal_period": 9, "trigger_condition": "crossing_up",
                "line_trigger_condition": "less",
            },
            "all(macd(12, 26, 9).line crosses_above macd(12, 26, 9).signal, macd(12, 26, 9).line < 0)",
        ),
        (
            "stochastic",
            {
                "fast_k_period": 14, "slow_k_period": 3, "slow_d_period": 3, "points": 20, "trigger_condition": "less",
                "line_trigger_condition": "crossing_up",
            },
            "all(stoch(14, 3, 3).k < 20, stoch(14, 3, 3).k crosses_above stoch(14, 3, 3).d)",
        ),
    ],
)  # fmt: skip
def test_families_of_3commas(strategy: str, options: dict[str, Any], text: str) -> None:
    from registry import Condition

    entry = {"strategy": strategy, "options": {"time": "1h", **options}}
    ((condition, _),) = conditions_from_3commas({"strategy_list": [entry]}, "BTCUSDT")
    assert condition == Condition.parse(f"BTCUSDT 1h: every({text})")


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        (
            {"strategy": "rsi", "options": {**RSI["options"], "trigger_condition": "crossing_above"}},
            AmbiguousImport,
            "crossing_above, which their list of strategies calls crossing_down; write crossing_up or crossing_down",
        ),
        ({"strategy": "heikin_ashi", "options": {"time": "1h"}}, AmbiguousImport, "whether its candles rise or fall"),
        ({"strategy": "tv_custom_signal", "options": {"time": "1h"}}, BotConfigError, "not judged from candles"),
        ({"strategy": "rsi", "options": {"time": "1h", "trigger_condition": "less"}}, BotConfigError, "no option"),
        (
            {"strategy": "rsi", "options": {**RSI["options"], "trigger_condition": "touches"}},
            BotConfigError,
            "its conditions are less, greater",
        ),
    ],
)
def test_conditions_with_two_readings_are_asked_about(
    entry: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        conditions(strategy_list=[entry])


def test_an_executor_of_hummingbot() -> None:
    executor = {
        "side": "BUY", "amounts_quote": ["100", "150"], "prices": ["100", "98.5"], "take_profit": "0.02",
        "stop_loss": 0.1, "time_limit": 3600, "trailing_stop": None, "mode": "MAKER",
    }  # fmt: skip
    assert from_hummingbot(executor) == dca.Config(
        base_order_volume=100, custom_safety_steps=[{"deviation": "1.5", "size": 150}], take_profit=2,
        stop_loss_percentage=10, close_deals_timeout=3600,
    )  # fmt: skip
    short = from_hummingbot({**executor, "side": 2, "prices": [100, 103]})
    assert short.strategy == "short"
    assert short.custom_safety_steps[0].deviation == 3
    with pytest.raises(BotConfigError, match="trailing_stop follows the profit"):
        from_hummingbot({**executor, "trailing_stop": {"activation_price": 0.03, "trailing_delta": 0.01}})
    with pytest.raises(BotConfigError, match="amounts_quote has 1 entries and prices has 2"):
        from_hummingbot({**executor, "amounts_quote": [1]})


def test_a_configuration_of_freqtrade() -> None:
    config = {
        "stake_amount": 100, "max_open_trades": 3, "minimal_roi": {"0": 0.02}, "stoploss": -0.1,
        "exchange": {"pair_whitelist": ["BTC/USDT", "ETH/USDT"]},
    }  # fmt: skip
    assert from_freqtrade(json.dumps(config)) == dca.Config(
        base_order_volume=100, take_profit=2, stop_loss_percentage=10, max_active_deals=3,
        pairs=("BTC/USDT", "ETH/USDT"),
    )  # fmt: skip
    with pytest.raises(BotConfigError, match="minimal_roi changes after 0, 30 minutes"):
        from_freqtrade({**config, "minimal_roi": {"0": 0.02, "30": 0.01}})
    adjusting = {**config, "position_adjustment_enable": True, "max_entry_position_adjustment": 3}
    with pytest.raises(AmbiguousImport, match="sizes and distances are in the strategy's code"):
        from_freqtrade(adjusting)
    ladder = {"safety_order_volume": 50, "max_safety_orders": 3, "safety_order_step_percentage": 2}
    assert from_freqtrade(adjusting, **ladder).max_safety_orders == 3


@pytest.mark.parametrize("value", ["yes", -1.5, [], [1], {}, {"a": 1}, ["x"], True, float("inf"), 1e300])
def test_whatever_a_field_is_the_error_is_one_for_its_owner(value: Any) -> None:
    """Exports are edited by hand: what comes of it is a configuration, or an error that names a field."""
    executor = {"amounts_quote": [10, 20], "prices": [100, 95], "side": "BUY", "take_profit": 0.02, "time_limit": 100}
    freqtrade = {
        "stake_amount": 100, "minimal_roi": {"0": 0.04}, "stoploss": -0.1, "max_open_trades": 3, "trailing_stop": False,
        "exchange": {"pair_whitelist": ["BTC/USDT"]},
    }  # fmt: skip
    dca_bot = {**DCA_BOT, "custom_safety_steps": [], "strategy_list": [RSI]}
    reads: list[tuple[Any, dict[str, Any]]] = [
        (from_3commas, dca_bot), (from_3commas, GRID_BOT), (from_hummingbot, executor), (from_freqtrade, freqtrade),
        (lambda bot: conditions_from_3commas(bot, "ETHUSDT"), dca_bot),
    ]  # fmt: skip
    for read, source in reads:
        for name in source:
            with suppress(HubError):
                read({**source, name: value})
        for whole in (value, None, "[1]"):
            with suppress(HubError):
                read(whole)
    for name in RSI["options"]:
        entry = {**RSI, "options": {**RSI["options"], name: value}}
        with suppress(HubError):
            conditions_from_3commas({"strategy_list": [entry]}, "ETHUSDT")


def test_what_is_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(BotConfigError, match="strategy_list has to be a list of objects"):
        from_3commas({**DCA_BOT, "strategy_list": ["rsi"]})
    with pytest.raises(BotConfigError, match="tsl_enabled: 'yes' is no number"):
        from_3commas({**DCA_BOT, "tsl_enabled": "yes"})
    with pytest.raises(BotConfigError, match="prices has 0; a price is above 0"):
        from_hummingbot({"amounts_quote": [10, 20], "prices": [0, 1], "side": "BUY"})
