"""Who may use the hub, and where users want triggers sent to. Times are milliseconds since the epoch, UTC."""

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["user", "operator"]
WebhookState = Literal["active", "paused", "ended"]


@dataclass(frozen=True)
class ApiKey:
    """One key of a user; :mod:`registry.keys` makes and checks its text, which is kept nowhere."""

    key_id: str
    user_id: str
    role: Role
    label: str
    secret_sha256: str = field(repr=False)
    """Hex digits."""
    created_ms: int
    revoked_ms: int | None


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
