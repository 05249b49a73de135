"""Quotas of the settings. The store checks them when it writes."""

from dataclasses import dataclass

from common.settings import Settings
from registry.quotas import BotQuota, ConditionQuota, SubscriptionQuota, WebhookQuota


@dataclass(frozen=True)
class Quotas:
    """How much each user may have."""

    conditions: ConditionQuota
    subscriptions: SubscriptionQuota
    bots: BotQuota
    webhooks: WebhookQuota

    @classmethod
    def of(cls, settings: Settings) -> "Quotas":
        """The quotas of the settings."""
        subscriptions = SubscriptionQuota(
            settings.quota_subscriptions, settings.quota_bots, settings.quota_config_bytes
        )
        return cls(
            ConditionQuota(settings.quota_conditions, settings.quota_condition_bytes),
            subscriptions,
            BotQuota(settings.quota_bots, settings.quota_config_bytes, subscriptions),
            WebhookQuota(settings.quota_webhooks),
        )
