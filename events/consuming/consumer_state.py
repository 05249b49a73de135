"""What a consumer keeps in its ledger: its position, past deliveries, and deliveries that wait or were given up."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from common.errors import LedgerError
from events.consuming.delivery import Delivery, Occasion, is_to_user
from events.consuming.ledger import Ledger
from events.consuming.policies import PastDeliveries, fired_again
from events.consuming.subscribers import OrderingKey, ordering_key
from events.log.payload import Event, decode, encode
from registry.store.parts.registry import StoredSubscription

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fired (          -- only for policies that need it
    condition_id TEXT NOT NULL, user_id TEXT NOT NULL, bot_id TEXT NOT NULL,
    since_ms INTEGER NOT NULL,              -- when the subscription was made: a later one starts afresh
    deliveries INTEGER NOT NULL, last_close_ms INTEGER NOT NULL,
    PRIMARY KEY (condition_id, user_id, bot_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS greeted (        -- subscriptions whose condition was checked when they began
    condition_id TEXT NOT NULL, user_id TEXT NOT NULL, bot_id TEXT NOT NULL, since_ms INTEGER NOT NULL,
    PRIMARY KEY (condition_id, user_id, bot_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (           -- deliveries that a handler refused, and those queued behind them
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL, bot_id TEXT NOT NULL, condition_id TEXT NOT NULL,
    occasion TEXT NOT NULL, payload BLOB NOT NULL,
    attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    state TEXT NOT NULL                     -- waiting, dead, or told: dead, and in the dead letters
);
CREATE INDEX IF NOT EXISTS held_lanes ON held (user_id, bot_id, condition_id, number) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS rearmed (        -- rearm requests that are not handled yet
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL, bot_id TEXT NOT NULL, condition_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tried (delivery_id TEXT PRIMARY KEY, attempts INTEGER NOT NULL) WITHOUT ROWID;
"""

DeliveryState = Literal["waiting", "dead", "told"]


@dataclass(frozen=True)
class Undelivered:
    """A delivery that waits for another attempt, or that was given up."""

    number: int
    delivery_id: str
    key: OrderingKey
    occasion: Occasion
    event: Event
    attempts: int
    reason: str


@dataclass
class Changes:
    """What applying a run of events changes; committed together with the position that it reaches."""

    fired: dict[OrderingKey, tuple[int, PastDeliveries]] = field(default_factory=dict)
    undelivered: list[tuple[Delivery, int, int, str, DeliveryState]] = field(default_factory=list)
    """Delivery, attempts so far, when the next one is due, reason, state."""
    greeted: list[StoredSubscription] = field(default_factory=list)
    rearmed: list[int] = field(default_factory=list)
    """Numbers of the rearm requests that were handled."""


