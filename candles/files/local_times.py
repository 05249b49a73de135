"""Turns the time on the wall in a zone into UTC, by the rules of the pinned zone database."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from common.epoch_times import DAY_MS
from common.zones import zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY, _LAST_DAY = -100_000, 100_000
"""Days since 1970, some centuries around the present, outside which clocks have no zone."""


def to_utc(
    local_ms: NDArray[np.int64], zone_name: str, repeated: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Times on the wall, as milliseconds, in UTC, and which of them no clock in the zone ever showed.

    An hour that the clock showed twice is the first of the two, the second where ``repeated``.
    """
    utc = local_ms.copy()
    skipped = np.zeros(local_ms.size, np.bool_)
    if not local_ms.size:
        return utc, skipped
    in_order = np.argsort(local_ms, kind="stable")
    days, begins = np.unique(local_ms[in_order] // DAY_MS, return_index=True)
    for day, rows in zip(days.tolist(), np.split(in_order, begins[1:]), strict=True):
        if not _FIRST_DAY < day < _LAST_DAY:
            continue
        start, end = (_offset_ms(moment * DAY_MS, 0, zone_name) for moment in (day, day + 1))
        if start == end:
            utc[rows] -= start
            continue
        for row in rows:
            time_ms = int(local_ms[row])
            utc[row] = time_ms - _offset_ms(time_ms, int(repeated[row]), zone_name)
            skipped[row] = utc[row] + utc_offset_ms(int(utc[row]), zone_name) != time_ms
    return utc, skipped


def utc_offset_ms(time_ms: int, zone_name: str) -> int:
    """How far the clock on the wall is ahead of UTC at a moment, in milliseconds."""
    offset = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone(zone_name)).utcoffset()
    return int((offset or timedelta()).total_seconds() * 1000)


@lru_cache(maxsize=65_536)
def _offset_ms(local_ms: int, fold: int, zone_name: str) -> int:
    moment = (_EPOCH + timedelta(milliseconds=local_ms)).replace(tzinfo=zone(zone_name), fold=fold)
    return int((moment.utcoffset() or timedelta()).total_seconds() * 1000)
