"""What is asked for a webhook: :mod:`condition_hub.webhook_calls`."""

from condition_hub.webhook_calls import WebhookRequest

__all__ = ["WebhookRequest"]
