"""What a consumer keeps in its ledger: how far it is, what subscriptions have had, and deliveries that wait or died."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from common.errors import LedgerError
from events.consuming.delivery import Delivery, Occasion
from events.consuming.ledger import Ledger
from events.consuming.policies import PastDeliveries, fired_again
from events.consuming.subscribers import Lane, lane_of
from events.log.payload import Event, decode, encode
from registry.store.parts.registry import StoredSubscription

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fired (          -- only for policies that need it
    condition_id TEXT NOT NULL, user_id TEXT NOT NULL, bot_id TEXT NOT NULL,
    since_ms INTEGER NOT NULL,              -- when the subscription was asked for: a later one starts anew
    deliveries INTEGER NOT NULL, last_close_ms INTEGER NOT NULL,
    PRIMARY KEY (condition_id, user_id, bot_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS greeted (        -- subscriptions that were asked about when they began
    condition_id TEXT NOT NULL, user_id TEXT NOT NULL, bot_id TEXT NOT NULL, since_ms INTEGER NOT NULL,
    PRIMARY KEY (condition_id, user_id, bot_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (           -- deliveries that a handler refused, and those behind them
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL, bot_id TEXT NOT NULL, condition_id TEXT NOT NULL,
    occasion TEXT NOT NULL, payload BLOB NOT NULL,
    attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    state TEXT NOT NULL                     -- waiting, dead, or told: dead, and the log knows
);
CREATE INDEX IF NOT EXISTS held_lanes ON held (user_id, bot_id, condition_id, number) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS rearmed (        -- bots that are ready again and have no answer yet
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL, bot_id TEXT NOT NULL, condition_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tried (delivery_id TEXT PRIMARY KEY, attempts INTEGER NOT NULL) WITHOUT ROWID;
"""

State = Literal["waiting", "dead", "told"]


@dataclass(frozen=True)
class Held:
    """A delivery that waits for another attempt, or that was given up."""

    number: int
    delivery_id: str
    lane: Lane
    occasion: Occasion
    event: Event
    attempts: int
    reason: str


@dataclass
class Changes:
    """What a stretch of events changes; committed with the place that it reaches."""

    fired: dict[Lane, tuple[int, PastDeliveries]] = field(default_factory=dict)
    held: list[tuple[Delivery, int, int, str, State]] = field(default_factory=list)
    """Delivery, attempts, when the next one is due, why, state."""
    greeted: list[StoredSubscription] = field(default_factory=list)
    rearmed: list[int] = field(default_factory=list)
    """Numbers of the wishes of bots that were answered."""


