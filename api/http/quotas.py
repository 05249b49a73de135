"""Quotas: how much a user may have."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.http.problems import ProblemError
from common.clock import Clock
from common.settings import Settings
from common.timeframes import DURATION_MS
from registry.store.parts.registry import RegistryStore

_DAY_MS = DURATION_MS["1d"]


class Quotas:
    """Counts what a user has and what is in progress; on one event loop, so that nothing slips through in between."""

    def __init__(self, settings: Settings, registry: RegistryStore, clock: Clock) -> None:
        self._settings = settings
        self._registry = registry
        self._clock = clock
        self._day = 0
        self._conditions: dict[str, int] = {}
        """User -> new conditions of the current day."""
        self._under_way: dict[str, dict[tuple[str, str], int]] = {}
        """User -> (bot, condition) of subscriptions being made -> how many requests are making it."""

    def take_conditions(self, user_id: str, count: int) -> None:
        """Count conditions that are new to the hub; raises a 429 problem if they exceed the daily quota."""
        now_ms = self._clock.now_ms()
        if self._day != now_ms // _DAY_MS:
            self._day = now_ms // _DAY_MS
            self._conditions.clear()
        most, taken = self._settings.quota_conditions, self._conditions.get(user_id, 0)
        if taken + count > most:
            left_s = ((self._day + 1) * _DAY_MS - now_ms + 999) // 1000
            raise ProblemError(
                429,
                "quota-exceeded",
                f"a user may register {most} new conditions a day (UTC); {most - taken} are left, {count} were sent",
                headers={"Retry-After": str(left_s)},
            )
        if count:
            self._conditions[user_id] = taken + count

    def give_back(self, user_id: str, count: int) -> None:
        """Uncount conditions that turned out to be known, or that could not be registered."""
        if count and user_id in self._conditions:
            self._conditions[user_id] -= count

    @contextmanager
    def subscribing(self, user_id: str, bot_id: str, condition_id: str) -> Iterator[None]:
        """Reserve room for a subscription while it is being made; raises a 403 problem if there is none."""
        under_way = self._under_way.setdefault(user_id, {})
        pair = (bot_id, condition_id)
        if self._registry.subscription(user_id, bot_id, condition_id) is None and pair not in under_way:
            self._check(user_id, bot_id, under_way)
        under_way[pair] = under_way.get(pair, 0) + 1
        try:
            yield
        finally:
            under_way[pair] -= 1
            if not under_way[pair]:
                del under_way[pair]
            if not under_way:
                self._under_way.pop(user_id, None)

    def _check(self, user_id: str, bot_id: str, under_way: dict[tuple[str, str], int]) -> None:
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
