"""Who gets a condition's events: an in-memory view of the subscriptions, kept up to date by their changes.

Events are fanned out from this view: a million subscribers cost no write.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

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
        self._moved: dict[str, dict[tuple[str, str], StoredSubscription]] = {}
        """Superseded condition -> its subscriptions, as they were when they moved."""
        self._arrived: set[tuple[OrderingKey, int]] = set()
        """Where subscriptions moved to, and when they were requested."""
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
        """The subscriptions of a condition, oldest first.

        An event of a superseded condition, from before the upgrade, is for the subscriptions that moved: they want it
        from where they wanted that condition.
        """
        if moved := self._moved.get(condition_id):
            pairs = [(was, self.get(ordering_key(was))) for was in moved.values()]
            return [replace(now, active_from_ms=was.active_from_ms) for was, now in pairs if now is not None]
        by_bot = self._by_condition.get(condition_id)
        return () if by_bot is None else list(by_bot.values())

    def has_moved(self, subscription: StoredSubscription) -> bool:
        """Whether an upgrade moved a subscription to its condition: it began long ago, with another one."""
        return (ordering_key(subscription), subscription.created_ms) in self._arrived

    def get(self, key: OrderingKey) -> StoredSubscription | None:
        """One subscription, unless it has ended; if it moved, the one that goes on in its place."""
        user_id, bot_id, condition_id = key
        while (was := self._moved.get(condition_id, {}).get((user_id, bot_id))) is not None:
            condition_id = was.moved_to or ""
        return self._by_condition.get(condition_id, {}).get((user_id, bot_id))

    def _take(self, subscription: StoredSubscription) -> None:
        bot = subscription.user_id, subscription.bot_id
        if subscription.moved_to is not None:
            self._moved.setdefault(subscription.condition_id, {})[bot] = subscription
            self._arrived.add(((*bot, subscription.moved_to), subscription.created_ms))
        elif moved := self._moved.get(subscription.condition_id):
            # The condition stands for itself again.
            moved.pop(bot, None)
        if subscription.state != "ended":
            self._by_condition.setdefault(subscription.condition_id, {})[bot] = subscription
            return
        by_bot = self._by_condition.get(subscription.condition_id, {})
        by_bot.pop(bot, None)
        if not by_bot:
            self._by_condition.pop(subscription.condition_id, None)
