"""Hands deliveries to the handler, and decides what happens to those it refuses."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from common import failpoints
from common.clock import Clock
from common.errors import reason_of
from events import metrics
from events.consuming.consumer_state import Changes, ConsumerState, DeliveryState, Undelivered
from events.consuming.delivery import Delivery, Handler
from events.consuming.policies import SkipReason, held_back, held_back_anyway, needs_memory
from events.consuming.subscribers import OrderingKey, Subscribers, ordering_key
from events.log.payload import Event
from registry.store.parts.registry import StoredSubscription

_BEHIND = "queued behind an earlier delivery for the same subscription"
_RETRIES_S = 0.5
_ENDED_THE_PROCESS = "the process ended on every attempt to handle it"


class Dispatch:
    """Decisions since the last :meth:`commit` are in memory only, and are made again after a crash."""

    def __init__(
        self,
        consumer: str,
        handler: Handler,
        state: ConsumerState,
        clock: Clock,
        retry_after_s: Sequence[float],
        flush: Callable[[], object] = lambda: None,
    ) -> None:
        """``flush`` writes what the handler has only gathered; it is called before deliveries count as accepted."""
        self._consumer = consumer
        self._handler = handler
        self._flush = flush
        self._state = state
        self._clock = clock
        self._pauses_ms = [int(pause_s * 1000) for pause_s in retry_after_s]
        self._changes = Changes()
        self._blocked: set[OrderingKey] = set()
        self._survived: set[int] = set()
        """Numbers of waiting deliveries that this process has already attempted."""
        self._skipped: Counter[SkipReason] = Counter()
        self._taken = metrics.DELIVERED.labels(consumer)
        self._refused = metrics.FAILED.labels(consumer)
        self._taken_since = 0
        self.careful_until = 0
        """Events up to this ``seq`` were in hand when a process ended: attempts are counted before they are made."""
        self.committed_s = time.monotonic()

    def expand(self, event: Event, subscriptions: Sequence[StoredSubscription]) -> None:
        """Deliver an event for the subscriptions whose policies let it through."""
        now_ms = self._clock.now_ms()
        for subscription in subscriptions:
            past = self._state.fired(subscription, self._changes) if needs_memory(subscription.policy) else None
            reason = held_back(subscription, event, past, now_ms)
            if reason is None:
                self.deliver(Delivery(event, subscription))
            else:
                self._skipped[reason] += 1

    def offer(self, delivery: Delivery) -> None:
        """Queue a delivery without a trigger for its first attempt, if the policy lets it through.

        It is stored before it is delivered: otherwise a crash in between would repeat the check on another candle.
        """
        subscription, event = delivery.subscription, delivery.event
        if self._is_kept(delivery.delivery_id):
            return  # requested twice, counted once
        past = self._state.fired(subscription, self._changes)
        reason = held_back_anyway(subscription, event.close_time, event.settled, past, self._clock.now_ms())
        if reason is None:
            if needs_memory(subscription.policy):
                self._state.note_fired(subscription, event.close_time, self._changes)
            self._keep(delivery, 0, 0, "", "waiting")
        else:
            self._skipped[reason] += 1

    def deliver(self, delivery: Delivery) -> None:
        """Hand over one delivery, or queue it behind an earlier one for the same subscription."""
        subscription = delivery.subscription
        if needs_memory(subscription.policy):
            self._state.note_fired(subscription, delivery.event.close_time, self._changes)
        if (self._blocked or self._state.has_waiting) and self._is_blocked(ordering_key(subscription)):
            self._keep(delivery, 0, 0, _BEHIND, "waiting")
        elif self._has_ended_the_process(delivery):
            self._keep(delivery, len(self._pauses_ms) + 1, 0, _ENDED_THE_PROCESS, "dead")
        elif (failure := self._handle(delivery)) is not None:
            due_ms = self._next_attempt_ms(1)
            self._keep(delivery, 1, due_ms or 0, failure, "dead" if due_ms is None else "waiting")

    def greeted(self, subscription: StoredSubscription) -> None:
        """Note that a new subscription's condition was checked."""
        self._changes.greeted.append(subscription)

    def rearmed(self, number: int) -> None:
        """Note that a rearm request was handled."""
        self._changes.rearmed.append(number)

    def commit(self, seq: int, change: int) -> None:
        """Advance the ledger to a ``seq`` and a change of subscriptions, with all decisions made on the way."""
        self._flush()
        changes, self._changes = self._changes, Changes()
        self._blocked.clear()
        for reason, count in self._skipped.items():
            metrics.SKIPPED.labels(self._consumer, reason).inc(count)
        self._skipped.clear()
        self._taken.inc(self._taken_since)
        self._taken_since = 0
        self.committed_s = time.monotonic()
        if (seq, change) != (self._state.seq, self._state.change) or changes != Changes():
            failpoints.reach("before_mark")
            self._state.commit(seq, change, changes)

    def retry_due(self, subscribers: Subscribers) -> None:
        """Retry deliveries that are due; the next one for the same subscription follows at once.

        Stops after a moment, so that those of others do not wait for thousands of these.
        """
        now_ms, end_s = self._clock.now_ms(), time.monotonic() + _RETRIES_S
        while time.monotonic() < end_s and (due := self._state.due(now_ms, 100)):
            for waiting in due:
                self._retry(waiting, subscribers.get(waiting.key), now_ms)
                if time.monotonic() >= end_s:
                    break

    def _retry(self, waiting: Undelivered, subscription: StoredSubscription | None, now_ms: int) -> None:
        event = waiting.event
        if subscription is None or held_back_anyway(subscription, event.close_time, event.settled, None, now_ms):
            # The subscription has ended, is paused, or has expired.
            self._state.settle(waiting)
        elif self._has_ended_every_process(waiting):
            self._state.note_failure(waiting, None, _ENDED_THE_PROCESS)
        elif (failure := self._handle(Delivery(event, subscription, waiting.occasion))) is None:
            self._flush()
            self._survived.discard(waiting.number)
            self._state.settle(waiting)
        else:
            self._state.note_failure(waiting, self._next_attempt_ms(waiting.attempts + 1), failure)

    def _handle(self, delivery: Delivery) -> str | None:
        """Call the handler; returns why it refused, ``None`` if it accepted."""
        failpoints.reach("before_effect")
        try:
            self._handler(delivery)
        except Exception as error:
            self._refused.inc()
            return reason_of(error)
        failpoints.reach("after_effect")
        self._taken_since += 1
        return None

    def _is_kept(self, delivery_id: str) -> bool:
        is_uncommitted = any(delivery.delivery_id == delivery_id for delivery, *_ in self._changes.undelivered)
        return is_uncommitted or self._state.keeps(delivery_id)

    def _is_blocked(self, key: OrderingKey) -> bool:
        return key in self._blocked or self._state.is_waiting(key)

    def _has_ended_the_process(self, delivery: Delivery) -> bool:
        """Whether it did so as often as a delivery may fail; the first time could not be counted."""
        if not 0 < delivery.event.seq <= self.careful_until:
            return False
        return self._state.note_try(delivery.delivery_id) >= len(self._pauses_ms)

    def _has_ended_every_process(self, waiting: Undelivered) -> bool:
        """Whether it did so as often as a delivery may fail. A process's first attempt is counted before it is made."""
        if waiting.number in self._survived:
            return False
        if waiting.attempts + self._state.note_try(waiting.delivery_id) > len(self._pauses_ms):
            return True
        self._survived.add(waiting.number)
        return False

    def _next_attempt_ms(self, attempts: int) -> int | None:
        """When to try again after a number of attempts; ``None`` if there are no more."""
        return None if attempts > len(self._pauses_ms) else self._clock.now_ms() + self._pauses_ms[attempts - 1]

    def _keep(self, delivery: Delivery, attempts: int, due_ms: int, reason: str, state: DeliveryState) -> None:
        self._changes.undelivered.append((delivery, attempts, due_ms, reason, state))
        if state == "waiting":
            self._blocked.add(ordering_key(delivery.subscription))
