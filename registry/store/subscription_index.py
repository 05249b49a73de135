"""All subscriptions in the owner's memory: by user, by condition, and in the order of their changes.

A million of them are held, so what is kept of each is small: one record, names shared between records, and no
configuration. Readers of other threads see a subscription as it was before a commit or as it is after it.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from sys import intern
from typing import TypeVar, get_args

from registry.store.database import Database
from registry.store.records import Subscription, SubscriptionState
from registry.subscriptions import POLICY_FIELDS, DeliveryPolicy

Key = tuple[str, str, str]
"""User, bot, condition."""

_STATES: dict[str, SubscriptionState] = {state: state for state in get_args(SubscriptionState)}

_Name = TypeVar("_Name")


class Held:
    """A subscription as it is now, and the digest of what was asked for (``None``: from before there were any)."""

    __slots__ = ("content", "subscription")

    def __init__(self, subscription: Subscription, content: int | None) -> None:
        self.subscription = subscription
        self.content = content


class SubscriptionIndex:
    """Written by whoever holds the write lock, read by anybody."""

    def __init__(self) -> None:
        self._held: dict[Key, Held] = {}
        self._by_user: dict[str, list[Held]] = {}
        self._by_condition: dict[str, list[Held]] = {}
        self._changes: tuple[array[int], list[Held]] = array("q"), []
        """Numbers of changes, and what changed; only the newest change of a subscription counts."""
        self._active: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._active_of_user: Counter[str] = Counter()
        self._active_of_bot: Counter[tuple[str, str]] = Counter()
        self._active_total = 0

    def get(self, key: Key) -> Held | None:
        """A subscription, ended ones too."""
        return self._held.get(key)

    def of_user(self, user_id: str) -> list[Subscription]:
        """Those of a user that have not ended, oldest first."""
        return _living(self._by_user.get(user_id, ()))

    def bots_of_user(self, user_id: str) -> dict[str, int]:
        """The bots of a user -> their subscriptions that have not ended."""
        held = list(self._by_user.get(user_id, ()))
        return dict(Counter(each.subscription.bot_id for each in held if each.subscription.state != "ended"))

    def of_condition(self, condition_id: str) -> list[Subscription]:
        """Those of a condition that have not ended, oldest first."""
        return _living(self._by_condition.get(condition_id, ()))

    def changed_after(self, change: int, limit: int) -> list[Subscription]:
        """Subscriptions that changed after a change, in the order of their newest one."""
        changes, changed = self._changes
        found: list[Subscription] = []
        for place in range(bisect_right(changes, change), len(changes)):
            if len(found) >= limit:
                break
            subscription = changed[place].subscription
            if subscription.change == changes[place]:
                found.append(subscription)
        return found

    @property
    def last_change(self) -> int:
        changes, _ = self._changes
        return changes[-1] if changes else 0

    def subscribers(self) -> dict[str, int]:
        """Condition -> number of its active subscriptions."""
        return dict(self._active)

    def active(self, condition_id: str) -> int:
        """Number of active subscriptions of a condition."""
        return self._active[condition_id]

    def kept(self, condition_id: str) -> int:
        """Number of subscriptions of a condition that have not ended."""
        return self._kept[condition_id]

    def totals(self) -> dict[str, int]:
        """``subscriptions users bots``, active ones."""
        return {
            "subscriptions": self._active_total,
            "users": len(self._active_of_user),
            "bots": len(self._active_of_bot),
        }

    def put(self, subscription: Subscription, content: int | None) -> None:
        """Take over a committed subscription: a new one, or a new revision."""
        key = (subscription.user_id, subscription.bot_id, subscription.condition_id)
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = Held(subscription, content)
            self._by_user.setdefault(key[0], []).append(held)
            self._by_condition.setdefault(key[2], []).append(held)
            self._count(subscription, "ended")
        else:
            before = held.subscription.state
            held.subscription, held.content = subscription, content
            self._count(subscription, before)
        # First the subscription, then its change: a reader that sees the change finds the subscription.
        changes, changed = self._changes
        changed.append(held)
        changes.append(subscription.change)
        if len(changes) > 2 * len(self._held) + 1_000:
            self._drop_old_changes()

    def _count(self, subscription: Subscription, before: SubscriptionState) -> None:
        kept = (subscription.state != "ended") - (before != "ended")
        active = (subscription.state == "active") - (before == "active")
        self._active_total += active
        _add(self._kept, subscription.condition_id, kept)
        _add(self._active, subscription.condition_id, active)
        _add(self._active_of_user, subscription.user_id, active)
        _add(self._active_of_bot, (subscription.user_id, subscription.bot_id), active)

    def _drop_old_changes(self) -> None:
        changes, changed = self._changes
        newest = [place for place, held in enumerate(changed) if held.subscription.change == changes[place]]
        self._changes = array("q", [changes[place] for place in newest]), [changed[place] for place in newest]


def load_subscriptions(database: Database) -> SubscriptionIndex:
    """The newest revision of every subscription of a file."""
    index = SubscriptionIndex()
    policies: dict[tuple[object, ...], DeliveryPolicy] = {}
    rows = database.frame(
        f"""
        SELECT user_id, bot_id, condition_id, bot_type, state, epoch_ms(active_from), epoch_ms(subscribed_at),
            revision, change, content, {", ".join(POLICY_FIELDS)}
        FROM registry.user_condition_subscriptions
        QUALIFY row_number() OVER (PARTITION BY user_id, bot_id, condition_id ORDER BY revision DESC) = 1
        ORDER BY change
        """
    )
    for (
        user,
        bot,
        condition,
        bot_type,
        state,
        active_from,
        created,
        revision,
        change,
        content,
        *policy,
    ) in rows.iter_rows():
        held_policy = policies.get(values := tuple(policy))
        if held_policy is None:
            held_policy = policies[values] = DeliveryPolicy(*values)
        index.put(
            Subscription(
                user_id=intern(user),
                bot_id=intern(bot),
                condition_id=intern(condition),
                bot_type=intern(bot_type),
                policy=held_policy,
                state=_STATES[state],
                active_from_ms=active_from,
                created_ms=created,
                revision=revision,
                change=change,
            ),
            content,
        )
    return index


def _living(held: Iterable[Held]) -> list[Subscription]:
    found = [subscription for each in held if (subscription := each.subscription).state != "ended"]
    return sorted(found, key=lambda subscription: subscription.created_ms)


def _add(counter: Counter[_Name], name: _Name, by: int) -> None:
    if by:
        counter[name] += by
        if not counter[name]:
            del counter[name]
