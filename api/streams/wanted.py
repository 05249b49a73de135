"""The conditions whose triggers a user's bots want, kept up to date for users with an open stream."""

from collections.abc import Collection

from registry.store.parts.registry import RegistryStore, StoredSubscription, moved_subscriptions

_CHANGES_AT_ONCE = 10_000

Wanted = dict[str, dict[str, int]]
"""Condition -> bot -> close time after which it wants triggers."""


class Watch:
    """The active subscriptions of users with an open stream. For use on one event loop."""

    def __init__(self, registry: RegistryStore) -> None:
        self._registry = registry
        self._change = registry.last_change()
        self._users: dict[str, Wanted] = {}
        self._streams: dict[str, int] = {}

    def add(self, user_id: str) -> None:
        """A stream of a user has been opened."""
        self._streams[user_id] = self._streams.get(user_id, 0) + 1
        if user_id not in self._users:
            # Earlier changes may be applied again, in order: they end in the state that is loaded here.
            wanted = self._users[user_id] = {}
            for subscription in self._registry.subscriptions_of(user_id):
                _apply(wanted, subscription)
            self._follow_moved(user_id)

    def remove(self, user_id: str) -> None:
        """A stream of a user has been closed."""
        self._streams[user_id] -= 1
        if not self._streams[user_id]:
            del self._streams[user_id], self._users[user_id]

    def refresh(self) -> set[str]:
        """Apply what has changed; returns the users whose subscriptions changed."""
        changed: set[str] = set()
        while changes := self._registry.subscription_changes(self._change, _CHANGES_AT_ONCE):
            for subscription in changes:
                wanted = self._users.get(subscription.user_id)
                if wanted is not None:
                    _apply(wanted, subscription)
                    changed.add(subscription.user_id)
            self._change = changes[-1].change
        for user_id in changed:
            self._follow_moved(user_id)
        return changed

    def wants(self, user_id: str, bot_id: str | None, condition_id: str, close_ms: int) -> bool:
        """Whether a trigger is for one of a user's bots, or for any of them if ``bot_id`` is ``None``."""
        bots = self._users[user_id].get(condition_id)
        if bots is None:
            return False
        if bot_id is not None:
            return bot_id in bots and close_ms > bots[bot_id]
        return any(close_ms > active_from for active_from in bots.values())

    def conditions(self, user_id: str, bot_id: str | None) -> Collection[str]:
        """The conditions of one of a user's bots, or of all of them if ``bot_id`` is ``None``."""
        wanted = self._users[user_id]
        if bot_id is None:
            return wanted.keys()
        return [condition_id for condition_id, bots in wanted.items() if bot_id in bots]

    def _follow_moved(self, user_id: str) -> None:
        """Watch what bots wanted before an upgrade gave their conditions other ids, for as long as they want those."""
        wanted = self._users[user_id]
        for was in self._registry.moved_of(user_id):
            _set(wanted, was.condition_id, was.bot_id, None)
        for was, now in moved_subscriptions(self._registry, user_id):
            if now.state == "active":
                _set(wanted, was.condition_id, was.bot_id, was.active_from_ms)


def _apply(wanted: Wanted, subscription: StoredSubscription) -> None:
    active_from_ms = subscription.active_from_ms if subscription.state == "active" else None
    _set(wanted, subscription.condition_id, subscription.bot_id, active_from_ms)


def _set(wanted: Wanted, condition_id: str, bot_id: str, active_from_ms: int | None) -> None:
    """Have a bot want the triggers of a condition after a time; ``None``: none of them."""
    if active_from_ms is not None:
        wanted.setdefault(condition_id, {})[bot_id] = active_from_ms
        return
    bots = wanted.get(condition_id, {})
    bots.pop(bot_id, None)
    if not bots:
        wanted.pop(condition_id, None)
