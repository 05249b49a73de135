"""Deliveries on their way to webhooks: kept in the ledger's file, in order for each webhook, until accepted."""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from events.consuming.delivery import is_to_user
from events.consuming.ledger import Ledger

_SCHEMA = """
CREATE TABLE IF NOT EXISTS webhook_outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id TEXT NOT NULL, delivery_id TEXT NOT NULL, body BLOB NOT NULL,
    attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    state TEXT NOT NULL                     -- waiting, or dead: given up
);
CREATE INDEX IF NOT EXISTS webhook_outbox_order ON webhook_outbox (state, webhook_id, number);
CREATE TABLE IF NOT EXISTS webhook_taken (  -- what was put into the outbox lately, so that a repeat is not sent again
    mark BLOB PRIMARY KEY, since_ms INTEGER NOT NULL
) WITHOUT ROWID
"""

_DEAD_KEPT = 100
"""How many of the deliveries that were given up are kept for each webhook."""
_ROW_BYTES = 200
"""What a delivery takes on disk besides its body, roughly."""


@dataclass(frozen=True)
class Parcel:
    """A delivery to one webhook."""

    number: int
    webhook_id: str
    delivery_id: str
    body: bytes
    attempts: int

    @property
    def is_notice(self) -> bool:
        """Whether it tells of an upgrade, and not of a condition that fired."""
        return self.delivery_id.startswith("notice:")


@dataclass(frozen=True)
class NewParcel:
    """A delivery to one webhook that is not in the outbox yet."""

    webhook_id: str
    delivery_id: str
    body: bytes

    @property
    def bytes(self) -> int:
        """What it will take on disk, roughly."""
        return len(self.body) + _ROW_BYTES


@dataclass(frozen=True)
class Backlog:
    """What waits for one webhook."""

    deliveries: int = 0
    bytes: int = 0
    due_ms: int = 0
    """When the first one is due."""


_NOTHING = Backlog()


