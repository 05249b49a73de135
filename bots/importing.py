"""Configurations of other platforms as ours. What ours cannot do, and what has two meanings, is refused by name.

Their numbers are text or zero where something is switched off; both are read as meant. Their conditions are read by
:mod:`bots.importing_conditions`.
"""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bots import dca, grid
from bots.arithmetic import HUNDRED, ONE, exactly
from bots.importing_fields import Json, is_on, number_in, numbers_in, object_in, objects_in, read_object, texts_in
from common.errors import AmbiguousImport, BotConfigError

_log = logging.getLogger(__name__)

_SAME = (
    "base_order_volume", "safety_order_volume", "max_safety_orders", "active_safety_orders_count",
    "safety_order_step_percentage", "martingale_step_coefficient", "martingale_volume_coefficient",
    "take_profit_type", "close_deals_timeout", "disable_after_deals_count", "max_active_deals", "strategy",
    "min_price", "max_price",
)  # fmt: skip
"""Names that mean the same on 3Commas."""
_OFF_AT_ZERO = ("take_profit", "min_profit_percentage", "stop_loss_percentage", "cooldown")
_NOT_OURS = (
    "tsl_enabled", "stop_loss_timeout_enabled", "sl_to_breakeven_enabled", "btc_price_limit", "min_volume_btc_24h",
    "min_price_percentage", "max_price_percentage", "expansion_up_enabled", "expansion_down_enabled",
)  # fmt: skip
"""What would make a bot trade otherwise, and ours cannot do."""
_LEFT_OUT = ("reinvesting_percentage", "risk_reduction_percentage", "deal_start_delay_seconds")
"""What ours does not do, with a warning."""
_STOP_LOSS_TYPES = {"stop_loss": "stop", "stop_loss_and_disable_bot": "stop_and_disable"}


def from_3commas(source: Json, *, pairs: Sequence[str] | None = None) -> dca.Config | grid.Config:
    """The configuration of a 3Commas DCA bot, of one of its deals, or of a grid bot, from the JSON of their API.

    ``pairs`` replaces theirs, which name the quote first (``USDT_BTC``). Raises
    :class:`common.errors.BotConfigError` for what ours cannot do, and :class:`common.errors.AmbiguousImport` for what
    could mean two things.
    """
    bot = read_object(source)
    for name in _NOT_OURS:
        if is_on(bot, name):
            raise BotConfigError(f"{name} is {bot[name]}, which bots here cannot do; switch it off to import the rest")
    if bot.get("leverage_type") not in (None, "not_specified") and bot.get("leverage_custom_value") not in (
        None, "1", "1.0", 1,
    ):  # fmt: skip
        raise BotConfigError(f"the leverage is {bot['leverage_custom_value']}; bots here trade without")
    for name in _LEFT_OUT:
        if is_on(bot, name) and number_in(bot, name) != HUNDRED:
            _log.warning("%s is %s, which is left out", name, bot[name])
    return _grid_of(bot) if "grids_quantity" in bot else _dca_of(bot, pairs)


def _dca_of(bot: Mapping[str, Any], pairs: Sequence[str] | None) -> dca.Config:
    for name in ("base_order_volume_type", "safety_order_volume_type", "profit_currency"):
        if bot.get(name) not in (None, "quote_currency"):
            raise BotConfigError(f"{name} is {bot[name]}; volumes and profits here are in the quote currency")
    is_of_base = bot.get("min_profit_type") == "base_order_volume"
    if is_of_base and is_on(bot, "min_profit_percentage") and is_on(bot, "max_safety_orders"):
        raise BotConfigError("min_profit_type is base_order_volume; the least profit here is a share of all bought")
    parameters = {name: bot[name] for name in _SAME if bot.get(name) is not None}
    parameters |= {name: bot[name] for name in _OFF_AT_ZERO if is_on(bot, name)}
    if "cooldown" in parameters:
        parameters["cooldown"] = int(number_in(bot, "cooldown"))
    if (loss := bot.get("stop_loss_type")) is not None:
        if str(loss) not in _STOP_LOSS_TYPES:
            raise BotConfigError(f"stop_loss_type {loss!r} is not known; it is one of {', '.join(_STOP_LOSS_TYPES)}")
        parameters["stop_loss_type"] = _STOP_LOSS_TYPES[loss]
    if is_on(bot, "trailing_enabled"):
        parameters["trailing_deviation"] = bot.get("trailing_deviation")
    if steps := objects_in(bot, "take_profit_steps"):
        parameters["take_profit_steps"] = [_only(step, "amount_percentage", "profit_percentage") for step in steps]
    if steps := objects_in(bot, "custom_safety_steps"):
        parameters["custom_safety_steps"] = [_only(step, "deviation", "size") for step in steps]
        for name in ("max_safety_orders", "safety_order_volume", "safety_order_step_percentage"):
            parameters.pop(name, None)
    if any(one.get("strategy") == "nonstop" for one in objects_in(bot, "strategy_list")):
        parameters["start"] = "at_once"
    parameters["safety_orders_by_condition"] = bool(bot.get("safety_strategy_list"))
    theirs = texts_in(bot, "pairs") or texts_in(bot, "pair")
    parameters["pairs"] = tuple(pairs) if pairs is not None else tuple(_pair(name) for name in theirs)
    return dca.Config(**parameters)


