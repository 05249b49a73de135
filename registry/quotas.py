"""Quotas: how much a user may have.

The store checks them in the transaction that writes, where nothing can come in between: they hold exactly, however many
requests and services write at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import QuotaExceeded
from common.timeframes import DURATION_MS

_DAY_MS = DURATION_MS["1d"]
_HOUR_S = 3_600
MADE_A_DAY = 10
"""Times the quota of bots or webhooks. Those that have ended are kept, so their number needs a limit as well."""


def day_of(time_ms: int) -> int:
    """The number of the day (UTC) in which a time is."""
    return time_ms // _DAY_MS


def begin_of(day: int) -> int:
    """When a day begins, in milliseconds since the epoch."""
    return day * _DAY_MS


@dataclass(frozen=True)
class ConditionQuota:
    """What a user may register in a day (UTC) of conditions that are new to the hub: their number, and the bytes of
    their canonical texts."""

    most: int
    most_bytes: int

    def check(self, user_id: str, taken: tuple[int, int], more: tuple[int, int], now_ms: int) -> None:
        """``taken`` and ``more`` are numbers and bytes. Raises :class:`QuotaExceeded`."""
        message = ""
        if taken[0] + more[0] > self.most:
            left = max(0, self.most - taken[0])
            message = (
                f"a user may register {self.most} new conditions a day (UTC); {left} are left, {more[0]} were sent"
            )
        elif taken[1] + more[1] > self.most_bytes:
            left = max(0, self.most_bytes - taken[1])
            message = (
                f"the new conditions that a user registers in a day (UTC) may have {self.most_bytes:,} bytes in"
                f" canonical form; {left:,} are left, {more[1]:,} were sent"
            )
        if message:
            wait_ms = begin_of(day_of(now_ms) + 1) - now_ms
            raise QuotaExceeded(message, user_id, wait_s=-(-wait_ms // 1000))


@dataclass(frozen=True)
class SubscriptionQuota:
    """How many subscriptions a user may have, of how many bots, and the bytes of these bots' configurations."""

    subscriptions: int
    bots: int
    config_bytes: int

    @property
    def room(self) -> int:
        """So many subscriptions are within the quota, whatever bots they are of."""
        return min(self.subscriptions, self.bots)

    def check_bot(self, user_id: str, bot_id: str, bots: Mapping[str, int]) -> None:
        """Whether a bot may have one more subscription, beside those that the user's ``bots`` have. Raises
        :class:`QuotaExceeded`."""
        if sum(bots.values()) >= self.subscriptions:
            raise QuotaExceeded(
                f"a user may have {self.subscriptions} subscriptions; unsubscribe from some, or ask an operator",
                user_id,
            )
        if bot_id not in bots and len(bots) >= self.bots:
            raise QuotaExceeded(
                f"a user may have {self.bots} bots; unsubscribe one of them, or ask an operator", user_id
            )

    def check_bytes(self, user_id: str, taken: int, more: int) -> None:
        """Whether configurations may have so many bytes ``more``. Raises :class:`QuotaExceeded`."""
        if more > 0 and taken + more > self.config_bytes:
            raise QuotaExceeded(
                f"the configurations of a user's bots may have {self.config_bytes:,} bytes;"
                f" {max(0, self.config_bytes - taken):,} are left, and this needs {more:,} more: send a smaller"
                " bot_config, unsubscribe from some, or ask an operator",
                user_id,
            )


@dataclass(frozen=True)
class BotQuota:
    """How many bots of a user are run at once, the bytes of their configurations, and what they may subscribe to."""

    most: int
    config_bytes: int
    subscriptions: SubscriptionQuota

    def check(self, user_id: str, running: int, made_today: int, taken: int, more: int) -> None:
        """``made_today``: in the last 24 hours; ``taken`` and ``more`` are bytes. Raises :class:`QuotaExceeded`."""
        if running >= self.most:
            raise QuotaExceeded(f"a user may have {self.most} bots; stop one of them, or ask an operator", user_id)
        if made_today >= MADE_A_DAY * self.most:
            raise QuotaExceeded(
                f"a user may create {MADE_A_DAY * self.most} bots a day; keep bots running instead of making them anew",
                user_id,
                wait_s=_HOUR_S,
            )
        if taken + more > self.config_bytes:
            raise QuotaExceeded(
                f"the configurations of a user's bots may have {self.config_bytes:,} bytes; stop some, or send a"
                " smaller one",
                user_id,
            )


@dataclass(frozen=True)
class WebhookQuota:
    """How many webhooks a user may have."""

    most: int

    def check(self, user_id: str, count: int, made_today: int) -> None:
        """``made_today``: in the last 24 hours, ended ones too. Raises :class:`QuotaExceeded`."""
        if count >= self.most:
            raise QuotaExceeded(f"a user may have {self.most} webhooks; delete one first", user_id)
        if made_today >= MADE_A_DAY * self.most:
            raise QuotaExceeded(
                f"a user may create {MADE_A_DAY * self.most} webhooks a day; resume an existing one instead of making"
                " another",
                user_id,
                wait_s=_HOUR_S,
            )
