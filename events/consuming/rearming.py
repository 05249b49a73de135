"""Deliveries without a trigger: the condition is TRUE when a bot subscribes, or when it is ready again."""

import logging
from collections import deque

from events.consuming.consumer_state import ConsumerState
from events.consuming.delivery import Delivery, Occasion, TruthSource
from events.consuming.dispatch import Dispatch
from events.consuming.subscribers import OrderingKey, Subscribers, ordering_key
from registry.store.parts.registry import StoredSubscription

_log = logging.getLogger(__name__)


class Rearming:
    """Checks whether conditions are TRUE right now, for the policies ``fire_if_true`` and ``while_true``.

    Without ``truths`` it cannot, and such subscriptions get their triggers only.
    """

    def __init__(
        self, truths: TruthSource | None, state: ConsumerState, dispatch: Dispatch, subscribers: Subscribers
    ) -> None:
        self._truths = truths
        self._state = state
        self._dispatch = dispatch
        self._subscribers = subscribers
        self._new: dict[OrderingKey, StoredSubscription] = {}
        self._requests: deque[tuple[int, OrderingKey]] = deque(state.rearmed())

    def refresh(self) -> None:
        """Read the latest subscriptions, and check the conditions of those that began after the ledger's position."""
        for subscription in self._subscribers.refresh():
            if subscription.policy.fire_if_true and subscription.change > (self._state.change or 0):
                self._new[ordering_key(subscription)] = subscription
        for key, subscription in list(self._new.items()):
            if self._subscribers.get(key) is subscription and not self._state.is_greeted(subscription):
                self._deliver_if_true(subscription, "subscription")
                self._dispatch.greeted(subscription)
            # Reached only if the store answered; while it is down, the check is repeated.
            del self._new[key]

    @property
    def change(self) -> int:
        """The change of subscriptions up to which every check is done."""
        return self._subscribers.change if not self._new else self._state.change or 0

    def rearm(self, key: OrderingKey) -> None:
        """Queue a check for a bot that is ready again; survives a crash. Thread-safe."""
        self._requests.append((self._state.rearm(key), key))

    def handle_requests(self) -> None:
        """Check the conditions of the bots that are ready again."""
        while self._requests:
            number, key = self._requests[0]
            subscription = self._subscribers.get(key)
            if subscription is not None and subscription.policy.while_true:
                self._deliver_if_true(subscription, "rearm")
            # Reached only if the store answered; while it is down, the check is repeated.
            self._requests.popleft()
            self._dispatch.rearmed(number)

    def _deliver_if_true(self, subscription: StoredSubscription, occasion: Occasion) -> None:
        if self._truths is None:
            _log.warning(
                "a subscription wants to know whether condition %s is TRUE right now, but this consumer was started "
                "without a source for that (truths=...)",
                subscription.condition_id,
            )
            return
        event = self._truths.now(subscription.condition_id)
        if event is not None:
            self._dispatch.offer(Delivery(event, subscription, occasion))
