"""Time zones from the pinned ``tzdata`` package, never from the system: the same rules on every machine."""

from datetime import datetime, timedelta
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from zoneinfo import ZoneInfo

from common.errors import ZoneError
from common.spelling import did_you_mean

ZONES_VERSION = version("tzdata")
"""The release of the zone rules, as the ``tzdata`` package counts it."""

KNOWN_YEARS_MS = (0, 2_145_916_800_000)
"""From 1970 to 2038, in milliseconds: the years that the rules of zones are compared over."""

_SAMPLED_EVERY_MS = 5 * 24 * 60 * 60 * 1000
"""Days between two changes of a zone since 1970 are at least six; a test holds the pinned rules to it."""


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """All names of the zone database: ``America/New_York``, ``EET``, ``UTC``, ..."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The zone of that name; capitals do not matter. Raises :class:`common.errors.ZoneError`."""
    canonical = _by_folded_name().get(name.strip().lower())
    if canonical is None:
        shown = name if len(name) <= 40 else name[:40] + "…"
        hint = did_you_mean(name.strip()[:40], zone_names())
        raise ZoneError(f"time zone {shown!r} is unknown{hint}; write a name such as UTC, EET or America/New_York")
    with files("tzdata").joinpath("zoneinfo", *canonical.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=canonical)


@lru_cache(maxsize=1024)
def offset_changes(name: str, first_ms: int, last_ms: int) -> tuple[tuple[int, int], ...]:
    """(time, offset from UTC) from ``first_ms`` on, and at each change up to ``last_ms``; all in milliseconds."""
    place = zone(name)

    def offset(time_ms: int) -> int:
        away = datetime.fromtimestamp(time_ms // 1000, place).utcoffset()
        assert away is not None
        return away // timedelta(milliseconds=1)

    changes = [(first_ms, offset(first_ms))]
    for sampled_ms in [*range(first_ms + _SAMPLED_EVERY_MS, last_ms, _SAMPLED_EVERY_MS), last_ms]:
        now, before_ms, change_ms = offset(sampled_ms), max(first_ms, sampled_ms - _SAMPLED_EVERY_MS), sampled_ms
        if now == changes[-1][1]:
            continue
        while change_ms - before_ms > 1000:
            middle_ms = (before_ms + change_ms) // 2000 * 1000
            before_ms, change_ms = (before_ms, middle_ms) if offset(middle_ms) == now else (middle_ms, change_ms)
        changes.append((change_ms, now))
    return tuple(changes)


@lru_cache(maxsize=1)
def _by_folded_name() -> dict[str, str]:
    return {name.lower(): name for name in zone_names()}
