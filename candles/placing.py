"""Puts rows into the slots of their instruments' grids."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from candles.files.local_times import to_utc, utc_offset_ms
from candles.files.raw import OF_DAYS, SERIES_COLUMNS, RawCandles
from common.epoch_times import DAY_MS
from common.errors import TimeframeError
from common.grids import UTC_GRID, Grid
from common.slots import Slots, slots_of
from common.timeframes import normalise_timeframe
from registry.instruments import Instrument

GridOf = Callable[[Instrument], Grid]
"""Instrument -> its grid."""


def on_utc(_instrument: Instrument) -> Grid:
    """The grid of every instrument that has no other."""
    return UTC_GRID


def place(raw: RawCandles, grid_of: GridOf = on_utc) -> pl.DataFrame:
    """The rows with ``slot``, the number of the slot that each is in, ``begins``, whether it begins there, and
    ``close_ms``, when the slot ends; these are null where the row's time or timeframe is missing or unknown.
    ``series`` numbers the series of the rows in the order of their names.

    ``open_time`` is when the slot begins where a row only names its date or when it ends.
    """
    rows = raw.rows.with_columns(
        pl.lit(None, dtype=pl.Int64).alias("slot"),
        pl.lit(None, dtype=pl.Boolean).alias("begins"),
        pl.lit(None, dtype=pl.Int64).alias("close_ms"),
    )
    numbers = rows.select(SERIES_COLUMNS).unique().sort(SERIES_COLUMNS).with_row_index("series")
    if numbers.height == 1:
        return _placed(rows.with_columns(pl.lit(0, dtype=pl.UInt32).alias("series")), raw, grid_of)
    numbered = rows.with_row_index("row").join(numbers, on=SERIES_COLUMNS, nulls_equal=True, maintain_order="left")
    parts = [_placed(part, raw, grid_of) for part in numbered.partition_by("series", maintain_order=True)]
    placed = pl.concat(parts) if parts else numbered
    return (placed if len(parts) < 2 else placed.sort("row")).drop("row")


def slots_of_series(names: Sequence[str | None], grid_of: GridOf) -> Slots | None:
    """The slots of the series with this exchange, symbol and timeframe, ``None`` if one of them is missing or the
    timeframe is none of the closed list."""
    exchange, symbol, timeframe = names
    if exchange is None or symbol is None or timeframe is None:
        return None
    try:
        if normalise_timeframe(timeframe) != timeframe:
            return None
    except TimeframeError:
        return None
    return slots_of(timeframe, grid_of(Instrument(exchange, symbol)))


def dates_at(times_ms: NDArray[np.int64], zone_name: str | None) -> NDArray[np.int64]:
    """The dates that are on the wall at times, as midnights in UTC; without a zone, it is UTC's wall."""
    if zone_name is None:
        return times_ms
    ahead = np.array([utc_offset_ms(int(time_ms), zone_name) for time_ms in times_ms], np.int64)
    return (times_ms + ahead) // DAY_MS * DAY_MS


def day_starts(dates_ms: NDArray[np.int64], grid: Grid) -> NDArray[np.int64]:
    """When the days of a grid begin that are named by dates, which are midnights as in UTC."""
    local = dates_ms + grid.day_start * 60_000
    return to_utc(local, grid.zone, np.zeros(local.size, np.bool_))[0]


def _placed(part: pl.DataFrame, raw: RawCandles, grid_of: GridOf) -> pl.DataFrame:
    exchange, symbol, timeframe = part.select(SERIES_COLUMNS).row(0)
    slots = slots_of_series((exchange, symbol, timeframe), grid_of)
    timed = pl.arg_where(part["open_time"].is_not_null(), eager=True)
    if slots is None or timed.is_empty():
        return part
    times = part["open_time"].to_physical().gather(timed).to_numpy().copy()
    settled = np.zeros(times.size, np.bool_)
    grid = grid_of(Instrument(exchange, symbol))
    # Midnight in a zone that is not the grid's is a time like any other.
    if timeframe in OF_DAYS and raw.zone in (None, grid.zone):
        settled = part["dated"].gather(timed).to_numpy().copy()
        times[settled] = day_starts(dates_at(times[settled], raw.zone), grid)
    off = np.zeros(times.size, np.bool_)
    if raw.stamps_the_close:
        numbers = slots.number(times - 1)
        # Exchanges' files often print a millisecond less than the close.
        ends = np.isin(slots.close(numbers) - times, (0, 1)) & ~settled
        times[ends] = slots.open(numbers[ends])
        off = ~ends & ~settled
    numbers = slots.number(times)
    columns = {
        "open_time": pl.Series(times).cast(pl.Datetime("ms", "UTC")),
        "slot": pl.Series(numbers),
        "begins": pl.Series(slots.is_open(times) & ~off),
        "close_ms": pl.Series(slots.close(numbers)),
    }
    return part.with_columns(part[name].scatter(timed, values).alias(name) for name, values in columns.items())
