"""The closed list of timeframes, and times as integers (:mod:`condition_hub.moments`)."""

import re
from functools import lru_cache
from math import log

from common.errors import TimeframeError
from common.spelling import did_you_mean
from condition_hub.moments import Moment, from_ms, iso_time, read_moment, read_time, show_time, to_ms

__all__ = [
    "DURATION_MS",
    "UNITS",
    "Moment",
    "find_timeframe",
    "from_ms",
    "iso_time",
    "multiples",
    "normalise_timeframe",
    "read_moment",
    "read_time",
    "show_time",
    "to_ms",
]

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

_MONTH = "1mo"
# Days and weeks add up to a length, never to a month.
_BY_DURATION = {length: name for name, length in DURATION_MS.items() if name != _MONTH}
_TWO_READINGS = ("1M", "M", "m")
"""A minute to some platforms, a month to others."""
UNITS = {
    "m": _MINUTE, "min": _MINUTE, "mins": _MINUTE, "minute": _MINUTE, "minutes": _MINUTE,
    "h": _HOUR, "hr": _HOUR, "hour": _HOUR, "hours": _HOUR,
    "d": _DAY, "day": _DAY, "days": _DAY,
    "w": 7 * _DAY, "week": 7 * _DAY, "weeks": 7 * _DAY,
    "mo": 31 * _DAY, "mon": 31 * _DAY, "month": 31 * _DAY, "months": 31 * _DAY,
}  # fmt: skip
"""Every spelling of a unit -> its length in milliseconds; that of a month is nominal."""
_SURELY_SECONDS = 300
"""A bare number from here on that is no timeframe in minutes was probably meant in seconds, as Coinbase counts."""
_METATRADER_UNITS = {"m": "m", "h": "h", "d": "d", "w": "w", "mn": "mo"}
_NUMBER_FIRST = re.compile(r"([1-9][0-9]{0,4})\s?([a-z]*)")
_UNIT_FIRST = re.compile(r"(mn|[mhdw])([1-9][0-9]{0,2})")


@lru_cache(maxsize=256)
def normalise_timeframe(text: str) -> str:
    """The name in the closed list for any platform's word: ``60m``, ``60`` and ``H1`` -> ``1h``, ``D`` -> ``1d``.

    A bare number counts minutes, as on TradingView; letters before digits are MetaTrader's (``M15``, ``H4``, ``MN1``);
    a unit alone means one of it. Raises :class:`TimeframeError` for other lengths, and for ``1M`` and ``M``, which
    platforms read in two ways.
    """
    if (name := find_timeframe(text)) is not None:
        return name
    word = text.strip()
    count, unit = _count_and_unit(word.lower())
    length = count * UNITS.get(unit, 0)
    if word in _TWO_READINGS:
        hint = " (a minute is 1m, a month is 1mo)"
    elif word.isdecimal() and count >= _SURELY_SECONDS and length // 60 in _BY_DURATION:
        hint = f" (a bare number counts minutes; did you mean {_BY_DURATION[length // 60]}?)"
    elif length:
        hint = f" (did you mean {min(DURATION_MS, key=lambda name: abs(log(DURATION_MS[name] / length)))}?)"
    else:
        hint = did_you_mean(word[:20], DURATION_MS, cutoff=0.6)
    shown = text if len(text) <= 20 else text[:20] + "…"
    raise TimeframeError(f"timeframe {shown!r} is not supported{hint}; use one of {' '.join(DURATION_MS)}")


def find_timeframe(text: str) -> str | None:
    """What :func:`normalise_timeframe` returns, ``None`` where it raises."""
    word = text.strip()
    if word in _TWO_READINGS:
        return None
    count, unit = _count_and_unit(word.lower())
    if UNITS.get(unit) == DURATION_MS[_MONTH]:
        return _MONTH if count == 1 else None
    return _BY_DURATION.get(count * UNITS.get(unit, 0))


def _count_and_unit(word: str) -> tuple[int, str]:
    """``60m`` -> 60 and ``m``; ``60`` too; ``h4`` -> 4 and ``h``; ``d`` -> 1 and ``d``. The unit may be unknown."""
    if match := _NUMBER_FIRST.fullmatch(word):
        return int(match[1]), match[2] or "m"
    if match := _UNIT_FIRST.fullmatch(word):
        return int(match[2]), _METATRADER_UNITS[match[1]]
    return 1, {"hourly": "h", "daily": "d", "weekly": "w", "monthly": "mo"}.get(word, word)


def multiples(timeframe: str) -> tuple[str, ...]:
    """The timeframes whose slots are a whole number of those of a timeframe, itself first. A month is so of days."""
    return tuple(name for name, length in DURATION_MS.items() if length % DURATION_MS[timeframe] == 0)
