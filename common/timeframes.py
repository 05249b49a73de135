"""The closed list of timeframes, and times as integers: milliseconds since 1970-01-01 UTC."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from common.errors import TimeFormatError, TimeframeError
from common.spelling import did_you_mean

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

DURATION_MS: dict[str, int] = {
    "1m": _MINUTE,
    "3m": 3 * _MINUTE,
    "5m": 5 * _MINUTE,
    "15m": 15 * _MINUTE,
    "30m": 30 * _MINUTE,
    "1h": _HOUR,
    "2h": 2 * _HOUR,
    "4h": 4 * _HOUR,
    "6h": 6 * _HOUR,
    "8h": 8 * _HOUR,
    "12h": 12 * _HOUR,
    "1d": _DAY,
    "3d": 3 * _DAY,
    "1w": 7 * _DAY,
    "1mo": 31 * _DAY,
}
"""Timeframe -> nominal length in milliseconds, shortest first: for order, for what divides what, for estimates and
rates. Where a slot ends is a matter of its grid: see :mod:`common.slots`."""

_BY_DURATION = {length: name for name, length in DURATION_MS.items() if name != "1mo"}
UNITS = {
    "m": _MINUTE, "min": _MINUTE, "mins": _MINUTE, "minute": _MINUTE, "minutes": _MINUTE,
    "h": _HOUR, "hr": _HOUR, "hour": _HOUR, "hours": _HOUR,
    "d": _DAY, "day": _DAY, "days": _DAY,
    "w": 7 * _DAY, "week": 7 * _DAY, "weeks": 7 * _DAY,
    "mo": 31 * _DAY, "month": 31 * _DAY, "months": 31 * _DAY,
}  # fmt: skip
"""Every spelling of a unit -> its nominal length in milliseconds."""
_SPELLING = re.compile(r"([1-9][0-9]{0,4})\s?([a-z]+)")


@lru_cache(maxsize=256)
def normalise_timeframe(text: str) -> str:
    """The name in the closed list for any spelling of its length: ``60m`` -> ``1h``, ``1D`` -> ``1d``.

    Raises :class:`TimeframeError` for every other length, and for ``1M``, which may be a minute or a month.
    """
    match = _SPELLING.fullmatch(text.strip().lower()) if text.strip() != "1M" else None
    if match and match[2] in UNITS:
        is_month = match[1] == "1" and match[2].startswith("mo")
        name = "1mo" if is_month else _BY_DURATION.get(int(match[1]) * UNITS[match[2]])
        if name is not None:
            return name
    shown = text if len(text) <= 20 else text[:20] + "…"
    hint = did_you_mean(text.strip()[:20], DURATION_MS, cutoff=0.4)
    raise TimeframeError(f"timeframe {shown!r} is not supported{hint}; use one of {' '.join(DURATION_MS)}")


def multiples(timeframe: str) -> tuple[str, ...]:
    """The timeframes whose slots are a whole number of those of a timeframe, itself first. A month is so of days."""
    return tuple(name for name, length in DURATION_MS.items() if length % DURATION_MS[timeframe] == 0)


def read_time(text: str) -> int:
    """Milliseconds of a time as people write it: ``2024-08-05``, ``2024-08-05 01:15``, also with ``T`` or an offset.

    Without an offset it is UTC. Raises :class:`common.errors.TimeFormatError`.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise TimeFormatError(
            f"time {shown!r} cannot be read; write 2024-08-05 01:15 (UTC), or 2024-08-05T01:15+02:00"
        ) from None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware ``datetime``."""
    return int(moment.timestamp() * 1000)


def from_ms(time_ms: int) -> datetime:
    """The aware UTC ``datetime`` of milliseconds since the epoch."""
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)


def show_time(time_ms: int) -> str:
    """``2024-08-05 01:15`` in UTC, for people."""
    return from_ms(time_ms).strftime("%Y-%m-%d %H:%M")
