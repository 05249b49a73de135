"""Longer candles from shorter ones.

A candle over several slots opens at the first price traded in them and closes at the last. A sub-candle without volume
saw no trade: exchanges print it flat at the previous close, so it sets neither open, high, low nor close. Where none of
them has volume all of them count: a flat market stays flat, and sources without volumes (indices, forex) are aggregated
as usual.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import polars as pl

from common.grids import UTC_GRID, Grid
from common.slots import slots_of
from common.timeframes import DURATION_MS, multiples, to_ms
from engine.calendars import Calendars, SeriesCalendar
from registry.groups import Series

_KEYS = ("series", "exchange", "symbol", "timeframe")
_PRICES = ("open", "high", "low", "close")
_FROM, _TO = datetime(1990, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
"""Where clocks are looked at: all candles that are traded on electronically, and half a life more."""


@lru_cache(maxsize=512)
def divisors(timeframe: str, grid: Grid = UTC_GRID) -> tuple[str, ...]:
    """The timeframes from which a timeframe can be built on a grid, longest first: each of its slots is a whole number
    of theirs."""
    return tuple(
        name
        for name in reversed(DURATION_MS)
        if name != timeframe and timeframe in multiples(name) and _fits(name, timeframe, grid)
    )


def _fits(shorter: str, timeframe: str, grid: Grid) -> bool:
    """Whether every slot of a timeframe begins where one of a shorter timeframe does.

    Slots of some hours go by the clock on the wall and shorter ones do not: where summer time shifts it by half an
    hour, some hours lie across the end of a longer slot.
    """
    by_the_clock = DURATION_MS["1h"] < DURATION_MS[timeframe] < DURATION_MS["1d"] and grid.session_end is None
    if not by_the_clock or DURATION_MS[shorter] > DURATION_MS["1h"]:
        return True
    opens = slots_of(timeframe, grid).between(to_ms(_FROM), to_ms(_TO))
    return bool(np.all(slots_of(shorter, grid).is_open(opens)))


def resample(candles: pl.DataFrame, source: str, timeframe: str, grid: Grid = UTC_GRID) -> pl.DataFrame:
    """Candles of ``timeframe`` built from candles of ``source``, one of its divisors, both on one grid.

    ``candles`` has ``open_time open high low close volume`` and any of ``series exchange symbol timeframe``, and is
    sorted by series, then open time. The result has the same columns, with the longer ``timeframe``, and ``partial``:
    whether sub-candles are missing. A candle exists where at least one sub-candle does, even for a span that is not
    over yet: pass no candles that are too new, or check with :func:`is_over`.
    """
    keys = [name for name in candles.columns if name in _KEYS]
    candles = candles.select(*keys, "open_time", *_PRICES, "volume")
    if candles.is_empty():
        return candles.with_columns(pl.lit(False).alias("partial"))
    opens = candles["open_time"].dt.epoch("ms").to_numpy()
    slots = slots_of(timeframe, grid)
    numbers = slots.number(opens)
    begins = np.ones(opens.size, np.bool_)
    begins[1:] = numbers[1:] != numbers[:-1]
    if keys:
        changed = candles.select(pl.any_horizontal(pl.col(keys).ne_missing(pl.col(keys).shift())))
        begins |= changed.to_series().to_numpy()
    span = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    volumes = candles["volume"].to_numpy()
    # bincount adds one after another, so that the sum of a span has the same bits whatever its neighbours are.
    volume = np.bincount(span, weights=volumes, minlength=first.size)
    traded = np.bincount(span, weights=volumes != 0, minlength=first.size)
    counting = np.flatnonzero((volumes != 0) | (traded == 0)[span])
    starts = np.searchsorted(span[counting], np.arange(first.size))
    ends = np.append(starts[1:], counting.size) - 1
    columns = {name: candles[name].to_numpy()[counting] for name in _PRICES}
    moment = candles.schema["open_time"]
    assert isinstance(moment, pl.Datetime)
    begun, parts = numbers[first], slots_of(source, grid)
    whole = parts.number(slots.close(begun) - 1) - parts.number(slots.open(begun) - 1)
    built = candles[first].with_columns(
        pl.Series("open_time", slots.open(begun)).cast(pl.Datetime("ms", moment.time_zone)).cast(moment),
        pl.Series("open", columns["open"][starts]),
        pl.Series("high", np.maximum.reduceat(columns["high"], starts)),
        pl.Series("low", np.minimum.reduceat(columns["low"], starts)),
        pl.Series("close", columns["close"][ends]),
        pl.Series("volume", volume),
        pl.Series("partial", np.bincount(span, minlength=first.size) < whole),
    )
    return built.with_columns(pl.lit(timeframe).alias("timeframe")) if "timeframe" in keys else built


def is_over(open_ms: int, timeframe: str, last_sub_open_ms: int, source: str, grid: Grid = UTC_GRID) -> bool:
    """Whether the span of a built candle is over: whether the newest sub-candle reaches its end."""
    slots, parts = slots_of(timeframe, grid), slots_of(source, grid)
    return parts.close(parts.number(last_sub_open_ms)) >= slots.close(slots.number(open_ms))


def with_built(
    histories: Mapping[Series, pl.DataFrame], wanted: Iterable[Series], calendars: Calendars
) -> dict[Series, pl.DataFrame]:
    """Histories (series -> candles, oldest first), with wanted series that are missing built where possible.

    Each is built from the longest timeframe of its instrument that is there and divides its own, up to the last span
    that is over.
    """
    completed = dict(histories)
    for series in wanted:
        grid = calendars.grid(series)
        sources = (name for name in divisors(series.timeframe, grid) if series.at(name) in histories)
        source = next(sources, None)
        if series in histories or source is None:
            continue
        candles = histories[series.at(source)]
        opens = candles["open_time"].dt.epoch("ms").to_numpy()
        SeriesCalendar(source, grid=grid).require_slots(series.at(source), opens)
        built = resample(candles, source, series.timeframe, grid)
        if built.height:
            newest = int(built["open_time"].dt.epoch("ms")[-1])
            if not is_over(newest, series.timeframe, int(opens[-1]), source, grid):
                built = built[:-1]
        if built.height:
            completed[series] = built
    return completed
