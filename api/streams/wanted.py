"""The conditions whose triggers a user's bots want, kept up to date for users with an open stream."""

from collections.abc import Collection

from registry.store.parts.registry import RegistryStore, StoredSubscription

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


def _apply(wanted: Wanted, subscription: StoredSubscription) -> None:
    if subscription.state == "active":
        wanted.setdefault(subscription.condition_id, {})[subscription.bot_id] = subscription.active_from_ms
        return
    bots = wanted.get(subscription.condition_id, {})
    bots.pop(subscription.bot_id, None)
    if not bots:
        wanted.pop(subscription.condition_id, None)
