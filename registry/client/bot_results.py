"""The hub's answers about bots: those of :mod:`condition_hub.bot_results`."""

from condition_hub.bot_results import (
    BotAction,
    BotConditionRole,
    BotDeal,
    BotFill,
    BotGain,
    BotMarket,
    BotNote,
    BotOrder,
    BotPreview,
    HubBot,
)

__all__ = [
    "BotAction",
    "BotConditionRole",
    "BotDeal",
    "BotFill",
    "BotGain",
    "BotMarket",
    "BotNote",
    "BotOrder",
    "BotPreview",
    "HubBot",
]
