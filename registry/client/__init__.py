"""The client of the hub's HTTP API, for bots, scripts and notebooks.

    from registry.client import AsyncHubClient, defaults, register_condition, subscribe_bot

    async with AsyncHubClient("http://127.0.0.1:8000", api_key):
        with defaults(symbol="BTCUSDT", timeframe="1h"):
            condition_id = await register_condition({"indicator": "RSI", "operator": "<", "value": 30})
        await subscribe_bot("grid_bot_7", condition_id, "grid", bot_config)

``AsyncHubClient`` and ``HubClient`` have the same methods; ``docs/quickstart.md`` shows them at work. Errors are
subclasses of :class:`common.errors.ApiError`.
"""

from registry.client.ambient import register_condition, subscribe_bot
from registry.client.asynchronous import AsyncHubClient
from registry.client.blocking import HubClient
from registry.client.results import Policy, Registration, Status, Subscribed, Subscription, Trigger
from registry.defaults import defaults
from registry.explanation import Explanation, Now, Preview
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
