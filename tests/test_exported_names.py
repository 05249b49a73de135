"""The names that outside code relies on: they are where they are said to be, and no other is offered beside them."""

import importlib
import inspect
from types import ModuleType
from typing import Any

import pytest

PUBLIC = {
    "condition_hub.public": {
        "ApiError",
        "ApiRefused",
        "ApiUnreachable",
        "AsyncHubClient",
        "BacktestResult",
        "BodyNotJson",
        "BotAction",
        "BotDeal",
        "BotFill",
        "BotNote",
        "BotOrder",
        "BotPreview",
        "Checked",
        "ConditionLike",
        "ConditionsRefused",
        "Explanation",
        "HubBot",
        "HubClient",
        "HubError",
        "HubWebhook",
        "KeyRefused",
        "LimitReached",
        "NotFound",
        "Notice",
        "Now",
        "Policy",
        "Preview",
        "PreviewedTriggers",
        "Registration",
        "SettingsError",
        "Status",
        "Subscribed",
        "Subscription",
        "TimeFormatError",
        "Trigger",
        "WebhookPreset",
        "WebhookPreview",
        "WebhookRequest",
        "defaults",
        "register_condition",
        "subscribe_bot",
    },
    "indicators": {"PRICES", "Indicator", "IndicatorError", "catalogue", "compute", "compute_many", "find"},
    "registry": {"Condition", "ConditionError", "HubError", "Instrument", "InstrumentError", "TimeframeError"},
    "registry.store": {"open_configured", "open_store"},
    "registry.client": {
        "AsyncHubClient",
        "Explanation",
        "HubClient",
        "Now",
        "Policy",
        "Preview",
        "Registration",
        "Status",
        "Subscribed",
        "Subscription",
        "Trigger",
        "defaults",
        "extract_conditions",
        "register_condition",
        "subscribe_bot",
    },
    "analysis": {
        "Report",
        "Sweep",
        "backtest",
        "explain",
        "overlap",
        "preview",
        "repaint",
        "scan",
        "scan_each",
        "sweep",
    },
    "bots.dca": {"Config", "DcaBot", "SafetyStep", "State", "TakeProfitStep", "safety_orders"},
    "bots.grid": {"Config", "GridBot", "Start", "State", "levels", "profit_per_grid", "starting"},
    "bots.market_making": {"Config", "MarketMakingBot", "State", "avellaneda_stoikov", "inventory_skew"},
}


def offered(module: ModuleType) -> set[str]:
    """What a module shows beside the modules in it."""
    return {name for name, value in vars(module).items() if not (name.startswith("_") or isinstance(value, ModuleType))}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_offers_its_names(name: str) -> None:
    module = importlib.import_module(name)
    assert set(module.__all__) == PUBLIC[name]
    assert offered(module) >= PUBLIC[name], "a name in __all__ that is not there"


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - {"registry.store"}))
def test_a_public_module_offers_nothing_else(name: str) -> None:
    assert offered(importlib.import_module(name)) == PUBLIC[name]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("indicators.compute", ["name", "candles"]),
        ("indicators.catalogue", []),
        ("registry.Condition.parse", ["source", "symbol", "timeframe", "default_exchange"]),
        ("registry.store.open_store", ["url", "token", "read_only", "clock"]),
        ("analysis.scan", ["conditions", "candles"]),
        ("analysis.backtest", ["conditions", "candles"]),
        ("analysis.sweep", ["conditions", "candles", "parameters"]),
        ("bots.dca.safety_orders", ["config", "price"]),
        ("bots.grid.levels", ["config"]),
        ("bots.grid.Config", ["lower", "upper", "count"]),
        ("bots.market_making.inventory_skew", ["base", "quote", "price", "target_share", "range_base"]),
        (
            "bots.market_making.avellaneda_stoikov",
            ["mid", "inventory", "gamma", "sigma", "kappa", "time_left"],
        ),
        ("registry.client.register_condition", ["condition"]),
        ("registry.client.subscribe_bot", ["bot_id", "condition_id", "bot_type", "bot_config"]),
        ("registry.client.extract_conditions", ["bot_config"]),
        ("registry.client.defaults", ["symbol", "timeframe"]),
    ],
)
def test_arguments_have_their_names(path: str, parameters: list[str]) -> None:
    parts = path.split(".")
    depth = next(n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in PUBLIC)
    callee: Any = importlib.import_module(".".join(parts[:depth]))
    for part in parts[depth:]:
        callee = getattr(callee, part)
    taken = list(inspect.signature(callee).parameters)
    assert taken[: len(parameters)] == parameters


def test_a_condition_has_its_attributes() -> None:
    from registry import Condition

    condition = Condition.parse("binance:btc/usdt 60m: RSI < 30.0")
    assert condition.id == Condition.parse({"symbol": "BTCUSDT", "timeframe": "1h", "when": "rsi(14) < 30"}).id
    assert condition.canonical == "BINANCE:BTCUSDT 1h: rsi(14, close) < 30"
    assert condition.timeframe == "1h"
    assert [str(instrument) for instrument in condition.instruments] == ["BINANCE:BTCUSDT"]
    assert Condition.parse(str(condition)) == condition