class Outbox:
    """The table of deliveries to webhooks. Thread-safe. What waits for whom is also in memory."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        with ledger.transaction() as transaction:
            for statement in _SCHEMA.split(";\n"):
                transaction.execute(statement)
            backlogs = transaction.execute(
                """
                SELECT webhook_id, deliveries, bytes, due_ms FROM webhook_outbox JOIN (
                    SELECT min(number) AS first, count(*) AS deliveries, sum(length(body) + ?) AS bytes
                    FROM webhook_outbox WHERE state = 'waiting' GROUP BY webhook_id
                ) ON number = first
                """,
                [_ROW_BYTES],
            ).fetchall()
        self._backlogs = {webhook_id: Backlog(*columns) for webhook_id, *columns in backlogs}

    def put(self, parcels: Sequence[NewParcel], now_ms: int) -> None:
        """Add deliveries in one transaction, each once however often it is repeated."""
        added = []
        with self._ledger.transaction() as transaction:
            for parcel in parcels:
                marked = transaction.execute(
                    "INSERT OR IGNORE INTO webhook_taken VALUES (?, ?)", [_mark(parcel), now_ms]
                )
                if marked.rowcount:
                    transaction.execute(
                        "INSERT INTO webhook_outbox VALUES (NULL, ?, ?, ?, 0, 0, '', 'waiting')",
                        [parcel.webhook_id, parcel.delivery_id, parcel.body],
                    )
                    added.append(parcel)
        with self._lock:
            for parcel in added:
                before = self.backlog(parcel.webhook_id)
                self._backlogs[parcel.webhook_id] = replace(
                    before, deliveries=before.deliveries + 1, bytes=before.bytes + parcel.bytes
                )

    def backlog(self, webhook_id: str) -> Backlog:
        """What waits for a webhook."""
        return self._backlogs.get(webhook_id, _NOTHING)

    def firsts(self) -> list[tuple[str, int]]:
        """The webhooks with waiting deliveries, each with the time when its first one is due."""
        with self._lock:
            return [(webhook_id, backlog.due_ms) for webhook_id, backlog in self._backlogs.items()]

    def waiting(self, webhook_id: str, limit: int) -> list[Parcel]:
        """The deliveries that wait for a webhook, oldest first."""
        return self._read(webhook_id, "waiting", limit)

    def dead(self, webhook_id: str, limit: int) -> list[Parcel]:
        """The deliveries that were given up, oldest first."""
        return self._read(webhook_id, "dead", limit)

    def settle(self, parcel: Parcel) -> None:
        """Remove a delivery that was accepted."""
        with self._ledger.transaction() as transaction:
            transaction.execute("DELETE FROM webhook_outbox WHERE number = ?", [parcel.number])
        self._leave(parcel)

    def note_failure(self, parcel: Parcel, due_ms: int | None, reason: str) -> None:
        """Record a failed attempt and when the next one is due; ``None`` gives the delivery up."""
        with self._ledger.transaction() as transaction:
            transaction.execute(
                "UPDATE webhook_outbox SET attempts = attempts + 1, due_ms = ?, reason = ?, state = ? WHERE number = ?",
                [due_ms or 0, reason, "dead" if due_ms is None else "waiting", parcel.number],
            )
            if due_ms is None:
                transaction.execute(
                    "DELETE FROM webhook_outbox WHERE number IN (SELECT number FROM webhook_outbox "
                    "WHERE state = 'dead' AND webhook_id = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
                    [parcel.webhook_id, _DEAD_KEPT],
                )
        if due_ms is None:
            self._leave(parcel)
        else:
            self.postpone(parcel.webhook_id, due_ms)

    def postpone(self, webhook_id: str, due_ms: int) -> None:
        """Put a webhook's deliveries off without counting an attempt, until then or the next start."""
        with self._lock:
            if webhook_id in self._backlogs:
                self._backlogs[webhook_id] = replace(self._backlogs[webhook_id], due_ms=due_ms)

    def forget_before(self, time_ms: int) -> None:
        """Forget which deliveries were put into the outbox before a time."""
        self._ledger.forget_before(time_ms)
        with self._ledger.transaction() as transaction:
            transaction.execute("DELETE FROM webhook_taken WHERE since_ms < ?", [time_ms])

    def drop(self, webhook_id: str) -> None:
        """Forget all deliveries to a webhook that has ended."""
        with self._ledger.transaction() as transaction:
            transaction.execute("DELETE FROM webhook_outbox WHERE webhook_id = ?", [webhook_id])
        with self._lock:
            self._backlogs.pop(webhook_id, None)

    def _leave(self, parcel: Parcel) -> None:
        with self._lock:
            before = self.backlog(parcel.webhook_id)
            if before.deliveries <= 1:
                self._backlogs.pop(parcel.webhook_id, None)
                return
            size = len(parcel.body) + _ROW_BYTES
            self._backlogs[parcel.webhook_id] = Backlog(before.deliveries - 1, before.bytes - size)

    def forget_user(self, user_id: str) -> None:
        """Forget all deliveries to a user."""
        with self._ledger.transaction() as transaction:
            rows = transaction.execute("SELECT number, delivery_id FROM webhook_outbox").fetchall()
            theirs = [(number,) for number, delivery_id in rows if is_to_user(delivery_id, user_id)]
            transaction.executemany("DELETE FROM webhook_outbox WHERE number = ?", theirs)

    def _read(self, webhook_id: str, state: str, limit: int) -> list[Parcel]:
        with self._ledger.transaction() as transaction:
            rows: Iterable[tuple[int, str, str, bytes, int]] = transaction.execute(
                "SELECT number, webhook_id, delivery_id, body, attempts FROM webhook_outbox "
                "WHERE state = ? AND webhook_id = ? ORDER BY number LIMIT ?",
                [state, webhook_id, limit],
            ).fetchall()
        return [Parcel(*row) for row in rows]


def _mark(parcel: NewParcel) -> bytes:
    # Millions of these may be kept for a day: 16 bytes instead of two names.
    return hashlib.sha256(f"{parcel.webhook_id} {parcel.delivery_id}".encode()).digest()[:16]
