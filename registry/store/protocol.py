"""The seam to the hub's storage. Every operation is one transaction and safe to repeat."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, Self, runtime_checkable

from common.errors import StoreBroken
from registry.store.parts.accounts import AccountStore
from registry.store.parts.bots import BotStore
from registry.store.parts.cache import CacheStore
from registry.store.parts.candles import CandleStore
from registry.store.parts.delivery import DeliveryStore
from registry.store.parts.live import LiveStore
from registry.store.parts.registry import RegistryStore
from registry.store.parts.runs import RunStore
from registry.store.parts.shards import ShardStore
from registry.store.parts.ticks import Rebase, TickStore
from registry.store.parts.trials import TrialStore
from registry.store.parts.triggers import TriggerStore


@dataclass(frozen=True)
class Backup:
    """A copy of the store."""

    folder: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Finding:
    """The result of one check: what was examined, its problem if it has one, and how to solve that."""

    subject: str
    """What should be so."""
    problem: str | None
    """In what way it is not; ``None`` if it is."""
    mend: str | None
    """What to do about the problem."""


class Store(Protocol):
    """Everything that the hub stores."""

    @property
    def accounts(self) -> AccountStore: ...

    @property
    def delivery(self) -> DeliveryStore: ...

    @property
    def bots(self) -> BotStore: ...

    @property
    def cache(self) -> CacheStore: ...

    @property
    def candles(self) -> CandleStore: ...

    @property
    def live(self) -> LiveStore: ...

    @property
    def registry(self) -> RegistryStore: ...

    @property
    def runs(self) -> RunStore: ...

    @property
    def ticks(self) -> TickStore: ...

    @property
    def trials(self) -> TrialStore: ...

    @property
    def triggers(self) -> TriggerStore: ...

    def identity(self) -> str:
        """A name that only this store and its backups have."""
        ...

    def commit_problem(self) -> str | None:
        """Why nothing can be written at the moment; ``None`` if it can, or nobody has tried."""
        ...

    def rebase(self, rebase: Rebase) -> int:
        """Judge series from their corrected candles from now on. Returns how many candles changed. Triggers stay.

        The candles as they were (``candles.superseded``) and the previous anchors are kept.
        """
        ...

    def backup(self, folder: str) -> Backup:
        """Copy everything, as of one moment, into files in a new folder, where the process runs that has the store
        open.

        Writes continue meanwhile. Raises :class:`common.errors.StoreError` if the folder exists, and
        :class:`common.errors.StoreNotWritable` if it cannot be created.
        """
        ...

    def trim(self, before_ms: int) -> int:
        """Remove what nobody reads any more: rows that newer ones have replaced, readings of the event log that are
        older than a week, and failures and audits from before a time. Returns how many rows that were.

        Ticks wait for a moment at most; the files are not made smaller, their free places are used again.
        """
        ...

    def check(self) -> list[Finding]:
        """Check whether the stored data is consistent: every check, with its problem if it has one."""
        ...

    def close(self) -> None:
        """Close the files or connections."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


SoleWork = Literal["webhooks", "bots"]
"""What one service does for all that share a store: twice done, it would be posted or ordered twice."""


@runtime_checkable
class SharedStore(Protocol):
    """A store that several processes have open at once, each for itself."""

    @property
    def shards(self) -> ShardStore: ...

    def take_up(self) -> None:
        """Take up what other processes have committed by now, as every operation does by itself.

        Raises :class:`common.errors.StoreUnreachable` if the store does not answer.
        """
        ...

    def taken_up(self) -> AbstractContextManager[None]:
        """Within the block, reads of the same task or thread do not look for what other processes have committed."""
        ...

    def publishing(self) -> AbstractContextManager[None]:
        """Be the only process that publishes triggers while the block runs; waits for another one, and takes over from
        one that has died. Raises :class:`common.errors.StoreUnreachable` if that takes too long."""
        ...

    def sole(self, work: SoleWork) -> AbstractContextManager[Callable[[], None]]:
        """Be the only process that does some work while the block runs. Raises :class:`common.errors.StoreLocked` at
        once if another one does it.

        Yields what is to be called every few seconds, from one thread: it asks for the work again if the server has
        forgotten who does it, raises ``StoreLocked`` if it has been given to another process since, and
        :class:`common.errors.StoreUnreachable` while the server is away.
        """
        ...

    def generation(self) -> int:
        """How many copies have taken the place of the database and been brought together with the event log; the log
        takes nothing from whoever names an older one."""
        ...

    def replaced(self) -> int | None:
        """``None`` if the database is the copy that was brought together with the event log last. Otherwise it may lack
        triggers, and the answer is the highest ``seq`` that somebody has seen in use, 0 if nobody has.

        No tick is recorded until :meth:`note_reconciled`; :func:`events.log.reconciliation.reconcile` gets there.
        """
        ...

    def note_reconciled(self, generation: int) -> None:
        """Note that this copy has every trigger that the event log has, and publishes as this generation."""
        ...


@runtime_checkable
class OwnStore(Protocol):
    """A store that this process has opened itself, in files or in a database, and keeps in memory."""

    def when_broken(self, tell: Callable[[StoreBroken], object]) -> None:
        """Have ``tell`` called, from any thread and perhaps more than once, when only a process that is started again
        can use the store: a write to its files failed half-way, or another copy has taken the database's place."""
        ...


WRITES = frozenset(
    {
        "backup",
        "rebase",
        "trim",
        "accounts.add_key",
        "accounts.forget_user",
        "accounts.revoke_key",
        "bots.create",
        "bots.end",
        "bots.forget_user",
        "bots.give_command",
        "bots.record",
        "cache.save",
        "candles.delete",
        "candles.list_instruments",
        "candles.quarantine",
        "candles.set_calendar",
        "candles.upsert",
        "delivery.add_webhook",
        "delivery.forget_user",
        "delivery.move_cursor",
        "delivery.record_log",
        "delivery.replace_webhook",
        "delivery.set_webhook_state",
        "live.demand",
        "live.report",
        "registry.forget_user",
        "registry.register",
        "registry.reinstate",
        "registry.report_errors",
        "registry.retire",
        "registry.set_paused",
        "registry.subscribe",
        "registry.unsubscribe",
        "runs.record_audit",
        "runs.record_failure",
        "runs.record_success",
        "ticks.record_run",
        "ticks.record_tick",
        "ticks.record_unit_costs",
        "trials.record",
        "triggers.adopt",
        "triggers.raise_floor",
    }
)
"""The operations that change something, each with the part of the store that it belongs to."""
