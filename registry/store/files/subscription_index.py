"""All subscriptions in the owner's memory: by user, by condition, and in the order of their changes.

There may be a million of them, so each takes little room: one record, names shared between records, and no
configuration. Readers in other threads see a subscription as it was before a commit or as it is after it.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

from registry.store.parts.registry import THIN, StoredSubscription, SubscriptionState

SubscriptionKey = tuple[str, str, str]
"""User, bot, condition."""

_Name = TypeVar("_Name")


class SubscriptionEntry:
    """The newest revision of a subscription, and what else the owner has to know about it."""

    __slots__ = ("config_change", "content", "subscription")

    def __init__(self, subscription: StoredSubscription, content: int | None, config_change: int) -> None:
        self.subscription = subscription
        self.content = content
        """Digest of the request; ``None`` if it comes from an older schema."""
        self.config_change = config_change
        """The change that set its configuration, which finds it quickly in the file; 0 if it has ended."""


class _User:
    """Subscriptions of one user by bot and condition, including ended ones, and the number of active ones by bot."""

    __slots__ = ("active", "config_bytes", "entries", "moved")

    def __init__(self) -> None:
        self.config_bytes = 0
        """Of all configurations of the user."""
        self.entries: dict[tuple[str, str], SubscriptionEntry] = {}
        self.active: dict[str, int] = {}
        self.moved: dict[tuple[str, str], SubscriptionEntry] = {}
        """Those that ended because their condition was superseded."""


class SubscriptionIndex:
    """Written by the holder of the write lock, read by any thread."""

    def __init__(self) -> None:
        self._users: dict[str, _User] = {}
        self._kept: dict[str, dict[SubscriptionEntry, None]] = {}
        """Condition -> its subscriptions that have not ended, oldest first."""
        self._changes: tuple[array[int], list[SubscriptionEntry]] = array("q"), []
        """Numbers of changes, and the entries that changed; only the newest change of a subscription counts."""
        self._size = 0
        self._active: Counter[str] = Counter()
        self._popular: dict[str, dict[str, int]] = {}
        """Condition -> its users -> how many of their subscriptions are active, for conditions with at least ``THIN``
        active ones. Fewer subscriptions can only be of fewer users."""
        self._active_users = self._active_bots = self._active_total = 0
        self.changed_users: set[str] = set()
        """Users whose active subscriptions have changed; who reads it takes them out."""
        self.changed_conditions: set[str] = set()
        """Conditions whose active subscriptions have changed, likewise."""

    def __len__(self) -> int:
        """Number of subscriptions, including ended ones."""
        return self._size

    def get(self, key: SubscriptionKey) -> SubscriptionEntry | None:
        """A subscription, even if it has ended."""
        user = self._users.get(key[0])
        return None if user is None else user.entries.get(key[1:])

    def all_of_user(self, user_id: str) -> list[SubscriptionEntry]:
        """Subscriptions of a user, even if they have ended, in the order of their newest change."""
        user = self._users.get(user_id)
        entries = [] if user is None else list(user.entries.values())
        return sorted(entries, key=lambda entry: entry.subscription.change)

    def of_user(self, user_id: str) -> list[StoredSubscription]:
        """Subscriptions of a user that have not ended, oldest first."""
        user = self._users.get(user_id)
        return [] if user is None else _living(user.entries.values())

    def active_of_user(self, user_id: str) -> Iterator[tuple[str, str]]:
        """Bot and condition of a user's active subscriptions."""
        user = self._users.get(user_id)
        # Copied in one go: another thread may add entries meanwhile.
        for key, entry in [] if user is None else list(user.entries.items()):
            if entry.subscription.state == "active":
                yield key

    def moved_of_user(self, user_id: str) -> list[StoredSubscription]:
        """Subscriptions of a user that ended because their condition was superseded, oldest first."""
        user = self._users.get(user_id)
        moved = [] if user is None else [entry.subscription for entry in list(user.moved.values())]
        return sorted(moved, key=lambda subscription: subscription.change)

    def bots_of_user(self, user_id: str) -> dict[str, int]:
        """The bots of a user -> how many of their subscriptions have not ended."""
        return dict(Counter(subscription.bot_id for subscription in self.of_user(user_id)))

    def config_bytes(self, user_id: str) -> int:
        """Bytes of the configurations of a user's subscriptions that have not ended."""
        user = self._users.get(user_id)
        return 0 if user is None else user.config_bytes

    def of_condition(self, condition_id: str) -> list[StoredSubscription]:
        """Subscriptions to a condition that have not ended, oldest first."""
        return _living(self._kept.get(condition_id, ()))

    def changed_after(self, change: int, limit: int) -> list[StoredSubscription]:
        """Subscriptions that changed after a change, in the order of their newest one."""
        changes, changed = self._changes
        subscriptions: list[StoredSubscription] = []
        for place in range(bisect_right(changes, change), len(changes)):
            if len(subscriptions) >= limit:
                break
            subscription = changed[place].subscription
            if subscription.change == changes[place]:
                subscriptions.append(subscription)
        return subscriptions

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

    def popularity(self, condition_id: str, user_id: str) -> int:
        """Number of users other than one who have active subscriptions of a condition; 0 if there are fewer than
        ``THIN``."""
        users = self._popular.get(condition_id)
        if users is None:
            return 0
        others = len(users) - (user_id in users)
        return others if others >= THIN else 0

    def kept(self, condition_id: str) -> int:
        """Number of subscriptions of a condition that have not ended."""
        return len(self._kept.get(condition_id, ()))

    def totals(self) -> dict[str, int]:
        """``subscriptions users bots``, active ones, and the conditions that are ``subscribed`` by them."""
        return {
            "subscriptions": self._active_total,
            "users": self._active_users,
            "bots": self._active_bots,
            "subscribed": len(self._active),
        }

    def put(self, subscription: StoredSubscription, content: int | None, config_change: int) -> None:
        """Take over a committed subscription: a new one, or a new revision."""
        entry = self._place(subscription, content, config_change)
        # First the subscription, then its change: a reader that sees the change finds the subscription.
        changes, changed = self._changes
        changed.append(entry)
        changes.append(subscription.change)
        if len(changes) > 2 * self._size + 1_000:
            self._drop_old_changes()

    def fill(self, subscriptions: Iterable[tuple[StoredSubscription, int | None, int]]) -> None:
        """Take over the newest revisions from a file, each with its content and the change that set its configuration.

        They come in the order in which they were requested.
        """
        placed = [self._place(*each) for each in subscriptions]
        placed.sort(key=lambda entry: entry.subscription.change)
        self._changes = array("q", [entry.subscription.change for entry in placed]), placed

    def _place(self, subscription: StoredSubscription, content: int | None, config_change: int) -> SubscriptionEntry:
        key = (subscription.bot_id, subscription.condition_id)
        user = self._users.get(subscription.user_id)
        if user is None:
            user = self._users[subscription.user_id] = _User()
        entry = user.entries.get(key)
        before: SubscriptionState = "ended" if entry is None else entry.subscription.state
        user.config_bytes += subscription.config_bytes - (0 if entry is None else entry.subscription.config_bytes)
        if entry is None:
            entry = SubscriptionEntry(subscription, content, config_change)
            self._size += 1
        else:
            entry.subscription, entry.content, entry.config_change = subscription, content, config_change
        if before == "ended":
            # Moved to the end: entries are in the order in which they were requested.
            user.entries.pop(key, None)
            user.entries[key] = entry
        if subscription.moved_to is not None:
            user.moved[key] = entry
        else:
            user.moved.pop(key, None)
        self._keep(entry, before)
        self._count(user, subscription, before)
        return entry

    def _keep(self, entry: SubscriptionEntry, before: SubscriptionState) -> None:
        condition_id, state = entry.subscription.condition_id, entry.subscription.state
        if before == "ended" != state:
            self._kept.setdefault(condition_id, {})[entry] = None
        elif before != "ended" == state:
            kept = self._kept[condition_id]
            del kept[entry]
            if not kept:
                del self._kept[condition_id]

    def _count(self, user: _User, subscription: StoredSubscription, before: SubscriptionState) -> None:
        by = (subscription.state == "active") - (before == "active")
        if not by:
            return
        self._active_total += by
        self.changed_users.add(subscription.user_id)
        self.changed_conditions.add(subscription.condition_id)
        _add(self._active, subscription.condition_id, by)
        self._count_users(subscription.condition_id, subscription.user_id, by)
        users, bots = len(user.active) > 0, len(user.active)
        _add(user.active, subscription.bot_id, by)
        self._active_users += (len(user.active) > 0) - users
        self._active_bots += len(user.active) - bots

    def _count_users(self, condition_id: str, user_id: str, by: int) -> None:
        """Follow one subscription that has become active or inactive."""
        if self._active[condition_id] < THIN:
            self._popular.pop(condition_id, None)
        elif condition_id in self._popular:
            _add(self._popular[condition_id], user_id, by)
        else:
            active = (one for one in self.of_condition(condition_id) if one.state == "active")
            self._popular[condition_id] = dict(Counter(one.user_id for one in active))

    def _drop_old_changes(self) -> None:
        changes, changed = self._changes
        newest = [place for place, entry in enumerate(changed) if entry.subscription.change == changes[place]]
        self._changes = array("q", [changes[place] for place in newest]), [changed[place] for place in newest]


def _living(entries: Iterable[SubscriptionEntry]) -> list[StoredSubscription]:
    # Copied in one go: another thread may add entries meanwhile.
    return [subscription for entry in list(entries) if (subscription := entry.subscription).state != "ended"]


def _add(counts: dict[_Name, int], name: _Name, by: int) -> None:
    count = counts.get(name, 0) + by
    if count:
        counts[name] = count
    else:
        del counts[name]
