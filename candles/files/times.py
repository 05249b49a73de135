"""Reads open times in every spelling that candle files use, as milliseconds UTC."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from candles import reasons
from candles.files.columns import as_text, is_filled
from common.epoch_times import DAY_MS, PER_MS, epoch_columns
from common.errors import CandleFileError

_SLASHED = r"^(?<first>\d{1,2})/(?<second>\d{1,2})/\d{4}"
_WRITTEN = (
    r"^(?<date>\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|\d{4}\.\d{1,2}\.\d{1,2}|\d{1,2}/\d{1,2}/\d{4})"
    r"(?:[T ]+(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?)?"
    r"\s*(?<offset>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$"
)
_NAIVE_NOTE = "times without an offset were taken as UTC"


@dataclass(frozen=True)
class OpenTimes:
    """``open_time`` (Datetime ms UTC, null where missing or unreadable), ``problem`` (a reason or null), ``notes``.

    A time between two milliseconds is rounded down and its problem is that it is off the grid.
    """

    open_time: pl.Series
    problem: pl.Series
    notes: tuple[str, ...]


def read_times(column: pl.Series, path: Path) -> OpenTimes:
    """Reads timestamps, dates, epoch numbers (whose magnitude tells their unit), or text of any of these.

    Raises :class:`CandleFileError` for dates such as ``01/02/2024`` in a file that does not show which is the month.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        per_ms = PER_MS[dtype.time_unit]
        ticks = column.to_physical()
        read = pl.select(ms=ticks // per_ms, exact=ticks % per_ms == 0, naive=pl.lit(dtype.time_zone is None))
        filled = column.is_not_null()
    elif dtype == pl.Date:
        days = column.to_physical().cast(pl.Int64)
        read = pl.select(ms=days * DAY_MS, exact=pl.lit(True), naive=pl.lit(True))
        filled = column.is_not_null()
    elif dtype.is_numeric():
        read = column.to_frame("cell").select(**epoch_columns(pl.col("cell"), whole_numbers=dtype.is_integer()))
        filled = column.is_not_null()
    else:
        text = as_text(column)
        read = _read_text(text, path)
        filled = is_filled(text)
    problem = read.select(
        pl.when(pl.col("ms").is_null() & filled)
        .then(pl.lit(reasons.UNREADABLE_TIME))
        .when(~pl.col("exact"))
        .then(pl.lit(reasons.OFF_GRID))
    ).to_series()
    open_time = read["ms"].cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    naive = read.select((pl.col("naive") & pl.col("ms").is_not_null()).any()).item()
    return OpenTimes(open_time, problem, (_NAIVE_NOTE,) if naive else ())


def _read_text(text: pl.Series, path: Path) -> pl.DataFrame:
    """Reads each row by the first spelling that fits: whole number, number with a fraction, written time."""
    cells = text.to_frame("cell")
    read = cells.select(**epoch_columns(pl.col("cell"), whole_numbers=True))
    for spelling in (_fractional, _written):
        left = read["ms"].is_null() & text.is_not_null()
        if not left.any():
            break
        rest = spelling(text.filter(left), path)
        position = pl.arg_where(left, eager=True)
        read = read.with_columns(read[name].scatter(position, rest[name]) for name in ("ms", "exact", "naive"))
    return read


def _fractional(text: pl.Series, _path: Path) -> pl.DataFrame:
    return text.to_frame("cell").select(**epoch_columns(pl.col("cell"), whole_numbers=False))


def _written(text: pl.Series, path: Path) -> pl.DataFrame:
    """``2024-08-05``, ``2024-08-05T01:15:00.000Z``, ``2024.08.05 01:15``, ``8/25/2024 01:15 +05:30`` and the like."""
    # Parts of the pattern that are absent stay null.
    parts = text.to_frame("cell").select(pl.col("cell").str.extract_groups(_WRITTEN).struct.unnest())
    slashed = "%d/%m/%Y" if _day_comes_first(text, path) else "%m/%d/%Y"
    date = pl.col("date")
    day = pl.coalesce(
        date.str.replace_all(r"[/.]", "-").str.to_date("%Y-%m-%d", strict=False),
        date.str.to_date(slashed, strict=False),
    )
    hour, minute, second = (pl.col(name).cast(pl.Int64).fill_null(0) for name in ("hour", "minute", "second"))
    nanosecond = pl.col("fraction").str.pad_end(9, "0").cast(pl.Int64).fill_null(0)
    offset = pl.col("offset").str.replace(":", "")
    ahead_hours = offset.str.slice(1, 2).cast(pl.Int64, strict=False).fill_null(0)
    ahead_minutes = offset.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    ahead = (ahead_hours * 60 + ahead_minutes) * pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    possible = (hour < 24) & (minute < 60) & (second < 60) & (ahead_hours < 24) & (ahead_minutes < 60)
    ms = day.cast(pl.Int64) * DAY_MS + ((hour * 60 + minute - ahead) * 60 + second) * 1_000 + nanosecond // 1_000_000
    return parts.select(
        ms=pl.when(possible).then(ms), exact=nanosecond % 1_000_000 == 0, naive=pl.col("offset").is_null()
    )


def _day_comes_first(text: pl.Series, path: Path) -> bool:
    """Whether the file writes ``25/8/2024`` rather than ``8/25/2024``; false if it has no such dates."""
    numbers = text.to_frame("cell").select(pl.col("cell").str.extract_groups(_SLASHED).struct.unnest()).drop_nulls()
    if numbers.is_empty():
        return False
    first, second = numbers.select(pl.all().cast(pl.Int64).is_between(13, 31).any()).row(0)
    if first == second:
        example = text.filter(text.str.contains(_SLASHED))[0]
        raise CandleFileError(
            f"{path}: dates such as {example!r} do not show which number is the month; write them as YYYY-MM-DD"
        )
    return bool(first)
