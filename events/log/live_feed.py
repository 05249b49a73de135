"""Events for many readers in this process: first what they missed, from the store, then what comes, from the stream.

One task reads the stream for all of them. Each reader has a short queue of what it wants; one that is too slow for it
loses the queue, not events: it goes back to the store and catches up from where it was. So memory is bounded by the
number of readers, whatever a tick fires, and no reader holds up another.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from common.errors import EventLogError, StoreError
from events.log.payload import Entry, entries_of
from events.log.redis_log import EventLog
from registry.store.parts.triggers import TriggerStore

_log = logging.getLogger(__name__)

QUEUE = 1_000
"""Events that wait for one reader before it is sent back to the store."""

_BATCH = 1_000
_WAIT_MS = 1_000
"""How long the stream is waited for; then the store is asked, which knows what a dead stream does not say."""


class LiveFeed:
    """What is published, for readers of this process. :meth:`run` has to run as a task for anything to come.

    While the log's server is away, events come from the store, a second late.
    """

    def __init__(
        self, triggers: TriggerStore, log: EventLog, *, queue: int = QUEUE, before: Callable[[], object] = lambda: None
    ) -> None:
        """``before`` is called whenever events are about to be handed out: for readers whose wishes have changed."""
        self._triggers = triggers
        self._log = log
        self._queue = queue
        self._before = before
        self._seq = triggers.last_seq()
        self._all: set[Following] = set()
        self._by_condition: dict[str, set[Following]] = {}

    @property
    def seq(self) -> int:
        """``seq`` up to which events have been handed to the readers' queues."""
        return self._seq

    def follow(self, after_seq: int | None = None, conditions: Collection[str] | None = None) -> "Following":
        """Events with a higher ``seq`` (``None``: those from now on), of these conditions (``None``: of all).

        Use it as a context manager, or close it: a reader that is gone costs as much as one that is there.
        """
        return Following(self, self._seq if after_seq is None else after_seq, conditions)

    async def run(self) -> None:
        """Read until cancelled. Failures of the log or the store are logged once and waited out."""
        loop = asyncio.get_running_loop()
        # A thread of its own: readers that catch up may keep all the others busy.
        thread = ThreadPoolExecutor(1, thread_name_prefix="live-feed")
        is_failing = False
        try:
            while True:
                try:
                    self._hand_out(await loop.run_in_executor(thread, self._next_entries))
                    is_failing = False
                except StoreError as error:
                    if not is_failing:
                        _log.error("the live feed waits: %s", error)
                    is_failing = True
                    await asyncio.sleep(_WAIT_MS / 1000)
        finally:
            thread.shutdown(wait=False)

    def _next_entries(self) -> list[Entry]:
        """What follows ``seq``, without a hole; nothing after a while in which nothing came."""
        try:
            entries = self._log.read(self._seq, _BATCH, wait_ms=_WAIT_MS)
        except EventLogError:
            time.sleep(_WAIT_MS / 1000)
            entries = []
        if entries and entries[-1].seq - self._seq == len(entries):
            return entries
        # A hole: trimmed, or the stream lost it, or no trigger has that number. The store knows. And with nothing in
        # the stream there may still be something in the store, if nobody can publish.
        return entries_of(self._triggers.after(self._seq, _BATCH)) or entries

    def _hand_out(self, entries: Sequence[Entry]) -> None:
        if entries:
            self._before()
        for entry in entries:
            for following in self._all:
                following.offer(entry)
            for following in self._by_condition.get(entry.condition_id, ()):
                following.offer(entry)
            self._seq = entry.seq

    def register(self, following: "Following", conditions: Iterable[str] | None) -> None:
        """Hand events of these conditions, or all, to a reader."""
        if conditions is None:
            self._all.add(following)
        else:
            for name in conditions:
                self._by_condition.setdefault(name, set()).add(following)

    def unregister(self, following: "Following", conditions: Iterable[str] | None) -> None:
        """The opposite of :meth:`register`."""
        if conditions is None:
            self._all.discard(following)
            return
        for name in conditions:
            readers = self._by_condition.get(name, set())
            readers.discard(following)
            if not readers:
                self._by_condition.pop(name, None)

    def backfill(self, after_seq: int, limit: int, conditions: Collection[str] | None) -> tuple[list[Entry], int]:
        """Entries of the store after a ``seq``, and the ``seq`` up to which they are all there are."""
        rows = self._triggers.after(after_seq, limit)
        reached = int(rows["seq"][-1]) if rows.height else after_seq + limit
        entries = entries_of(rows)
        return [entry for entry in entries if conditions is None or entry.condition_id in conditions], reached

    @property
    def queue(self) -> int:
        """Events that may wait for one reader."""
        return self._queue


class Following:
    """One reader's place in the feed. Iterate over it, or :meth:`take` what is there with a time limit.

    Nothing is lost when a wait is cancelled or times out: the place moves with what is returned.
    """

    def __init__(self, feed: LiveFeed, after_seq: int, conditions: Collection[str] | None) -> None:
        self._feed = feed
        self._after = after_seq
        self._conditions = None if conditions is None else frozenset(conditions)
        self._waiting: deque[Entry] = deque()
        self._more = asyncio.Event()
        self._fill_until = 0
        self._is_closed = False
        feed.register(self, self._conditions)
        self._catch_up(feed.seq)

    @property
    def position(self) -> int:
        """``seq`` up to which this reader has had everything that it wants: what to go on from after a break."""
        is_waiting = not self._waiting and self._after >= self._fill_until
        return max(self._after, self._feed.seq) if is_waiting else self._after

    def watch(self, conditions: Collection[str] | None) -> None:
        """Want the events of these conditions from now on, ``None``: of all."""
        self._feed.unregister(self, self._conditions)
        self._conditions = None if conditions is None else frozenset(conditions)
        self._feed.register(self, self._conditions)

    async def take(self, timeout_s: float | None = None) -> list[Entry]:
        """The next entries, at least one; none if nothing came for so long, or the reader was closed."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._is_closed:
                    if self._after < self._fill_until:
                        entries = await self._fill()
                        if entries:
                            return entries
                    elif self._waiting:
                        entries = list(self._waiting)
                        self._waiting.clear()
                        self._after = entries[-1].seq
                        return entries
                    else:
                        self._more.clear()
                        await self._more.wait()
        except TimeoutError:
            pass
        return []

    def offer(self, entry: Entry) -> None:
        """Put an entry into the queue; the feed calls it."""
        if entry.seq <= self._after:
            return
        if len(self._waiting) < self._feed.queue:
            self._waiting.append(entry)
        else:
            # Too slow: what waits is read from the store, and this one with it.
            self._catch_up(entry.seq)
        self._more.set()

    def close(self) -> None:
        """Want nothing more; a wait for entries ends."""
        self._is_closed = True
        self._feed.unregister(self, self._conditions)
        self._more.set()

    def _catch_up(self, until: int) -> None:
        self._waiting.clear()
        self._fill_until = until

    async def _fill(self) -> list[Entry]:
        until = self._fill_until
        entries, reached = await asyncio.to_thread(self._feed.backfill, self._after, self._feed.queue, self._conditions)
        found = [entry for entry in entries if entry.seq <= until]
        self._after = min(reached, until)
        return found

    async def __aiter__(self) -> AsyncIterator[Entry]:
        while entries := await self.take():
            for entry in entries:
                yield entry

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
