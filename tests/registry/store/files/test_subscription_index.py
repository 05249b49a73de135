"""The memory of subscriptions, against a dictionary that does the same: filled or put at once, or one by one."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.store.files.subscription_columns import SubscriptionEntry
from registry.store.files.subscription_index import SubscriptionIndex, SubscriptionKey
from registry.store.parts.registry import THIN, StoredSubscription, SubscriptionState
from registry.subscriptions import POLICY_FIELDS, DeliveryPolicy

USERS, BOTS, CONDITIONS = ("ann", "bob", "cid", "dan", "eve", "fay", "gus"), ("grid", "dca"), ("rsi", "sma", "ema")

Step = tuple[str, str, str, SubscriptionState, int, bool]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(USERS),
        st.sampled_from(BOTS),
        st.sampled_from(CONDITIONS),
        st.sampled_from(("active", "active", "paused", "ended")),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=80,
)


class Model:
    """Entries by key, in the order in which they were requested."""

    def __init__(self) -> None:
        self.entries: dict[SubscriptionKey, SubscriptionEntry] = {}

    def revisions(self, steps: Iterable[Step]) -> Iterable[SubscriptionEntry]:
        """What the steps make of the subscriptions, one revision after another."""
        for user, bot, condition, state, number, moves in steps:
            key = (user, bot, condition)
            before = self.entries.get(key)
            change = 1 + max((entry.subscription.change for entry in self.entries.values()), default=0)
            was = None if before is None or before.subscription.state == "ended" else before
            # A pause keeps the configuration, anything else brings one; the end drops it.
            kept = was if was is not None and state == "paused" else None
            set_by, size = (
                (change, 10 * number) if kept is None else (kept.config_change, kept.subscription.config_bytes)
            )
            subscription = StoredSubscription(
                *key,
                bot_type="dca",
                policy=DeliveryPolicy(cooldown_s=number, max_fires=number or None),
                state=state,
                active_from_ms=number,
                created_ms=change if was is None else was.subscription.created_ms,
                revision=1 if before is None else before.subscription.revision + 1,
                change=change,
                config_bytes=0 if state == "ended" else size,
                moved_to="new" if moves and state == "ended" else None,
            )
            entry = SubscriptionEntry(subscription, number or None, 0 if state == "ended" else set_by)
            if before is None or before.subscription.state == "ended":
                self.entries.pop(key, None)
            self.entries[key] = entry
            yield entry

    def all(self) -> list[StoredSubscription]:
        return [entry.subscription for entry in self.entries.values()]


def frame(revisions: Iterable[SubscriptionEntry]) -> pl.DataFrame:
    """Revisions as they come from the file."""
    rows = []
    for subscription, content, config_change in revisions:
        row = asdict(subscription) | {"content": content}
        if config_change != subscription.change:
            row["config_bytes"] = None
        rows.append(row | row.pop("policy"))
    names = [name for name in StoredSubscription.__slots__ if name != "policy"]
    types = {"moved_to": pl.String, "content": pl.UInt64, "max_fires": pl.Int64, "expires_ms": pl.Int64}
    overrides = types | {"max_lag_s": pl.Int64, "config_bytes": pl.Int64}
    columns = [*names, *POLICY_FIELDS, "content"]
    return pl.DataFrame({name: [row[name] for row in rows] for name in columns}, schema_overrides=overrides)


def check(index: SubscriptionIndex, model: Model) -> None:
    """Whatever is asked, both say the same."""
    every = model.all()
    active = [each for each in every if each.state == "active"]
    assert len(index) == len(every)
    assert index.changed_after(0, 1_000) == sorted(every, key=lambda each: each.change)
    assert index.last_change == max((each.change for each in every), default=0)
    assert index.subscribers() == Counter(each.condition_id for each in active)
    assert index.totals() == {
        "subscriptions": len(active),
        "users": len({each.user_id for each in active}),
        "bots": len({(each.user_id, each.bot_id) for each in active}),
        "subscribed": len({each.condition_id for each in active}),
    }
    for user in USERS:
        own = [entry for entry in model.entries.values() if entry.subscription.user_id == user]
        assert index.all_of_user(user) == sorted(own, key=lambda entry: entry.subscription.change)
        living = [entry.subscription for entry in own if entry.subscription.state != "ended"]
        assert index.of_user(user) == living
        assert list(index.active_of_user(user)) == [
            (each.bot_id, each.condition_id) for each in living if each.state == "active"
        ]
        assert index.bots_of_user(user) == Counter(each.bot_id for each in living)
        assert index.size_of_user(user) == len(own)
        assert index.config_bytes(user) == sum(each.config_bytes for each in living)
        moved = [entry.subscription for entry in own if entry.subscription.moved_to is not None]
        assert index.moved_of_user(user) == sorted(moved, key=lambda each: each.change)
        for bot in BOTS:
            for condition in CONDITIONS:
                assert index.get((user, bot, condition)) == model.entries.get((user, bot, condition))
    for condition in CONDITIONS:
        kept = [each for each in every if each.condition_id == condition and each.state != "ended"]
        assert index.of_condition(condition) == kept
        assert index.kept(condition) == len(kept)
        users = [each.user_id for each in kept if each.state == "active"]
        assert index.active(condition) == len(users)
        for user in USERS:
            others = len(set(users) - {user})
            assert index.popularity(condition, user) == (others if others >= THIN else 0)


@settings(max_examples=150, deadline=None)
@given(STEPS, STEPS)
def test_the_index_says_what_a_dictionary_says_filled_or_put_at_once_or_one_by_one(
    before: list[Step], after: list[Step]
) -> None:
    model, index = Model(), SubscriptionIndex()
    history = []
    for entry in model.revisions(before):
        index.put([entry])
        history.append(entry)
    check(index, model)
    together = SubscriptionIndex()
    together.put(history)
    check(together, model)
    filled = SubscriptionIndex()
    half = len(history) // 2
    surplus = filled.fill(frame(part) for part in (history[half:], history[:half]) if part)
    check(filled, model)
    brought = {each.subscription.change for each in history if each.config_change == each.subscription.change}
    assert set(surplus) == brought - {entry.config_change for entry in model.entries.values()}
    assert filled.changed_users == {each.user_id for each in model.all() if each.state == "active"}
    assert filled.changed_conditions == set(filled.subscribers())
    filled.changed_users.clear()
    was = {key: entry.subscription.state for key, entry in model.entries.items()}
    revisions = []
    for entry in model.revisions(after):
        index.put([entry])
        revisions.append(entry)
    filled.put(revisions)
    for each in (index, filled):
        check(each, model)
    ends = {
        key
        for key, entry in model.entries.items()
        if (entry.subscription.state == "active") != (was.get(key) == "active")
    }
    assert {user for user, _, _ in ends} <= filled.changed_users


def test_a_user_or_condition_that_is_unknown_has_nothing() -> None:
    index = SubscriptionIndex()
    assert index.get(("ann", "dca", "rsi")) is None
    assert index.of_user("ann") == index.of_condition("rsi") == index.changed_after(0, 10) == []
    assert index.popularity("rsi", "ann") == index.active("rsi") == index.config_bytes("ann") == 0
    index.fill([])
    assert len(index) == 0