def _grid_of(bot: Mapping[str, Any]) -> grid.Config:
    parameters: dict[str, Any] = {
        "lower": bot.get("lower_price"),
        "upper": bot.get("upper_price"),
        "count": bot["grids_quantity"],
        "counted": "lines",
        "spacing": bot.get("grid_type") or "arithmetic",
        "trailing_up": is_on(bot, "trailing_up_enabled"),
    }
    for name in ("quantity_per_grid", "max_active_buy_lines", "max_active_sell_lines"):
        if bot.get(name) is not None:
            parameters[name] = bot[name]
    if bot.get("order_currency_type") is not None:
        parameters["order_currency"] = bot["order_currency_type"]
    if bot.get("profit_currency_type") not in (None, "quote"):
        raise BotConfigError(f"profit_currency_type is {bot['profit_currency_type']}; profits here are in quote")
    actions = set()
    for side in ("lower", "upper"):
        if is_on(bot, f"{side}_stop_loss_enabled"):
            parameters[f"{side}_stop_price"] = bot.get(f"{side}_stop_loss_price")
            actions.add(str(bot.get(f"{side}_stop_loss_action")))
    if actions - {"stop_bot"}:
        raise AmbiguousImport(
            f"the action at a stop is {' and '.join(sorted(actions))}; write stop_action keep (the coins) or"
            " sell, and import the bot without its stops"
        )
    return grid.Config(**parameters)


@exactly
def from_hummingbot(source: Json) -> dca.Config:
    """The configuration of a hummingbot DCA executor: ``amounts_quote``, ``prices``, ``side``, ``take_profit``,
    ``stop_loss`` and ``time_limit``. Shares become percent; the first price is the base order's.

    Its stop loss waits until all levels are filled in maker mode, ours does not. Raises
    :class:`common.errors.BotConfigError`, for its ``trailing_stop`` too, which follows the profit and not the price.
    """
    executor = read_object(source)
    amounts, prices = numbers_in(executor, "amounts_quote"), numbers_in(executor, "prices")
    if not amounts or len(amounts) != len(prices):
        raise BotConfigError(
            f"amounts_quote has {len(amounts)} entries and prices has {len(prices)}; write one for each"
        )
    if executor.get("trailing_stop"):
        raise BotConfigError("trailing_stop follows the profit; leave it out, and set trailing_deviation, of the price")
    side = str(executor.get("side", "")).upper().removeprefix("TRADETYPE.")
    strategies = {"BUY": "long", "1": "long", "SELL": "short", "2": "short"}
    if side not in strategies:
        raise BotConfigError(f"side is {side or 'missing'}; write BUY or SELL")
    if min(prices) <= 0:
        raise BotConfigError(f"prices has {min(prices)}; a price is above 0")
    sign = 1 if strategies[side] == "long" else -1
    steps = [
        {"deviation": sign * (ONE - price / prices[0]) * HUNDRED, "size": amount}
        for price, amount in zip(prices[1:], amounts[1:], strict=True)
    ]
    parameters: dict[str, Any] = {
        "base_order_volume": amounts[0],
        "strategy": strategies[side],
        "custom_safety_steps": steps,
        **_percent(executor, {"take_profit": "take_profit", "stop_loss": "stop_loss_percentage"}),
    }
    if executor.get("time_limit") is not None:
        parameters["close_deals_timeout"] = executor["time_limit"]
    return dca.Config(**parameters)


@exactly
def from_freqtrade(source: Json, **safety_orders: Any) -> dca.Config:
    """The configuration of a freqtrade bot: ``stake_amount``, ``minimal_roi`` with one entry, ``stoploss``,
    ``max_open_trades``, ``exchange.pair_whitelist``.

    Where freqtrade adjusts positions, sizes and distances are in the strategy's code, so they are needed here as
    parameters of :class:`bots.dca.Config`. Raises :class:`common.errors.BotConfigError` for what ours cannot do.
    """
    config = read_object(source)
    if is_on(config, "trailing_stop"):
        raise BotConfigError(
            "trailing_stop moves the stop loss from the start; leave it out, and set trailing_deviation"
        )
    adjusts = config.get("position_adjustment_enable") and config.get("max_entry_position_adjustment", -1) != 0
    if adjusts and not safety_orders:
        raise AmbiguousImport(
            "position_adjustment_enable: sizes and distances are in the strategy's code; pass safety_order_volume,"
            " max_safety_orders and safety_order_step_percentage, or custom_safety_steps"
        )
    if config.get("stake_amount") in (None, "unlimited"):
        raise BotConfigError(f"stake_amount is {config.get('stake_amount')}; write how much a deal begins with")
    roi = object_in(config, "minimal_roi")
    if set(roi) - {"0"}:
        raise BotConfigError(f"minimal_roi changes after {', '.join(sorted(roi))} minutes; ours has one, at 0")
    lost = -number_in(config, "stoploss") if is_on(config, "stoploss") else None
    exits = {"minimal_roi": roi.get("0"), "stoploss": lost}
    parameters: dict[str, Any] = {
        "base_order_volume": config["stake_amount"],
        "pairs": tuple(texts_in(object_in(config, "exchange"), "pair_whitelist")),
        **_percent(exits, {"minimal_roi": "take_profit", "stoploss": "stop_loss_percentage"}),
        **safety_orders,
    }
    if (most := config.get("max_open_trades")) not in (None, -1):
        parameters["max_active_deals"] = most
    return dca.Config(**parameters)


def _percent(source: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Decimal]:
    """Shares that are set, as percent, under our names."""
    return {ours: number_in(source, name) * HUNDRED for name, ours in names.items() if is_on(source, name)}


def _only(step: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: step[name] for name in names if name in step}


def _pair(name: str) -> str:
    """``USDT_BTC`` -> ``BTC/USDT``."""
    quote, _, base = name.partition("_")
    if not base or "_" in base or base.endswith(("USDT", "USDC", "USD", "BUSD")):
        raise AmbiguousImport(
            f"pair {name!r} is not plainly a quote and a base; pass pairs=['BTC/USDT'] for the spot market, or"
            " pairs=['BTC/USDT:USDT'] for a perpetual contract"
        )
    return f"{base}/{quote}"
