"""Where triggers are sent to, and how far readers of triggers have come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True)
class LogReading:
    """How far the event log is at one moment."""

    read_ms: int
    stored_seq: int
    """``seq`` of the newest trigger."""
    published_seq: int
    """``seq`` of the newest event."""
    events: int
    """That the stream holds."""
    bytes: int
    """Of memory that the stream takes."""
    lags: Mapping[str, int]
    """Consumer group -> events that it has not applied."""


WebhookState = Literal["active", "paused", "ended"]


@dataclass(frozen=True)
class Webhook:
    """A user's address for triggers."""

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


class DeliveryStore(Protocol):
    """Where triggers are sent to, and how far readers of triggers have come."""

    def add_webhook(self, webhook: Webhook) -> None:
        """Keep a user's webhook."""
        ...

    def webhooks(self, user_id: str | None = None) -> list[Webhook]:
        """All webhooks, or those of a user, oldest first, ended ones too."""
        ...

    def webhook(self, webhook_id: str) -> Webhook | None:
        """A webhook, ended ones too."""
        ...

    def set_webhook_state(self, webhook_id: str, state: WebhookState, *, at_ms: int) -> Webhook | None:
        """Pause, resume or end a webhook, ``None`` if there is none; an ended one stays so."""
        ...

    def cursors(self) -> dict[str, int]:
        """Reader's name -> the last ``seq`` or change that it has applied."""
        ...

    def move_cursor(self, name: str, seq: int) -> None:
        """Note how far a reader has come."""
        ...

    def record_log(self, reading: LogReading) -> None:
        """Note how far the event log is; one reading a moment."""
        ...

    def log_readings(self, limit: int) -> list[LogReading]:
        """The newest readings of the event log, newest first; those of the last week are kept."""
        ...
