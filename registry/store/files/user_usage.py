"""What each user's bots want of the hub; a user is looked at again when their active subscriptions have changed."""

import threading
from collections import Counter
from collections.abc import Mapping

from common.timeframes import DURATION_MS
from registry.store.files.condition_search import drained
from registry.store.files.subscription_index import SubscriptionIndex
from registry.store.parts.condition_pages import UserUsage
from registry.store.parts.registry import StoredCondition

_DAY_MS = DURATION_MS["1d"]


class UserUsages:
    """Follows the subscriptions in the owner's memory."""

    def __init__(self, conditions: Mapping[str, StoredCondition], subscriptions: SubscriptionIndex) -> None:
        self._conditions = conditions
        self._subscriptions = subscriptions
        self._usages: dict[str, UserUsage] = {}
        self._lock = threading.Lock()

    def most(self, limit: int, offset: int) -> list[UserUsage]:
        """Users with active subscriptions, those who would evaluate most by themselves first."""
        with self._lock:
            for user_id in drained(self._subscriptions.changed_users):
                usage = self._usage(user_id)
                if usage is None:
                    self._usages.pop(user_id, None)
                else:
                    self._usages[user_id] = usage
            usages = list(self._usages.values())
        usages.sort(key=lambda usage: (-usage.evaluations_per_day, usage.user_id))
        return usages[offset : offset + limit]

    def _usage(self, user_id: str) -> UserUsage | None:
        bots, wanted, evaluations = set(), Counter[str](), 0.0
        for bot_id, condition_id in self._subscriptions.active_of_user(user_id):
            stored = self._conditions.get(condition_id)
            if stored is not None:
                bots.add(bot_id)
                wanted[condition_id] += 1
                evaluations += _DAY_MS / DURATION_MS[stored.timeframe]
        if not wanted:
            return None
        return UserUsage(user_id, len(bots), wanted.total(), len(wanted), evaluations)
