"""How far each timeframe has been judged, and what the groups wait for that have not been: from the store alone.

Whatever is wrong (no worker, an exchange that is away, a tick that fails, a market that has come to a stop) shows here,
because it shows in the watermarks, and is gone from here once it is mended.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from candles.holes import may_come_until
from candles.series import SeriesReader
from common.timeframes import DURATION_MS, iso_time
from engine.calendars import SeriesCalendar
from registry.groups import Group, Series
from registry.store.parts.condition_pages import WantedGroup
from registry.store.protocol import Store


@dataclass(frozen=True)
class Waiting:
    """A group whose next slot is over and has not been judged, because a candle is missing that it reads."""

    group: Group
    series: Series
    """The stored series that lacks a candle."""
    open_ms: int
    """When the missing candle opens."""
    since_ms: int
    """When it closed."""
    is_stale: bool
    """It should have come by now, and its series has no later candle: its source does not deliver."""
    outcome: str
    """What will happen."""


@dataclass(frozen=True)
class TimeframeProgress:
    """One timeframe with conditions that are to be judged. Times are close times in milliseconds."""

    timeframe: str
    conditions: int
    """Conditions to be judged."""
    groups: int
    last_tick_ms: int | None
    """Up to where the group that has come furthest has been judged; ``None`` before the first tick."""
    next_tick_ms: int
    """When the next candle of a group closes that has not closed yet."""
    lag_ms: int
    """How long ago the candle closed that the group lacks that has come furthest; 0 if it lacks none."""
    waiting: tuple[Waiting, ...]
    """Groups that wait for a candle, those that have waited longest first."""
    behind: int
    """Groups that lack nothing but a tick."""
    without_candles: int
    """Groups with a series that has no candles at all."""

    @property
    def stale(self) -> int:
        """How many of the waiting groups have a source that does not deliver."""
        return sum(each.is_stale for each in self.waiting)


@dataclass(frozen=True)
class ExchangeCandles:
    """The candles of one exchange that conditions read."""

    exchange: str
    series: int
    current: int
    """Series whose last closed candle is there."""
    absent: int
    """Series without any candle."""
    newest_close_ms: int | None
    """Close time of the newest candle of all; ``None`` without any."""


@dataclass(frozen=True)
class ToBeJudged:
    """What is to be judged and where its candles are, read once for everything that is asked of it."""

    groups: Sequence[WantedGroup]
    reader: SeriesReader

    @classmethod
    def of(cls, store: Store) -> Self:
        """As it is in a store now; used while the store is open."""
        return cls(store.registry.wanted_groups(), SeriesReader.of(store))


def progress(wanted: ToBeJudged, now_ms: int) -> list[TimeframeProgress]:
    """The timeframes with conditions that are to be judged, shortest first."""
    by_timeframe: dict[str, list[WantedGroup]] = {}
    for each in wanted.groups:
        by_timeframe.setdefault(each.group.base.timeframe, []).append(each)
    return [_progress(wanted.reader, name, by_timeframe[name], now_ms) for name in DURATION_MS if name in by_timeframe]


def exchange_candles(wanted: ToBeJudged, now_ms: int) -> list[ExchangeCandles]:
    """The exchanges from which conditions read candles, by name."""
    reader = wanted.reader
    read = {series for each in wanted.groups for series in each.group.series}
    series, current, absent = Counter[str](), Counter[str](), Counter[str]()
    newest: dict[tuple[str, SeriesCalendar], int] = {}
    """Exchange and calendar -> open time of the newest candle."""
    last_opens: dict[SeriesCalendar, int] = {}
    for one in {reader.stored(each) for each in read}:
        exchange, calendar, extent = one.instrument.exchange, reader.calendar(one), reader.extent(one)
        series[exchange] += 1
        if extent is None:
            absent[exchange] += 1
            continue
        last_open = last_opens.get(calendar)
        if last_open is None:
            last_open = last_opens[calendar] = calendar.last_open(now_ms)
        current[exchange] += extent[1] >= last_open or calendar.is_current(extent[1], now_ms)
        newest[exchange, calendar] = max(newest.get((exchange, calendar), 0), extent[1])
    closes: dict[str, int] = {}
    for (exchange, calendar), open_ms in newest.items():
        closes[exchange] = max(closes.get(exchange, 0), calendar.close(open_ms))
    return [
        ExchangeCandles(name, series[name], current[name], absent[name], closes.get(name)) for name in sorted(series)
    ]


def waiting_of(reader: SeriesReader, group: Group, start_ms: int, now_ms: int) -> Waiting | None:
    """The candle that a group lacks to be judged beyond ``start_ms``; ``None`` if it lacks nothing but a tick, or a
    candle that has not closed yet, or has a series without candles."""
    if not all(map(reader.exists, group.series)):
        return None
    close_ms = reader.calendar(group.base).next_close(start_ms)
    return None if close_ms > now_ms else _lack(reader, group, start_ms, close_ms, now_ms)


def _progress(reader: SeriesReader, timeframe: str, groups: Sequence[WantedGroup], now_ms: int) -> TimeframeProgress:
    waiting: list[Waiting] = []
    behind = without_candles = 0
    lags: list[int] = []
    calendars: set[SeriesCalendar] = set()
    for each in groups:
        group, start_ms = each.group, each.from_ms
        calendar = reader.calendar(group.base)
        calendars.add(calendar)
        if not all(map(reader.exists, group.series)):
            without_candles += 1
            continue
        close_ms = calendar.next_close(start_ms)
        lags.append(now_ms - close_ms)
        if close_ms > now_ms:
            continue
        lack = _lack(reader, group, start_ms, close_ms, now_ms)
        if lack is None:
            behind += 1
        else:
            waiting.append(lack)
    return TimeframeProgress(
        timeframe=timeframe,
        conditions=sum(each.conditions for each in groups),
        groups=len(groups),
        last_tick_ms=max((each.judged_until_ms for each in groups if each.judged_until_ms is not None), default=None),
        next_tick_ms=min(calendar.next_close(now_ms) for calendar in calendars),
        lag_ms=max(0, min(lags, default=0)),
        waiting=tuple(sorted(waiting, key=lambda each: (each.since_ms, each.group))),
        behind=behind,
        without_candles=without_candles,
    )


def _lack(reader: SeriesReader, group: Group, start_ms: int, close_ms: int, now_ms: int) -> Waiting | None:
    """The first candle that a group lacks to be judged up to a close time; ``None`` if it lacks none."""
    for series in group.series:
        calendar = reader.calendar(series)
        for open_ms in _opens(calendar, start_ms, close_ms):
            for stored, slot_ms, end_ms in _missing_parts(reader, series, open_ms):
                return _waiting(reader, group, stored, slot_ms, end_ms, now_ms, has_sessions=calendar.has_sessions)
    return None


# Thousands of groups lack the same slots.
@lru_cache(maxsize=256)
def _opens(calendar: SeriesCalendar, start_ms: int, close_ms: int) -> tuple[int, ...]:
    """Open times of the slots that end between two times and have to be there; where markets close, the last one."""
    opens = tuple(open_ms for open_ms, _ in calendar.closing(start_ms, close_ms))
    return opens[-1:] if calendar.has_sessions else opens


def _missing_parts(reader: SeriesReader, series: Series, open_ms: int) -> Iterable[tuple[Series, int, int]]:
    """The stored candles that are missing from a slot's candle; read only where the newest one does not tell."""
    if reader.source(series) is None:
        extent = reader.extent(series)
        if extent is not None and extent[1] <= open_ms:
            return () if extent[1] == open_ms else ((series, open_ms, reader.calendar(series).close(open_ms)),)
    return reader.missing_parts(series, open_ms)


def _waiting(
    reader: SeriesReader, group: Group, stored: Series, open_ms: int, close_ms: int, now_ms: int, *, has_sessions: bool
) -> Waiting:
    extent = reader.extent(stored)
    has_later = extent is not None and extent[1] >= open_ms
    until_ms = may_come_until(open_ms, close_ms)
    is_stale = now_ms >= until_ms and not has_sessions and not has_later
    outcome = _outcome(until_ms, now_ms >= until_ms, is_stale, has_sessions)
    return Waiting(group, stored, open_ms, close_ms, is_stale, outcome)


@lru_cache(maxsize=1024)
def _outcome(until_ms: int, is_over: bool, is_stale: bool, has_sessions: bool) -> str:
    """What will happen to a group that waits for a candle which may come until a time."""
    if has_sessions:
        told = "the market may be closed: it is judged without it"
        return f"{told} at the next tick" if is_over else f"{told} from {iso_time(until_ms)} on"
    if is_stale:
        return "its source does not deliver: it is judged as missing once a later candle comes"
    if is_over:
        return "it is judged as missing at the next tick"
    return f"it may still come; from {iso_time(until_ms)} on it is judged as missing once a later candle comes"
