"""The store in Postgres, open in this process and perhaps in others."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Self, cast

from common.clock import Clock, SystemClock
from common.errors import SchemaMismatch, StoreError, StoreLocked
from registry.rereading import Rereader, definitions
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
from registry.store.parts.ticks import Rebase, TickStore
from registry.store.parts.trials import TrialStore
from registry.store.parts.triggers import TriggerStore
from registry.store.postgres.database import PgDatabase
from registry.store.postgres.following import follow
from registry.store.postgres.locks import PUBLISH_LOCK, SOLE_LOCKS
from registry.store.protocol import Backup, Finding, SoleWork
from registry.store.sql import naive_time

_CHANGES = "candles.candle_changes"
_CHANGES_KEPT = 1_000_000
_AT_ONCE = 20_000
_TAKEN_UP: ContextVar["PgStore | None"] = ContextVar("taken up", default=None)
"""The store whose memory is current enough for what is being done."""


class PgStore:
    """Implements :class:`registry.store.protocol.Store` over a database of its own in Postgres 15 or later.

    Each operation has taken up what other processes had committed when it was called.
    """

    def __init__(self, url: str, *, read_only: bool = False, clock: Clock | None = None) -> None:
        self._url, self._read_only, self._clock = url, read_only, clock or SystemClock()
        self._opening = threading.Lock()
        self._database, self._tables = self._opened()
        self.accounts = cast(AccountStore, _Part(self._current, "accounts"))
        self.bots = cast(BotStore, _Part(self._current, "bots"))
        self.cache = cast(CacheStore, _Part(self._current, "cache"))
        self.candles = cast(CandleStore, _Part(self._current, "candles"))
        self.delivery = cast(DeliveryStore, _Part(self._current, "delivery"))
        self.live = cast(LiveStore, _Part(self._current, "live"))
        self.registry = cast(RegistryStore, _Part(self._current, "registry"))
        self.runs = cast(RunStore, _Part(self._current, "runs"))
        self.ticks = cast(TickStore, _Part(self._current, "ticks"))
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

    def sole(self, work: SoleWork) -> AbstractContextManager[None]:
        """See :meth:`registry.store.protocol.SharedStore.sole`."""
        done = {"webhooks": "posts to webhooks", "bots": "runs the bots"}[work]
        refusal = StoreLocked(
            f"another service {done} of this store; start this one with hub up --without {work}, or HUB_WITHOUT={work}"
        )
        return self._database.holding_at_once(SOLE_LOCKS[work], refusal)

    def backup(self, folder: str) -> Backup:
        raise StoreError(
            f"{folder} was not made: a store in Postgres is backed up by Postgres (pg_dump, or a base backup with its "
            f"log), or copied into files: hub store copy postgresql://… duckdb:{folder}"
        )

    def trim(self, before_ms: int) -> int:
        removed = self._current().trim(before_ms)
        with self._database.transaction() as transaction:
            return removed + transaction.delete(
                f"DELETE FROM {_CHANGES} WHERE rowid <= (SELECT max(rowid) FROM {_CHANGES}) - ?", [_CHANGES_KEPT]
            )

    def check(self) -> list[Finding]:
        from registry.store.files.integrity import check

        return check(self._database)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _current(self) -> Tables:
        if self._database.is_lost:
            with self._opening:
                if self._database.is_lost:
                    # Whoever still works with the old one gets errors from it.
                    lost = self._database
                    self._database, self._tables = self._opened()
                    lost.close()
        if _TAKEN_UP.get() is not self:
            self._database.catch_up()
        return self._tables

    def _opened(self) -> tuple[PgDatabase, Tables]:
        database = PgDatabase(self._url, read_only=self._read_only)
        try:
            # Nobody writes while the memory is filled.
            with database.alone():
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
