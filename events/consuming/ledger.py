"""What a reader of triggers remembers in a file of its own, and effects that happen once.

This module needs nothing else of the hub, only Python's standard library, so a bot may use it alone.
"""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, Self, TypeVar

_Result = TypeVar("_Result")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS effects (
    effect_id TEXT PRIMARY KEY,
    state     TEXT NOT NULL,    -- pending: attempted, unknown whether it happened; or done
    since_ms  INTEGER NOT NULL
) WITHOUT ROWID;
"""


class LedgerInUse(RuntimeError):
    """Another process has the ledger open."""


class Ledger:
    """A SQLite file of one process. Raises :class:`LedgerInUse` if another process has it open.

    Triggers are delivered at least once: a consumer that is killed between an effect and its acknowledgement gets the
    delivery again. The ledger still makes the effect happen only once, in one of two ways.

    **Effects in this file** (a position, an order that a bot keeps here): :meth:`once`. Effect and mark are one
    transaction of the file, so after a crash both are there or neither. This is exact.

    **Effects elsewhere** (an order at an exchange): :meth:`perform`. A file and an exchange share no transaction, so
    the effect carries a *client order id* that is the same on every attempt (:func:`client_order_id`), and the ledger
    records ``pending`` before the attempt and ``done`` after it. A ``pending`` left over by a crash means that nobody
    knows whether the effect happened; ``confirm`` asks the other side for the client order id, and the effect is
    repeated only if the answer is no. Nothing is ever marked as done before it is: a mark that comes first loses the
    effect if the process dies in between. This is exact if the other side can look up an order by its client order id,
    or refuses a second one with the same id. If it can do neither, a crash in between can double the effect, and
    nothing on this side can prevent it.

    Both may be called from several threads. Commits are on disk when the call returns, and survive a power cut.
    """

    def __init__(self, path: Path | str, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        """``now_ms`` dates marks, in milliseconds since the epoch, for :meth:`forget_before`."""
        self.path = Path(path)
        self._now_ms = now_ms
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _keep_private(self.path)
        self._lock = threading.RLock()
        self._acting = threading.Condition()
        self._under_way: set[str] = set()
        self._connection = sqlite3.connect(self.path, timeout=0.5, isolation_level=None, check_same_thread=False)
        try:
            # Exclusive for as long as the file is open: two processes with one ledger would apply everything twice.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
            self._connection.execute("BEGIN EXCLUSIVE")
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._connection.close()
            if "locked" in str(error):
                raise LedgerInUse(
                    f"the ledger {self.path} is open in another process; stop that process, or give this consumer "
                    "another name: every consumer has a ledger of its own"
                ) from None
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction of the file: committed when the block ends, rolled back if it raises.

        A transaction inside another becomes part of it; if the inner block raises, only what it wrote is undone.
        """
        with self._lock:
            if self._connection.in_transaction:
                begin, undo, end = "SAVEPOINT part", "ROLLBACK TO part; RELEASE part", "RELEASE part"
            else:
                begin, undo, end = "BEGIN IMMEDIATE", "ROLLBACK", "COMMIT"
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute(end)
            except BaseException:
                # On a full disk SQLite may have rolled back by itself; and if the commit failed, the transaction would
                # stay open, and everything that follows would become part of it.
                if self._connection.in_transaction:
                    for statement in undo.split("; "):
                        self._connection.execute(statement)
                raise

    @contextmanager
    def once(self, effect_id: str) -> Iterator[sqlite3.Connection | None]:
        """An effect in this file, exactly once: ``None`` if it already happened, else the transaction to write it with.

        .. code-block:: python

            with ledger.once(delivery.delivery_id) as effect:
                if effect is not None:
                    effect.execute("INSERT INTO positions VALUES (?, ?)", (delivery.bot_id, delivery.event.price))

        What is written through ``effect`` is committed together with the mark when the block ends; if the block raises,
        neither is. Do nothing in the block that has effects outside of the file.
        """
        with self.transaction() as transaction:
            if self._state(effect_id) == "done":
                yield None
                return
            yield transaction
            self._mark(effect_id, "done")

    def perform(
        self, effect_id: str, act: Callable[[str], _Result], *, confirm: Callable[[str], bool]
    ) -> _Result | None:
        """An effect outside of this file, once. Returns what ``act`` returned, ``None`` if it had already happened.

        ``act(effect_id)`` makes it happen, ``confirm(effect_id)`` asks the other side whether it did. ``effect_id`` is
        the id that both sides know: a client order id. If either raises, the effect stays pending and the exception is
        propagated; the next call with the same id asks ``confirm`` first. Must not be called inside
        :meth:`transaction`.
        """
        with self._alone_with(effect_id):
            with self._lock:
                if self._connection.in_transaction:
                    raise RuntimeError(
                        "perform() inside a transaction would be forgotten after a crash; call it outside of one"
                    )
                state = self._state(effect_id)
                if state is None:
                    self._commit_mark(effect_id, "pending")
            if state == "done":
                return None
            if state == "pending" and confirm(effect_id):
                self._commit_mark(effect_id, "done")
                return None
            result = act(effect_id)
            self._commit_mark(effect_id, "done")
            return result

    def pending(self) -> list[str]:
        """Effects that may or may not have happened because a crash or an error interrupted them, oldest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT effect_id FROM effects WHERE state = 'pending' ORDER BY since_ms, effect_id"
            ).fetchall()
        return [effect_id for (effect_id,) in rows]

    def confirm_pending(self, confirm: Callable[[str], bool]) -> list[str]:
        """Ask the other side about all pending effects, after a restart. Returns those that did not happen.

        They stay pending until :meth:`perform` is called for them again, as happens when their delivery is repeated, or
        :meth:`give_up`.
        """
        undone = []
        for effect_id in self.pending():
            if confirm(effect_id):
                self._commit_mark(effect_id, "done")
            else:
                undone.append(effect_id)
        return undone

    def give_up(self, effect_id: str) -> None:
        """Mark an effect as done that should no longer happen, because the price is long gone for example."""
        self._commit_mark(effect_id, "done")

    def forget_before(self, time_ms: int) -> int:
        """Drop marks from before a time (milliseconds since the epoch), to keep the file small; returns how many.

        A delivery that is repeated after its mark was dropped has its effect again: keep marks for longer than the hub
        keeps events. Pending effects stay.
        """
        with self.transaction() as transaction:
            deleted = transaction.execute("DELETE FROM effects WHERE state = 'done' AND since_ms < ?", [time_ms])
            return deleted.rowcount

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def _alone_with(self, effect_id: str) -> Iterator[None]:
        """One thread at a time per effect: a second one would mistake the first one's attempt for a crashed one."""
        with self._acting:
            while effect_id in self._under_way:
                self._acting.wait()
            self._under_way.add(effect_id)
        try:
            yield
        finally:
            with self._acting:
                self._under_way.remove(effect_id)
                self._acting.notify_all()

    def _state(self, effect_id: str) -> str | None:
        row = self._connection.execute("SELECT state FROM effects WHERE effect_id = ?", [effect_id]).fetchone()
        return None if row is None else str(row[0])

    def _commit_mark(self, effect_id: str, state: Literal["pending", "done"]) -> None:
        with self.transaction():
            self._mark(effect_id, state)

    def _mark(self, effect_id: str, state: Literal["pending", "done"]) -> None:
        self._connection.execute("INSERT OR REPLACE INTO effects VALUES (?, ?, ?)", [effect_id, state, self._now_ms()])


def _keep_private(path: Path) -> None:
    """Positions and deliveries are nobody else's business. SQLite gives its other files the mode of this one."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    # By its name: closing a file that this process has already opened would release its locks.
    status = path.stat()
    if status.st_mode & 0o077 and status.st_uid == os.geteuid():
        path.chmod(0o600)


def client_order_id(bot_id: str, condition_id: str, close_ms: int, action: str) -> str:
    """The id of an action that a bot takes on a trigger: the same on every attempt, different for everything else.

    32 hex digits, which every exchange accepts. ``close_ms`` is the close time of the candle in milliseconds,
    ``action`` names the action, such as ``"buy"``, or ``"buy 2"`` for a second order on the same trigger.
    """
    parts = (bot_id, condition_id, str(close_ms), action)
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()[:32]
