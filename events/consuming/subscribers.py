"""Who gets a condition's events: an in-memory view of the subscriptions, kept up to date by their changes.

An event is expanded from here: a million subscribers cost no write.
"""

from collections.abc import Iterator, Sequence

from registry.store.parts.registry import RegistryStore, StoredSubscription

_BATCH = 10_000

Lane = tuple[str, str, str]
"""User, bot, condition: what is delivered there keeps its order."""


def lane_of(subscription: StoredSubscription) -> Lane:
    """The lane of a subscription."""
    return subscription.user_id, subscription.bot_id, subscription.condition_id


class Subscribers:
    """The subscriptions that have not ended, by condition; :meth:`refresh` reads what changed."""

    def __init__(self, registry: RegistryStore) -> None:
        self._registry = registry
        self._by_condition: dict[str, dict[tuple[str, str], StoredSubscription]] = {}
        self.change = 0
        """The newest change that the view knows."""

    def refresh(self) -> Iterator[StoredSubscription]:
        """Take over what changed since, and give it in that order, ended ones too. Exhaust it."""
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
        held = self._by_condition.get(condition_id)
        return () if held is None else list(held.values())

    def get(self, lane: Lane) -> StoredSubscription | None:
        """One subscription that has not ended."""
        user_id, bot_id, condition_id = lane
        return self._by_condition.get(condition_id, {}).get((user_id, bot_id))

    def _take(self, subscription: StoredSubscription) -> None:
        who = subscription.user_id, subscription.bot_id
        if subscription.state != "ended":
            self._by_condition.setdefault(subscription.condition_id, {})[who] = subscription
            return
        held = self._by_condition.get(subscription.condition_id, {})
        held.pop(who, None)
        if not held:
            self._by_condition.pop(subscription.condition_id, None)
