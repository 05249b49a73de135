"""Reads candle files as they are: Parquet, Feather, CSV (plain, gzip, zip) and JSON (plain, gzip)."""

from pathlib import Path

import polars as pl

from candles import reasons
from candles.files.columns import locate, numbers
from candles.files.naming import DEFAULT_EXCHANGE, ImportOptions, name_rows
from candles.files.raw import RAW_SCHEMA, RawCandles
from candles.files.tables import read_table
from candles.files.times import read_times
from common.candle_columns import VALUES
from common.errors import CandleFileError


def read_candles(
    path: Path, *, symbol: str | None = None, timeframe: str | None = None, exchange: str = DEFAULT_EXCHANGE
) -> RawCandles:
    """All rows of a candle file, unchecked; :func:`candles.quality.check` checks them.

    Symbol and timeframe come from the file's columns, else from the options, else from a file name such as
    ``BTCUSDT-1h-2024-12.csv``. ``exchange`` applies where no column says otherwise. A single cell that cannot be read
    becomes its row's ``problem``.

    Raises :class:`CandleFileError` for a file that cannot be read at all or that contradicts the options, and
    :class:`TimeframeError` or :class:`InstrumentError` for invalid options.
    """
    path = Path(path)
    options = ImportOptions.parse(symbol, timeframe, exchange)
    try:
        return _read(path, options)
    except pl.exceptions.PolarsError as error:
        raise CandleFileError(f"{path}: a column has a type that cannot be read: {error}") from error


def _read(path: Path, options: ImportOptions) -> RawCandles:
    table = read_table(path)
    located = locate(table, path)
    times = read_times(located["open_time"], path)
    # In a row with too many or too few fields there is no telling which value is which.
    intact = ~table.malformed
    columns = {name: pl.select(pl.when(intact).then(column)).to_series() for name, column in located.items()}
    values = {name: numbers(columns[name]) for name in VALUES}
    names = name_rows(columns, options, path)
    problem = pl.coalesce(
        pl.when(~intact).then(pl.lit(reasons.FIELD_COUNT)),
        names.pop("problem"),
        times.problem,
        pl.when(pl.any_horizontal(bad for _, bad in values.values())).then(pl.lit(reasons.NOT_A_NUMBER)),
    )
    cells: list[pl.Series | pl.Expr] = [
        table.lines.alias("line"),
        problem.alias("problem"),
        times.open_time.alias("open_time"),
        *(expression.alias(name) for name, expression in names.items()),
        *(number.alias(name) for name, (number, _) in values.items()),
    ]
    return RawCandles(path.name, pl.select(cells).select(*RAW_SCHEMA), times.notes)
