"""What one commit changes of subscriptions: its operations see each other's changes, readers see them afterwards."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter

import polars as pl

from registry.store.files.prepared_requests import PreparedRequest
from registry.store.files.subscription_columns import SubscriptionEntry
from registry.store.files.subscription_index import SubscriptionIndex, SubscriptionKey
from registry.store.parts.registry import StoredSubscription
from registry.store.sql import Transaction, naive_time
from registry.subscriptions import POLICY_FIELDS


class SubscriptionDraft:
    """Subscriptions as they will be after the commit."""

    def __init__(self, subscriptions: SubscriptionIndex, now_ms: int) -> None:
        self._now_ms = now_ms
        self._subscriptions = subscriptions
        self._changed: dict[SubscriptionKey, tuple[SubscriptionEntry, str | None]] = {}
        """In the order of the changes, with the configurations that are new."""
        self._last_change = subscriptions.last_change
        self._uncounted: list[StoredSubscription] = []
        """New subscriptions that the counts below lack: mostly, nobody asks for these."""
        self._more_kept: Counter[str] = Counter()
        """Condition -> how many more of its subscriptions will not have ended."""
        self._more_of_bots: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """User -> bot -> how many more of its subscriptions will not have ended."""
        self._more_config_bytes: Counter[str] = Counter()
        """User -> how many more bytes of configurations there will be."""
        self._without_configurations: set[str] = set()
        self.superseded: dict[int, int] = {}
        """Changes whose configurations nobody needs after this commit -> the bytes of these."""

    @property
    def is_empty(self) -> bool:
        return not (self._changed or self._without_configurations)

    @property
    def size(self) -> int:
        """The number of changes."""
        return self._last_change - self._subscriptions.last_change

    @property
    def next_change(self) -> int:
        """The number of the next change of a subscription."""
        return self._last_change + 1

    @property
    def conditions(self) -> list[str]:
        """The conditions whose subscriptions change."""
        return list(dict.fromkeys([condition_id for _, _, condition_id in self._changed]))

    def entry(self, key: SubscriptionKey) -> SubscriptionEntry | None:
        """A subscription as it will be, even if it has ended."""
        changed = self._changed.get(key)
        return self._subscriptions.get(key) if changed is None else changed[0]

    def are_new(self, keys: Sequence[SubscriptionKey]) -> list[bool]:
        """Of which keys there is no subscription, not even one that has ended."""
        rows = self._subscriptions.rows_of(keys)
        return [row is None and key not in self._changed for key, row in zip(keys, rows, strict=True)]

    def kept(self, condition_id: str) -> int:
        """Number of subscriptions of a condition that will not have ended."""
        self._count()
        return self._subscriptions.kept(condition_id) + self._more_kept[condition_id]

    def has_room(self, user_id: str, most: int) -> bool:
        """Whether a user will have fewer than so many subscriptions, even with those that ended."""
        self._count()
        return self._subscriptions.size_of_user(user_id) + self._more_of_bots[user_id].total() < most

    def bots_of(self, user_id: str) -> Counter[str]:
        """The bots of a user -> how many of their subscriptions will not have ended."""
        self._count()
        bots = Counter(self._subscriptions.bots_of_user(user_id))
        bots.update(self._more_of_bots[user_id])
        return +bots

    def config_bytes(self, user_id: str) -> int:
        """The bytes of configurations that a user's subscriptions will have."""
        self._count()
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

    def add(self, subscriptions: Sequence[StoredSubscription], prepared: Sequence[PreparedRequest]) -> None:
        """Take up subscriptions that there were not, with the next changes, and the requests that they come from."""
        self._last_change += len(subscriptions)
        self._uncounted += subscriptions
        entries = map(
            SubscriptionEntry,
            subscriptions,
            [each.content for each in prepared],
            [each.change for each in subscriptions],
        )
        changes = zip(entries, [each.config for each in prepared], strict=True)
        self._changed.update(zip([each.key for each in prepared], changes, strict=True))

    def put(
        self, subscription: StoredSubscription, content: int | None, config: str | None = None
    ) -> StoredSubscription:
        """Take over a new revision, the one with the ``next_change``; without a ``config`` it keeps its configuration.

        When it ends, it loses its configuration.
        """
        self._count()
        key = (subscription.user_id, subscription.bot_id, subscription.condition_id)
        stored = self._subscriptions.get(key)
        before, unwritten = self._changed.pop(key, (stored, None))
        was_kept = before is not None and before.subscription.state != "ended"
        has_ended = subscription.state == "ended"
        had_bytes = 0 if before is None else before.subscription.config_bytes
        self._count_one(subscription, (not has_ended) - was_kept, had_bytes)
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
        """Append everything to the table."""
        for user_id in self._without_configurations:
            # Before the rows of this commit: who subscribes again in it has a new configuration.
            transaction.execute(
                "UPDATE registry.user_condition_subscriptions SET bot_config = NULL "
                "WHERE user_id = ? AND bot_config IS NOT NULL",
                [user_id],
            )
        if self._changed:
            rows = _rows(self._changed.values(), self._now_ms)
            transaction.append("registry.user_condition_subscriptions", rows)

    def adopt(self) -> None:
        """Take over the draft into the owner's memory, once it has been committed."""
        self._subscriptions.put([entry for entry, _ in self._changed.values()])

    def _count(self) -> None:
        fresh, self._uncounted = self._uncounted, []
        for subscription in fresh:
            self._count_one(subscription, 1, 0)

    def _count_one(self, subscription: StoredSubscription, by: int, had_bytes: int) -> None:
        self._more_kept[subscription.condition_id] += by
        self._more_of_bots[subscription.user_id][subscription.bot_id] += by
        self._more_config_bytes[subscription.user_id] += subscription.config_bytes - had_bytes


def _rows(changed: Iterable[tuple[SubscriptionEntry, str | None]], now_ms: int) -> pl.DataFrame:
    entries, configs = zip(*changed, strict=True)
    subscriptions, contents, _ = zip(*entries, strict=True)

    def column(name: str, field: str | None = None) -> pl.Series:
        return pl.Series(name, list(map(attrgetter(field or name), subscriptions)), _SCHEMA[name])

    # Equal policies are mostly one object, and there are few of them.
    policies = {id(each.policy): each.policy for each in subscriptions}
    places = {number: place for place, number in enumerate(policies)}
    terms = pl.DataFrame(
        [
            pl.Series(name, [getattr(policy, name) for policy in policies.values()], _SCHEMA[name])
            for name in POLICY_FIELDS
        ]
    )
    created_at = pl.Series("created_at", [naive_time(now_ms)], pl.Datetime("ms"))
    return pl.DataFrame(
        [
            *map(column, ("user_id", "bot_id", "condition_id", "revision", "change", "state", "bot_type")),
            pl.Series("bot_config", configs, pl.String),
            pl.Series("content", contents, pl.UInt64),
            column("active_from", "active_from_ms").cast(pl.Datetime("ms")),
            column("subscribed_at", "created_ms").cast(pl.Datetime("ms")),
            *terms[[places[id(each.policy)] for each in subscriptions]],
            created_at.new_from_index(0, len(subscriptions)),
        ]
    )


_SCHEMA = {
    "user_id": pl.String,
    "bot_id": pl.String,
    "condition_id": pl.String,
    "revision": pl.Int64,
    "change": pl.Int64,
    "state": pl.String,
    "bot_type": pl.String,
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