class ConsumerState:
    """The consumer's tables in its ledger, with what is needed often also in memory.

    Raises :class:`common.errors.LedgerError` if the ledger belongs to another consumer or another hub.
    """

    def __init__(self, ledger: Ledger, consumer: str, store_identity: str) -> None:
        self._ledger = ledger
        with ledger.transaction() as transaction:
            for statement in filter(str.strip, _SCHEMA.split(";\n")):
                transaction.execute(statement)
            about = dict(transaction.execute("SELECT name, value FROM about").fetchall())
            for name, value in (("consumer", consumer), ("store", store_identity)):
                if about.setdefault(name, value) != value:
                    raise LedgerError(
                        f"the ledger {ledger.path} belongs to {name} {about[name]!r}, not to {value!r}; "
                        "every consumer of every hub needs a ledger of its own"
                    )
                transaction.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", [name, value])
            self._fired = {
                (user, bot, condition): (since, PastDeliveries(count, last))
                for condition, user, bot, since, count, last in transaction.execute("SELECT * FROM fired")
            }
            self._greeted = {
                (user, bot, condition): since
                for condition, user, bot, since in transaction.execute("SELECT * FROM greeted")
            }
            self._waiting = Counter(
                transaction.execute("SELECT user_id, bot_id, condition_id FROM held WHERE state = 'waiting'").fetchall()
            )
            self._untold = bool(transaction.execute("SELECT 1 FROM held WHERE state = 'dead' LIMIT 1").fetchall())
        self.seq = int(about["seq"]) if "seq" in about else None
        """``seq`` up to which every event is applied; ``None`` before the first start."""
        self.change = int(about["change"]) if "change" in about else None
        """The change of subscriptions up to which new ones were greeted."""

    def fired(self, subscription: StoredSubscription, changes: Changes) -> PastDeliveries | None:
        """The past deliveries of a subscription, including those that are not committed yet."""
        key = ordering_key(subscription)
        since_and_past = changes.fired.get(key) or self._fired.get(key)
        if since_and_past is None:
            return None
        since_ms, past = since_and_past
        return past if since_ms == subscription.created_ms else None

    def note_fired(self, subscription: StoredSubscription, close_ms: int, changes: Changes) -> None:
        """Count a delivery."""
        before = self.fired(subscription, changes)
        changes.fired[ordering_key(subscription)] = subscription.created_ms, fired_again(before, close_ms)

    def is_greeted(self, subscription: StoredSubscription) -> bool:
        """Whether a subscription's condition was already checked when it began."""
        return self._greeted.get(ordering_key(subscription)) == subscription.created_ms

    def move(self, key: OrderingKey, condition_id: str) -> None:
        """Have everything about a subscription count for the one that goes on in its place. Safe to repeat.

        Where several become one, the past of the one that was requested last stays, as that is the one that goes on.
        """
        user, bot, old_condition = key
        new, old_row, new_row = (user, bot, condition_id), (old_condition, user, bot), (condition_id, user, bot)
        fired = [entry for entry in (self._fired.get(key), self._fired.get(new)) if entry is not None]
        greeted = [since for since in (self._greeted.get(key), self._greeted.get(new)) if since is not None]
        last = max(fired, key=lambda entry: (entry[0], entry[1].count), default=None)
        with self._ledger.transaction() as transaction:
            for table in ("fired", "greeted"):
                transaction.execute(f"DELETE FROM {table} WHERE (condition_id, user_id, bot_id) = (?, ?, ?)", old_row)
            for table in ("held", "rearmed"):
                transaction.execute(
                    f"UPDATE {table} SET condition_id = ? WHERE (condition_id, user_id, bot_id) = (?, ?, ?)",
                    (condition_id, *old_row),
                )
            if last is not None:
                transaction.execute(
                    "INSERT OR REPLACE INTO fired VALUES (?, ?, ?, ?, ?, ?)",
                    (*new_row, last[0], last[1].count, last[1].last_close_ms),
                )
            if greeted:
                transaction.execute("INSERT OR REPLACE INTO greeted VALUES (?, ?, ?, ?)", (*new_row, max(greeted)))
        self._fired.pop(key, None)
        self._greeted.pop(key, None)
        if last is not None:
            self._fired[new] = last
        if greeted:
            self._greeted[new] = max(greeted)
        if waiting := self._waiting.pop(key, 0):
            self._waiting[new] += waiting

    def rearm(self, key: OrderingKey) -> int:
        """Record on disk that a bot is ready again; returns the number of the request. Thread-safe."""
        with self._ledger.transaction() as transaction:
            added = transaction.execute("INSERT INTO rearmed (user_id, bot_id, condition_id) VALUES (?, ?, ?)", key)
            number = added.lastrowid
        assert number is not None
        return number

    def rearmed(self) -> list[tuple[int, OrderingKey]]:
        """Number and key of the rearm requests that no earlier process handled, oldest first."""
        with self._ledger.transaction() as transaction:
            rows = transaction.execute("SELECT number, user_id, bot_id, condition_id FROM rearmed ORDER BY number")
            return [(number, (user, bot, condition)) for number, user, bot, condition in rows.fetchall()]

    def keeps(self, delivery_id: str) -> bool:
        """Whether a delivery is waiting or was given up."""
        with self._ledger.transaction() as transaction:
            return bool(transaction.execute("SELECT 1 FROM held WHERE delivery_id = ?", [delivery_id]).fetchall())

    @property
    def has_waiting(self) -> bool:
        """Whether any delivery is waiting."""
        return bool(self._waiting)

    def is_waiting(self, key: OrderingKey) -> bool:
        """Whether a delivery with this key is waiting, so that later ones have to wait too."""
        return key in self._waiting

    def commit(self, seq: int, change: int, changes: Changes) -> None:
        """Advance to a position, together with everything that led there, in one transaction."""
        with self._ledger.transaction() as transaction:
            transaction.executemany(
                "INSERT OR REPLACE INTO about VALUES (?, ?)", [("seq", str(seq)), ("change", str(change))]
            )
            transaction.executemany(
                "INSERT OR REPLACE INTO fired VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (condition, user, bot, since, past.count, past.last_close_ms)
                    for (user, bot, condition), (since, past) in changes.fired.items()
                ],
            )
            transaction.executemany(
                "INSERT OR REPLACE INTO greeted VALUES (?, ?, ?, ?)",
                [
                    (subscription.condition_id, subscription.user_id, subscription.bot_id, subscription.created_ms)
                    for subscription in changes.greeted
                ],
            )
            waiting = [
                ordering_key(delivery.subscription)
                for delivery, attempts, due_ms, reason, state in changes.undelivered
                if _keep(transaction, delivery, attempts, due_ms, reason, state) and state == "waiting"
            ]
            transaction.executemany("DELETE FROM rearmed WHERE number = ?", [(number,) for number in changes.rearmed])
            transaction.execute("DELETE FROM tried")
        self.seq, self.change = seq, change
        self._fired.update(changes.fired)
        self._greeted.update({ordering_key(subscription): subscription.created_ms for subscription in changes.greeted})
        self._waiting.update(waiting)
        self._untold |= any(state == "dead" for _, _, _, _, state in changes.undelivered)

    def note_try(self, delivery_id: str) -> int:
        """Count an attempt on disk before it is made, as it may end the process; returns how many came before."""
        with self._ledger.transaction() as transaction:
            row = transaction.execute("SELECT attempts FROM tried WHERE delivery_id = ?", [delivery_id]).fetchone()
            before = 0 if row is None else int(row[0])
            transaction.execute("INSERT OR REPLACE INTO tried VALUES (?, ?)", [delivery_id, before + 1])
        return before

    def due(self, now_ms: int, limit: int) -> list[Undelivered]:
        """Deliveries whose next attempt is due: only the first of each key, so that order is kept."""
        if not self._waiting:
            return []
        return self._read(
            """
            WHERE due_ms <= ? AND number IN (
                SELECT min(number) FROM held WHERE state = 'waiting' GROUP BY user_id, bot_id, condition_id
            ) ORDER BY number LIMIT ?
            """,
            [now_ms, limit],
        )

    def next_due_ms(self) -> int | None:
        """When the earliest next attempt is due, ``None`` if nothing is waiting."""
        if not self._waiting:
            return None
        with self._ledger.transaction() as transaction:
            return int(transaction.execute("SELECT min(due_ms) FROM held WHERE state = 'waiting'").fetchone()[0])

    def settle(self, waiting: Undelivered) -> None:
        """Remove a waiting delivery: it was accepted, or is no longer wanted."""
        with self._ledger.transaction() as transaction:
            transaction.execute("DELETE FROM held WHERE number = ?", [waiting.number])
            transaction.execute("DELETE FROM tried WHERE delivery_id = ?", [waiting.delivery_id])
        self._leave(waiting.key)

    def note_failure(self, waiting: Undelivered, due_ms: int | None, reason: str) -> None:
        """Record a failed attempt and when the next one is due; ``None`` gives the delivery up."""
        state = "dead" if due_ms is None else "waiting"
        with self._ledger.transaction() as transaction:
            transaction.execute(
                "UPDATE held SET attempts = attempts + 1, due_ms = ?, reason = ?, state = ? WHERE number = ?",
                [due_ms or 0, reason, state, waiting.number],
            )
            transaction.execute("DELETE FROM tried WHERE delivery_id = ?", [waiting.delivery_id])
        if state == "dead":
            self._untold = True
            self._leave(waiting.key)

    def dead(self, *, all_of_them: bool = False) -> list[Undelivered]:
        """Deliveries that were given up and are not in the dead letters yet, or all that were given up."""
        if not (self._untold or all_of_them):
            return []
        return self._read("WHERE state = 'dead' OR (? AND state = 'told') ORDER BY number", [all_of_them])

    def note_told(self, dead: Iterable[Undelivered]) -> None:
        """Record that these deliveries are in the dead letters."""
        with self._ledger.transaction() as transaction:
            transaction.executemany(
                "UPDATE held SET state = 'told' WHERE number = ?", [(delivery.number,) for delivery in dead]
            )

    def revive(self, delivery: Delivery) -> None:
        """Queue a dead delivery for new attempts, as an operator asked."""
        with self._ledger.transaction() as transaction:
            _drop(transaction, delivery.delivery_id)
            is_new = _keep(transaction, delivery, 0, 0, "", "waiting")
        if is_new:
            self._waiting[ordering_key(delivery.subscription)] += 1

    def forget_user(self, user_id: str) -> None:
        """Forget what was and what was to be delivered to a user."""
        with self._ledger.transaction() as transaction:
            for table in ("fired", "greeted", "held", "rearmed"):
                transaction.execute(f"DELETE FROM {table} WHERE user_id = ?", [user_id])
            for table, column in (("effects", "effect_id"), ("tried", "delivery_id")):
                names = transaction.execute(f"SELECT {column} FROM {table}").fetchall()
                theirs = [(name,) for (name,) in names if is_to_user(name, user_id)]
                transaction.executemany(f"DELETE FROM {table} WHERE {column} = ?", theirs)
        for kept in (self._fired, self._greeted, self._waiting):
            for key in [key for key in kept if key[0] == user_id]:
                del kept[key]

    def drop(self, delivery_id: str) -> None:
        """Forget a dead delivery, as an operator asked."""
        with self._ledger.transaction() as transaction:
            _drop(transaction, delivery_id)

    def _leave(self, key: OrderingKey) -> None:
        self._waiting[key] -= 1
        if self._waiting[key] <= 0:
            del self._waiting[key]

    def _read(self, where: str, parameters: list[object]) -> list[Undelivered]:
        with self._ledger.transaction() as transaction:
            rows = transaction.execute(
                "SELECT number, delivery_id, user_id, bot_id, condition_id, occasion, payload, attempts, reason "
                f"FROM held {where}",
                parameters,
            ).fetchall()
        return [
            Undelivered(
                number, delivery_id, (user, bot, condition), OCCASIONS[occasion], decode(payload), attempts, reason
            )
            for number, delivery_id, user, bot, condition, occasion, payload, attempts, reason in rows
        ]


OCCASIONS: dict[str, Occasion] = {occasion: occasion for occasion in get_args(Occasion)}


def _keep(
    transaction: sqlite3.Connection, delivery: Delivery, attempts: int, due_ms: int, reason: str, state: DeliveryState
) -> bool:
    """Store a delivery; returns whether it is new."""
    added = transaction.execute(
        """
        INSERT OR IGNORE INTO held
            (delivery_id, user_id, bot_id, condition_id, occasion, payload, attempts, due_ms, reason, state)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            delivery.delivery_id,
            *ordering_key(delivery.subscription),
            delivery.occasion,
            encode(delivery.event),
            attempts,
            due_ms,
            reason,
            state,
        ],
    )
    return added.rowcount > 0


def _drop(transaction: sqlite3.Connection, delivery_id: str) -> None:
    transaction.execute("DELETE FROM held WHERE delivery_id = ? AND state <> 'waiting'", [delivery_id])
