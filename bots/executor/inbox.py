"""Triggers on their way to bots: kept in the consumer's ledger until what came of them is in the store."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from events.consuming.ledger import Ledger

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bot_inbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    bot INTEGER NOT NULL, delivery_id TEXT NOT NULL, condition_id TEXT NOT NULL,
    close_ms INTEGER NOT NULL, price TEXT NOT NULL,
    UNIQUE (bot, delivery_id)
)
"""


@dataclass(frozen=True, slots=True)
class NewTrigger:
    """A trigger for a bot that is not in the inbox yet."""

    bot: int
    delivery_id: str
    condition_id: str
    close_ms: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class WaitingTrigger:
    """A trigger in the inbox."""

    place: int
    condition_id: str
    close_ms: int
    price: Decimal


class Inbox:
    """The triggers that bots have not acted on, by bot. Thread-safe; what is on disk is also in memory."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._waiting: dict[int, list[WaitingTrigger]] = {}
        with ledger.transaction() as transaction:
            transaction.execute(_SCHEMA)
            rows = transaction.execute(
                "SELECT bot, place, condition_id, close_ms, price FROM bot_inbox ORDER BY place"
            ).fetchall()
        for bot, place, condition_id, close_ms, price in rows:
            self._waiting.setdefault(bot, []).append(WaitingTrigger(place, condition_id, close_ms, Decimal(price)))

    def put(self, triggers: Iterable[NewTrigger]) -> None:
        """Add triggers in one transaction; one that is there already is not added again."""
        added: list[tuple[int, WaitingTrigger]] = []
        with self._ledger.transaction() as transaction:
            for one in triggers:
                cursor = transaction.execute(
                    "INSERT OR IGNORE INTO bot_inbox (bot, delivery_id, condition_id, close_ms, price) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (one.bot, one.delivery_id, one.condition_id, one.close_ms, str(one.price)),
                )
                if cursor.rowcount and cursor.lastrowid is not None:
                    waiting = WaitingTrigger(cursor.lastrowid, one.condition_id, one.close_ms, one.price)
                    added.append((one.bot, waiting))
        with self._lock:
            for bot, waiting in added:
                self._waiting.setdefault(bot, []).append(waiting)

    def of(self, bot: int) -> list[WaitingTrigger]:
        """What waits for a bot, in the order in which it came."""
        with self._lock:
            return list(self._waiting.get(bot, ()))

    def bots(self) -> set[int]:
        """The bots that something waits for."""
        with self._lock:
            return set(self._waiting)

    def waiting(self) -> tuple[int, int | None]:
        """How many triggers wait, and the close time of the oldest, ``None`` if none does."""
        with self._lock:
            closes = [one.close_ms for several in self._waiting.values() for one in several]
        return len(closes), min(closes, default=None)

    def take_out(self, bots: Iterable[tuple[int, Iterable[int]]]) -> None:
        """Remove what bots have acted on: (bot, places) of each, in one transaction."""
        done = [(bot, set(places)) for bot, places in bots]
        with self._ledger.transaction() as transaction:
            transaction.executemany(
                "DELETE FROM bot_inbox WHERE place = ?", [(place,) for _, places in done for place in places]
            )
        with self._lock:
            for bot, places in done:
                left = [one for one in self._waiting.get(bot, ()) if one.place not in places]
                if left:
                    self._waiting[bot] = left
                else:
                    self._waiting.pop(bot, None)

    def drop(self, bot: int) -> None:
        """Remove everything that waits for a bot that has ended."""
        self.take_out([(bot, [one.place for one in self.of(bot)])])
