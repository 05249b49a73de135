"""Closed candles as bots see them: of the smallest stored timeframe of each instrument, with the indicators that the
bots there want. Each is read from the store once, whatever the number of bots."""

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import polars as pl

from bots.arithmetic import ZERO
from bots.machine import CandleClosed, IndicatorReading
from candles.series import SeriesReader
from common.candle_columns import OHLC, VALUES
from common.timeframes import DURATION_MS
from indicators.compute import compute
from registry.groups import Series
from registry.instruments import Instrument
from registry.store.protocol import Store

_KEPT = 500
"""Newest candles of a series in memory; who is further behind reads from the store."""
_FAR_MS = 1 << 42
_DEAD_SLOTS = 50
"""A series that is this far behind the newest one of its timeframe is read by itself."""


class CandleFeed:
    """For one loop. :meth:`after` shows at most ``MOST`` candles.

    A candle whose indicators cannot be known yet, as a longer candle that ends with it is not stored, is not shown
    before ``patience_s`` have passed.
    """

    MOST = 1_500

    def __init__(self, store: Store, monotonic: Callable[[], float], patience_s: float) -> None:
        self._store = store
        self._monotonic = monotonic
        self._patience_s = patience_s
        self._reader = SeriesReader.of(store)
        self._names: set[Series] = set()
        self.has_other_series = False
        """Whether the smallest timeframe of an instrument has changed with the last :meth:`refresh`: whoever follows it
        has to :meth:`follow` it again."""
        self._series: dict[Instrument, Series | None] = {}
        self._candles: dict[Series, deque[CandleClosed]] = {}
        self._last_open: dict[Series, int] = {}
        self._whole_from: dict[Series, int] = {}
        """From when on all candles of a series are in memory that close later."""
        self._versions: dict[str, int] = {}
        self._readings: dict[Series, set[IndicatorReading]] = {}
        self._incomplete: dict[tuple[Series, int], float] = {}
        """Candles that indicators wait for, and since when; the newest ones."""

    def follow(self, instrument: Instrument, readings: Iterable[IndicatorReading], from_ms: int) -> None:
        """Show the candles of an instrument that close after a time, with some indicators, from now on."""
        series = self.series_of(instrument)
        if series is None:
            return
        self._readings.setdefault(series, set()).update(readings)
        if series not in self._candles:
            self._candles[series] = deque(maxlen=_KEPT)
            self._last_open[series] = self._reader.calendar(series).last_open(from_ms)
            self._whole_from[series] = from_ms
            self._versions.pop(series.timeframe, None)

    def series_of(self, instrument: Instrument) -> Series | None:
        """The series that an instrument's bots live on: its smallest stored timeframe; ``None`` without candles."""
        return self._series.get(instrument) or self._choose(instrument)

    def refresh(self) -> bool:
        """Read the candles that have been stored since the last call. Returns whether there are any."""
        self.has_other_series = self._names_changed()
        has_new = self.has_other_series
        by_timeframe: dict[str, list[Series]] = {}
        for series in self._candles:
            by_timeframe.setdefault(series.timeframe, []).append(series)
        for timeframe, followed in by_timeframe.items():
            version = self._store.candles.version(followed)
            if version == self._versions.get(timeframe):
                continue
            has_new = True
            newest = max(self._last_open[series] for series in followed)
            limit = newest - _DEAD_SLOTS * DURATION_MS[timeframe]
            for group in (
                [series for series in followed if self._last_open[series] >= limit],
                [series for series in followed if self._last_open[series] < limit],
            ):
                if group:
                    self._read(group)
            self._versions[timeframe] = version
        return has_new

    def after(self, series: Series, close_ms: int) -> list[CandleClosed]:
        """The candles of a followed series that close after a time, oldest first; at most as many as are read at
        once."""
        candles = self._candles[series]
        if close_ms >= self._whole_from[series]:
            shown = [candle for candle in reversed(candles) if candle.time_ms > close_ms][::-1]
        else:
            open_ms = self._reader.calendar(series).open_from(close_ms)
            rows = self._store.candles.between(series, open_ms, open_ms + self.MOST * DURATION_MS[series.timeframe])
            if rows.is_empty() and (first := self._store.candles.first_open_from(series, open_ms)) is not None:
                rows = self._store.candles.between(series, first, first + self.MOST * DURATION_MS[series.timeframe])
            shown = [candle for candle in self._as_seen(series, rows) if candle.time_ms > close_ms]
        return self._with_readings(series, shown) if self._readings.get(series) else shown

    def _choose(self, instrument: Instrument) -> Series | None:
        own = [series for series in self._all_names() if series.instrument == instrument]
        series = min(own, key=lambda one: DURATION_MS[one.timeframe], default=None)
        self._series[instrument] = series
        return series

    def _all_names(self) -> set[Series]:
        if not self._names:
            self._names = self._store.candles.names()
        return self._names

    def _names_changed(self) -> bool:
        names = self._store.candles.names()
        if names == self._names:
            return False
        self._names = names
        self._reader = SeriesReader.of(self._store)
        before = dict(self._series)
        for instrument in before:
            self._choose(instrument)
        return before != self._series

    def _read(self, group: list[Series]) -> None:
        start_ms = min(self._last_open[series] for series in group) + 1
        rows = self._store.candles.within(group, start_ms, _FAR_MS)
        for key, own in rows.partition_by("series", as_dict=True).items():
            series = Series.parse(str(key[0]))
            fresh = own.filter(pl.col("open_time").dt.epoch("ms") > self._last_open[series])
            if fresh.height:
                candles = self._candles[series]
                candles.extend(self._as_seen(series, fresh))
                if len(candles) == _KEPT:
                    self._whole_from[series] = max(self._whole_from[series], candles[0].time_ms)
                self._last_open[series] = int(fresh["open_time"].dt.epoch("ms")[-1])

    def _as_seen(self, series: Series, rows: pl.DataFrame) -> list[CandleClosed]:
        opens = rows["open_time"].dt.epoch("ms").to_numpy()
        closes = self._reader.calendar(series).close(opens)
        columns = [[_exact(value) for value in rows[name].to_list()] for name in VALUES]
        return [
            CandleClosed(time_ms, opening, high, low, close, volume)
            for time_ms, opening, high, low, close, volume in zip(closes.tolist(), *columns, strict=True)
        ]

    def _with_readings(self, series: Series, candles: list[CandleClosed]) -> list[CandleClosed]:
        """Candles with their indicators, up to the first whose indicators are not known yet."""
        shown: list[CandleClosed] = []
        values: dict[IndicatorReading, dict[int, Decimal]] = {}
        for candle in candles:
            read: dict[str, Decimal] = {}
            for reading in self._readings[series]:
                other = series.at(reading.timeframe)
                calendar = self._reader.calendar(other)
                open_ms = calendar.last_open(candle.time_ms)
                if calendar.close(open_ms) != candle.time_ms:
                    continue
                if reading not in values:
                    values[reading] = self._values(other, reading, candle.time_ms, candles[-1].time_ms)
                value = values[reading].get(candle.time_ms)
                if value is not None:
                    read[reading.key] = value
                elif self._is_waited_for(other, candle.time_ms):
                    return shown
            shown.append(msgspec.structs.replace(candle, readings=read) if read else candle)
        return shown

    def _values(self, series: Series, reading: IndicatorReading, from_ms: int, until_ms: int) -> dict[int, Decimal]:
        """Close time -> value of an indicator on the candles that close between two times, both included."""
        if not self._reader.exists(series):
            return {}
        calendar = self._reader.calendar(series)
        stop_ms = calendar.last_open(until_ms) + 1
        # Wilder's average forgets: a value that is a hundred periods back is below the last digit.
        spanned = (until_ms - from_ms) // DURATION_MS[series.timeframe] + 1
        rows = self._reader.last(series, stop_ms, spanned + 100 * reading.period)
        if rows.is_empty():
            return {}
        columns: dict[str, Any] = {name: rows[name].to_numpy() for name in (*OHLC, "volume")}
        (computed,) = compute(reading.indicator, columns, period=reading.period).values()
        closes = calendar.close(rows["open_time"].dt.epoch("ms").to_numpy())
        return {
            time_ms: Decimal(repr(value))
            for time_ms, value in zip(closes.tolist(), computed.tolist(), strict=True)
            if time_ms >= from_ms and np.isfinite(value)
        }

    def _is_waited_for(self, series: Series, close_ms: int) -> bool:
        """Whether a candle that is not stored may still come. One that is stored and has no value yet is too early in
        its series; one that is not is waited for, for a while, unless later ones are there."""
        if not self._reader.exists(series):
            return False
        last = self._reader.last(series, close_ms, 1)
        if last.height and self._reader.calendar(series).close(int(last["open_time"].dt.epoch("ms")[0])) >= close_ms:
            return False
        while len(self._incomplete) > _KEPT:
            del self._incomplete[next(iter(self._incomplete))]
        since_s = self._incomplete.setdefault((series, close_ms), self._monotonic())
        return self._monotonic() - since_s < self._patience_s


def _exact(value: float | None) -> Decimal:
    # A volume that is not known fills nothing.
    return ZERO if value is None or not np.isfinite(value) else Decimal(repr(value))
