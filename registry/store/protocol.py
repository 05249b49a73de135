"""The seam to whatever keeps the hub's data. Every operation is one transaction and safe to repeat."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, Self

import polars as pl

from registry.conditions import Condition
from registry.store.account_records import ApiKey, Webhook, WebhookState
from registry.store.parts.candles import CandleStore
from registry.store.records import (
    GRACE_MS,
    ActiveSpan,
    Anchor,
    Backup,
    ConditionState,
    Finding,
    LogReading,
    Rebase,
    Registration,
    RunRecord,
    StoredCondition,
    Subscribed,
    Subscription,
    SubscriptionRequest,
    TickRecord,
    UnitCosts,
)


class RegistryStore(Protocol):
    """Conditions and subscriptions."""

    def register(
        self, conditions: Sequence[Condition], *, active_from_ms: int, grace_ms: int = GRACE_MS
    ) -> list[Registration]:
        """Add conditions whose instruments are known. Raises :class:`common.errors.InstrumentError`.

        New or known, each is judged for the grace time, and longer when somebody subscribes to it.
        """
        ...

    def subscribe(self, requests: Sequence[SubscriptionRequest], *, active_from_ms: int) -> list[Subscribed]:
        """Add or renew subscriptions; an answer to each request, in their order.

        Their conditions are judged on, or again. The same request again changes nothing; a paused subscription is
        resumed by it. Raises :class:`common.errors.SubscriptionError` for a configuration that is no JSON, and
        :class:`common.errors.StoreError` for a condition that is not registered; nothing is written then.
        """
        ...

    def unsubscribe(
        self, user_id: str, bot_id: str, condition_id: str, *, at_ms: int, grace_ms: int = GRACE_MS
    ) -> bool:
        """End a subscription; whether there was one. Without any other the condition is judged for the grace time."""
        ...

    def set_paused(
        self, user_id: str, bot_id: str, condition_id: str, paused: bool, *, at_ms: int
    ) -> Subscription | None:
        """Pause a subscription or resume it, ``None`` if there is none. Resumed, it is active from ``at_ms`` on."""
        ...

    def subscription(self, user_id: str, bot_id: str, condition_id: str) -> Subscription | None:
        """A subscription that has not ended."""
        ...

    def subscriptions_of(self, user_id: str) -> list[Subscription]:
        """Subscriptions of a user that have not ended, oldest first."""
        ...

    def bots_of(self, user_id: str) -> Mapping[str, int]:
        """The bots of a user -> their subscriptions that have not ended."""
        ...

    def subscribers_of(self, condition_id: str) -> list[Subscription]:
        """Subscriptions to a condition that have not ended, oldest first."""
        ...

    def subscription_changes(self, after: int, limit: int) -> list[Subscription]:
        """Subscriptions that changed after a change, ended ones too, each once, in the order of their newest change."""
        ...

    def last_change(self) -> int:
        """The number of the newest change, 0 before the first."""
        ...

    def bot_config(self, user_id: str, bot_id: str, condition_id: str) -> dict[str, object] | None:
        """The private configuration of a subscription that has not ended: for what acts for its user."""
        ...

    def condition(self, condition_id: str) -> StoredCondition | None:
        """A registered condition."""
        ...

    def conditions(self, timeframe: str | None = None) -> list[StoredCondition]:
        """Registered conditions, oldest first."""
        ...

    def activity(self) -> Mapping[str, tuple[ActiveSpan, ...]]:
        """Condition id -> when it is judged, oldest first; :mod:`registry.activity` reads it."""
        ...

    def activity_of(self, condition_id: str) -> tuple[ActiveSpan, ...]:
        """When a condition is judged, oldest first; nothing for one that is not registered."""
        ...

    def subscriber_count(self, condition_id: str) -> int:
        """Number of active subscriptions of a condition."""
        ...

    def subscribers(self) -> Mapping[str, int]:
        """Condition id -> number of active subscriptions; conditions without one are absent."""
        ...

    def totals(self) -> dict[str, int]:
        """``conditions subscriptions users bots``, active ones."""
        ...

    def version(self) -> int:
        """Grows with every change of conditions or subscriptions, over restarts too."""
        ...


class TickStore(Protocol):
    """Watermarks, triggers, and what ticks cost."""

    def watermarks(self, timeframe: str) -> dict[str, int]:
        """Group -> close time up to which it has been judged."""
        ...

    def anchors(self) -> dict[str, int]:
        """Series -> open time of the first candle it was judged from."""
        ...

    def built_from(self) -> dict[str, str]:
        """Those of them that have been judged as built -> the timeframe that they are built from."""
        ...

    def record_tick(self, record: TickRecord) -> range:
        """Record a tick; the ``seq`` of its triggers, without those that were adopted before.

        Raises :class:`common.errors.StaleTick` and writes nothing unless every stored watermark is where the tick
        started. The same record again (by its ``token``) gets the same answer.
        """
        ...

    def anchor_history(self) -> list[Anchor]:
        """All anchors that were ever set, oldest first."""
        ...

    def last_rebase(self) -> int:
        """The number of the last rebase, 0 before the first."""
        ...

    def rebase_watermarks(self) -> dict[int, dict[str, int]]:
        """Rebase -> group that read a rebased series -> close time up to which it had been judged before."""
        ...

    def record_run(self, record: RunRecord) -> None:
        """Record what a flow run cost beyond its ticks."""
        ...

    def record_unit_costs(self, costs: UnitCosts) -> None:
        """Record measured costs of isolated evaluations."""
        ...

    def identity(self) -> str:
        """A name that this store and its backups share, and no other store."""
        ...

    def last_seq(self) -> int:
        """The highest ``seq`` in use: of the newest trigger, or of a floor that was raised above it; 0 before."""
        ...

    def triggers_after(self, seq: int, limit: int, condition_ids: Collection[str] | None = None) -> pl.DataFrame:
        """The next triggers with a higher ``seq``, of some conditions or of all, in order, all columns."""
        ...

    def triggers_of(self, condition_id: str, limit: int, before_seq: int | None = None) -> pl.DataFrame:
        """The newest triggers of one condition (before a ``seq``), newest first."""
        ...

    def condition_state(self, condition_id: str) -> ConditionState:
        """How often a condition has fired, and when last."""
        ...

    def adopt_triggers(self, rows: pl.DataFrame) -> int:
        """Take triggers from an event log that is ahead of this store; how many ``seq`` that were.

        ``rows`` has all columns of table ``condition_triggers``, times zoned UTC. Those above :meth:`last_seq` are
        taken and must follow it without gaps. A trigger that is there already is not added again: its ``seq`` becomes a
        gap. Watermarks stay: a tick that brings an adopted trigger once more records it no second time.
        Raises :class:`common.errors.StoreError` for rows that do not follow.
        """
        ...

    def raise_floor(self, seq: int) -> None:
        """Let the next trigger have a ``seq`` above this one, for good."""
        ...

    def floor_gaps(self) -> list[tuple[int, int]]:
        """First and last ``seq`` of ranges that no trigger of this store has or will have, oldest first."""
        ...

    def trigger_counts(self) -> pl.DataFrame:
        """``condition_id triggers last_close_time`` of every condition that ever fired."""
        ...

    def ticks(self, after_id: int = 0, limit: int | None = None) -> pl.DataFrame:
        """Tick rows with a higher ``tick_id``, oldest first."""
        ...

    def runs(self) -> pl.DataFrame:
        """All run rows, oldest first."""
        ...

    def unit_costs(self) -> UnitCosts | None:
        """The newest measured costs, ``None`` before the first calibration."""
        ...


class CacheStore(Protocol):
    """Checkpoints of indicators; losing them costs a cold process time, and nothing else."""

    def save(self, owner: str, rows: pl.DataFrame) -> None:
        """Keep ``series indicator anchor_ms rebase open_ms candles state`` as one checkpoint of an owner.

        An owner's last two of a series stay.

        Rows of one series have the same ``open_ms``; the series' own row has an empty ``indicator``.
        """
        ...

    def of(self, series: Sequence[str]) -> pl.DataFrame:
        """All rows of these series, whoever saved them, with the columns of :meth:`save`."""
        ...


class AccountStore(Protocol):
    """Keys of the API; :mod:`registry.keys` makes and checks them."""

    def add_key(self, key: ApiKey) -> None:
        """Keep a key."""
        ...

    def key(self, key_id: str) -> ApiKey | None:
        """A key, revoked ones too."""
        ...

    def keys(self, user_id: str | None = None) -> list[ApiKey]:
        """All keys, or those of a user, oldest first, revoked ones too."""
        ...

    def revoke_key(self, key_id: str, *, at_ms: int) -> bool:
        """Make a key useless for good; whether it was of use before."""
        ...


class DeliveryStore(Protocol):
    """Where triggers are sent to, and how far readers of triggers have come."""

    def add_webhook(self, webhook: Webhook) -> None:
        """Keep a user's webhook."""
        ...

    def webhooks(self, user_id: str | None = None) -> list[Webhook]:
        """All webhooks, or those of a user, oldest first, ended ones too."""
        ...

    def webhook(self, webhook_id: str) -> Webhook | None:
        """A webhook, ended ones too."""
        ...

    def set_webhook_state(self, webhook_id: str, state: WebhookState, *, at_ms: int) -> Webhook | None:
        """Pause, resume or end a webhook, ``None`` if there is none; an ended one stays so."""
        ...

    def cursors(self) -> dict[str, int]:
        """Reader's name -> the last ``seq`` or change that it has applied."""
        ...

    def move_cursor(self, name: str, seq: int) -> None:
        """Note how far a reader has come."""
        ...

    def record_log(self, reading: LogReading) -> None:
        """Note how far the event log is; one reading a moment."""
        ...

    def log_readings(self, limit: int) -> list[LogReading]:
        """The newest readings of the event log, newest first; those of the last week are kept."""
        ...


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
        "ticks.adopt_triggers",
        "ticks.raise_floor",
        "ticks.record_run",
        "ticks.record_tick",
        "ticks.record_unit_costs",
    }
)
"""The operations that change something, by the part of the store that they belong to."""
