"""Which conditions a user's bots want to hear of, kept up to date for users who listen."""

from collections.abc import Collection

from registry.store.parts.registry import RegistryStore, StoredSubscription

_CHANGES_AT_ONCE = 10_000

Wanted = dict[str, dict[str, int]]
"""Condition -> bot -> close time after which it wants triggers."""


class Watch:
    """The active subscriptions of some users. Used on the event loop alone."""

    def __init__(self, registry: RegistryStore) -> None:
        self._registry = registry
        self._change = registry.last_change()
        self._users: dict[str, Wanted] = {}
        self._listeners: dict[str, int] = {}

    def add(self, user_id: str) -> None:
        """Somebody listens for a user."""
        self._listeners[user_id] = self._listeners.get(user_id, 0) + 1
        if user_id not in self._users:
            # Changes of before may be applied once more, in their order: they end with what is loaded here.
            wanted = self._users[user_id] = {}
            for subscription in self._registry.subscriptions_of(user_id):
                _apply(wanted, subscription)

    def remove(self, user_id: str) -> None:
        """One listener fewer."""
        self._listeners[user_id] -= 1
        if not self._listeners[user_id]:
            del self._listeners[user_id], self._users[user_id]

    def refresh(self) -> set[str]:
        """Take over what has changed; whose subscriptions that were."""
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
        """Whether a trigger is for a user's bot, or for any of them."""
        bots = self._users[user_id].get(condition_id)
        if bots is None:
            return False
        if bot_id is not None:
            return bot_id in bots and close_ms > bots[bot_id]
        return any(close_ms > active_from for active_from in bots.values())

    def conditions(self, user_id: str, bot_id: str | None) -> Collection[str]:
        """The conditions of a user's bot, or of all of them."""
        wanted = self._users[user_id]
        return wanted.keys() if bot_id is None else [name for name, bots in wanted.items() if bot_id in bots]


def _apply(wanted: Wanted, subscription: StoredSubscription) -> None:
    if subscription.state == "active":
        wanted.setdefault(subscription.condition_id, {})[subscription.bot_id] = subscription.active_from_ms
        return
    bots = wanted.get(subscription.condition_id, {})
    bots.pop(subscription.bot_id, None)
    if not bots:
        wanted.pop(subscription.condition_id, None)
