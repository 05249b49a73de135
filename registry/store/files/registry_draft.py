"""The changes of one commit to the registry: its operations see each other's, readers see them after the commit."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter

import polars as pl

from registry.activity import ActiveSpan
from registry.store.files.activity_tables import ActivityTables
from registry.store.files.subscription_columns import SubscriptionEntry
from registry.store.files.subscription_index import SubscriptionIndex, SubscriptionKey
from registry.store.files.unjudged_tables import UnjudgedTables
from registry.store.files.zone_tables import ZoneTables
from registry.store.parts.registry import StoredCondition, StoredSubscription, SubscriptionRequest, Unjudged
from registry.store.sql import Transaction, naive_time
from registry.subscriptions import POLICY_FIELDS, DeliveryPolicy, config_text

_MOST_TERMS = 1_024


@dataclass(frozen=True)
class PreparedRequest:
    """A request in the form in which it is stored."""

    request: SubscriptionRequest
    config: str
    content: int

    @property
    def key(self) -> SubscriptionKey:
        return (self.request.user_id, self.request.bot_id, self.request.condition_id)


def prepare(request: SubscriptionRequest) -> PreparedRequest:
    """A request with its configuration as text, and the digest that recognises it when it is repeated.

    Raises :class:`SubscriptionError` for a configuration that cannot be JSON.
    """
    config = config_text(request.bot_config)
    text = _terms(request.bot_type, request.policy) + config
    return PreparedRequest(request, config, int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


@lru_cache(_MOST_TERMS)
def _terms(bot_type: str, policy: DeliveryPolicy) -> str:
    return json.dumps([bot_type, [getattr(policy, name) for name in POLICY_FIELDS]])


class RegistryDraft:
    """Conditions, spans and subscriptions as they will be after the commit."""

    def __init__(
        self,
        conditions: dict[str, StoredCondition],
        activity: ActivityTables,
        subscriptions: SubscriptionIndex,
        unjudged: UnjudgedTables,
        zones: ZoneTables,
        now_ms: int,
    ) -> None:
        self.now_ms = now_ms
        self._zones_before = zones
        self._zones: set[str] = set()
        self._unjudged_before = unjudged
        self._unjudged: dict[str, Unjudged | None] = {}
        self._conditions = conditions
        self._activity = activity
        self._subscriptions = subscriptions
        self._new_conditions: dict[str, StoredCondition] = {}
        self._registered_by: dict[str, str | None] = {}
        self._spans: dict[str, list[ActiveSpan]] = {}
        self._changed: dict[SubscriptionKey, tuple[SubscriptionEntry, str | None]] = {}
        self._last_change = subscriptions.last_change
        self._more_kept: Counter[str] = Counter()
        """Condition -> how many more of its subscriptions will not have ended."""
        self._more_of_bots: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """User -> bot -> how many more of its subscriptions will not have ended."""
        self._more_config_bytes: Counter[str] = Counter()
        """User -> how many more bytes of configurations there will be."""
        self.registered: dict[str, tuple[int, int]] = {}
        """User -> the conditions that are new and counted to them, and the bytes of their canonical texts."""
        self._without_configurations: set[str] = set()
        self.superseded: dict[int, int] = {}
        """Changes whose configurations nobody needs after this commit -> the bytes of these."""

    @property
    def is_empty(self) -> bool:
        return not (
            self._new_conditions or self._spans or self._changed or self._unjudged or self._without_configurations
        )

    @property
    def size(self) -> int:
        """By how much the commit raises the registry's version: its spans and its changes of subscriptions."""
        return sum(map(len, self._spans.values())) + self._last_change - self._subscriptions.last_change

    @property
    def next_change(self) -> int:
        """The number of the next change of a subscription."""
        return self._last_change + 1

    @property
    def judged(self) -> list[str]:
        """The conditions that are new, or will be judged at other times."""
        return list(self._spans)

    @property
    def subscribed(self) -> list[str]:
        """The conditions whose subscriptions change."""
        return list(dict.fromkeys(condition_id for _, _, condition_id in self._changed))

    def condition(self, condition_id: str) -> StoredCondition | None:
        """A condition that is registered, or will be."""
        return self._conditions.get(condition_id) or self._new_conditions.get(condition_id)

    def add_condition(self, condition: StoredCondition, span: ActiveSpan, registered_by: str | None) -> None:
        """Register a condition that is not known yet."""
        self._registered_by[condition.condition_id] = registered_by
        self._new_conditions[condition.condition_id] = condition
        if registered_by is not None:
            count, size = self.registered.get(registered_by, (0, 0))
            self.registered[registered_by] = count + 1, size + len(condition.canonical)
        self._spans[condition.condition_id] = [span]

    def use_zones(self, zones: set[str]) -> None:
        """Note zones that new conditions use."""
        self._zones |= zones

    def want(self, condition: StoredCondition, from_ms_: int, until_ms: int | None) -> None:
        """Have a known condition judged from one time until another, if that changes anything.

        One that has been stopped stays so.
        """
        if self.unjudged(condition.condition_id) is not None:
            return
        last = self._last_span(condition.condition_id)
        if last.until_ms is None or (until_ms is not None and until_ms <= last.until_ms):
            return
        # A group judged beyond the end of the span has been judged without the condition since then.
        begun = self._activity.begin(condition.group, from_ms_, until_ms)
        goes_on = begun.from_ms <= last.until_ms
        self._put_span(condition.condition_id, ActiveSpan(last.from_ms, until_ms) if goes_on else begun)

    def unjudged(self, condition_id: str) -> Unjudged | None:
        """Why a condition will not be judged; ``None`` if it will be."""
        if condition_id in self._unjudged:
            return self._unjudged[condition_id]
        return self._unjudged_before.of(condition_id)

    def stop(self, condition: StoredCondition, why: Unjudged, at_ms: int) -> None:
        """Have a condition judged no longer than it has been, and at most until a time."""
        self._unjudged[condition.condition_id] = why
        last = self._last_span(condition.condition_id)
        until_ms = max(last.from_ms, min(at_ms, self._activity.judged_until(condition.group) or last.from_ms))
        if last.until_ms is None or until_ms < last.until_ms:
            self._put_span(condition.condition_id, ActiveSpan(last.from_ms, until_ms))

    def resume(self, condition: StoredCondition, from_ms_: int | None, grace_ms: int) -> None:
        """Have a stopped condition judged again: from a time, or from where it stopped."""
        self._unjudged[condition.condition_id] = None
        last = self._last_span(condition.condition_id)
        if from_ms_ is None:
            from_ms_ = last.from_ms if last.until_ms is None else last.until_ms
        is_wanted = self.kept(condition.condition_id) > 0
        self.want(condition, from_ms_, None if is_wanted else max(from_ms_, self.now_ms) + grace_ms)

    def end(self, condition_id: str, until_ms: int) -> None:
        """Have a condition judged only until a time."""
        if self.unjudged(condition_id) is not None:
            return
        last = self._last_span(condition_id)
        self._put_span(condition_id, ActiveSpan(last.from_ms, max(last.from_ms, until_ms)))

    def entry(self, key: SubscriptionKey) -> SubscriptionEntry | None:
        """A subscription as it will be, even if it has ended."""
        changed = self._changed.get(key)
        return self._subscriptions.get(key) if changed is None else changed[0]

    def kept(self, condition_id: str) -> int:
        """Number of subscriptions of a condition that will not have ended."""
        return self._subscriptions.kept(condition_id) + self._more_kept[condition_id]

    def has_room(self, user_id: str, most: int) -> bool:
        """Whether a user will have fewer than so many subscriptions, even with those that ended."""
        return self._subscriptions.size_of_user(user_id) + self._more_of_bots[user_id].total() < most

    def bots_of(self, user_id: str) -> Counter[str]:
        """The bots of a user -> how many of their subscriptions will not have ended."""
        bots = Counter(self._subscriptions.bots_of_user(user_id))
        bots.update(self._more_of_bots[user_id])
        return +bots

    def config_bytes(self, user_id: str) -> int:
        """The bytes of configurations that a user's subscriptions will have."""
        return self._subscriptions.config_bytes(user_id) + self._more_config_bytes[user_id]

    def keys_of(self, user_id: str) -> list[SubscriptionKey]:
        """The subscriptions of a user that there will be, even if they will have ended."""
        known = [entry.subscription for entry in self._subscriptions.all_of_user(user_id)]
        keys = [(user_id, subscription.bot_id, subscription.condition_id) for subscription in known]
        return list(dict.fromkeys([*keys, *(key for key in self._changed if key[0] == user_id)]))

    def drop_configurations(self, user_id: str) -> None:
        """Remove the configurations that a user's subscriptions have or had; all of them have to be ended as well."""
        self._without_configurations.add(user_id)
        for key, (entry, _) in self._changed.items():
            if key[0] == user_id:
                self._changed[key] = (entry, None)

    def put(
        self, subscription: StoredSubscription, content: int | None, config: str | None = None
    ) -> StoredSubscription:
        """Take over a new revision, the one with the ``next_change``; without a ``config`` it keeps its configuration.

        When it ends, it loses its configuration.
        """
        key = (subscription.user_id, subscription.bot_id, subscription.condition_id)
        stored = self._subscriptions.get(key)
        before, unwritten = self._changed.get(key, (stored, None))
        was_kept = before is not None and before.subscription.state != "ended"
        has_ended = subscription.state == "ended"
        self._more_kept[subscription.condition_id] += (not has_ended) - was_kept
        self._more_of_bots[subscription.user_id][subscription.bot_id] += (not has_ended) - was_kept
        had_bytes = 0 if before is None else before.subscription.config_bytes
        self._more_config_bytes[subscription.user_id] += subscription.config_bytes - had_bytes
        if stored is not None and stored.config_change and (config is not None or has_ended):
            self.superseded[stored.config_change] = stored.subscription.config_bytes
        config = None if has_ended else unwritten if config is None else config
        self._last_change = subscription.change
        if has_ended:
            config_change = 0
        else:
            config_change = self._last_change if config is not None or before is None else before.config_change
        self._changed[key] = (SubscriptionEntry(subscription, content, config_change), config)
        return subscription

    def write(self, transaction: Transaction) -> None:
        """Append everything to the tables."""
        if self._new_conditions:
            transaction.append("registry.condition_registry", self._condition_rows())
        if self._zones:
            self._zones_before.write(transaction, self._zones, self.now_ms)
        if self._spans:
            self._activity.write(transaction, self._spans, self.now_ms)
        if self._unjudged:
            self._unjudged_before.write(transaction, self._unjudged, self.now_ms)
        for user_id in self._without_configurations:
            # Before the rows of this commit: who subscribes again in it has a new configuration.
            transaction.execute(
                "UPDATE registry.user_condition_subscriptions SET bot_config = NULL "
                "WHERE user_id = ? AND bot_config IS NOT NULL",
                [user_id],
            )
        if self._changed:
            rows = _subscription_rows(self._changed.values(), self.now_ms)
            transaction.append("registry.user_condition_subscriptions", rows)

    def adopt(self, version: int) -> None:
        """Take over the draft into the owner's memory, once it has been committed with a version of the registry."""
        # First the spans: a reader that sees a condition finds when it is judged.
        for condition_id, spans in self._spans.items():
            condition = self.condition(condition_id)
            assert condition is not None
            for span in spans:
                self._activity.adopt(condition_id, condition.group, span, version)
        if self._unjudged:
            self._unjudged_before.adopt(self._unjudged)
        self._zones_before.adopt(self._zones)
        self._conditions.update(self._new_conditions)
        for entry, _ in sorted(self._changed.values(), key=lambda changed: changed[0].subscription.change):
            self._subscriptions.put(entry.subscription, entry.content, entry.config_change)

    def _condition_rows(self) -> pl.DataFrame:
        users = [self._registered_by[condition_id] for condition_id in self._new_conditions]
        return _condition_rows(list(self._new_conditions.values()), users, self.now_ms)

    def _last_span(self, condition_id: str) -> ActiveSpan:
        spans = self._spans.get(condition_id)
        return spans[-1] if spans else self._activity.last(condition_id)

    def _put_span(self, condition_id: str, span: ActiveSpan) -> None:
        spans = self._spans.setdefault(condition_id, [])
        if spans and spans[-1].from_ms == span.from_ms:
            spans[-1] = span
        else:
            spans.append(span)


