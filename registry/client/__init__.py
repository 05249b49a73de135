"""The client of the hub's HTTP API beside the language: that of :mod:`condition_hub`, for whoever has the whole hub.

    from registry.client import AsyncHubClient, defaults, extract_conditions, register_condition, subscribe_bot

    async with AsyncHubClient("http://127.0.0.1:8000", api_key):
        with defaults(symbol="BTCUSDT", timeframe="1h"):
            for condition in extract_conditions(bot_config):
                condition_id = await register_condition(condition)
                await subscribe_bot("grid_bot_7", condition_id, "grid", bot_config)

What reads the language is added here: ``extract_conditions``, and ``defaults`` that are checked at once.
``docs/quickstart.md`` shows all of it at work. Errors are subclasses of :class:`common.errors.ApiError`.
"""

from condition_hub.ambient import register_condition, subscribe_bot
from condition_hub.asynchronous import AsyncHubClient
from condition_hub.blocking import HubClient
from condition_hub.explanation import Explanation, Now, Preview
from condition_hub.results import Policy, Registration, Status, Subscribed, Subscription, Trigger
from registry.defaults import defaults
from registry.extraction import extract_conditions

__all__ = [
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
]
