"""Reads times in every spelling that candle files use, as milliseconds UTC."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from candles import reasons
from candles.files.cells import as_text, is_filled
from candles.files.local_times import to_utc
from candles.files.written_times import read_written
from common.epoch_times import DAY_MS, PER_MS, epoch_columns
from common.errors import CandleFileError
from common.zones import zone_names

_FIRST_EPOCH = 10**8
"""Seconds: numbers below it, which would be in 1970 to 1973, count something else."""
_CLOCK = r"^(?:1899-12-3[01] )?(\d{1,2}(?::\d{2}){1,2}(?:\.\d+)?(?:\s?[AaPp]\.?[Mm]\.?)?)$"
_COMPACT_CLOCK = r"^\d{1,6}$"
_LOOKED_AT = 50
_SERIALS = (20_000, 80_000)
"""Days since the end of 1899, as spreadsheets count them: 1954 to 2119."""
_SERIAL_OF_1970 = 25_569
_NAIVE_NOTE = "times without an offset were taken as UTC"


@dataclass(frozen=True)
class FileTimes:
    """``time`` (Datetime ms UTC, null where missing or unreadable), ``problem`` (a reason or null), ``notes``.

    A time between two milliseconds is rounded down and its problem is that it is off the grid. ``dated`` marks times
    that may only name a date: midnight, without an offset. ``zone`` is the zone of times without an offset, as the
    caller or the file says it.
    """

    time: pl.Series
    problem: pl.Series
    dated: pl.Series
    notes: tuple[str, ...]
    zone: str | None


def read_times(column: pl.Series, path: Path, zone: str | None = None, key: pl.Series | None = None) -> FileTimes:
    """Reads timestamps, dates, epoch numbers (whose magnitude tells their unit), or text of any of these.

    Times without an offset are those on the wall in ``zone``; when clocks are set back, the second of two equal times
    with the same ``key`` is an hour later. Raises :class:`CandleFileError` for dates such as ``01/02/2024`` in a file
    that does not show which is the month, and for zones such as ``EST``, which have several meanings.
    """
    read, filled, words = _read(column, path)
    midnight = pl.col("ms") % DAY_MS == 0
    dated = read.select((pl.col("naive") & midnight).fill_null(False)).to_series()
    naive = read.select((pl.col("naive") & pl.col("ms").is_not_null()).fill_null(False)).to_series()
    skipped = pl.repeat(False, len(column), eager=True)
    notes: tuple[str, ...] = ()
    if zone is None and words:
        zone = _zone_of(words, path)
        notes = (f"times are those of {zone}, as they say",)
    if zone is not None:
        read, skipped = _in_zone(read, naive, zone, key)
    elif naive.any():
        notes = (_NAIVE_NOTE,)
    problem = read.select(
        pl.when(pl.col("ms").is_null() & filled)
        .then(pl.lit(reasons.UNREADABLE_TIME))
        .when(skipped)
        .then(pl.lit(reasons.SKIPPED_TIME))
        .when(~pl.col("exact"))
        .then(pl.lit(reasons.OFF_GRID))
    ).to_series()
    time = read["ms"].cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    return FileTimes(time, problem, dated, notes, zone)


def are_times(column: pl.Series, *, dates_only: bool = False, named: bool = True) -> bool:
    """Whether the cells of a column are times; with ``dates_only``, whether they are dates without a clock.

    In a column that is not ``named`` as one of times, numbers like 45306 are not the days of a spreadsheet.
    """
    cells = column.drop_nulls().head(_LOOKED_AT)
    if cells.is_empty() or not (cells.dtype.is_temporal() or cells.dtype.is_numeric() or cells.dtype == pl.String):
        return False
    if cells.dtype in {pl.Time, pl.Duration}:
        return False
    try:
        read, filled, _ = _read(cells, Path(), serials=named)
    except CandleFileError:
        return True
    epoch = ~pl.col("naive")
    ms = read.select(pl.when(epoch & (pl.col("ms").abs() < _FIRST_EPOCH * 1_000)).then(None).otherwise(pl.col("ms")))
    if dates_only:
        plain = read.select((pl.col("naive") & (pl.col("ms") % DAY_MS == 0)).fill_null(False)).to_series()
        return bool(plain.all())
    return 2 * (len(cells) - ms.to_series().null_count()) > int(filled.sum())


def are_clocks(column: pl.Series, *, compact: str | None) -> bool:
    """Whether the cells of a column are times of day; ``compact`` is the pattern of those like 93000."""
    if column.dtype == pl.Time:
        return True
    cells = as_text(column).drop_nulls().head(_LOOKED_AT)
    pattern = _CLOCK if compact is None or column.dtype.is_float() else f"{_CLOCK}|{compact}"
    return bool(len(cells) and cells.str.contains(pattern).all())


def with_clock(date: pl.Series, clock: pl.Series) -> pl.Series:
    """Dates and times of day in one column of text."""
    days, text = as_text(date).str.replace(r"[ T]00:00(:00(\.0+)?)?$", ""), as_text(clock)
    digits = 6 if (text.str.len_chars() > 4).any() else 4
    written = text.str.extract(_CLOCK)
    padded = pl.when(text.str.contains(_COMPACT_CLOCK)).then(text.str.zfill(digits))
    return pl.select(pl.concat_str(days, pl.lit(" "), pl.coalesce(written, padded, text))).to_series()


def _read(column: pl.Series, path: Path, *, serials: bool = True) -> tuple[pl.DataFrame, pl.Series, frozenset[str]]:
    """``ms``, ``exact`` and ``naive`` of each cell, which cells have a value, and by which words times name zones."""
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        per_ms = PER_MS[dtype.time_unit]
        ticks = column.to_physical()
        read = pl.select(ms=ticks // per_ms, exact=ticks % per_ms == 0, naive=pl.lit(dtype.time_zone is None))
    elif dtype == pl.Date:
        days = column.to_physical().cast(pl.Int64)
        read = pl.select(ms=days * DAY_MS, exact=pl.lit(True), naive=pl.lit(True))
    elif serials and _are_serials(column):
        since_1970 = pl.col("cell").cast(pl.Float64, strict=False) - _SERIAL_OF_1970
        # A fraction of a day is a time of day, which is no more exact than its digits.
        seconds = (since_1970 * (DAY_MS // 1_000)).round().cast(pl.Int64)
        read = column.to_frame("cell").select(ms=seconds * 1_000, exact=pl.lit(True), naive=pl.lit(True))
    elif dtype.is_numeric():
        read = column.to_frame("cell").select(**epoch_columns(pl.col("cell"), whole_numbers=dtype.is_integer()))
    else:
        text = as_text(column)
        read, words = _read_text(text, path)
        return read, is_filled(text), words
    return read, column.is_not_null(), frozenset()


def _are_serials(column: pl.Series) -> bool:
    """Whether all cells are the days of a spreadsheet, such as 45306 or 45306.25."""
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        return False
    days = column.cast(pl.Float64, strict=False)
    return days.null_count() < len(days) and bool(days.is_between(*_SERIALS).all())


def _zone_of(words: frozenset[str], path: Path) -> str:
    """The zone that times name by a word behind them."""
    word = min(words)
    if len(words) > 1 or "/" not in word or word not in zone_names():
        raise CandleFileError(
            f"{path}: times end with {' or '.join(map(repr, sorted(words)))}, which clocks in several zones are called;"
            " name the zone with --zone, for example --zone America/New_York"
        )
    return word


def _in_zone(read: pl.DataFrame, naive: pl.Series, zone: str, key: pl.Series | None) -> tuple[pl.DataFrame, pl.Series]:
    """The times with those on the wall in UTC, and which of them were skipped there."""
    position = pl.arg_where(naive, eager=True)
    skipped = pl.repeat(False, read.height, eager=True)
    if position.is_empty():
        return read, skipped
    local = read["ms"].gather(position)
    keys = pl.DataFrame(
        {"ms": local, "key": pl.repeat("", len(local), eager=True) if key is None else key.gather(position)}
    )
    newest_first = local[0] > local[-1]
    again = keys.select(pl.int_range(pl.len()).over("ms", "key") > 0, twice=pl.len().over("ms", "key") > 1)
    repeated = again.select((pl.col("twice") & ~pl.col("literal")) if newest_first else pl.col("literal")).to_series()
    utc, never = to_utc(local.to_numpy(), zone, repeated.to_numpy())
    ms = read["ms"].scatter(position, pl.Series(utc))
    return read.with_columns(ms=ms), skipped.scatter(position, pl.Series(never))


def _read_text(text: pl.Series, path: Path) -> tuple[pl.DataFrame, frozenset[str]]:
    """Reads each row by the first spelling that fits: whole number, number with a fraction, written time."""
    cells = text.to_frame("cell")
    read = cells.select(**epoch_columns(pl.col("cell"), whole_numbers=True))
    words: frozenset[str] = frozenset()
    for spelling in (_fractional, read_written):
        left = read["ms"].is_null() & text.is_not_null()
        if not left.any():
            break
        rest = spelling(text.filter(left), path)
        if "zone" in rest:
            words = frozenset(rest["zone"].drop_nulls().unique().to_list())
        position = pl.arg_where(left, eager=True)
        read = read.with_columns(read[name].scatter(position, rest[name]) for name in ("ms", "exact", "naive"))
    return read, words


def _fractional(text: pl.Series, _path: Path) -> pl.DataFrame:
    return text.to_frame("cell").select(**epoch_columns(pl.col("cell"), whole_numbers=False))
