"""Longer candles from shorter ones.

A candle over several slots opens at the first price traded in them and closes at the last. A sub-candle without volume
saw no trade: exchanges print it flat at the previous close, so it sets neither open, high, low nor close. Where none of
them has volume all of them count: a flat market stays flat, and sources without volumes (indices, forex) are aggregated
as usual.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from common.timeframes import DURATION_MS, slot_at_or_before
from registry.groups import Series

_KEYS = ("series", "exchange", "symbol", "timeframe")
_PRICES = ("open", "high", "low", "close")


def divisors(timeframe: str) -> tuple[str, ...]:
    """The timeframes from which a timeframe can be built, longest first.

    Each of its slots is a whole number of theirs: weeks start on Monday and periods of three days are counted from
    1970-01-01, both at the start of a day, and no other timeframe is longer than a day.
    """
    length = DURATION_MS[timeframe]
    return tuple(name for name, shorter in reversed(DURATION_MS.items()) if shorter < length and length % shorter == 0)


def resample(candles: pl.DataFrame, source: str, timeframe: str) -> pl.DataFrame:
    """Candles of ``timeframe`` built from candles of ``source``, one of its divisors.

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
    slots = slot_at_or_before(opens, timeframe)
    begins = np.ones(opens.size, np.bool_)
    begins[1:] = slots[1:] != slots[:-1]
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
    built = candles[first].with_columns(
        pl.Series("open_time", slots[first]).cast(candles.schema["open_time"]),
        pl.Series("open", columns["open"][starts]),
        pl.Series("high", np.maximum.reduceat(columns["high"], starts)),
        pl.Series("low", np.minimum.reduceat(columns["low"], starts)),
        pl.Series("close", columns["close"][ends]),
        pl.Series("volume", volume),
        pl.Series("partial", np.bincount(span, minlength=first.size) < DURATION_MS[timeframe] // DURATION_MS[source]),
    )
    return built.with_columns(pl.lit(timeframe).alias("timeframe")) if "timeframe" in keys else built


def is_over(open_ms: int, timeframe: str, last_sub_open_ms: int, source: str) -> bool:
    """Whether the span of a built candle is over: whether the newest sub-candle reaches its end."""
    return last_sub_open_ms + DURATION_MS[source] >= open_ms + DURATION_MS[timeframe]


def with_built(histories: Mapping[Series, pl.DataFrame], wanted: Iterable[Series]) -> dict[Series, pl.DataFrame]:
    """Histories (series -> candles, oldest first), with wanted series that are missing built where possible.

    Each is built from the longest timeframe of its instrument that is there and divides its own, up to the last span
    that is over.
    """
    completed = dict(histories)
    for series in wanted:
        sources = (name for name in divisors(series.timeframe) if series.at(name) in histories)
        source = next(sources, None)
        if series in histories or source is None:
            continue
        candles = histories[series.at(source)]
        built = resample(candles, source, series.timeframe)
        opens = built["open_time"].dt.epoch("ms")
        if built.height and not is_over(opens[-1], series.timeframe, candles["open_time"].dt.epoch("ms")[-1], source):
            built = built[:-1]
        if built.height:
            completed[series] = built
    return completed
