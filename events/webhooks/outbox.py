"""Deliveries on their way to webhooks: kept in the ledger's file, in order for each webhook, until accepted."""

from dataclasses import dataclass

from events.consuming.ledger import Ledger

_SCHEMA = """
CREATE TABLE IF NOT EXISTS webhook_outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id TEXT NOT NULL, delivery_id TEXT NOT NULL, body BLOB NOT NULL,
    attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    state TEXT NOT NULL                     -- waiting, or dead: given up
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS webhook_outbox_order ON webhook_outbox (state, webhook_id, number)"

_DEAD_KEPT = 10_000
"""A delivery that was given up is kept until this many later ones have been added."""


@dataclass(frozen=True)
class Parcel:
    """A delivery to one webhook."""

    number: int
    webhook_id: str
    delivery_id: str
    body: bytes
    attempts: int


class Outbox:
    """The table of deliveries to webhooks. Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        with ledger.transaction() as transaction:
            transaction.execute(_SCHEMA)
            transaction.execute(_INDEX)

    def put(self, webhook_id: str, delivery_id: str, body: bytes) -> None:
        """Add a delivery, once however often it is repeated."""
        with self._ledger.once(f"webhook {webhook_id} {delivery_id}") as effect:
            if effect is not None:
                effect.execute(
                    "INSERT INTO webhook_outbox VALUES (NULL, ?, ?, ?, 0, 0, '', 'waiting')",
                    [webhook_id, delivery_id, body],
                )

    def firsts(self) -> list[tuple[str, int]]:
        """The webhooks with waiting deliveries, each with the time when its first one is due."""
        with self._ledger.transaction() as transaction:
            return transaction.execute(
                """
                SELECT webhook_id, due_ms FROM webhook_outbox WHERE number IN
                    (SELECT min(number) FROM webhook_outbox WHERE state = 'waiting' GROUP BY webhook_id)
                """
            ).fetchall()

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

    def note_failure(self, parcel: Parcel, due_ms: int | None, reason: str) -> None:
        """Record a failed attempt and when the next one is due; ``None`` gives the delivery up."""
        with self._ledger.transaction() as transaction:
            transaction.execute(
                "UPDATE webhook_outbox SET attempts = attempts + 1, due_ms = ?, reason = ?, state = ? WHERE number = ?",
                [due_ms or 0, reason, "dead" if due_ms is None else "waiting", parcel.number],
            )

    def postpone(self, parcel: Parcel, due_ms: int) -> None:
        """Put a delivery off without counting an attempt."""
        with self._ledger.transaction() as transaction:
            transaction.execute("UPDATE webhook_outbox SET due_ms = ? WHERE number = ?", [due_ms, parcel.number])

    def forget_before(self, time_ms: int) -> None:
        """Forget which deliveries were accepted before a time, and the oldest ones that were given up."""
        self._ledger.forget_before(time_ms)
        with self._ledger.transaction() as transaction:
            transaction.execute(
                "DELETE FROM webhook_outbox WHERE state = 'dead' "
                "AND number < (SELECT max(number) FROM webhook_outbox) - ?",
                [_DEAD_KEPT],
            )

    def drop(self, webhook_id: str) -> None:
        """Forget all deliveries to a webhook that has ended."""
        with self._ledger.transaction() as transaction:
            transaction.execute("DELETE FROM webhook_outbox WHERE webhook_id = ?", [webhook_id])

    def _read(self, webhook_id: str, state: str, limit: int) -> list[Parcel]:
        with self._ledger.transaction() as transaction:
            rows = transaction.execute(
                "SELECT number, webhook_id, delivery_id, body, attempts FROM webhook_outbox "
                "WHERE state = ? AND webhook_id = ? ORDER BY number LIMIT ?",
                [state, webhook_id, limit],
            ).fetchall()
        return [Parcel(*row) for row in rows]
