"""Tells which column of a table is which part of a candle, and reads values as numbers."""

from pathlib import Path

import polars as pl

from candles.files.tables import Table
from common.candle_columns import VALUES
from common.errors import CandleFileError

# In order of preference: files with several time columns use an earlier name for the epoch, a later one for its text.
_SPELLINGS: dict[str, tuple[str, ...]] = {
    "open_time": (
        "open_time", "opentime", "open_timestamp", "open_date", "timestamp", "timestamp_ms", "unix", "unix_timestamp",
        "ts", "t", "datetime", "date_time", "date", "time", "start_time", "start", "", "unnamed:_0",
    ),
    "open": ("open", "o", "open_price"),
    "high": ("high", "h", "high_price"),
    "low": ("low", "l", "low_price"),
    "close": ("close", "c", "close_price"),
    "volume": ("volume", "v", "vol", "base_volume"),
    "exchange": ("exchange",),
    "symbol": ("symbol", "ticker", "pair", "instrument"),
    "timeframe": ("timeframe", "interval"),
}  # fmt: skip
_NEEDED = ("open_time", *VALUES)
_CLOCK = r"^\d{1,2}:\d{2}"
_EMPTY = ("", "null", "none", "na", "n/a")


def locate(table: Table, path: Path) -> dict[str, pl.Series]:
    """Part of a candle -> its column; ``exchange``, ``symbol`` and ``timeframe`` only where the table has them.

    Raises :class:`CandleFileError` if a required column is missing or a name occurs twice.
    """
    plain = [_plain(name) for name in table.names]
    parts: dict[str, pl.Series] = {}
    for part, spellings in _SPELLINGS.items():
        spelling = next((spelling for spelling in spellings if spelling in plain), None)
        if spelling is None:
            continue
        if plain.count(spelling) > 1:
            raise CandleFileError(f"{path}: {plain.count(spelling)} columns are called {spelling!r}; keep one of them")
        parts[part] = table.columns[plain.index(spelling)]
    missing = [part for part in _NEEDED if part not in parts]
    if missing:
        shown = ", ".join(name or "(no name)" for name in table.names)
        raise CandleFileError(
            f"{path}: no column for {', '.join(missing)}; the file has {shown}; "
            f"required are {', '.join(_NEEDED)} (or their usual spellings, such as date or o, h, l, c, v)"
        )
    clock = _clock_column(plain, table.columns)
    if clock is not None:
        parts["open_time"] = pl.select(pl.concat_str(parts["open_time"], pl.lit(" "), clock)).to_series()
    return parts


def numbers(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The column as float64, null where a value is missing or no number, and a mask of the cells that are no number."""
    if column.dtype.is_float() or column.dtype.is_integer():
        return column.cast(pl.Float64), pl.repeat(False, len(column), eager=True)
    # Decimals are read from their text too: dividing a large unscaled integer would round twice.
    text = as_text(column)
    values = text.cast(pl.Float64, strict=False)
    return values, values.is_null() & is_filled(text)


def as_text(column: pl.Series) -> pl.Series:
    """The cells as text, stripped; null for types without a textual form, such as lists."""
    return column.cast(pl.String, strict=False).str.strip_chars()


def is_filled(text: pl.Series) -> pl.Series:
    """Whether a text cell has a value: neither null nor one of the usual words for a missing one."""
    return ~text.str.to_lowercase().is_in(_EMPTY).fill_null(True)


def _plain(name: str) -> str:
    """``<Open Time>`` -> ``open_time``."""
    return name.strip().strip("<>\"'").strip().lower().replace(" ", "_").replace("-", "_")


def _clock_column(plain: list[str], columns: tuple[pl.Series, ...]) -> pl.Series | None:
    """The time of day, if the file's only time columns are ``date`` and ``time`` and the latter is a clock time."""
    others = [name for name in _SPELLINGS["open_time"] if name and name in plain]
    if others != ["date", "time"]:
        return None
    date, clock = columns[plain.index("date")], columns[plain.index("time")]
    if date.dtype != pl.String or clock.dtype != pl.String:
        return None
    first = clock.drop_nulls().head(1)
    return clock if first.str.contains(_CLOCK).all() and len(first) else None
