"""The hub's answers about conditions and webhooks: those of :mod:`condition_hub.results`."""

from condition_hub.results import (
    BacktestResult,
    Checked,
    HubAnswer,
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

__all__ = [
    "BacktestResult",
    "Checked",
    "HubAnswer",
    "HubWebhook",
    "Notice",
    "Policy",
    "Registration",
    "Status",
    "Subscribed",
    "Subscription",
    "Trigger",
    "WebhookPreset",
    "WebhookPreview",
]
