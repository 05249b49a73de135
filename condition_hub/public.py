"""The names that ``condition_hub`` offers."""

from condition_hub.ambient import register_condition, subscribe_bot
from condition_hub.asynchronous import AsyncHubClient
from condition_hub.blocking import HubClient
from condition_hub.bot_results import BotAction, BotDeal, BotFill, BotNote, BotOrder, BotPreview, HubBot
from condition_hub.conditions import ConditionLike
from condition_hub.errors import (
    ApiError,
    ApiRefused,
    ApiUnreachable,
    BodyNotJson,
    ConditionsRefused,
    HubError,
    KeyRefused,
    LimitReached,
    NotFound,
    SettingsError,
    TimeFormatError,
)
from condition_hub.explanation import Explanation, Now, Preview, PreviewedTriggers
from condition_hub.results import (
    BacktestResult,
    Checked,
    HubWebhook,
    Notice,
    Policy,
    Registration,
    Status,
    Subscribed,
    Subscription,
    Trigger,
    WebhookPreset,
    WebhookPreview,
)
from condition_hub.series_defaults import defaults
from condition_hub.webhook_calls import WebhookRequest

__all__ = [
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
]
