"""Reads times that are written out, by machines and by people.

2024-08-05   2024-08-05T01:15:00.000Z   2024.08.05 01:15   20240805 011500   05.08.2024 01:15:00.000 GMT+0200
8/25/2024 1:15 PM +05:30   2019-06-04 01-AM   Aug 5, 2024   5-Aug-2024 01:15   5-Aug-24   08/25/24   20240805 US/Eastern
"""

from pathlib import Path

import polars as pl

from common.epoch_times import DAY_MS
from common.errors import CandleFileError

_MONTHS = {
    name: month
    for month, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_MONTH = r"[A-Za-z]{3,9}\.?"
# Parts that are absent stay null. A clock without minutes has a half of the day.
_WRITTEN = (
    r"^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?(?:"
    r"(?<year>\d{4})[-/.](?<month>\d{1,2})[-/.](?<day>\d{1,2})"
    r"|(?<first>\d{1,2})(?<between>[-/.])(?<second>\d{1,2})(?:[-/.](?<last>\d{4})|[/.](?<short>\d{2}))"
    r"|(?<compact>\d{8})"
    rf"|(?<date>\d{{1,2}})[- ](?<name>{_MONTH})[- ,]+(?<of>\d{{4}}|\d{{2}})"
    rf"|(?<named>{_MONTH}) (?<numbered>\d{{1,2}}),? (?<in>\d{{4}}))"
    r"(?:[T, ]+(?:(?<hour>\d{1,2})(?::(?<minute>\d{2})(?::(?<seconds>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?)?"
    r"[\s-]*(?:(?<half>[AaPp])\.?[Mm]\.?)?|(?<clock>\d{4}|\d{6})))?"
    r"\s*(?<offset>Z|(?:UTC|GMT)?(?<ahead>[+-]\d{1,2}(?::?\d{2})?)|UTC|GMT)?"
    # The zone database's names, and abbreviations such as EST, which have several meanings.
    r"(?:\s*(?<zone>[A-Z][A-Za-z]+/[A-Za-z_/]+|[A-Z]{1,4}T))?$"
)
_DAY_AND_MONTH = r"^(?<first>\d{1,2})[-/](?<second>\d{1,2})(?:[-/]\d{4}|/\d{2})\b"
_YEAR_FIRST = r"^(?<first>\d{2})[/.](?<second>0?[1-9]|1[0-2])[/.](?<last>0?[1-9]|[12]\d|3[01])\b"
_CENTURY = "20"
"""Of years with two digits: no candles on file are older that are not written with four."""


def read_written(text: pl.Series, path: Path) -> pl.DataFrame:
    """``ms``, ``exact`` (no part of a millisecond), ``naive`` (no offset) and ``zone`` (the word behind the clock, of a
    time without an offset) of each cell; null where unreadable.

    Raises :class:`CandleFileError` for dates such as ``01/02/2024`` in a file that does not show which is the month.
    """
    parts = text.to_frame("cell").select(pl.col("cell").str.extract_groups(_WRITTEN).struct.unnest())
    date = _date(day_first=_day_comes_first(text, path))
    clock = pl.col("clock").str.pad_end(6, "0")
    hour, minute, second = (
        pl.coalesce(pl.col(name), clock.str.slice(start, 2)).cast(pl.Int64).fill_null(0)
        for name, start in (("hour", 0), ("minute", 2), ("seconds", 4))
    )
    half = pl.col("half").str.to_lowercase()
    halved = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    nanosecond = pl.col("fraction").str.pad_end(9, "0").cast(pl.Int64).fill_null(0)
    offset = pl.col("ahead").str.replace(":", "").str.slice(1)
    # +5, +05, +530, +0530.
    has_minutes = offset.str.len_chars() > 2
    minutes_ahead = pl.when(has_minutes).then(offset.str.slice(-2)).cast(pl.Int64, strict=False).fill_null(0)
    hours_ahead = pl.when(has_minutes).then(offset.str.head(-2)).otherwise(offset).cast(pl.Int64).fill_null(0)
    behind = pl.col("ahead").str.starts_with("-").fill_null(False)
    ahead = (hours_ahead * 60 + minutes_ahead) * pl.when(behind).then(-1).otherwise(1)
    possible = (
        pl.when(half.is_null())
        .then((hour < 24) & (pl.col("hour").is_null() | pl.col("minute").is_not_null()))
        .otherwise(hour.is_between(1, 12))
    )
    possible &= (minute < 60) & (second < 60) & (hours_ahead < 24) & (minutes_ahead < 60)
    ms = date.cast(pl.Int64) * DAY_MS + ((halved * 60 + minute - ahead) * 60 + second) * 1_000
    return parts.select(
        ms=pl.when(possible).then(ms + nanosecond // 1_000_000),
        exact=nanosecond % 1_000_000 == 0,
        naive=pl.col("offset").is_null(),
        zone=pl.when(pl.col("offset").is_null()).then("zone"),
    )


def _date(*, day_first: bool) -> pl.Expr:
    # With dots the day comes first, as where people write dates so.
    first_is_day = (pl.col("between") == ".") | pl.lit(day_first)
    first, second = pl.col("first"), pl.col("second")
    named = pl.coalesce("name", "named").str.slice(0, 3).str.to_lowercase()
    month = pl.coalesce(
        pl.col("month"),
        pl.when(first_is_day).then(second).otherwise(first),
        pl.col("compact").str.slice(4, 2),
        named.replace_strict(_MONTHS, default=None, return_dtype=pl.Int64).cast(pl.String),
    )
    day = pl.coalesce(
        pl.col("day"),
        pl.when(first_is_day).then(first).otherwise(second),
        pl.col("compact").str.slice(6, 2),
        pl.col("date"),
        pl.col("numbered"),
    )
    year = pl.coalesce(
        pl.col("year"), pl.col("last"), pl.col("short"), pl.col("compact").str.slice(0, 4), pl.col("of"), pl.col("in")
    )
    year = pl.when(year.str.len_chars() == 2).then(pl.lit(_CENTURY) + year).otherwise(year)
    return pl.concat_str(year, pl.lit("-"), month, pl.lit("-"), day).str.to_date("%Y-%m-%d", strict=False)


def _day_comes_first(text: pl.Series, path: Path) -> bool:
    """Whether the file writes ``25/8/2024`` rather than ``8/25/2024``; false if it has no such dates."""
    pattern = _DAY_AND_MONTH
    _refuse_years_first(text, path)
    numbers = text.to_frame("cell").select(pl.col("cell").str.extract_groups(pattern).struct.unnest()).drop_nulls()
    if numbers.is_empty():
        return False
    first, second = numbers.select(pl.col("first", "second").cast(pl.Int64).is_between(13, 31).any()).row(0)
    if first == second:
        example = text.filter(text.str.contains(pattern))[0]
        raise CandleFileError(
            f"{path}: dates such as {example!r} do not show which number is the month; write them as YYYY-MM-DD"
        )
    return bool(first)


def _refuse_years_first(text: pl.Series, path: Path) -> None:
    """``24/01/15`` could be in 2015 or in 2024; the number that changes more often is the day."""
    short = text.filter(text.str.contains(r"^\d{1,2}[/.]\d{1,2}[/.]\d{2}\b").fill_null(False))
    if short.is_empty() or not short.str.contains(_YEAR_FIRST).all():
        return
    numbers = short.to_frame("cell").select(pl.col("cell").str.extract_groups(_YEAR_FIRST).struct.unnest())
    if numbers["last"].n_unique() >= numbers["first"].n_unique():
        raise CandleFileError(
            f"{path}: dates such as {short[0]!r} do not show which number is the year; write them as YYYY-MM-DD"
        )
