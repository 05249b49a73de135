"""The store in Postgres, open in this process and perhaps in others."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Self, cast

import psycopg

from common.clock import Clock, SystemClock
from common.errors import SchemaMismatch, StoreBroken, StoreLocked, StoreUnreachable
from registry.rereading import Rereader, definitions
from registry.store.files.backup import write_backup
from registry.store.files.candle_changes import CandleChanges
from registry.store.files.tables import Tables
from registry.store.files.upgrade import is_current
from registry.store.files.upgrade_statements import CURRENT_CONDITIONS
from registry.store.parts.accounts import AccountStore
from registry.store.parts.bots import BotStore
from registry.store.parts.cache import CacheStore
from registry.store.parts.candles import CandleStore
from registry.store.parts.delivery import DeliveryStore
from registry.store.parts.live import LiveStore
from registry.store.parts.registry import RegistryStore
from registry.store.parts.runs import RunStore
from registry.store.parts.shards import ShardStore
from registry.store.parts.ticks import Rebase, TickRecord, TickStore
from registry.store.parts.trials import TrialStore
from registry.store.parts.triggers import TriggerStore
from registry.store.postgres.copying import copy_snapshot
from registry.store.postgres.database import PgDatabase
from registry.store.postgres.following import follow
from registry.store.postgres.locks import PUBLISH_LOCK, SOLE_LOCKS
from registry.store.postgres.lost_rows import STILL_LOST, named, note_lost_rows, registrations
from registry.store.postgres.shards import PgShards
from registry.store.protocol import Backup, Finding, SoleWork
from registry.store.sql import Transaction, naive_time

_log = logging.getLogger(__name__)

_CHANGES = "candles.candle_changes"
_CHANGES_KEPT = 1_000_000
_AT_ONCE = 20_000
_TAKEN_UP: ContextVar["PgStore | None"] = ContextVar("taken up", default=None)
"""The store whose memory is current enough for what is being done."""
_REPLACED = "what was registered is in the copy that has taken the place of the database"


class PgStore:
    """Implements :class:`registry.store.protocol.Store` over a database of its own in Postgres 15 or later.

    Each operation has taken up what other processes had committed when it was called.
    """

    def __init__(self, url: str, *, read_only: bool = False, clock: Clock | None = None) -> None:
        self._url, self._read_only, self._clock = url, read_only, clock or SystemClock()
        self._opening = threading.Lock()
        self._when_broken: list[Callable[[StoreBroken], object]] = []
        self._broken: StoreBroken | None = None
        self._is_reconciled = False
        self._incarnation: str | None = None
        self._database, self._tables = self._opened()
        self.accounts = cast(AccountStore, _Part(self._current, "accounts"))
        self.bots = cast(BotStore, _Part(self._current, "bots"))
        self.cache = cast(CacheStore, _Part(self._current, "cache"))
        self.candles = cast(CandleStore, _Part(self._current, "candles"))
        self.delivery = cast(DeliveryStore, _Part(self._current, "delivery"))
        self.live = cast(LiveStore, _Part(self._current, "live"))
        self.registry = cast(RegistryStore, _Part(self._current, "registry"))
        self.runs = cast(RunStore, _Part(self._current, "runs"))
        self.ticks = cast(TickStore, _Ticks(self._current, "ticks", self._refuse_unreconciled))
        self.trials = cast(TrialStore, _Part(self._current, "trials"))
        self.triggers = cast(TriggerStore, _Part(self._current, "triggers"))
        self._identity = str(self._database.rows("SELECT identity FROM registry.store_identity")[0][0])

    def identity(self) -> str:
        return self._identity

    def commit_problem(self) -> str | None:
        return self._database.commits.problem()

    def rebase(self, rebase: Rebase) -> int:
        return self._current().rebase(rebase)

    def announce_upgrades(self) -> int:
        """See :meth:`registry.store.files.tables.Tables.announce_upgrades`."""
        return self._current().announce_upgrades()

    @property
    def shards(self) -> ShardStore:
        """See :class:`registry.store.parts.shards.ShardStore`."""
        return PgShards(self._database)

    def take_up(self) -> None:
        """See :meth:`registry.store.protocol.SharedStore.take_up`."""
        self._current()

    @contextmanager
    def taken_up(self) -> Iterator[None]:
        """See :meth:`registry.store.protocol.SharedStore.taken_up`."""
        before = _TAKEN_UP.set(self)
        try:
            yield
        finally:
            _TAKEN_UP.reset(before)

    def publishing(self) -> AbstractContextManager[None]:
        """See :meth:`registry.store.protocol.SharedStore.publishing`."""
        return self._database.holding(PUBLISH_LOCK)

    def sole(self, work: SoleWork) -> AbstractContextManager[Callable[[], None]]:
        """See :meth:`registry.store.protocol.SharedStore.sole`."""
        done = {"webhooks": "posts to webhooks", "bots": "runs the bots"}[work]
        refusal = StoreLocked(
            f"another service {done} of this store; start this one with hub up --without {work}, or HUB_WITHOUT={work}"
        )
        return self._database.holding_for_good(SOLE_LOCKS[work], refusal)

    def generation(self) -> int:
        """See :meth:`registry.store.protocol.SharedStore.generation`."""
        return self._reconciliation()[0]

    def replaced(self) -> int | None:
        """See :meth:`registry.store.protocol.SharedStore.replaced`."""
        if self._is_reconciled or self._reconciliation()[1] == self._database.incarnation:
            self._is_reconciled = True
            return None
        return self._database.newest("last_seq", "registry.numbers_seen")

    def note_reconciled(self, generation: int) -> None:
        """See :meth:`registry.store.protocol.SharedStore.note_reconciled`."""
        with self._database.transaction() as transaction:
            if generation > self._reconciliation()[0]:
                _write_reconciliation(transaction, generation, self._database.incarnation, self._clock)

    def when_broken(self, tell: Callable[[StoreBroken], object]) -> None:
        """See :meth:`registry.store.protocol.OwnStore.when_broken`."""
        with self._opening:
            self._when_broken.append(tell)
            broken = self._broken
        if broken is not None:
            tell(broken)

    def backup(self, folder: str) -> Backup:
        return write_backup(partial(copy_snapshot, self._url), Path(folder))

    def trim(self, before_ms: int) -> int:
        removed = self._current().trim(before_ms)
        with self._database.transaction() as transaction:
            return removed + transaction.delete(
                f"DELETE FROM {_CHANGES} WHERE rowid <= (SELECT max(rowid) FROM {_CHANGES}) - ?", [_CHANGES_KEPT]
            )

    def check(self) -> list[Finding]:
        from registry.store.files.integrity import check

        lost = registrations(self._database.rows(STILL_LOST))
        problem = f"{len(lost)} registrations are not: {named(lost)}" if lost else None
        mend = "have their users make them again: bots do so when they start" if lost else None
        return [*check(self._database), Finding(_REPLACED, problem, mend)]

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _current(self) -> Tables:
        try:
            return self._caught_up()
        except StoreBroken as error:
            self._tell_broken(error)
            raise

    def _caught_up(self) -> Tables:
        if self._database.is_lost and not self._database.is_replaced:
            with self._opening:
                if self._database.is_lost:
                    # Whoever still works with the old one gets errors from it.
                    lost = self._database
                    self._database, self._tables = self._opened()
                    lost.close()
        if _TAKEN_UP.get() is not self:
            self._database.catch_up()
        return self._tables

    def _tell_broken(self, error: StoreBroken) -> None:
        with self._opening:
            if self._broken is not None:
                return
            self._broken = error
            listeners = list(self._when_broken)
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                note_lost_rows(self._tables, connection)
        except psycopg.Error as problem:
            _log.error("what the copy lacks could not be looked for: %s", str(problem).splitlines()[0])
        for tell in listeners:
            tell(error)

    def _reconciliation(self) -> tuple[int, str]:
        """Generation and incarnation of the copy that was brought together with the log last; -1 and '' if none was."""
        rows = self._database.rows(
            "SELECT generation, incarnation FROM registry.reconciliations ORDER BY generation DESC LIMIT 1"
        )
        return (int(str(rows[0][0])), str(rows[0][1])) if rows else (-1, "")

    def _refuse_unreconciled(self) -> None:
        if self.replaced() is not None:
            raise StoreUnreachable(
                f"{self._database.name} has taken the place of another copy, and may lack triggers that the event log "
                "has: nothing is judged until a service, or the next tick, has asked the event log's server for them"
            )

    def _opened(self) -> tuple[PgDatabase, Tables]:
        database = PgDatabase(self._url, read_only=self._read_only, incarnation=self._incarnation)
        self._incarnation = database.incarnation
        try:
            # Nobody writes while the memory is filled.
            with database.alone():
                if not self._read_only and not database.newest("number", "registry.changed_tables"):
                    # Nothing was ever written to it: no log can have more.
                    with database.transaction() as transaction:
                        _write_reconciliation(transaction, 0, database.incarnation, self._clock)
                _take_up_definitions(database, self._clock)
                tables = Tables(database, self._clock, CandleChanges(database.appended(_CHANGES), _CHANGES))
                database.follow = partial(follow, tables)
            if not self._read_only:
                database.catch_up()
                tables.bots.undo_unfinished()
        except BaseException:
            database.close()
            raise
        return database, tables


class _Part:
    """A part of the store. Whoever keeps it asks the newest memory with each call."""

    def __init__(self, current: Callable[[], Tables], name: str) -> None:
        self._current = current
        self._name = name

    def __getattr__(self, operation: str) -> object:
        return getattr(getattr(self._current(), self._name), operation)


class _Ticks(_Part):
    """Ticks, which number triggers, and so need to know which numbers are used up."""

    def __init__(self, current: Callable[[], Tables], name: str, refuse: Callable[[], object]) -> None:
        super().__init__(current, name)
        self._refuse = refuse

    def record_tick(self, record: TickRecord) -> range:
        self._refuse()
        return self._current().ticks.record_tick(record)


def _write_reconciliation(transaction: Transaction, generation: int, incarnation: str | None, clock: Clock) -> None:
    row = {"generation": generation, "incarnation": incarnation, "reconciled_at": naive_time(clock.now_ms())}
    transaction.insert("registry.reconciliations", row)


def _take_up_definitions(database: PgDatabase, clock: Clock) -> None:
    """Note that this version of the hub reads all conditions as they are stored; raises :class:`SchemaMismatch` if it
    does not."""
    if is_current(database):
        return
    rereader, count = Rereader(), 0
    for rows in database.frames(
        f"SELECT condition_id, canonical, text, definition_versions FROM {CURRENT_CONDITIONS} AS current",
        rows=_AT_ONCE,
    ):
        for condition_id, canonical, text, versions in rows.iter_rows():
            condition = rereader.reread(condition_id, canonical, text, versions).condition
            count += condition is None or condition.id != condition_id
    if count:
        raise SchemaMismatch(
            f"this version of the hub computes or reads {count} conditions of {database.name} in another way. Such an "
            "upgrade is done in files: hub store copy postgresql://… duckdb:FOLDER, hub store migrate there, and copy "
            "it back into an empty database; or go on with the version of the hub that wrote it"
        )
    if not database.read_only:
        number = 1 + database.newest("upgrade", "registry.upgrades")
        row = {"upgrade": number, "definitions": definitions(), "created_at": naive_time(clock.now_ms())}
        with database.transaction() as transaction:
            transaction.insert("registry.upgrades", row)
