"""Reads candle files as they are: Parquet, Feather, CSV and other delimited text, JSON, spreadsheets."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from candles import reasons
from candles.files.cells import as_text, is_filled, numbers
from candles.files.columns import locate
from candles.files.naming import name_rows
from candles.files.options import ImportOptions
from candles.files.raw import OF_DAYS, RAW_SCHEMA, RawCandles
from candles.files.tables import read_table
from candles.files.times import read_times
from common.candle_columns import VALUES
from common.errors import CandleFileError

_STILL_OPEN = ("0", "0.0", "false")
"""What a column that says whether a candle is final writes where it is not."""


def read_candles(path: Path, options: ImportOptions | None = None) -> RawCandles:
    """All rows of a candle file, unchecked; :func:`candles.quality.check` checks them.

    Symbol and timeframe come from the file's columns, else from the options, else from the file's header, name or
    folder. A single cell that cannot be read becomes its row's ``problem``.

    Raises :class:`CandleFileError` for a file that cannot be read at all or that contradicts the options.
    """
    path = Path(path)
    try:
        return _read(path, options or ImportOptions())
    except pl.exceptions.PolarsError as error:
        raise CandleFileError(f"{path}: a column has a type that cannot be read: {error}") from error


def _read(path: Path, options: ImportOptions) -> RawCandles:
    table = read_table(path)
    located = locate(table, path, options.columns)
    lines, malformed, decimal_comma = table.lines, table.malformed, located.decimal_comma
    columns = dict(located.parts)
    # Each column is let go when it has been read: together they are larger than the file.
    del table
    located = replace(located, parts={})
    if malformed.any():
        # In a row with too many or too few fields there is no telling which value is which.
        columns = {name: pl.select(pl.when(~malformed).then(one)).to_series() for name, one in columns.items()}
    key = as_text(columns["symbol"]) if "symbol" in columns else None
    times = read_times(columns.pop("time"), path, options.zone, key)
    values = {name: numbers(columns.pop(name), decimal_comma=decimal_comma) for name in VALUES}
    names = name_rows(columns, located.ticker, located.volume_units, options, path)
    problem = pl.coalesce(
        pl.when(malformed).then(pl.lit(reasons.FIELD_COUNT)),
        names.columns.pop("problem"),
        times.problem,
        pl.when(pl.any_horizontal(bad for _, bad in values.values())).then(pl.lit(reasons.NOT_A_NUMBER)),
        pl.when(_still_open(columns.get("closed"))).then(pl.lit(reasons.STILL_OPEN)),
    )
    cells: list[pl.Series | pl.Expr] = [
        lines.alias("line"),
        problem.alias("problem"),
        times.time.alias("open_time"),
        times.dated.alias("dated"),
        *(expression.alias(name) for name, expression in names.columns.items()),
        *(number.alias(name) for name, (number, _) in values.items()),
    ]
    rows = pl.select(cells).select(*RAW_SCHEMA)
    return RawCandles(
        path.name,
        rows,
        (*located.notes, *names.notes, *(times.notes if _matters(rows) else ())),
        options.stamps_the_close or located.stamps_the_close,
        times.zone,
        names.guessed,
        names.pairs,
    )


def _matters(rows: pl.DataFrame) -> bool:
    """Whether it matters in which zone times were read: not where they are the dates of days."""
    return not rows.select((pl.col("dated") & pl.col("timeframe").is_in(OF_DAYS)).all()).item()


def _still_open(closed: pl.Series | None) -> pl.Series | pl.Expr:
    if closed is None:
        return pl.lit(False)
    text = as_text(closed).str.to_lowercase()
    return text.is_in(_STILL_OPEN) & is_filled(text)
