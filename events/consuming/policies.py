"""Which events reach a subscriber: pure functions of the subscription, the event and past deliveries."""

from dataclasses import dataclass
from typing import Literal

from events.log.payload import Event
from registry.store.parts.registry import StoredSubscription
from registry.subscriptions import DeliveryPolicy

SkipReason = Literal["ended", "paused", "before_start", "expired", "spent", "cooldown", "too_late", "unsettled"]
"""Why a policy holds an event back: the subscription has ended, is paused, starts later or has expired; it has used up
its deliveries; the last one was too recent; the event is too old by now; its indicators are not settled."""


@dataclass(frozen=True, slots=True)
class PastDeliveries:
    """What a subscription has received so far: the number of deliveries, and the newest close time among them."""

    count: int
    last_close_ms: int


def needs_memory(policy: DeliveryPolicy) -> bool:
    """Whether past deliveries affect the next one."""
    return policy.cooldown_s > 0 or policy.max_fires is not None


def held_back(
    subscription: StoredSubscription, event: Event, past: PastDeliveries | None, now_ms: int
) -> SkipReason | None:
    """Why an event is not delivered to a subscriber, ``None`` if it is. ``past`` is ``None`` before the first."""
    if event.close_time <= subscription.active_from_ms:
        return "before_start"
    return held_back_anyway(subscription, event.close_time, event.settled, past, now_ms)


def held_back_anyway(
    subscription: StoredSubscription, close_ms: int, settled: bool, past: PastDeliveries | None, now_ms: int
) -> SkipReason | None:
    """Like :func:`held_back`, for a candle that may close before the subscription starts: it is TRUE right then."""
    policy = subscription.policy
    reason: SkipReason | None = None
    if subscription.state != "active":
        reason = "paused" if subscription.state == "paused" else "ended"
    elif policy.expires_ms is not None and close_ms > policy.expires_ms:
        reason = "expired"
    elif policy.settled_only and not settled:
        reason = "unsettled"
    elif policy.max_lag_s is not None and now_ms - close_ms > policy.max_lag_s * 1000:
        reason = "too_late"
    elif past is not None and policy.max_fires is not None and past.count >= policy.max_fires:
        reason = "spent"
    elif past is not None and close_ms - past.last_close_ms < policy.cooldown_s * 1000:
        reason = "cooldown"
    return reason


def fired_again(past: PastDeliveries | None, close_ms: int) -> PastDeliveries:
    """The past deliveries of a subscription after one more."""
    if past is None:
        return PastDeliveries(1, close_ms)
    return PastDeliveries(past.count + 1, max(past.last_close_ms, close_ms))