class Book:
    """The consumer's tables in a ledger, with what is asked often in memory.

    Raises :class:`common.errors.LedgerError` for a ledger of another consumer or of another hub.
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
                        f"the ledger {ledger.path} is that of {name} {about[name]!r}, not of {value!r}; "
                        "each consumer of each hub has a ledger of its own"
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
        """``seq`` up to which everything is applied; ``None`` before the first start."""
        self.change = int(about["change"]) if "change" in about else None
        """Change of subscriptions up to which they were greeted."""

    def fired(self, subscription: StoredSubscription, changes: Changes) -> PastDeliveries | None:
        """What a subscription has had, with what is not committed yet."""
        lane = lane_of(subscription)
        found = changes.fired.get(lane) or self._fired.get(lane)
        return found[1] if found is not None and found[0] == subscription.created_ms else None

    def note_fired(self, subscription: StoredSubscription, close_ms: int, changes: Changes) -> None:
        """Count a delivery."""
        before = self.fired(subscription, changes)
        changes.fired[lane_of(subscription)] = subscription.created_ms, fired_again(before, close_ms)

    def is_greeted(self, subscription: StoredSubscription) -> bool:
        """Whether a subscription was asked about when it began."""
        return self._greeted.get(lane_of(subscription)) == subscription.created_ms

    def rearm(self, lane: Lane) -> int:
        """Note on disk that a bot is ready again; the number of its wish. From any thread."""
        with self._ledger.transaction() as transaction:
            added = transaction.execute("INSERT INTO rearmed (user_id, bot_id, condition_id) VALUES (?, ?, ?)", lane)
            number = added.lastrowid
        assert number is not None
        return number

    def rearmed(self) -> list[tuple[int, Lane]]:
        """Number and lane of the wishes that were not answered before the process ended, oldest first."""
        with self._ledger.transaction() as transaction:
            rows = transaction.execute("SELECT number, user_id, bot_id, condition_id FROM rearmed ORDER BY number")
            return [(number, (user, bot, condition)) for number, user, bot, condition in rows.fetchall()]

    def holds(self, delivery_id: str) -> bool:
        """Whether a delivery waits or was given up."""
        with self._ledger.transaction() as transaction:
            return bool(transaction.execute("SELECT 1 FROM held WHERE delivery_id = ?", [delivery_id]).fetchall())

    @property
    def has_waiting(self) -> bool:
        """Whether any delivery waits."""
        return bool(self._waiting)

    def is_waiting(self, lane: Lane) -> bool:
        """Whether something of a lane waits, so that what follows must wait too."""
        return lane in self._waiting

    def commit(self, seq: int, change: int, changes: Changes) -> None:
        """Reach a place, with everything that led there, in one transaction."""
        with self._ledger.transaction() as transaction:
            transaction.executemany(
                "INSERT OR REPLACE INTO about VALUES (?, ?)", [("seq", str(seq)), ("change", str(change))]
            )
            transaction.executemany(
                "INSERT OR REPLACE INTO fired VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (condition, user, bot, since, fired.count, fired.last_close_ms)
                    for (user, bot, condition), (since, fired) in changes.fired.items()
                ],
            )
            transaction.executemany(
                "INSERT OR REPLACE INTO greeted VALUES (?, ?, ?, ?)",
                [(held.condition_id, held.user_id, held.bot_id, held.created_ms) for held in changes.greeted],
            )
            waiting = [
                lane_of(delivery.subscription)
                for delivery, attempts, due_ms, reason, state in changes.held
                if _hold(transaction, delivery, attempts, due_ms, reason, state) and state == "waiting"
            ]
            transaction.executemany("DELETE FROM rearmed WHERE number = ?", [(number,) for number in changes.rearmed])
            transaction.execute("DELETE FROM tried")
        self.seq, self.change = seq, change
        self._fired.update(changes.fired)
        self._greeted.update({lane_of(held): held.created_ms for held in changes.greeted})
        self._waiting.update(waiting)
        self._untold |= any(state == "dead" for _, _, _, _, state in changes.held)

    def note_try(self, delivery_id: str) -> int:
        """Count an attempt on disk before it is made, as it may end the process; how many there were before."""
        with self._ledger.transaction() as transaction:
            row = transaction.execute("SELECT attempts FROM tried WHERE delivery_id = ?", [delivery_id]).fetchone()
            before = 0 if row is None else int(row[0])
            transaction.execute("INSERT OR REPLACE INTO tried VALUES (?, ?)", [delivery_id, before + 1])
        return before

    def due(self, now_ms: int, limit: int) -> list[Held]:
        """Deliveries whose next attempt is due: the first of each lane, as the others keep its order."""
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
        """When the next attempt is due at the earliest, ``None`` if nothing waits."""
        if not self._waiting:
            return None
        with self._ledger.transaction() as transaction:
            return int(transaction.execute("SELECT min(due_ms) FROM held WHERE state = 'waiting'").fetchone()[0])

    def settle(self, held: Held) -> None:
        """Let go of a waiting delivery: taken, or not wanted any more."""
        with self._ledger.transaction() as transaction:
            transaction.execute("DELETE FROM held WHERE number = ?", [held.number])
            transaction.execute("DELETE FROM tried WHERE delivery_id = ?", [held.delivery_id])
        self._leave(held.lane)

    def hold_on(self, held: Held, due_ms: int | None, reason: str) -> None:
        """Note a failed attempt; ``None`` for when the next one is due gives the delivery up."""
        state = "dead" if due_ms is None else "waiting"
        with self._ledger.transaction() as transaction:
            transaction.execute(
                "UPDATE held SET attempts = attempts + 1, due_ms = ?, reason = ?, state = ? WHERE number = ?",
                [due_ms or 0, reason, state, held.number],
            )
            transaction.execute("DELETE FROM tried WHERE delivery_id = ?", [held.delivery_id])
        if state == "dead":
            self._untold = True
            self._leave(held.lane)

    def dead(self, *, all_of_them: bool = False) -> list[Held]:
        """Given up and not told to the log yet, or all that were given up."""
        if not (self._untold or all_of_them):
            return []
        return self._read("WHERE state = 'dead' OR (? AND state = 'told') ORDER BY number", [all_of_them])

    def note_told(self, held: Iterable[Held]) -> None:
        """The log knows these dead ones."""
        with self._ledger.transaction() as transaction:
            transaction.executemany(
                "UPDATE held SET state = 'told' WHERE number = ?", [(each.number,) for each in held]
            )

    def revive(self, delivery: Delivery) -> None:
        """Let a dead delivery wait for attempts again, as somebody asked for."""
        with self._ledger.transaction() as transaction:
            _drop(transaction, delivery.delivery_id)
            is_fresh = _hold(transaction, delivery, 0, 0, "", "waiting")
        if is_fresh:
            self._waiting[lane_of(delivery.subscription)] += 1

    def drop(self, delivery_id: str) -> None:
        """Forget a dead delivery, as somebody asked for."""
        with self._ledger.transaction() as transaction:
            _drop(transaction, delivery_id)

    def _leave(self, lane: Lane) -> None:
        self._waiting[lane] -= 1
        if self._waiting[lane] <= 0:
            del self._waiting[lane]

    def _read(self, where: str, parameters: list[object]) -> list[Held]:
        with self._ledger.transaction() as transaction:
            rows = transaction.execute(
                "SELECT number, delivery_id, user_id, bot_id, condition_id, occasion, payload, attempts, reason "
                f"FROM held {where}",
                parameters,
            ).fetchall()
        return [
            Held(number, delivery_id, (user, bot, condition), OCCASIONS[occasion], decode(payload), attempts, reason)
            for number, delivery_id, user, bot, condition, occasion, payload, attempts, reason in rows
        ]


OCCASIONS: dict[str, Occasion] = {occasion: occasion for occasion in get_args(Occasion)}


def _hold(
    transaction: sqlite3.Connection, delivery: Delivery, attempts: int, due_ms: int, reason: str, state: State
) -> bool:
    """Keep a delivery; whether it was not there yet."""
    added = transaction.execute(
        """
        INSERT OR IGNORE INTO held
            (delivery_id, user_id, bot_id, condition_id, occasion, payload, attempts, due_ms, reason, state)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            delivery.delivery_id,
            *lane_of(delivery.subscription),
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
