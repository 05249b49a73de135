"""Quotas: how much a user may have."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from api.http.problems import ProblemError
from common.clock import Clock
from common.settings import Settings
from common.timeframes import DURATION_MS
from registry.conditions import Condition
from registry.store.parts.registry import RegistryStore

_DAY_MS = DURATION_MS["1d"]


class Quotas:
    """Counts what a user has and what is in progress; on one event loop, so that nothing slips through in between."""

    def __init__(self, settings: Settings, registry: RegistryStore, clock: Clock) -> None:
        self._settings = settings
        self._registry = registry
        self._clock = clock
        self._day = clock.now_ms() // _DAY_MS
        # What the store has of today: a restart gives nobody another day's worth.
        self._conditions: dict[str, tuple[int, int]] = dict(registry.registered_since(self._day * _DAY_MS))
        """User -> new conditions of the current day, and their bytes."""
        self._under_way: dict[str, dict[tuple[str, str], list[int]]] = {}
        """User -> (bot, condition) of subscriptions being made -> bytes of the configuration of each such request."""

    def take_conditions(self, user_id: str, conditions: Collection[Condition]) -> None:
        """Count conditions that are new to the hub; raises a 429 problem if they exceed a daily quota."""
        now_ms = self._clock.now_ms()
        if self._day != now_ms // _DAY_MS:
            self._day = now_ms // _DAY_MS
            self._conditions.clear()
        count, size = len(conditions), _size(conditions)
        taken, taken_bytes = self._conditions.get(user_id, (0, 0))
        most, most_bytes = self._settings.quota_conditions, self._settings.quota_condition_bytes
        message = ""
        if taken + count > most:
            left = max(0, most - taken)
            message = f"a user may register {most} new conditions a day (UTC); {left} are left, {count} were sent"
        elif taken_bytes + size > most_bytes:
            left = max(0, most_bytes - taken_bytes)
            message = (
                f"the new conditions that a user registers in a day (UTC) may have {most_bytes:,} bytes in canonical"
                f" form; {left:,} are left, {size:,} were sent"
            )
        if message:
            left_s = ((self._day + 1) * _DAY_MS - now_ms + 999) // 1000
            raise ProblemError(429, "quota-exceeded", message, headers={"Retry-After": str(left_s)})
        if count:
            self._conditions[user_id] = taken + count, taken_bytes + size

    def give_back(self, user_id: str, conditions: Collection[Condition]) -> None:
        """Uncount conditions that turned out to be known, or that could not be registered."""
        if conditions and user_id in self._conditions:
            taken, taken_bytes = self._conditions[user_id]
            self._conditions[user_id] = taken - len(conditions), taken_bytes - _size(conditions)

    @contextmanager
    def subscribing(self, user_id: str, bot_id: str, condition_id: str, config_bytes: int) -> Iterator[None]:
        """Reserve room for a subscription while it is being made; raises a 403 problem if there is none."""
        under_way = self._under_way.get(user_id, {})
        pair = (bot_id, condition_id)
        subscription = self._registry.subscription(user_id, bot_id, condition_id)
        if subscription is None and pair not in under_way:
            self._check(user_id, bot_id, under_way)
        more = config_bytes - (0 if subscription is None else subscription.config_bytes)
        self._check_bytes(user_id, more, under_way)
        self._under_way[user_id] = under_way
        making = under_way.setdefault(pair, [])
        making.append(config_bytes)
        try:
            yield
        finally:
            making.remove(config_bytes)
            if not making:
                del under_way[pair]
            if not under_way:
                self._under_way.pop(user_id, None)

    def _check_bytes(self, user_id: str, more: int, under_way: dict[tuple[str, str], list[int]]) -> None:
        most, taken = self._settings.quota_config_bytes, self._registry.config_bytes(user_id)
        # A configuration that is being replaced counts with its successor: nobody knows yet which of them stays.
        coming = sum(map(sum, under_way.values()))
        if more > 0 and taken + coming + more > most:
            raise ProblemError(
                403,
                "quota-exceeded",
                f"the configurations of a user's bots may have {most:,} bytes; {max(0, most - taken):,} are left, and"
                f" this needs {more:,} more: send a smaller bot_config, unsubscribe from some, or ask an operator",
            )

    def _check(self, user_id: str, bot_id: str, under_way: dict[tuple[str, str], list[int]]) -> None:
        coming = [pair for pair in under_way if self._registry.subscription(user_id, *pair) is None]
        bots = self._registry.bots_of(user_id)
        most = self._settings.quota_subscriptions
        if sum(bots.values()) + len(coming) >= most:
            raise ProblemError(
                403,
                "quota-exceeded",
                f"a user may have {most} subscriptions; unsubscribe from some, or ask an operator",
            )
        most = self._settings.quota_bots
        if bot_id in bots:
            return
        new_bots = {bot for bot, _ in coming} - bots.keys()
        if bot_id not in new_bots and len(bots) + len(new_bots) >= most:
            raise ProblemError(
                403, "quota-exceeded", f"a user may have {most} bots; unsubscribe one of them, or ask an operator"
            )


def _size(conditions: Collection[Condition]) -> int:
    return sum(len(condition.canonical) for condition in conditions)
