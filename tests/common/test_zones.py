"""Zones of the pinned package, and when their clocks change."""

import struct
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ZoneError
from common.zones import KNOWN_YEARS_MS, offset_changes, zone, zone_names

DAY = 86_400_000


def changes_in_file(name: str) -> Iterator[tuple[int, int]]:
    """(time, offset) in seconds of the 64-bit part of a zone's file, as RFC 9636 lays it out."""
    data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()

    def counts(at: int) -> tuple[int, ...]:
        return struct.unpack(">6l", data[at + 20 : at + 44])

    utc, standard, leaps, times, types, characters = counts(0)
    second = 44 + times * 5 + types * 6 + characters + leaps * 8 + standard + utc
    _, _, _, times, types, _ = counts(second)
    at = second + 44
    when = struct.unpack(f">{times}q", data[at : at + 8 * times])
    which = data[at + 8 * times : at + 9 * times]
    offsets = [struct.unpack(">l", data[at + 9 * times + 6 * i :][:4])[0] for i in range(types)]
    last = None
    for time, kind in zip(when, which, strict=True):
        if offsets[kind] != last:
            last = offsets[kind]
            yield time, last


def test_no_zone_changes_its_clocks_twice_within_five_days() -> None:
    """Otherwise changes could be missed: they are looked for every five days."""
    nearest = []
    for name in sorted(zone_names()):
        times = [time for time, _ in changes_in_file(name) if time >= 0]
        nearest += [later - earlier for earlier, later in pairwise(times)]
    assert len(nearest) > 10_000
    assert min(nearest) * 1000 > 5 * DAY


@pytest.mark.parametrize("name", ["America/New_York", "Australia/Lord_Howe", "Africa/Monrovia", "Africa/Casablanca"])
def test_changes_are_those_of_the_file(name: str) -> None:
    first, last = KNOWN_YEARS_MS
    wanted = [(time * 1000, offset * 1000) for time, offset in changes_in_file(name) if 0 < time * 1000 <= last]
    changes = offset_changes(name, first, last)
    assert changes[0][0] == first
    assert list(changes[1 : len(wanted) + 1]) == wanted != []


@given(
    st.sampled_from(sorted(zone_names())),
    st.integers(0, KNOWN_YEARS_MS[1] // 60_000).map(lambda minute: minute * 60_000),
    st.integers(0, 400 * DAY // 60_000).map(lambda minute: minute * 60_000),
)
def test_any_stretch_begins_with_the_offset_of_its_start(name: str, start_ms: int, lasts_ms: int) -> None:
    changes = offset_changes(name, start_ms, start_ms + lasts_ms)
    assert changes[0][0] == start_ms
    for time_ms, offset_ms in changes:
        away = datetime.fromtimestamp(time_ms / 1000, zone(name)).utcoffset()
        assert away is not None
        assert away.total_seconds() * 1000 == offset_ms
    assert all(earlier[1] != later[1] for earlier, later in pairwise(changes))


def test_capitals_do_not_matter_and_unknown_names_are_refused() -> None:
    assert zone("america/new_york").key == "America/New_York"
    with pytest.raises(ZoneError, match=r"did you mean Europe/Paris\?"):
        zone("Europe/Pari")
