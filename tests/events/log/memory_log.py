"""An event log in memory."""

import time
from collections.abc import Sequence

from events.log.payload import Entry, Event, decode, entry_of
from events.log.redis_log import Appended


class MemoryLog:
    """An event log with the promise of the real one: it takes a batch only where it continues."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.marked: str | None = None
        self.skipped = 0

    def owner(self) -> str | None:
        return self.marked

    def last_seq(self) -> int:
        return max(self.skipped, self.events[-1].seq if self.events else 0)

    def append(self, owner: str, after: int, entries: Sequence[Entry]) -> Appended:
        if taken := after == self.last_seq():
            self.marked = owner
            self.events.extend(decode(entry.payload) for entry in entries)
        return Appended(taken, self.last_seq())

    def skip(self, owner: str, after: int, seq: int) -> Appended:
        if taken := after == self.last_seq():
            self.marked, self.skipped = owner, seq
        return Appended(taken, self.last_seq())

    def read(self, after_seq: int, limit: int, *, wait_ms: int = 0) -> list[Entry]:
        found = [event for event in self.events if event.seq > after_seq][:limit]
        if wait_ms and not found:
            time.sleep(min(wait_ms, 20) / 1000)
        return [entry_of(event) for event in found]

    def newest(self, until_seq: int) -> Entry | None:
        found = [event for event in self.events if event.seq <= until_seq]
        return entry_of(found[-1]) if found else None
