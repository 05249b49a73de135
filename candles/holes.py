"""Which missing candles are holes: final, and judged as missing."""

from collections.abc import Iterable

from candles.series import SeriesReader
from common.timeframes import DURATION_MS
from registry.groups import Series

_HOLD_TIMEFRAMES = 2
_LONGEST_HOLD_MS = 5 * 60_000

Missing = tuple[Series, int, bool]
"""Series, open time, and whether the series has sessions, so that the market may have been closed."""


def holes_among(missing: Iterable[Missing], reader: SeriesReader, now_ms: int) -> set[tuple[Series, int]] | None:
    """The holes among missing candles as (stored series, open time), or ``None`` if one of them may still come.

    A candle is given up when its hold time is over, two timeframes and at most five minutes, and a later one has come.
    Where the market may have been closed the hold time decides, and there is no hole. Of a built candle that lacks
    sub-candles each of those is asked for.
    """
    holes: set[tuple[Series, int]] = set()
    for series, open_ms, has_sessions in missing:
        for stored, slot_ms in reader.lacking(series, open_ms):
            length = DURATION_MS[stored.timeframe]
            if now_ms < slot_ms + length + min(_HOLD_TIMEFRAMES * length, _LONGEST_HOLD_MS):
                return None
            if not has_sessions:
                holes.add((stored, slot_ms))
    # Whatever comes after the newest one comes after all of a series.
    for stored, slot_ms in dict(sorted(holes)).items():
        if reader.first_stored_from(stored, slot_ms) is None:
            return None
    return holes
