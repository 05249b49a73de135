"""Time zones from the pinned ``tzdata`` package, never from the system: the same rules on every machine."""

from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from zoneinfo import ZoneInfo

from common.errors import ZoneError
from common.spelling import did_you_mean

ZONES_VERSION = version("tzdata")
"""The release of the zone rules, as the ``tzdata`` package counts it."""


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


@lru_cache(maxsize=1)
def _by_folded_name() -> dict[str, str]:
    return {name.lower(): name for name in zone_names()}
