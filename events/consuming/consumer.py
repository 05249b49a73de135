"""Hands events to a handler: each for all of its subscribers, in the order of ``seq``, and again after a crash.

Each step from reading to acknowledging is a method; :meth:`Consumer.step` calls them in order.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from common import failpoints
from common.clock import Clock
from common.errors import EventLogError, StoreError
from events import metrics
from events.consuming.consumer_state import Changes, ConsumerState, Undelivered
from events.consuming.dead_letters import Letter, letter_of, obey
from events.consuming.delivery import Handler, TruthSource
from events.consuming.dispatch import Dispatch
from events.consuming.group import GroupReader
from events.consuming.ledger import Ledger
from events.consuming.rearming import Rearming
from events.consuming.subscribers import Subscribers
from events.log.payload import Entry, entries_of
from events.log.redis_log import RedisEventLog, foreign
from registry.store.parts.registry import StoredSubscription
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

RETRY_AFTER_S = (1.0, 5.0, 25.0, 125.0)
"""Pauses before the second to the fifth attempt; after that a delivery becomes a dead letter."""

_BATCH = 1_000
_COMMIT_S = 0.5
_LOOK_S = 1.0


class Consumer:
    """One consumer, identified by its name, with its group in the log, its ledger and its handler.

    A new consumer starts with events published from then on, or after ``start`` if that is passed; an existing one
    resumes where its ledger is. :meth:`run` it until stopped, or call :meth:`step`. While the log's server is down,
    events come from the store, a little later.

    A delivery that the handler refuses (with any exception) is retried after each pause of ``retry_after_s``. Later
    deliveries for the same subscription wait behind it; everything else goes on. After the last attempt it goes to the
    stream of dead letters, ``triggers:dead:{name}``. So does a delivery that ends the process as often as that.

    A handler may gather what it gets and write it in batches: ``flush`` is called before deliveries count as accepted.
    ``is_for`` says whose conditions are worth a check with ``truths``. A new consumer checks the conditions of
    subscriptions that began after the change ``start_change``, by default after the newest one.

    Raises :class:`common.errors.LedgerError` if the ledger belongs to another consumer.
    """

    def __init__(
        self,
        name: str,
        log: RedisEventLog,
        store: Store,
        ledger: Ledger,
        handler: Handler,
        clock: Clock,
        *,
        truths: TruthSource | None = None,
        forget_user: Callable[[str], object] = lambda _: None,
        start: int | None = None,
        start_change: int | None = None,
        retry_after_s: Sequence[float] = RETRY_AFTER_S,
        flush: Callable[[], object] = lambda: None,
        is_for: Callable[[StoredSubscription], bool] = lambda _: True,
    ) -> None:
        self.name = name
        self._log = log
        self._store = store
        self._clock = clock
        self._group = GroupReader(log, name)
        self._state = ConsumerState(ledger, name, store.identity())
        self._subscribers = Subscribers(store.registry)
        self._dispatch = Dispatch(name, handler, self._state, clock, retry_after_s, flush)
        self._rearming = Rearming(truths, self._state, self._dispatch, self._subscribers, is_for)
        self._forget_user = forget_user
        self._start = start
        self._start_change = start_change
        self._seq = self._state.seq or 0
        self._unacknowledged: list[int] = []
        self._is_synchronised = False
        self._looked_s = time.monotonic() - _LOOK_S

    @property
    def seq(self) -> int:
        """``seq`` up to which every event is applied."""
        return self._seq

    @property
    def recorded_seq(self) -> int:
        """``seq`` up to which every event is applied, what it brought about flushed, and all of that in the ledger."""
        return self._state.seq or 0

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. Waits for a log or a store that is down."""
        failure = ""
        while not stop.is_set():
            try:
                self.step(wait_ms=1_000)
                failure = ""
            except (EventLogError, StoreError) as error:
                if str(error) != failure:
                    _log.error("consumer %s: %s", self.name, error)
                failure = str(error)
                self._is_synchronised = False
                self._go_on_without_log()
                stop.wait(_LOOK_S)

    def rearm(self, user_id: str, bot_id: str, condition_id: str) -> None:
        """Say that a bot is ready again: with policy ``while_true`` it gets a delivery if the condition is still TRUE.

        At most one per candle. Thread-safe; when it returns, the request is on disk and survives the process.
        """
        self._rearming.rearm((user_id, bot_id, condition_id))

    def step(self, wait_ms: int = 0) -> int:
        """One round; returns how many events were applied. Waits up to ``wait_ms`` for the first one."""
        before = self._seq
        if not self._is_synchronised:
            self._synchronise()
        self._look_around()
        self._retry_due()
        entries = self._read(wait_ms)
        self._rearming.refresh()
        self._rearming.handle_requests()
        self._apply(self._complete(entries))
        self._commit()
        self._acknowledge()
        return self._seq - before

    def _synchronise(self) -> None:
        """Set the group to the ledger's position; be careful with events that a dead predecessor had in hand."""
        owner, own = self._log.owner(), self._store.identity()
        if owner is not None and owner != own:
            raise foreign(owner)
        if self._state.seq is None:
            # An empty ledger: record where it begins; conditions of earlier subscriptions are not checked.
            self._seq = self._log.last_seq() if self._start is None else self._start
            change = self._store.registry.last_change() if self._start_change is None else self._start_change
            self._state.commit(self._seq, change, Changes())
        self._rearming.refresh()
        group = self._group.synchronise(self._seq)
        if group.was_missing:
            self._put_aside(self._state.dead(all_of_them=True))
        self._dispatch.careful_until = max(self._dispatch.careful_until, group.pending_until)
        self._unacknowledged.clear()
        self._is_synchronised = True

    def _look_around(self) -> None:
        """Once a second: carry out operators' orders about dead letters, and report this consumer's lag."""
        if time.monotonic() - self._looked_s < _LOOK_S:
            return
        self._looked_s = time.monotonic()
        obey(self._log, self.name, self._state, self._subscribers, self._forget_user)
        metrics.CONSUMER_LAG.labels(self.name).set(max(0, self._log.last_seq() - self._seq))

    def _retry_due(self) -> None:
        """Retry deliveries that are due, for subscriptions that still want them."""
        if self._state.has_waiting:
            self._rearming.refresh()
            self._dispatch.retry_due(self._subscribers)

    def _read(self, wait_ms: int) -> list[Entry]:
        """The group's next entries; a group that is gone is recreated in the next round."""
        due_ms = self._state.next_due_ms()
        if due_ms is not None:
            wait_ms = min(wait_ms, max(0, due_ms - self._clock.now_ms()))
        if self._rearming.has_more:
            wait_ms = 0
        entries = self._group.read(_BATCH, wait_ms)
        failpoints.reach("after_read")
        if entries is None:
            self._is_synchronised = False
            return []
        self._unacknowledged += [entry.seq for entry in entries]
        return entries

    def _complete(self, entries: list[Entry]) -> list[Entry]:
        """The entries after the ledger's position, without a hole: the store has those the stream no longer holds."""
        ahead = [entry for entry in entries if entry.seq > self._seq]
        if ahead and ahead[-1].seq - self._seq == len(ahead):
            return ahead
        until = ahead[-1].seq if ahead else self._log.last_seq()
        # If the store has nothing either, the hole consists of numbers that no trigger has.
        return self._backfill(until) or ahead

    def _backfill(self, until: int) -> list[Entry]:
        """The store's events up to a ``seq``, at most one batch."""
        if until <= self._seq:
            return []
        rows = self._store.triggers.after(self._seq, _BATCH)
        entries = [entry for entry in entries_of(rows) if entry.seq <= until]
        metrics.BACKFILLED.labels(self.name).inc(len(entries))
        return entries

    def _apply(self, entries: Sequence[Entry]) -> None:
        """Hand over each event for its subscribers; commit from time to time, so that a crash repeats little."""
        for entry in entries:
            if subscriptions := self._subscribers.of(entry.condition_id):
                self._dispatch.expand(entry.event, subscriptions)
            self._seq = entry.seq
            is_careful = entry.seq <= self._dispatch.careful_until
            if is_careful or time.monotonic() - self._dispatch.committed_s > _COMMIT_S:
                self._commit()
                self._acknowledge()

    def _commit(self) -> None:
        """Record in the ledger how far events are applied."""
        self._dispatch.commit(self._seq, self._rearming.change)

    def _acknowledge(self) -> None:
        """Acknowledge applied events and add dead letters in one call; the log hands out again what is missing here."""
        done = [seq for seq in self._unacknowledged if seq <= self._seq]
        dead = self._state.dead()
        unreadable = self._group.unreadable
        if (done or dead or unreadable) and self._is_synchronised:
            failpoints.reach("before_ack")
            self._put_aside(dead, done + [seq for seq, _ in unreadable], [letter for _, letter in unreadable])
            unreadable.clear()
            failpoints.reach("after_ack")
            self._unacknowledged = [seq for seq in self._unacknowledged if seq > self._seq]

    def _put_aside(
        self, dead: Sequence[Undelivered], done: Sequence[int] = (), unreadable: Sequence[Letter] = ()
    ) -> None:
        self._group.acknowledge(done, [*(letter_of(delivery) for delivery in dead), *unreadable])
        if unreadable:
            _log.error(
                "consumer %s: %d unreadable entries of the event log are dead letters", self.name, len(unreadable)
            )
        if dead:
            metrics.DEAD.labels(self.name).inc(len(dead))
            self._state.note_told(dead)

    def _go_on_without_log(self) -> None:
        """Apply what the store has; acknowledge it once the log is back."""
        if self._state.seq is None:
            return
        try:
            self._retry_due()
            self._rearming.refresh()
            while entries := self._backfill(self._store.triggers.last_seq()):
                self._apply(entries)
                self._commit()
        except StoreError as error:
            _log.debug("consumer %s: %s", self.name, error)
