"""Events for many readers in this process: first what they missed, from the store, then live events from the stream.

One task reads the stream for all of them. Each reader has a short queue of the events it wants. A reader that is too
slow loses its queue but no events: it goes back to the store and catches up from where it was. Memory is therefore
bounded by the number of readers, however many triggers a tick fires, and no reader holds up another.
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
"""Events queued for one reader before it is sent back to the store."""

_BATCH = 1_000
_WAIT_MS = 1_000
"""How long to wait for the stream before asking the store, which also knows what a dead stream cannot tell."""


class LiveFeed:
    """Published events for the readers of this process. Nothing arrives unless :meth:`run` runs as a task.

    While the log's server is down, events come from the store, a second late.
    """

    def __init__(
        self,
        triggers: TriggerStore,
        log: EventLog,
        *,
        queue: int = QUEUE,
        prepare: Callable[[], object] = lambda: None,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        """``before`` is called just before events are handed out, so that readers can change what they watch, and
        ``prepare`` before that, in a thread in which it may wait."""
        self._triggers = triggers
        self._log = log
        self._queue = queue
        self._prepare = prepare
        self._before = before
        self._seq = triggers.last_seq()
        self._all: set[Following] = set()
        self._by_condition: dict[str, set[Following]] = {}

    @property
    def seq(self) -> int:
        """``seq`` up to which events have been put into the readers' queues."""
        return self._seq

    def follow(self, after_seq: int | None = None, conditions: Collection[str] | None = None) -> "Following":
        """Events after ``after_seq`` (``None``: from the present on), of these conditions (``None``: of all).

        Use it as a context manager, or close it: an abandoned reader costs as much as an active one.
        """
        return Following(self, self._seq if after_seq is None else after_seq, conditions)

    async def run(self) -> None:
        """Read until cancelled. Store failures are logged once and waited out; so is a log that is down."""
        loop = asyncio.get_running_loop()
        # A thread of its own: readers that are catching up may occupy all the shared ones.
        thread = ThreadPoolExecutor(1, thread_name_prefix="live-feed")
        is_failing = False
        try:
            while True:
                try:
                    self._hand_out(await loop.run_in_executor(thread, self._prepared_entries))
                    is_failing = False
                except StoreError as error:
                    if not is_failing:
                        _log.error("the live feed is waiting for the store: %s", error)
                    is_failing = True
                    await asyncio.sleep(_WAIT_MS / 1000)
        finally:
            thread.shutdown(wait=False)

    def _prepared_entries(self) -> list[Entry]:
        if entries := self._next_entries():
            self._prepare()
        return entries

    def _next_entries(self) -> list[Entry]:
        """The entries after ``seq``, without a hole; empty if none arrive within the wait."""
        try:
            entries = self._log.read(self._seq, _BATCH, wait_ms=_WAIT_MS)
        except EventLogError:
            time.sleep(_WAIT_MS / 1000)
            entries = []
        if entries and entries[-1].seq - self._seq == len(entries):
            return entries
        # A hole: entries were trimmed or lost, or no trigger has that number. The store knows. An empty stream does not
        # mean an empty store either: perhaps nobody can publish.
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
        """Hand events of these conditions, or of all, to a reader."""
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
        """The store's entries after a ``seq``, and the ``seq`` up to which they are complete."""
        rows = self._triggers.after(after_seq, limit)
        reached = int(rows["seq"][-1]) if rows.height else after_seq + limit
        entries = entries_of(rows)
        return [entry for entry in entries if conditions is None or entry.condition_id in conditions], reached

    @property
    def queue(self) -> int:
        """How many events may be queued for one reader."""
        return self._queue


class Following:
    """One reader's position in the feed. Iterate over it, or :meth:`take` entries with a time limit.

    Nothing is lost when a wait is cancelled or times out: the position moves only with entries that are returned.
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
        """``seq`` up to which this reader has received everything it wants: where to resume after a break."""
        has_caught_up = not self._waiting and self._after >= self._fill_until
        return max(self._after, self._feed.seq) if has_caught_up else self._after

    def watch(self, conditions: Collection[str] | None) -> None:
        """Watch these conditions instead, from the next event on (``None``: all of them)."""
        self._feed.unregister(self, self._conditions)
        self._conditions = None if conditions is None else frozenset(conditions)
        self._feed.register(self, self._conditions)

    async def take(self, timeout_s: float | None = None) -> list[Entry]:
        """The next entries, at least one; none if nothing arrives in time or the reader is closed."""
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
            # Too slow: drop the queue and read everything up to this entry from the store.
            self._catch_up(entry.seq)
        self._more.set()

    def close(self) -> None:
        """Stop following; a pending :meth:`take` returns."""
        self._is_closed = True
        self._feed.unregister(self, self._conditions)
        self._more.set()

    def _catch_up(self, until: int) -> None:
        self._waiting.clear()
        self._fill_until = until

    async def _fill(self) -> list[Entry]:
        until = self._fill_until
        entries, reached = await asyncio.to_thread(self._feed.backfill, self._after, self._feed.queue, self._conditions)
        self._after = min(reached, until)
        return [entry for entry in entries if entry.seq <= until]

    async def __aiter__(self) -> AsyncIterator[Entry]:
        while entries := await self.take():
            for entry in entries:
                yield entry

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
