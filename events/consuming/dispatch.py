"""Hands deliveries to the handler, and decides what becomes of those that it refuses."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from traceback import extract_tb

from common import failpoints
from common.clock import Clock
from common.errors import HubError
from events import metrics
from events.consuming.book import Book, Changes, Held, State
from events.consuming.delivery import Delivery, Handler
from events.consuming.policies import Reason, held_back, held_back_anyway, needs_memory
from events.consuming.subscribers import Lane, Subscribers, lane_of
from events.log.payload import Event
from registry.store.parts.registry import StoredSubscription

_BEHIND = "behind an earlier delivery of its subscription"
_ENDED_THE_PROCESS = "the process ended while it was handled, each time"


class Dispatch:
    """What was decided since the last :meth:`commit` is in memory only, and decided again after a crash."""

    def __init__(
        self, consumer: str, handler: Handler, book: Book, clock: Clock, retry_after_s: Sequence[float]
    ) -> None:
        self._consumer = consumer
        self._handler = handler
        self._book = book
        self._clock = clock
        self._pauses_ms = [int(pause_s * 1000) for pause_s in retry_after_s]
        self._changes = Changes()
        self._blocked: set[Lane] = set()
        self._survived: set[int] = set()
        """Deliveries that wait, and have been tried by this process."""
        self._skipped: Counter[Reason] = Counter()
        self._taken = metrics.DELIVERED.labels(consumer)
        self._refused = metrics.FAILED.labels(consumer)
        self._taken_since = 0
        self.careful_until = 0
        """Events up to this ``seq`` were in hand when a process ended: attempts are counted before they are made."""
        self.committed_s = time.monotonic()

    def expand(self, event: Event, subscriptions: Sequence[StoredSubscription]) -> None:
        """Deliver an event to those whose policies let it through."""
        now_ms = self._clock.now_ms()
        for subscription in subscriptions:
            fired = self._book.fired(subscription, self._changes) if needs_memory(subscription.policy) else None
            reason = held_back(subscription, event, fired, now_ms)
            if reason is None:
                self.deliver(Delivery(event, subscription))
            else:
                self._skipped[reason] += 1

    def offer(self, delivery: Delivery) -> None:
        """Let what no trigger caused wait for its first attempt, if the policy lets it through.

        It is kept before it is delivered: a process that died in between would ask again, and get another candle.
        """
        subscription, event = delivery.subscription, delivery.event
        if self._is_held(delivery.delivery_id):
            return  # asked for twice, and counted once
        fired = self._book.fired(subscription, self._changes)
        reason = held_back_anyway(subscription, event.close_time, event.settled, fired, self._clock.now_ms())
        if reason is None:
            if needs_memory(subscription.policy):
                self._book.note_fired(subscription, event.close_time, self._changes)
            self._hold(delivery, 0, 0, "", "waiting")
        else:
            self._skipped[reason] += 1

    def deliver(self, delivery: Delivery) -> None:
        """Hand over one delivery, or let it wait behind an earlier one of its subscription."""
        subscription = delivery.subscription
        if needs_memory(subscription.policy):
            self._book.note_fired(subscription, delivery.event.close_time, self._changes)
        if (self._blocked or self._book.has_waiting) and self._is_blocked(lane_of(subscription)):
            self._hold(delivery, 0, 0, _BEHIND, "waiting")
        elif self._has_ended_the_process(delivery):
            self._hold(delivery, len(self._pauses_ms) + 1, 0, _ENDED_THE_PROCESS, "dead")
        elif (failure := self._handle(delivery)) is not None:
            due_ms = self._next_attempt_ms(1)
            self._hold(delivery, 1, due_ms or 0, failure, "dead" if due_ms is None else "waiting")

    def greeted(self, subscription: StoredSubscription) -> None:
        """Note that a new subscription was asked about."""
        self._changes.greeted.append(subscription)

    def rearmed(self, number: int) -> None:
        """Note that the wish of a bot that is ready again was answered."""
        self._changes.rearmed.append(number)

    def commit(self, seq: int, change: int) -> None:
        """Reach a ``seq`` and a change of subscriptions in the ledger, with all that was decided on the way."""
        changes, self._changes = self._changes, Changes()
        self._blocked.clear()
        for reason, count in self._skipped.items():
            metrics.SKIPPED.labels(self._consumer, reason).inc(count)
        self._skipped.clear()
        self._taken.inc(self._taken_since)
        self._taken_since = 0
        self.committed_s = time.monotonic()
        if (seq, change) != (self._book.seq, self._book.change) or changes != Changes():
            failpoints.reach("before_mark")
            self._book.commit(seq, change, changes)

    def retry_due(self, subscribers: Subscribers) -> None:
        """Try again what is due; the next of the same subscription follows at once."""
        now_ms = self._clock.now_ms()
        while due := self._book.due(now_ms, 100):
            for held in due:
                self._retry(held, subscribers.get(held.lane), now_ms)

    def _retry(self, held: Held, subscription: StoredSubscription | None, now_ms: int) -> None:
        event = held.event
        if subscription is None or held_back_anyway(subscription, event.close_time, event.settled, None, now_ms):
            # It ended, was paused, or its time is over.
            self._book.settle(held)
        elif self._has_ended_every_process(held):
            self._book.hold_on(held, None, _ENDED_THE_PROCESS)
        elif (failure := self._handle(Delivery(event, subscription, held.occasion))) is None:
            self._survived.discard(held.number)
            self._book.settle(held)
        else:
            self._book.hold_on(held, self._next_attempt_ms(held.attempts + 1), failure)

    def _handle(self, delivery: Delivery) -> str | None:
        """Let the handler act; why it refused, ``None`` if it did not."""
        failpoints.reach("before_effect")
        try:
            self._handler(delivery)
        except Exception as error:
            self._refused.inc()
            return reason_of(error)
        failpoints.reach("after_effect")
        self._taken_since += 1
        return None

    def _is_held(self, delivery_id: str) -> bool:
        return any(held.delivery_id == delivery_id for held, *_ in self._changes.held) or self._book.holds(delivery_id)

    def _is_blocked(self, lane: Lane) -> bool:
        return lane in self._blocked or self._book.is_waiting(lane)

    def _has_ended_the_process(self, delivery: Delivery) -> bool:
        """Whether it did so as often as a delivery may fail; the first time nobody could count."""
        if not 0 < delivery.event.seq <= self.careful_until:
            return False
        return self._book.note_try(delivery.delivery_id) >= len(self._pauses_ms)

    def _has_ended_every_process(self, held: Held) -> bool:
        """Whether it did so as often as a delivery may fail. The first attempt in each process is counted before."""
        if held.number in self._survived:
            return False
        if held.attempts + self._book.note_try(held.delivery_id) > len(self._pauses_ms):
            return True
        self._survived.add(held.number)
        return False

    def _next_attempt_ms(self, attempts: int) -> int | None:
        """When to try again after so many attempts, ``None`` for no more."""
        return None if attempts > len(self._pauses_ms) else self._clock.now_ms() + self._pauses_ms[attempts - 1]

    def _hold(self, delivery: Delivery, attempts: int, due_ms: int, reason: str, state: State) -> None:
        self._changes.held.append((delivery, attempts, due_ms, reason, state))
        if state == "waiting":
            self._blocked.add(lane_of(delivery.subscription))


def reason_of(error: Exception) -> str:
    """Why a handler refused: the kind of error and where it was raised.

    The text of an error may hold a bot's configuration or a key; only the hub's own are known not to.
    """
    frames = extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    told = f": {str(error)[:300]}" if isinstance(error, HubError) else ""
    return f"{type(error).__name__}{where}{told}"
