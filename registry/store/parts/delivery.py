"""Where triggers are delivered, and how far readers of triggers have got."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from registry.quotas import WebhookQuota


@dataclass(frozen=True)
class LogReading:
    """The state of the event log at one moment."""

    read_ms: int
    stored_seq: int
    """``seq`` of the newest trigger."""
    published_seq: int
    """``seq`` of the newest event."""
    events: int
    """Events in the stream."""
    bytes: int
    """Memory that the stream takes."""
    lags: Mapping[str, int]
    """Consumer group -> events that it has not applied yet."""


WebhookState = Literal["active", "paused", "ended"]


@dataclass(frozen=True)
class Webhook:
    """An address to which a user's triggers are sent."""

    webhook_id: str
    user_id: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    """Signs deliveries."""
    bot_id: str | None
    """``None``: all bots of the user."""
    state: WebhookState
    created_ms: int
    from_seq: int
    """Only triggers with a higher ``seq`` are sent."""
    revision: int
    name: str | None = None
    """By which its user changes it; unique among the user's webhooks that have not ended."""
    preset: str | None = None
    """From which the rest was made."""
    template: str | None = field(default=None, repr=False)
    """What is posted in place of the standard body, as JSON; ``None``: the standard body."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Name -> template, beside those that the hub sets."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Name -> what stands for it in the address, the headers and the body."""


class DeliveryStore(Protocol):
    """Where triggers are delivered, and how far readers of triggers have got."""

    def add_webhook(self, webhook: Webhook, quota: WebhookQuota | None = None) -> None:
        """Store a user's webhook. Raises :class:`common.errors.QuotaExceeded` if the user may have no more."""
        ...

    def replace_webhook(self, webhook: Webhook, *, at_ms: int) -> Webhook | None:
        """Give the webhook with this id another address, bot or content; ``None`` if there is none or it has ended.

        Its user, secret, state and beginning stay.
        """
        ...

    def webhooks(self, user_id: str | None = None) -> list[Webhook]:
        """All webhooks, or those of a user, oldest first, including ended ones."""
        ...

    def webhook(self, webhook_id: str) -> Webhook | None:
        """A webhook, even if it has ended."""
        ...

    def set_webhook_state(self, webhook_id: str, state: WebhookState, *, at_ms: int) -> Webhook | None:
        """Pause, resume or end a webhook; ``None`` if there is none. An ended one stays ended."""
        ...

    def forget_user(self, user_id: str) -> int:
        """Remove all webhooks of a user, ended ones too, with their secrets. Returns how many there were."""
        ...

    def cursors(self) -> dict[str, int]:
        """Name of a reader -> the last ``seq`` or change that it has applied."""
        ...

    def move_cursor(self, name: str, seq: int) -> None:
        """Record how far a reader has got."""
        ...

    def record_log(self, reading: LogReading) -> None:
        """Record the state of the event log; at most one reading per moment is kept."""
        ...

    def log_readings(self, limit: int) -> list[LogReading]:
        """The newest readings of the event log, newest first; those of the last week are kept."""
        ...
