"""Which missing candles are holes: final, and judged as missing."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from candles.series import SeriesReader
from registry.groups import Series

_HOLD_TIMEFRAMES = 2
_LONGEST_HOLD_MS = 5 * 60_000

Missing = tuple[Series, int, bool]
"""Series, open time, and whether the series has sessions, so that the market may have been closed."""


def may_come_until(open_ms: int, close_ms: int) -> int:
    """Until when a candle that opens and closes at these times is waited for, whatever comes after it."""
    return close_ms + min(_HOLD_TIMEFRAMES * (close_ms - open_ms), _LONGEST_HOLD_MS)


def holes_among(
    missing: Iterable[Missing],
    reader: SeriesReader,
    now_ms: int,
    confirmed: Collection[tuple[Series, int]] = frozenset(),
    awaited: Mapping[Series, int] = MappingProxyType({}),
) -> set[tuple[Series, int]] | None:
    """The holes among missing candles as (stored series, open time), or ``None`` while one of them may still arrive.

    A candle is given up once a later candle has arrived, and either its exchange has ``confirmed`` that it does not
    exist, or its hold time, two timeframes but at most five minutes, is over; not while its exchange is being asked:
    ``awaited`` has the open time from which the candles of a series are on their way. Where the market may have been
    closed, the hold time alone decides and there is no hole. For a built candle each missing sub-candle counts.
    """
    holes: set[tuple[Series, int]] = set()
    newest: dict[Series, int] = {}
    """Series -> its newest hole."""
    for series, open_ms, has_sessions in missing:
        for stored, slot_ms, close_ms in _missing_parts(series, open_ms, reader):
            on_its_way = now_ms < may_come_until(slot_ms, close_ms) or slot_ms >= awaited.get(stored, close_ms)
            if on_its_way and (stored, slot_ms) not in confirmed:
                return None
            if not has_sessions:
                holes.add((stored, slot_ms))
                newest[series] = max(newest.get(series, slot_ms), slot_ms)
    # A candle after a series' newest hole is after all of its holes.
    if any(reader.first_part_from(series, slot_ms) is None for series, slot_ms in sorted(newest.items())):
        return None
    return holes


def _missing_parts(series: Series, open_ms: int, reader: SeriesReader) -> list[tuple[Series, int, int]]:
    if reader.source(series) is not None:
        return reader.missing_parts(series, open_ms)
    # It consists of nothing else, so nothing has to be read: hundreds of series may wait at a close.
    return [(series, open_ms, reader.calendar(series).close(open_ms))]
