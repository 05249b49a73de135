"""Deliveries without a trigger: the condition is TRUE when a bot subscribes, or when it is ready again."""

import logging
import time
from collections import deque
from collections.abc import Callable

from common.errors import EventLogError, StoreError
from events.consuming.consumer_state import ConsumerState
from events.consuming.delivery import Delivery, Occasion, TruthSource
from events.consuming.dispatch import Dispatch
from events.consuming.subscribers import OrderingKey, Subscribers, ordering_key
from registry.store.parts.registry import StoredSubscription

_log = logging.getLogger(__name__)

_CHECKS_S = 0.25
"""How long conditions are checked before the consumer looks at events again."""


class Rearming:
    """Checks whether conditions are TRUE right now, for the policies ``fire_if_true`` and ``while_true``.

    Without ``truths`` it cannot, and such subscriptions get their triggers only. Users take turns, a check each, and
    the consumer goes on with events in between: a check may be expensive, and a user may have thousands.
    """

    def __init__(
        self,
        truths: TruthSource | None,
        state: ConsumerState,
        dispatch: Dispatch,
        subscribers: Subscribers,
        is_for: Callable[[StoredSubscription], bool] = lambda _: True,
    ) -> None:
        """``is_for`` says whose deliveries go anywhere: nothing is checked for the others."""
        self._truths = truths
        self._state = state
        self._dispatch = dispatch
        self._subscribers = subscribers
        self._is_for = is_for
        self._new: dict[str, dict[OrderingKey, StoredSubscription]] = {}
        """User, whose turn is next first -> subscriptions to check."""
        self._requests: deque[tuple[int, OrderingKey]] = deque(state.rearmed())

    @property
    def has_more(self) -> bool:
        """Whether checks are left for the next round."""
        return bool(self._new or self._requests)

    def refresh(self) -> None:
        """Read the latest subscriptions, and check the conditions of those that began after the ledger's position."""
        for subscription in self._subscribers.refresh():
            is_new = subscription.change > (self._state.change or 0)
            if is_new and subscription.moved_to is not None:
                self._state.move(ordering_key(subscription), subscription.moved_to)
            elif is_new and subscription.policy.fire_if_true and not self._subscribers.has_moved(subscription):
                self._new.setdefault(subscription.user_id, {})[ordering_key(subscription)] = subscription
        end_s = time.monotonic() + _CHECKS_S
        while self._new and time.monotonic() < end_s:
            user_id, checks = next(iter(self._new.items()))
            key, subscription = next(iter(checks.items()))
            if self._is_current(subscription) and not self._state.is_greeted(subscription):
                self._deliver_if_true(subscription, "subscription")
                self._dispatch.greeted(subscription)
            # Reached only if the store answered; while it is down, the check is repeated.
            del checks[key], self._new[user_id]
            if checks:
                self._new[user_id] = checks

    @property
    def change(self) -> int:
        """The change of subscriptions up to which every check is done."""
        return self._subscribers.change if not self._new else self._state.change or 0

    def rearm(self, key: OrderingKey) -> None:
        """Queue a check for a bot that is ready again; survives a crash. Thread-safe."""
        self._requests.append((self._state.rearm(key), key))

    def handle_requests(self) -> None:
        """Check the conditions of the bots that are ready again."""
        end_s = time.monotonic() + _CHECKS_S
        while self._requests and time.monotonic() < end_s:
            number, key = self._requests[0]
            subscription = self._subscribers.get(key)
            if subscription is not None and subscription.policy.while_true and self._is_for(subscription):
                self._deliver_if_true(subscription, "rearm")
            # Reached only if the store answered; while it is down, the check is repeated.
            self._requests.popleft()
            self._dispatch.rearmed(number)

    def _is_current(self, subscription: StoredSubscription) -> bool:
        return self._subscribers.get(ordering_key(subscription)) is subscription and self._is_for(subscription)

    def _deliver_if_true(self, subscription: StoredSubscription, occasion: Occasion) -> None:
        if self._truths is None:
            _log.warning(
                "a subscription wants to know whether condition %s is TRUE right now, but this consumer was started "
                "without a source for that (truths=...)",
                subscription.condition_id,
            )
            return
        try:
            event = self._truths.now(subscription.condition_id)
        except (EventLogError, StoreError):
            raise
        except Exception as error:
            # One condition that cannot be judged must not hold up the others.
            _log.error(
                "condition %s could not be checked for a subscription (%s); it gets its triggers only",
                subscription.condition_id,
                type(error).__name__,
            )
            return
        if event is not None:
            self._dispatch.offer(Delivery(event, subscription, occasion))
