"""Numbers that stand for times: whose unit they are in shows in their magnitude."""

from functools import partial

import polars as pl

PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}
"""Unit of a polars Datetime -> how many of it are a millisecond."""
DAY_MS = 86_400_000
# Seconds < 1e11 <= milliseconds < 1e14 <= microseconds < 1e17 <= nanoseconds: 1973 to 5138 in each unit.
_SECONDS_BELOW, _MILLISECONDS_BELOW, _MICROSECONDS_BELOW = 10**11, 10**14, 10**17
# Read as seconds, 20240805 would be a day in August 1970; as a date it is what people write. The same holds with a
# clock behind it.
_COMPACT = {
    "%Y%m%d": (19_000_101, 21_001_231),
    "%Y%m%d%H%M": (190_001_010_000, 210_012_312_359),
    "%Y%m%d%H%M%S": (19_000_101_000_000, 21_001_231_235_959),
}


def epoch_columns(cell: pl.Expr, *, whole_numbers: bool) -> dict[str, pl.Expr]:
    """Epoch numbers, numeric or as text, as the columns ``ms``, ``exact`` and ``naive``; null where there is none.

    ``ms`` is rounded down to a millisecond, ``exact`` says whether nothing was lost, and ``naive`` whether the number
    is a date such as 20240805 or 202408051530, which has no zone.
    """
    real = cell.cast(pl.Float64, strict=False)
    floored = real.floor().cast(pl.Int64, strict=False)
    # Text is read as an integer first: nanoseconds have more digits than a float64 can represent.
    whole = cell.cast(pl.Int64, strict=False) if whole_numbers else floored
    fraction = pl.lit(0.0) if whole_numbers else real - real.floor()
    size = whole.abs()
    written = pl.coalesce(
        whole.map_batches(partial(_compact, spelling, bounds), return_dtype=pl.Int64)
        for spelling, bounds in _COMPACT.items()
    )
    ms = (
        pl.when(written.is_not_null())
        .then(written)
        .when(size < _SECONDS_BELOW)
        .then(whole * 1_000 + (fraction * 1_000).round().cast(pl.Int64, strict=False))
        .when(size < _MILLISECONDS_BELOW)
        .then(whole)
        .when(size < _MICROSECONDS_BELOW)
        .then(whole // 1_000)
        .otherwise(whole // 1_000_000)
    )
    exact = (
        pl.when((size < _SECONDS_BELOW) | written.is_not_null())
        .then(True)
        .when(fraction != 0)
        .then(False)
        .when(size < _MILLISECONDS_BELOW)
        .then(True)
        .when(size < _MICROSECONDS_BELOW)
        .then(whole % 1_000 == 0)
        .otherwise(whole % 1_000_000 == 0)
    )
    return {"ms": ms, "exact": exact, "naive": written.is_not_null()}


def _compact(spelling: str, bounds: tuple[int, int], whole: pl.Series) -> pl.Series:
    """Numbers that are dates written without marks, in milliseconds; most files have none."""
    within = whole.is_between(*bounds).fill_null(False)
    ms = pl.repeat(None, len(whole), dtype=pl.Int64, eager=True)
    if not within.any():
        return ms
    text = whole.filter(within).cast(pl.String)
    if "%H" in spelling:
        dates = text.str.to_datetime(spelling, strict=False).dt.epoch("ms")
    else:
        dates = text.str.to_date(spelling, strict=False).cast(pl.Int64) * DAY_MS
    return ms.scatter(pl.arg_where(within, eager=True), dates)
