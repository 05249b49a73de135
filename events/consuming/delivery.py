"""One event for one subscriber, and who takes it."""

from typing import Literal, Protocol
from urllib.parse import quote

import msgspec

from events.log.payload import Event
from registry.store.parts.registry import StoredSubscription

Occasion = Literal["trigger", "subscription", "rearm"]
"""Why something is delivered: the condition fired, or it was TRUE at the subscription, or when the bot armed again."""


class Delivery(msgspec.Struct, frozen=True):
    """What a handler gets. Its id is the same however often it is delivered."""

    event: Event
    subscription: StoredSubscription
    occasion: Occasion = "trigger"

    @property
    def delivery_id(self) -> str:
        """``{trigger_id}:{user_id}:{bot_id}``, names percent-encoded; what is no trigger says its occasion in front."""
        named = f"{self.event.trigger_id}:{quote(self.subscription.user_id, '')}:{quote(self.subscription.bot_id, '')}"
        return named if self.occasion == "trigger" else f"{self.occasion}:{named}"


class Handler(Protocol):
    """Acts on deliveries. An exception means that this one was not taken: it comes again, four times at most."""

    def __call__(self, delivery: Delivery) -> object:
        """Act. Deliveries may come again after a crash: effects go through :class:`events.consuming.ledger.Ledger`."""
        ...


class CurrentTruths(Protocol):
    """Knows what conditions are right now; for policies that ask without a trigger."""

    def now(self, condition_id: str) -> Event | None:
        """The last judged candle as an event of ``seq`` 0 if the condition is TRUE on it, else ``None``."""
        ...
