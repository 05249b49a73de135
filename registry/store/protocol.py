"""The seam to whatever keeps the hub's data. Every operation is one transaction and safe to repeat."""

from dataclasses import dataclass
from typing import Protocol, Self

from registry.store.parts.accounts import AccountStore
from registry.store.parts.cache import CacheStore
from registry.store.parts.candles import CandleStore
from registry.store.parts.delivery import DeliveryStore
from registry.store.parts.registry import RegistryStore
from registry.store.parts.ticks import Rebase, TickStore
from registry.store.parts.triggers import TriggerStore


@dataclass(frozen=True)
class Backup:
    """A copy of the store that was made."""

    folder: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at in the store."""

    subject: str
    """What has to hold."""
    problem: str | None
    """How it does not; ``None``: it does."""
    mend: str | None
    """What to do about the problem."""


class Store(Protocol):
    """Everything that the hub keeps."""

    @property
    def accounts(self) -> AccountStore: ...

    @property
    def delivery(self) -> DeliveryStore: ...

    @property
    def cache(self) -> CacheStore: ...

    @property
    def candles(self) -> CandleStore: ...

    @property
    def registry(self) -> RegistryStore: ...

    @property
    def ticks(self) -> TickStore: ...

    @property
    def triggers(self) -> TriggerStore: ...

    def identity(self) -> str:
        """A name that this store and its backups share, and no other store."""
        ...

    def rebase(self, rebase: Rebase) -> int:
        """Judge series from their corrected candles from now on; how many candles changed. Triggers stay.

        What candles were is kept (``candles.superseded``), and so are the anchors until now.
        """
        ...

    def backup(self, folder: str) -> Backup:
        """Copy everything, as it is at one moment, into a new folder where the owner of the files is.

        Writes go on meanwhile. Raises :class:`common.errors.StoreError` if the folder exists, and
        :class:`common.errors.StoreNotWritable` if it cannot be made.
        """
        ...

    def check(self) -> list[Finding]:
        """Look whether what is kept agrees with itself: every subject, with its problem where it has one."""
        ...

    def close(self) -> None:
        """Give the files free."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


WRITES = frozenset(
    {
        "backup",
        "rebase",
        "accounts.add_key",
        "accounts.revoke_key",
        "cache.save",
        "candles.list_instruments",
        "candles.quarantine",
        "candles.set_calendar",
        "candles.upsert",
        "delivery.add_webhook",
        "delivery.move_cursor",
        "delivery.record_log",
        "delivery.set_webhook_state",
        "registry.register",
        "registry.set_paused",
        "registry.subscribe",
        "registry.unsubscribe",
        "ticks.record_run",
        "ticks.record_tick",
        "ticks.record_unit_costs",
        "triggers.adopt",
        "triggers.raise_floor",
    }
)
"""The operations that change something, by the part of the store that they belong to."""
