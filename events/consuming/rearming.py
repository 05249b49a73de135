"""Deliveries without a trigger: a condition that is TRUE when a bot subscribes, or when it is ready again."""

import logging
from collections import deque

from events.consuming.book import Book
from events.consuming.delivery import CurrentTruths, Delivery, Occasion
from events.consuming.dispatch import Dispatch
from events.consuming.subscribers import Lane, Subscribers, lane_of
from registry.store.parts.registry import StoredSubscription

_log = logging.getLogger(__name__)


class Asking:
    """Asks what conditions are right now, for policies ``fire_if_true`` and ``while_true``.

    Without ``truths`` nobody knows, and such subscriptions are served by their triggers alone.
    """

    def __init__(self, truths: CurrentTruths | None, book: Book, dispatch: Dispatch, subscribers: Subscribers) -> None:
        self._truths = truths
        self._book = book
        self._dispatch = dispatch
        self._subscribers = subscribers
        self._new: dict[Lane, StoredSubscription] = {}
        self._rearmed: deque[tuple[int, Lane]] = deque(book.rearmed())

    def refresh(self) -> None:
        """Know every subscription that there is by now, and ask for those that began since the ledger's place."""
        for subscription in self._subscribers.refresh():
            if subscription.policy.fire_if_true and subscription.change > (self._book.change or 0):
                self._new[lane_of(subscription)] = subscription
        for lane, subscription in list(self._new.items()):
            if self._subscribers.get(lane) is subscription and not self._book.is_greeted(subscription):
                self._ask(subscription, "subscription")
                self._dispatch.greeted(subscription)
            # Only when it was answered: a store that is away is asked again.
            del self._new[lane]

    @property
    def change(self) -> int:
        """The change of subscriptions up to which everybody who wanted was asked for."""
        return self._subscribers.change if not self._new else self._book.change or 0

    def rearm(self, lane: Lane) -> None:
        """Ask for a bot that is ready again, after a crash too. From any thread."""
        self._rearmed.append((self._book.rearm(lane), lane))

    def answer_rearmed(self) -> None:
        """Ask for the bots that are ready again."""
        while self._rearmed:
            number, lane = self._rearmed[0]
            subscription = self._subscribers.get(lane)
            if subscription is not None and subscription.policy.while_true:
                self._ask(subscription, "rearm")
            # Only when it was answered: a store that is away is asked again.
            self._rearmed.popleft()
            self._dispatch.rearmed(number)

    def _ask(self, subscription: StoredSubscription, occasion: Occasion) -> None:
        if self._truths is None:
            _log.warning(
                "%s is asked whether it is TRUE right now, and this consumer has nobody to ask",
                subscription.condition_id,
            )
            return
        event = self._truths.now(subscription.condition_id)
        if event is not None:
            self._dispatch.offer(Delivery(event, subscription, occasion))
