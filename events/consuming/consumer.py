"""Hands events to a handler: each to all of its subscribers, in the order of ``seq``, and again after any crash.

From reading to acknowledging each step is a method; :meth:`Consumer.step` has their order.
"""

import logging
import threading
import time
from collections.abc import Sequence

from common import failpoints
from common.clock import Clock
from common.errors import EventLogError, StoreError
from events import metrics
from events.consuming.book import Book, Changes, Held
from events.consuming.dead_letters import letter_of, obey
from events.consuming.delivery import CurrentTruths, Handler
from events.consuming.dispatch import Dispatch
from events.consuming.group import GroupReader
from events.consuming.ledger import Ledger
from events.consuming.rearming import Asking
from events.consuming.subscribers import Subscribers
from events.log.payload import Entry, entries_of
from events.log.redis_log import RedisEventLog, foreign
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

RETRY_AFTER_S = (1.0, 5.0, 25.0, 125.0)
"""Pauses before the second to the fifth attempt; after that a delivery is put aside."""

_BATCH = 1_000
_COMMIT_S = 0.5
_LOOK_S = 1.0


class Consumer:
    """One consumer, known by its name: its group in the log, its ledger, its handler.

    A new one starts with what is published from then on, or after ``start`` if that is given; an old one where its
    ledger is. :meth:`run` until stopped, or call :meth:`step`. While the log's server is away, events come from the
    store, a little later.

    A delivery that the handler refuses (any exception) is tried again after each of ``retry_after_s``; what follows for
    the same subscription waits behind it, everything else goes on. After the last attempt it is put aside in the stream
    ``triggers:dead:{name}``. So is one that ends the process as often as that.

    Raises :class:`common.errors.LedgerError` for a ledger of another consumer.
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
        truths: CurrentTruths | None = None,
        start: int | None = None,
        retry_after_s: Sequence[float] = RETRY_AFTER_S,
    ) -> None:
        self.name = name
        self._log = log
        self._store = store
        self._clock = clock
        self._group = GroupReader(log, name)
        self._book = Book(ledger, name, store.identity())
        self._subscribers = Subscribers(store.registry)
        self._dispatch = Dispatch(name, handler, self._book, clock, retry_after_s)
        self._asking = Asking(truths, self._book, self._dispatch, self._subscribers)
        self._start = start
        self._seq = self._book.seq or 0
        self._unacknowledged: list[int] = []
        self._is_synchronised = False
        self._looked_s = time.monotonic() - _LOOK_S

    @property
    def seq(self) -> int:
        """``seq`` up to which everything is applied."""
        return self._seq

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. A log or a store that is away is waited for."""
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
        """A bot is ready again: with policy ``while_true`` it is delivered to at once if the condition is still TRUE.

        At most once a candle. From any thread; when it returns the wish is on disk, and outlives the process.
        """
        self._asking.rearm((user_id, bot_id, condition_id))

    def step(self, wait_ms: int = 0) -> int:
        """One round; how many events were applied. Waits so long for the first one."""
        before = self._seq
        if not self._is_synchronised:
            self._synchronise()
        self._look_around()
        self._retry_due()
        entries = self._read(wait_ms)
        self._asking.refresh()
        self._asking.answer_rearmed()
        self._apply(self._complete(entries))
        self._commit()
        self._acknowledge()
        return self._seq - before

    def _synchronise(self) -> None:
        """Set the group to the ledger's place; what a dead predecessor had in hand is handled with care."""
        owner, own = self._log.owner(), self._store.identity()
        if owner is not None and owner != own:
            raise foreign(owner)
        if self._book.seq is None:
            # A ledger's first day: it is kept where it began, and subscriptions from before are not asked for.
            self._seq = self._log.last_seq() if self._start is None else self._start
            self._book.commit(self._seq, self._store.registry.last_change(), Changes())
        self._asking.refresh()
        found = self._group.synchronise(self._seq)
        if found.was_missing:
            self._put_aside(self._book.dead(all_of_them=True))
        self._dispatch.careful_until = max(self._dispatch.careful_until, found.pending_until)
        self._unacknowledged.clear()
        self._is_synchronised = True

    def _look_around(self) -> None:
        """Once a second: do what operators decided about dead letters, and say how far behind this consumer is."""
        if time.monotonic() - self._looked_s < _LOOK_S:
            return
        self._looked_s = time.monotonic()
        obey(self._log, self.name, self._book, self._subscribers)
        metrics.CONSUMER_LAG.labels(self.name).set(max(0, self._log.last_seq() - self._seq))

    def _retry_due(self) -> None:
        """Try again what is due, for those who still want it."""
        if self._book.has_waiting:
            self._asking.refresh()
            self._dispatch.retry_due(self._subscribers)

    def _read(self, wait_ms: int) -> list[Entry]:
        """New entries of the group; one that is gone is made anew in the next round."""
        due_ms = self._book.next_due_ms()
        if due_ms is not None:
            wait_ms = min(wait_ms, max(0, due_ms - self._clock.now_ms()))
        entries = self._group.read(_BATCH, wait_ms)
        failpoints.reach("after_read")
        if entries is None:
            self._is_synchronised = False
            return []
        self._unacknowledged += [held.seq for held in entries]
        return entries

    def _complete(self, entries: list[Entry]) -> list[Entry]:
        """What follows the ledger's place without a hole: what the stream does not hold any more is in the store."""
        fresh = [held for held in entries if held.seq > self._seq]
        if fresh and fresh[-1].seq - self._seq == len(fresh):
            return fresh
        until = fresh[-1].seq if fresh else self._log.last_seq()
        # A hole without triggers is one of numbers that no trigger has.
        return self._backfill(until) or fresh

    def _backfill(self, until: int) -> list[Entry]:
        """Events of the store up to a ``seq``, a batch at most."""
        if until <= self._seq:
            return []
        rows = self._store.triggers.after(self._seq, _BATCH)
        found = [held for held in entries_of(rows) if held.seq <= until]
        metrics.BACKFILLED.labels(self.name).inc(len(found))
        return found

    def _apply(self, entries: Sequence[Entry]) -> None:
        """Hand each event to its subscribers; commit now and then, so that a crash repeats little."""
        for held in entries:
            if subscriptions := self._subscribers.of(held.condition_id):
                self._dispatch.expand(held.event, subscriptions)
            self._seq = held.seq
            is_careful = held.seq <= self._dispatch.careful_until
            if is_careful or time.monotonic() - self._dispatch.committed_s > _COMMIT_S:
                self._commit()
                self._acknowledge()

    def _commit(self) -> None:
        """Keep in the ledger how far everything is applied."""
        self._dispatch.commit(self._seq, self._asking.change)

    def _acknowledge(self) -> None:
        """Tell the log what is applied and what died, in one go; what it is not told it hands out again."""
        done = [seq for seq in self._unacknowledged if seq <= self._seq]
        dead = self._book.dead()
        if (done or dead) and self._is_synchronised:
            failpoints.reach("before_ack")
            self._put_aside(dead, done)
            failpoints.reach("after_ack")
            self._unacknowledged = [seq for seq in self._unacknowledged if seq > self._seq]

    def _put_aside(self, dead: Sequence[Held], done: Sequence[int] = ()) -> None:
        self._group.acknowledge(done, [letter_of(held) for held in dead])
        if dead:
            metrics.DEAD.labels(self.name).inc(len(dead))
            self._book.note_told(dead)

    def _go_on_without_log(self) -> None:
        """Apply what the store has; the log is told when it is there again."""
        if self._book.seq is None:
            return
        try:
            self._retry_due()
            self._asking.refresh()
            while found := self._backfill(self._store.triggers.last_seq()):
                self._apply(found)
                self._commit()
        except StoreError as error:
            _log.debug("consumer %s: %s", self.name, error)
