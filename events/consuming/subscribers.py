"""Who gets a condition's events: an in-memory view of the subscriptions, kept up to date by their changes.

Events are fanned out from this view: a million subscribers cost no write.
"""

from collections.abc import Iterator, Sequence

from registry.store.parts.registry import RegistryStore, StoredSubscription

_BATCH = 10_000

OrderingKey = tuple[str, str, str]
"""User, bot, condition: deliveries with the same key keep their order."""


def ordering_key(subscription: StoredSubscription) -> OrderingKey:
    """The key of a subscription's deliveries."""
    return subscription.user_id, subscription.bot_id, subscription.condition_id


class Subscribers:
    """The subscriptions that have not ended, by condition; :meth:`refresh` reads the latest changes."""

    def __init__(self, registry: RegistryStore) -> None:
        self._registry = registry
        self._by_condition: dict[str, dict[tuple[str, str], StoredSubscription]] = {}
        self.change = 0
        """The newest change that the view includes."""

    def refresh(self) -> Iterator[StoredSubscription]:
        """Read what has changed and yield it in order, ended subscriptions included. Must be exhausted."""
        while self._registry.last_change() > self.change:
            changed = self._registry.subscription_changes(self.change, _BATCH)
            for subscription in changed:
                self._take(subscription)
                self.change = subscription.change
                yield subscription
            if not changed:
                return

    def of(self, condition_id: str) -> Sequence[StoredSubscription]:
        """The subscriptions of a condition, oldest first."""
        by_bot = self._by_condition.get(condition_id)
        return () if by_bot is None else list(by_bot.values())

    def get(self, key: OrderingKey) -> StoredSubscription | None:
        """One subscription, unless it has ended."""
        user_id, bot_id, condition_id = key
        return self._by_condition.get(condition_id, {}).get((user_id, bot_id))

    def _take(self, subscription: StoredSubscription) -> None:
        bot = subscription.user_id, subscription.bot_id
        if subscription.state != "ended":
            self._by_condition.setdefault(subscription.condition_id, {})[bot] = subscription
            return
        by_bot = self._by_condition.get(subscription.condition_id, {})
        by_bot.pop(bot, None)
        if not by_bot:
            self._by_condition.pop(subscription.condition_id, None)
