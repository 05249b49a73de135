"""Reads series as they are judged: from their own candles, or built from those of a shorter timeframe.

Which of the two applies is decided once, with the series' anchor, and the two are never mixed: a series with stored
candles of its own uses them; otherwise it is built from the longest stored timeframe that divides its own. An anchored
series keeps that choice, whatever is imported later, until a rebase decides again.
"""

from collections.abc import Collection, Mapping
from typing import Self

import numpy as np
import polars as pl

from candles.calendars import stored_calendars
from common.candle_columns import VALUES
from common.grids import Grid
from common.slots import Slots, slots_of
from engine.calendars import Calendars, SeriesCalendar
from engine.resampling import divisors, is_over, resample
from registry.groups import Series
from registry.store.parts.candles import CandleStore
from registry.store.protocol import Store

_HISTORY = ("open_time", *VALUES)
_SLOT_SCHEMA = {
    "series": pl.String,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
    "partial": pl.Boolean,
}


class SeriesReader:
    """The candles that the engine reads, stored and built alike. Series are named as in the store.

    A built candle exists if any of its sub-candles does. As with stored candles, the caller has to know whether its
    span is over: ask only for times that have passed. Only :meth:`extent`, which takes no time, leaves out a newest
    candle whose span is not over. Built candles of the past are as judged, because the store keeps their sub-candles as
    they were judged.

    A reader remembers its decisions on series without an anchor; make another reader to decide afresh.
    """

    def __init__(self, candles: CandleStore, anchored: Mapping[Series, str | None], calendars: Calendars) -> None:
        """``anchored`` maps each series with an anchor to the timeframe that it is built from, or ``None``."""
        self.calendars = calendars
        self._candles = candles
        self._sources = dict(anchored)
        self._names: set[Series] | None = None
        self._extents: dict[str, dict[Series, tuple[int, int]]] = {}
        self._calendars: dict[Series, SeriesCalendar] = {}

    @classmethod
    def of(cls, store: Store, anchors: Collection[Series] | None = None) -> Self:
        """A reader of the store's current candles and anchors; ``anchors`` are the series that have one, ``None`` to
        have the store asked for them."""
        anchors = store.ticks.anchors() if anchors is None else anchors
        built = store.ticks.built_from()
        sources = {series: built.get(series) for series in anchors}
        return cls(store.candles, sources, stored_calendars(store, anchors))

    def calendar(self, series: Series) -> SeriesCalendar:
        """The calendar and grid of a series; a built one shares its grid with the candles that it is built from."""
        known = self._calendars.get(series)
        if known is None:
            known = self._calendars[series] = self.calendars.of(series)
        return known

    def source(self, series: Series) -> str | None:
        """The timeframe that a series is built from, ``None`` if its candles are its own or it has none."""
        if series not in self._sources:
            self._sources[series] = self._decide(series)
        return self._sources[series]

    def stored(self, series: Series) -> Series:
        """The stored series whose candles a series is made of: itself, unless it is built."""
        source = self.source(series)
        return series if source is None else series.at(source)

    def exists(self, series: Series) -> bool:
        """Whether a series has candles, its own or built ones."""
        source = self.source(series)
        return source is not None or series in self._all_names()

    def extent(self, series: Series) -> tuple[int, int] | None:
        """Open times of the first and the last candle, ``None`` if there are none."""
        source = self.source(series)
        stored_extent = self._stored_extent(series if source is None else series.at(source))
        if source is None or stored_extent is None:
            return stored_extent
        first, last = (self._begin(series, time_ms) for time_ms in stored_extent)
        if not is_over(last, series.timeframe, stored_extent[1], source, self.calendars.grid(series)):
            # The candle before it may be missing, so look for the newest that exists.
            before = self.last(series, last, 1)
            if before.is_empty():
                return None
            last = int(before["open_time"].dt.epoch("ms")[0])
        return first, last

    def first(self, series: Series) -> int | None:
        """Open time of the first candle, whose span may not be over; ``None`` if there are none."""
        stored_extent = self._stored_extent(self.stored(series))
        return None if stored_extent is None else self._begin(series, stored_extent[0])

    def between(self, series: Series, start_ms: int, stop_ms: int) -> pl.DataFrame:
        """Candles with ``start <= open_time < stop``, oldest first, as a candle frame."""
        source = self.source(series)
        if source is None:
            return self._candles.between(series, start_ms, stop_ms)
        calendar = self.calendar(series)
        first, stop = calendar.open_from(start_ms), calendar.open_from(stop_ms)
        return self._built(self._candles.between(self.stored(series), first, stop), series)

    def spans(self, spans: Mapping[Series, tuple[int, int]]) -> dict[Series, pl.DataFrame]:
        """Candles of several series with ``start <= open_time < stop`` each, oldest first: ``open_time open high low
        close volume``. Those of series that are alike are read at once."""
        alike: dict[tuple[str, int, int], list[Series]] = {}
        read: dict[Series, pl.DataFrame] = {}
        for series, (start_ms, stop_ms) in spans.items():
            if self.source(series) is None:
                alike.setdefault((series.timeframe, start_ms, stop_ms), []).append(series)
            else:
                read[series] = self.between(series, start_ms, stop_ms).select(_HISTORY)
        for (_, start_ms, stop_ms), several in alike.items():
            candles = self._candles.within(several, start_ms, stop_ms)
            by_series = candles.partition_by("series", as_dict=True, include_key=False)
            nothing = candles.head(0).drop("series")
            read |= {series: by_series.get((str(series),), nothing) for series in several}
        return read

    def last(self, series: Series, stop_ms: int, count: int) -> pl.DataFrame:
        """The last ``count`` candles with ``open_time < stop``, oldest first, as a candle frame."""
        source = self.source(series)
        if source is None:
            return self._candles.last(series, stop_ms, count)
        slots, parts = self.calendar(series).slots, self._parts(series)
        stop = slots.number(stop_ms - 1) + 1
        # These sub-candles reach over at least `count` spans, and over more where some are missing. Only then can the
        # first span be incomplete, and it is left out.
        needed = parts.number(slots.open(stop) - 1) - parts.number(slots.open(stop - count) - 1)
        candles = self._candles.last(self.stored(series), slots.open(stop), needed)
        return self._built(candles, series).tail(count)

    def first_open_from(self, series: Series, time_ms: int) -> int | None:
        """Open time of the first candle that opens at or after a time, ``None`` if there is none."""
        if self.source(series) is None:
            return self._candles.first_open_from(series, time_ms)
        open_ms = self._candles.first_open_from(self.stored(series), self.calendar(series).open_from(time_ms))
        return None if open_ms is None else self._begin(series, open_ms)

    def at(self, timeframe: str, open_ms: int, series: Collection[Series]) -> pl.DataFrame:
        """The candles of one slot, for those of ``series`` that have one.

        The columns are ``series open high low close volume partial``.
        """
        wanted = [name for name in series if name.timeframe == timeframe]
        own = {name for name in wanted if self.source(name) is None}
        frames = [pl.DataFrame(schema=_SLOT_SCHEMA)]
        if own:
            stored = self._candles.at(timeframe, open_ms).filter(pl.col("series").is_in(list(own)))
            frames.append(stored.with_columns(pl.lit(False).alias("partial")))
        alike: dict[tuple[str, str], dict[Series, Series]] = {}
        for name in wanted:
            if (source := self.source(name)) is not None and self.calendar(name).slots.is_open(open_ms):
                alike.setdefault((source, str(self.calendars.grid(name))), {})[self.stored(name)] = name
        for (source, grid), names in sorted(alike.items()):
            close_ms = SeriesCalendar(timeframe, grid=Grid.parse(grid)).close(open_ms)
            candles = self._candles.within(list(names), open_ms, close_ms)
            built = resample(candles, source, timeframe, Grid.parse(grid))
            built = built.with_columns(pl.col("series").replace_strict(names))
            frames.append(built.select(list(_SLOT_SCHEMA)))
        return pl.concat(frames)

    def missing_parts(self, series: Series, open_ms: int) -> list[tuple[Series, int, int]]:
        """The stored candles missing from a slot's candle, as (stored series, open time, close time) in order.

        Empty when the candle is complete.
        """
        stored, close_ms, parts = self.stored(series), self.calendar(series).close(open_ms), self._parts(series)
        slots = parts.between(open_ms, close_ms).tolist()
        present = self._candles.between(stored, open_ms, close_ms)["open_time"].dt.epoch("ms")
        return [(stored, slot, parts.close(parts.number(slot))) for slot in sorted(set(slots) - set(present))]

    def first_part_from(self, series: Series, time_ms: int) -> int | None:
        """:meth:`first_open_from` for the stored series that a series is made of.

        Raises :class:`common.errors.GridError` if that candle is on none of its slots.
        """
        stored = self.stored(series)
        open_ms = self._candles.first_open_from(stored, time_ms)
        if open_ms is not None:
            parts = SeriesCalendar(stored.timeframe, grid=self.calendars.grid(series))
            parts.require_slots(stored, np.array([open_ms]))
        return open_ms

    def _decide(self, series: Series) -> str | None:
        names = self._all_names()
        if series in names:
            return None
        fitting = divisors(series.timeframe, self.calendars.grid(series))
        return next((name for name in fitting if series.at(name) in names), None)

    def _all_names(self) -> set[Series]:
        if self._names is None:
            self._names = self._candles.names()
        return self._names

    def _stored_extent(self, stored: Series) -> tuple[int, int] | None:
        timeframe = stored.timeframe
        if timeframe not in self._extents:
            self._extents[timeframe] = self._candles.extent(timeframe)
        return self._extents[timeframe].get(stored)

    def _built(self, candles: pl.DataFrame, series: Series) -> pl.DataFrame:
        grid = self.calendars.grid(series)
        return resample(candles, self.stored(series).timeframe, series.timeframe, grid).drop("partial")

    def _parts(self, series: Series) -> Slots:
        """The slots of the stored candles that a series is made of."""
        return slots_of(self.stored(series).timeframe, self.calendars.grid(series))

    def _begin(self, series: Series, time_ms: int) -> int:
        """Open time of the slot in which a time is."""
        slots = self.calendar(series).slots
        return slots.open(slots.number(time_ms))
