"""An event log in memory."""

import threading
from collections.abc import Iterable, Sequence

from events.log.payload import Entry, Event, decode, entry_of
from events.log.redis_log import Appended, refused


class MemoryLog:
    """An event log that promises the same as the real one, as ``test_event_log_contract.py`` checks."""

    def __init__(self, owner: str | None = None, events: Iterable[Event] = ()) -> None:
        self.events = list(events)
        self._owner = owner
        self._skipped_to = 0
        self._changed = threading.Condition()

    def owner(self) -> str | None:
        return None if self._owner is None else self._owner.partition("#")[0]

    def generation(self) -> int:
        return int((self._owner or "").partition("#")[2] or 0)

    def claim(self, owner: str) -> None:
        with self._changed:
            if self.owner() not in (None, owner.partition("#")[0]):
                raise refused(str(self._owner), owner)
            self._owner = owner

    def last_seq(self) -> int:
        return max(self._skipped_to, self.events[-1].seq if self.events else 0)

    def append(self, owner: str, after: int, entries: Sequence[Entry]) -> Appended:
        with self._changed:
            if is_taken := self._continues(owner, after):
                self.events.extend(decode(entry.payload) for entry in entries)
                self._changed.notify_all()
            return Appended(is_taken, self.last_seq())

    def skip(self, owner: str, after: int, seq: int) -> Appended:
        with self._changed:
            if is_taken := self._continues(owner, after):
                self._skipped_to = seq
            return Appended(is_taken, self.last_seq())

    def read(self, after_seq: int, limit: int, *, wait_ms: int = 0) -> list[Entry]:
        def following() -> list[Event]:
            return [event for event in self.events if event.seq > after_seq][:limit]

        with self._changed:
            if wait_ms:
                self._changed.wait_for(following, wait_ms / 1000)
            return [entry_of(event) for event in following()]

    def newest(self, until_seq: int) -> Entry | None:
        earlier = [event for event in self.events if event.seq <= until_seq]
        return entry_of(earlier[-1]) if earlier else None

    def _continues(self, owner: str, after: int) -> bool:
        """Whether the log takes what follows ``after``; it then belongs to ``owner``."""
        if self._owner not in (None, owner):
            raise refused(str(self._owner), owner)
        if after != self.last_seq():
            return False
        self._owner = owner
        return True