def _condition_rows(conditions: list[StoredCondition], users: list[str | None], now_ms: int) -> pl.DataFrame:
    texts = [pl.Series(name, [getattr(row, name) for row in conditions], pl.String) for name in _CONDITION_TEXTS]
    active_from = pl.Series("active_from", [row.active_from_ms for row in conditions], pl.Int64)
    return pl.DataFrame(
        [
            *texts,
            pl.Series("group_key", [row.group for row in conditions], pl.String),
            pl.Series("packed", [row.packed for row in conditions], pl.Binary),
            # Not repeated by polars: for a single row, its query takes as long as all the other columns.
            pl.Series("revision", [1] * len(conditions), pl.Int32),
            active_from.cast(pl.Datetime("ms")),
            pl.Series("created_at", [now_ms] * len(conditions), pl.Int64).cast(pl.Datetime("ms")),
            pl.Series("registered_by", users, pl.String),
        ]
    )


def _subscription_rows(changed: Iterable[tuple[SubscriptionEntry, str | None]], now_ms: int) -> pl.DataFrame:
    entries, configs = zip(*changed, strict=True)
    subscriptions = [entry.subscription for entry in entries]
    columns: dict[str, Iterable[object]] = {
        name: map(attrgetter(name), subscriptions)
        for name in ("user_id", "bot_id", "condition_id", "revision", "change", "state", "bot_type")
    }
    columns |= {
        "bot_config": configs,
        "content": (entry.content for entry in entries),
        "active_from": (subscription.active_from_ms for subscription in subscriptions),
        "subscribed_at": (subscription.created_ms for subscription in subscriptions),
    }
    columns |= {name: map(attrgetter(f"policy.{name}"), subscriptions) for name in POLICY_FIELDS}
    frame = pl.DataFrame([pl.Series(name, list(columns[name]), kind) for name, kind in _SUBSCRIPTION_SCHEMA.items()])
    return frame.with_columns(
        pl.from_epoch("active_from", time_unit="ms").cast(pl.Datetime("ms")),
        pl.from_epoch("subscribed_at", time_unit="ms").cast(pl.Datetime("ms")),
        pl.lit(naive_time(now_ms)).alias("created_at"),
    )


_CONDITION_TEXTS = [
    field.name for field in fields(StoredCondition) if field.name not in ("group", "active_from_ms", "packed")
]
_SUBSCRIPTION_SCHEMA = {
    "user_id": pl.String,
    "bot_id": pl.String,
    "condition_id": pl.String,
    "revision": pl.Int64,
    "change": pl.Int64,
    "state": pl.String,
    "bot_type": pl.String,
    "bot_config": pl.String,
    "content": pl.UInt64,
    "active_from": pl.Int64,
    "subscribed_at": pl.Int64,
    "cooldown_s": pl.Int64,
    "max_fires": pl.Int64,
    "expires_ms": pl.Int64,
    "max_lag_s": pl.Int64,
    "settled_only": pl.Boolean,
    "fire_if_true": pl.Boolean,
    "while_true": pl.Boolean,
}
