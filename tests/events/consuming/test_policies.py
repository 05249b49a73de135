"""What each policy lets through."""

from dataclasses import replace

import pytest

from events.consuming.policies import PastDeliveries, fired_again, held_back, held_back_anyway, needs_memory
from events.log.payload import Event
from registry.store.parts.registry import StoredSubscription, SubscriptionState
from registry.subscriptions import DeliveryPolicy

HOUR = 3_600_000
SUBSCRIPTION = StoredSubscription("ann", "bot", "c" * 32, "dca", DeliveryPolicy(), "active", 10 * HOUR, 10 * HOUR, 1, 1)


def event(hour: int, *, settled: bool = True) -> Event:
    close = hour * HOUR
    return Event(
        f"c:{close}", 1, "c", "BINANCE", "BTCUSDT", "1h", close - HOUR, close, {}, 1.0, settled, False, "", close
    )


def verdict(
    hour: int, policy: DeliveryPolicy, past: PastDeliveries | None = None, *, now: int | None = None
) -> str | None:
    now_ms = (hour if now is None else now) * HOUR
    return held_back(replace(SUBSCRIPTION, policy=policy), event(hour), past, now_ms)


@pytest.mark.parametrize(
    ("hour", "policy", "past", "now", "reason"),
    [
        (11, DeliveryPolicy(), None, 11, None),
        (10, DeliveryPolicy(), None, 11, "before_start"),
        (9, DeliveryPolicy(), None, 11, "before_start"),
        (20, DeliveryPolicy(expires_ms=20 * HOUR), None, 20, None),
        (21, DeliveryPolicy(expires_ms=20 * HOUR), None, 21, "expired"),
        (12, DeliveryPolicy(max_lag_s=7200), None, 14, None),
        (12, DeliveryPolicy(max_lag_s=7200), None, 15, "too_late"),
        (12, DeliveryPolicy(max_fires=1), None, 12, None),
        (12, DeliveryPolicy(max_fires=1), PastDeliveries(1, 11 * HOUR), 12, "spent"),
        (12, DeliveryPolicy(max_fires=2), PastDeliveries(1, 11 * HOUR), 12, None),
        (12, DeliveryPolicy(cooldown_s=7200), PastDeliveries(3, 11 * HOUR), 12, "cooldown"),
        (13, DeliveryPolicy(cooldown_s=7200), PastDeliveries(3, 11 * HOUR), 13, None),
        (13, DeliveryPolicy(settled_only=True), None, 13, None),
    ],
)
def test_a_policy_and_an_event(
    hour: int, policy: DeliveryPolicy, past: PastDeliveries | None, now: int, reason: str | None
) -> None:
    assert verdict(hour, policy, past, now=now) == reason


def test_unsettled_events_reach_those_who_take_them() -> None:
    unsettled = event(12, settled=False)
    wary = replace(SUBSCRIPTION, policy=DeliveryPolicy(settled_only=True))
    assert held_back(wary, unsettled, None, 12 * HOUR) == "unsettled"
    assert held_back(SUBSCRIPTION, unsettled, None, 12 * HOUR) is None


@pytest.mark.parametrize(("state", "reason"), [("paused", "paused"), ("ended", "ended"), ("active", None)])
def test_only_active_subscriptions_are_served(state: SubscriptionState, reason: str | None) -> None:
    subscription = replace(SUBSCRIPTION, state=state)
    assert held_back(subscription, event(12), None, 12 * HOUR) == reason


def test_what_is_true_right_then_closed_before_the_start() -> None:
    assert held_back_anyway(SUBSCRIPTION, 9 * HOUR, True, None, 11 * HOUR) is None


def test_only_some_policies_need_memory() -> None:
    assert not needs_memory(DeliveryPolicy(max_lag_s=1, settled_only=True, while_true=True, fire_if_true=True))
    assert needs_memory(DeliveryPolicy(cooldown_s=1))
    assert needs_memory(DeliveryPolicy(max_fires=3))


def test_deliveries_are_counted_with_the_newest_time() -> None:
    once = fired_again(None, 5)
    assert fired_again(fired_again(once, 9), 7) == PastDeliveries(3, 9)
