"""Loading subscriptions from the file into the owner's memory."""

import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from sys import intern
from typing import get_args

import polars as pl

from registry.store.files.subscription_columns import SubscriptionEntry
from registry.store.files.subscription_index import SubscriptionIndex, SubscriptionKey
from registry.store.parts.registry import StoredSubscription, SubscriptionState
from registry.store.sql import Database, last_rows
from registry.subscriptions import POLICY_FIELDS, DeliveryPolicy

_STATES: dict[str, SubscriptionState] = {state: state for state in get_args(SubscriptionState)}

_SUBSCRIPTION = (
    "user_id, bot_id, condition_id, bot_type, state, epoch_ms(active_from) AS active_from_ms, "
    "epoch_ms(subscribed_at) AS created_ms, revision, change, content"
)
_ROWS_AT_ONCE = 50_000
_MANY = 100_000


def load_subscriptions(database: Database) -> tuple[SubscriptionIndex, list[int]]:
    """Every subscription of a database, and the changes that brought configurations which nobody needs any more."""
    index = SubscriptionIndex()
    # Not grouped by the database: it would hash a million keys of three texts.
    surplus = index.fill(
        database.frames(
            f"""
            SELECT {_SUBSCRIPTION}, strlen(bot_config) AS config_bytes, moved_to, {", ".join(POLICY_FIELDS)}
            FROM registry.user_condition_subscriptions
            """,
            rows=_ROWS_AT_ONCE,
        )
    )
    if len(index) > _MANY:
        # What was loaded stays for good: without this, the collector would scan it each time, and stop everything.
        gc.freeze()
    return index, surplus


def changed_subscriptions(
    database: Database, count: int, known: Callable[[SubscriptionKey], SubscriptionEntry | None]
) -> Iterator[SubscriptionEntry]:
    """The last ``count`` revisions that were written, in the order of their changes: each with its content and the
    change that set its configuration. ``known`` finds the revision before."""
    if not count:
        return
    frame = database.frame(
        f"""
        SELECT {_SUBSCRIPTION}, CASE WHEN bot_config IS NULL THEN 0 ELSE change END AS config_change,
            coalesce(strlen(bot_config), 0) AS config_bytes, moved_to, {", ".join(POLICY_FIELDS)}
        FROM {last_rows("registry.user_condition_subscriptions", count)} AS fresh ORDER BY change
        """
    )
    kept: dict[SubscriptionKey, tuple[int, int]] = {}
    for subscription, content, config_change in _subscriptions([frame]):
        key = (subscription.user_id, subscription.bot_id, subscription.condition_id)
        entry = known(key)
        before = (0, 0) if entry is None else (entry.config_change, entry.subscription.config_bytes)
        if subscription.state == "ended":
            kept[key] = (0, 0)
        elif config_change:
            kept[key] = (config_change, subscription.config_bytes)
        else:
            kept.setdefault(key, before)
        set_by, size = kept[key]
        yield SubscriptionEntry(replace(subscription, config_bytes=size), content, set_by)


def _subscriptions(frames: Iterable[pl.DataFrame]) -> Iterator[tuple[StoredSubscription, int | None, int]]:
    policies: dict[tuple[object, ...], DeliveryPolicy] = {}
    bot_id = ""
    for row in chain.from_iterable(frame.iter_rows() for frame in frames):
        user, bot, condition, bot_type, state, active_from, created, revision, change, content, *others = row
        config, size, moved_to, *policy = others
        values = tuple(policy)
        shared_policy = policies.get(values)
        if shared_policy is None:
            shared_policy = policies[values] = DeliveryPolicy(*values)
        # Subscriptions of one bot are mostly adjacent.
        bot_id = bot_id if bot == bot_id else bot
        subscription = StoredSubscription(
            user_id=intern(user),
            bot_id=bot_id,
            condition_id=intern(condition),
            bot_type=intern(bot_type),
            policy=shared_policy,
            state=_STATES[state],
            active_from_ms=active_from,
            created_ms=active_from if created == active_from else created,
            revision=revision,
            change=change,
            config_bytes=size,
            moved_to=None if moved_to is None else intern(moved_to),
        )
        yield subscription, content, change if config == change else config
