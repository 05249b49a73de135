"""How a subscriber may have triggers delivered, within which bounds, and what names may look like."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple

from common.errors import SubscriptionError

_DAY_MS = 24 * 3_600_000
_YEAR_S = 365 * 24 * 3_600
_LONGEST_NAME = 128
_MOST_POLICIES = 1_024


class Bounds(NamedTuple):
    """The least and the greatest whole number that a field may have."""

    lowest: int
    highest: int


COOLDOWN_S = Bounds(0, _YEAR_S)
MAX_FIRES = Bounds(1, 1_000_000)
EXPIRES_MS = Bounds(0, 4_102_444_800_000)
"""Up to 2100-01-01."""
MAX_LAG_S = Bounds(0, _YEAR_S)


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """Which triggers of a condition reach a subscriber. Times are data time: close times of candles.

    Raises :class:`common.errors.SubscriptionError` for a value out of its range.
    """

    cooldown_s: int = 0
    """Least time between two deliveries, 0 to a year."""
    max_fires: int | None = None
    """Deliveries after which the subscription is over, 1 for once; ``None``: no limit."""
    expires_ms: int | None = None
    """Triggers that close later are not delivered; by default a year after the subscription's start, at the end of that
    day."""
    max_lag_s: int | None = None
    """Triggers whose candle closed longer than this before their delivery are skipped; ``None``: none are."""
    settled_only: bool = False
    """Only triggers whose indicators no longer depend on where their series starts."""
    fire_if_true: bool = False
    """Deliver once, on subscribing, if the condition is TRUE at that moment."""
    while_true: bool = False
    """Arming again delivers at once if the condition is still TRUE."""

    def __post_init__(self) -> None:
        _check_whole("cooldown_s", self.cooldown_s, COOLDOWN_S)
        if self.max_fires is not None:
            _check_whole("max_fires", self.max_fires, MAX_FIRES)
        if self.expires_ms is not None:
            _check_whole("expires_ms", self.expires_ms, EXPIRES_MS)
        if self.max_lag_s is not None:
            _check_whole("max_lag_s", self.max_lag_s, MAX_LAG_S)
        for name in ("settled_only", "fire_if_true", "while_true"):
            if not isinstance(getattr(self, name), bool):
                raise SubscriptionError(f"{name} is {getattr(self, name)!r}; write true or false")


POLICY_FIELDS = tuple(field.name for field in fields(DeliveryPolicy))


def default_expiry_ms(active_from_ms: int) -> int:
    """When a subscription without an expiry of its own ends: a year after its start, at the end of that day (UTC).

    Whole days, because the store keeps equal policies once.
    """
    return (active_from_ms // _DAY_MS + 366) * _DAY_MS


def with_expiry(policy: DeliveryPolicy, active_from_ms: int) -> DeliveryPolicy:
    """The policy, with the default expiry of a subscription that starts at a time if it has none."""
    return policy if policy.expires_ms is not None else _expiring(policy, default_expiry_ms(active_from_ms))


@lru_cache(_MOST_POLICIES)
def _expiring(policy: DeliveryPolicy, expires_ms: int) -> DeliveryPolicy:
    return replace(policy, expires_ms=expires_ms)


_BETWEEN = "the configuration after it"
"""Stands between configurations that become texts together."""
# Made once: `json.dumps` makes another encoder for each call with these options.
_AS_TEXT = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def config_text(bot_config: Mapping[str, object]) -> str:
    """A bot's configuration as it is stored: JSON in ASCII, equal for equal configurations.

    Raises :class:`common.errors.SubscriptionError` for what cannot be JSON.
    """
    return _json(bot_config)


def config_texts(bot_configs: Sequence[Mapping[str, object]]) -> list[str]:
    """The texts of many configurations, as of :func:`config_text`; half the work of one call for each."""
    if len(bot_configs) == 1:
        return [config_text(bot_configs[0])]
    marked: list[object] = [_BETWEEN] * (2 * len(bot_configs) - 1)
    marked[::2] = bot_configs
    texts = _json(marked)[1:-1].split(f',"{_BETWEEN}",')
    # A configuration may contain the mark, too.
    return texts if len(texts) == len(bot_configs) else list(map(config_text, bot_configs))


def _json(value: object) -> str:
    try:
        return _AS_TEXT(value)
    except (TypeError, ValueError):
        # Neither the configuration nor what is wrong with it is shown: both are private.
        raise SubscriptionError("bot_config is not a JSON object; use text keys and finite numbers") from None


def check_name(field: str, name: str) -> None:
    """Refuse what cannot name a user, a bot or a kind of bot; raises :class:`SubscriptionError`."""
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise SubscriptionError(
            f"{field} {name[:_LONGEST_NAME]!a} is not a name; use 1 to {_LONGEST_NAME} printable characters, "
            "without spaces around them"
        )


def _check_whole(field: str, value: object, bounds: Bounds) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not bounds.lowest <= value <= bounds.highest:
        raise SubscriptionError(f"{field} is {value!r}; write a whole number from {bounds.lowest} to {bounds.highest}")
