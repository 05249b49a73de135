"""Tells columns without usable names apart by their values.

In every row the high is the largest and the low the smallest of four prices. The open of a candle is near the close of
the one before it. A turnover is a volume times a price of its candle. The prices are the first four columns side by
side of which this is true, and the volume comes after them.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from common.candle_columns import OHLC

Values = NDArray[np.float64]

_USUAL_SPREAD = 2.0
"""How far the highest price of a candle is from the lowest at most, in its middle row, relative to the lowest."""
_MOST = 0.5
_NEARLY_ALL = 0.99


@dataclass(frozen=True)
class ColumnOrder:
    """Positions of a candle's columns; ``volume`` is ``None`` where no column can be one."""

    prices: dict[str, int]
    volume: int | None
    closed: int | None = None
    """Position of the column that says whether a candle is final."""


def order_of(columns: dict[int, Values], times_ms: NDArray[np.int64]) -> ColumnOrder | None:
    """The only order of columns that makes their rows candles, ``None`` if there is none or more than one.

    ``columns`` are all that have numbers, by position, without the times; ``times_ms`` are the times of their rows.
    """
    positions = sorted(columns)
    prices: dict[str, int] | None = None
    for start in range(len(positions) - 3):
        if prices is not None:
            break
        block = positions[start : start + 4]
        values = np.stack([columns[position] for position in block])
        whole = np.isfinite(values).all(axis=0) & (values > 0).all(axis=0)
        if whole.any():
            values = values[:, whole]
            spread = float(np.median(values.max(axis=0) / values.min(axis=0) - 1))
            order = _prices(values, times_ms[whole])
            if order is not None and spread < _USUAL_SPREAD:
                prices = {name: block[index] for name, index in order.items()}
    if prices is None:
        return None
    after = [position for position in positions if position > max(prices.values())]
    low, high = columns[prices["low"]], columns[prices["high"]]
    closed = _closed(after, columns, times_ms)
    volumes = [
        position
        for position in after
        if position != closed and not within(columns[position], low, high) and not _is_time(columns[position])
    ]
    return ColumnOrder(prices, base_volume(volumes, columns, low, high), closed)


def base_volume(candidates: list[int], columns: dict[int, Values], low: Values, high: Values) -> int | None:
    """Of several volumes the first one whose turnover is another of them; where none has one, the first. Those that
    are 0 throughout do not count beside others."""
    traded = [position for position in candidates if np.nan_to_num(columns[position]).any()] or candidates
    for volume in traded:
        for turnover in traded:
            if volume != turnover and within(_ratio(columns[turnover], columns[volume]), low, high):
                # Of two of equal size, at prices around 1, the first is meant.
                return volume
    return next(iter(traded), None)


def within(values: Values, low: Values, high: Values) -> bool:
    """Whether all values that there are lie within their candles, give or take rounding."""
    known = np.isfinite(values) & np.isfinite(low) & np.isfinite(high)
    values, low, high = values[known], low[known], high[known]
    return bool(values.size and np.all((values >= low * 0.999) & (values <= high * 1.001)))


def _ratio(dividend: Values, divisor: Values) -> Values:
    return np.divide(dividend, divisor, out=np.full_like(dividend, np.nan), where=divisor > 0)


def _prices(values: Values, times_ms: NDArray[np.int64]) -> dict[str, int] | None:
    """Which of four columns is which price."""
    usual = dict(zip(OHLC, range(4), strict=True))
    if _fitting(values, usual) > _MOST:
        fitting = [usual]
    else:
        orders = [dict(zip(OHLC, order, strict=True)) for order in permutations(range(4))]
        # Open and close are told apart below; here the first of the two columns is the open.
        orders = [order for order in orders if order["open"] < order["close"]]
        fitting = [order for order in orders if _fitting(values, order) >= _NEARLY_ALL]
    if len(fitting) != 1:
        return None
    order = fitting[0]
    swapped = order | {"open": order["close"], "close": order["open"]}
    jumps, swapped_jumps = _jumps(values, order, times_ms), _jumps(values, swapped, times_ms)
    if jumps <= swapped_jumps:
        return order
    # A few candles prove nothing against the usual order.
    if 2 * swapped_jumps <= jumps and len(times_ms) > 3:
        return swapped
    return order if order == usual else None


def _fitting(values: Values, order: dict[str, int]) -> float:
    """The share of rows in which the low is lowest and the high highest."""
    opened, high, low, closed = (values[order[name]] for name in OHLC)
    fits = (low <= np.minimum(opened, closed)) & (high >= np.maximum(opened, closed))
    return float(np.mean(fits))


def _jumps(values: Values, order: dict[str, int], times_ms: NDArray[np.int64]) -> float:
    """How far opens are from the closes before them, in all."""
    in_time = np.argsort(times_ms, kind="stable")
    opened, closed = values[order["open"]][in_time], values[order["close"]][in_time]
    return float(np.abs(opened[1:] - closed[:-1]).sum())


def _is_time(values: Values) -> bool:
    """Whether a column counts milliseconds, or something smaller, since 1970: no volume is as large and as even."""
    known = values[np.isfinite(values)]
    return bool(known.size and known.min() > 1e11 and known.max() < 1.1 * known.min())


def _closed(after: list[int], columns: dict[int, Values], times_ms: NDArray[np.int64]) -> int | None:
    """The last column, if it is 1 in every row but the newest, which may be open, and others stand before it."""
    if len(after) < 3:
        return None
    flags = columns[after[-1]]
    rest = flags[times_ms != times_ms.max()]
    return after[-1] if rest.size and np.all(rest == 1) and np.isin(flags, (0, 1)).all() else None
