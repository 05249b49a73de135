"""Which events reach a subscriber: pure functions of the subscription, the event and what was delivered before."""

from dataclasses import dataclass
from typing import Literal

from events.log.payload import Event
from registry.store.parts.registry import StoredSubscription
from registry.subscriptions import DeliveryPolicy

Reason = Literal["ended", "paused", "before_start", "expired", "spent", "cooldown", "too_late", "unsettled"]
"""Why an event is held back: the subscription is over, paused, or starts later; its time is over; it has had its
deliveries; the last one is too near; the event is too old by now; its indicators are not settled."""


@dataclass(frozen=True, slots=True)
class PastDeliveries:
    """What a subscription has had: deliveries, and the close time of the newest one."""

    count: int
    last_close_ms: int


def needs_memory(policy: DeliveryPolicy) -> bool:
    """Whether deliveries of the past decide about the next one."""
    return policy.cooldown_s > 0 or policy.max_fires is not None


def held_back(
    subscription: StoredSubscription, event: Event, fired: PastDeliveries | None, now_ms: int
) -> Reason | None:
    """Why an event is not delivered to a subscriber, ``None`` if it is. ``fired`` is ``None`` before the first one."""
    if event.close_time <= subscription.active_from_ms:
        return "before_start"
    return held_back_anyway(subscription, event.close_time, event.settled, fired, now_ms)


def held_back_anyway(
    subscription: StoredSubscription, close_ms: int, settled: bool, fired: PastDeliveries | None, now_ms: int
) -> Reason | None:
    """:func:`held_back` for what does not have to close after the subscription's start: TRUE right then."""
    policy = subscription.policy
    reason: Reason | None = None
    if subscription.state != "active":
        reason = "paused" if subscription.state == "paused" else "ended"
    elif policy.expires_ms is not None and close_ms > policy.expires_ms:
        reason = "expired"
    elif policy.settled_only and not settled:
        reason = "unsettled"
    elif policy.max_lag_s is not None and now_ms - close_ms > policy.max_lag_s * 1000:
        reason = "too_late"
    elif fired is not None and policy.max_fires is not None and fired.count >= policy.max_fires:
        reason = "spent"
    elif fired is not None and close_ms - fired.last_close_ms < policy.cooldown_s * 1000:
        reason = "cooldown"
    return reason


def fired_again(fired: PastDeliveries | None, close_ms: int) -> PastDeliveries:
    """What a subscription has had after one more delivery."""
    return (
        PastDeliveries(1, close_ms)
        if fired is None
        else PastDeliveries(fired.count + 1, max(fired.last_close_ms, close_ms))
    )
