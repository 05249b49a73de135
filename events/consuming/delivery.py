"""One event for one subscriber, and the seams around it: who acts on it, and who knows what is TRUE right now."""

from typing import Literal, Protocol
from urllib.parse import quote

import msgspec

from events.log.payload import Event
from registry.store.parts.registry import StoredSubscription

Occasion = Literal["trigger", "subscription", "rearm"]
"""Why something is delivered: the condition fired, or was TRUE when the bot subscribed or rearmed."""


class Delivery(msgspec.Struct, frozen=True):
    """What a handler receives. Its id is the same on every attempt."""

    event: Event
    subscription: StoredSubscription
    occasion: Occasion = "trigger"

    @property
    def delivery_id(self) -> str:
        """``{trigger_id}:{user_id}:{bot_id}``, names percent-encoded; without a trigger, the occasion comes first."""
        named = f"{self.event.trigger_id}:{quote(self.subscription.user_id, '')}:{quote(self.subscription.bot_id, '')}"
        return named if self.occasion == "trigger" else f"{self.occasion}:{named}"


def is_to_user(delivery_id: str, user_id: str) -> bool:
    """Whether a delivery's id, or a text that ends with it, names a user."""
    parts = delivery_id.rsplit(":", 2)
    return len(parts) == 3 and parts[1] == quote(user_id, "")


class Handler(Protocol):
    """Acts on deliveries. An exception means that the delivery was refused: it is retried four times at most."""

    def __call__(self, delivery: Delivery, /) -> object:
        """Act. Deliveries may be repeated after a crash: use :class:`events.consuming.ledger.Ledger` for effects."""
        ...


class TruthSource(Protocol):
    """Knows whether a condition is TRUE right now; for policies that deliver without a trigger."""

    def now(self, condition_id: str) -> Event | None:
        """The newest closed candle as an event with ``seq`` 0 if the condition is TRUE on it, else ``None``."""
        ...
