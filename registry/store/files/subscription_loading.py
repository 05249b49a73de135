"""Loading subscriptions from the file into the owner's memory."""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from sys import intern
from typing import get_args

import polars as pl

from registry.store.files.database import Database
from registry.store.files.subscription_index import SubscriptionIndex
from registry.store.parts.registry import StoredSubscription, SubscriptionState
from registry.subscriptions import POLICY_FIELDS, DeliveryPolicy

_STATES: dict[str, SubscriptionState] = {state: state for state in get_args(SubscriptionState)}

_ROWS_AT_ONCE = 50_000
_MANY = 100_000


def load_subscriptions(database: Database) -> SubscriptionIndex:
    """The newest revision of every subscription of a file."""
    frames = database.frames(
        f"""
        WITH newest AS (
            SELECT max(change) AS change, min(change) AS first_change,
                max(change) FILTER (bot_config IS NOT NULL) AS config_change,
                arg_max(strlen(bot_config), change) FILTER (bot_config IS NOT NULL) AS config_bytes
            FROM registry.user_condition_subscriptions GROUP BY user_id, bot_id, condition_id
        )
        SELECT user_id, bot_id, condition_id, bot_type, state, epoch_ms(active_from), epoch_ms(subscribed_at),
            revision, change, content, coalesce(config_change, 0), coalesce(config_bytes, 0), moved_to,
            {", ".join(POLICY_FIELDS)}
        FROM registry.user_condition_subscriptions JOIN newest USING (change) ORDER BY subscribed_at, first_change
        """,
        rows=_ROWS_AT_ONCE,
    )
    index = SubscriptionIndex()
    with _without_collector():
        index.fill(_subscriptions(frames))
    if len(index) > _MANY:
        # They stay for good: without this, the collector would scan them each time, and stop everything for a second.
        gc.freeze()
    return index


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


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of objects that all stay: scanning them for garbage again and again would take most of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
