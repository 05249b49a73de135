"""Reads a file's bytes as a table of columns. What the columns mean is decided elsewhere.

Text (CSV, JSON) stays text, so that a value that is not a number costs one row rather than the whole file.
"""

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from common.errors import CandleFileError

_KLINE = (
    "open_time", "open", "high", "low", "close", "volume",
    "close_time", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
_HEADERLESS: dict[int, tuple[str, ...]] = {6: _KLINE[:6], 7: (*_KLINE[:6], "count"), 12: _KLINE}
"""Number of columns -> their names in a file without a header: plain OHLCV, Kraken's with trades, Binance's dumps."""


@dataclass(frozen=True)
class Table:
    """Columns by position; ``names`` are the file's own spellings, which may repeat.

    ``lines`` numbers the rows within the file, 1-based; for text files, as an editor shows them. ``malformed`` marks
    rows whose number of fields differs from the header's.
    """

    names: tuple[str, ...]
    columns: tuple[pl.Series, ...]
    lines: pl.Series
    malformed: pl.Series


def is_candle_file(path: Path) -> bool:
    """Whether importing a folder includes this file. A plain ``.txt`` is read only if it is named itself."""
    name = path.name.lower()
    return not name.startswith(".") and not name.endswith(".txt") and _reader(name) is not None


def read_table(path: Path) -> Table:
    """The table in ``path``.

    Raises :class:`CandleFileError`, naming the path, if the file is missing, empty, damaged, of an unsupported kind, or
    without rows.
    """
    reader = _reader(path.name.lower())
    if reader is None:
        raise CandleFileError(f"{path}: files of this kind are not supported; supported are {' '.join(_READERS)}")
    try:
        data = path.read_bytes()
        if not data:
            raise CandleFileError(f"{path}: the file is empty (0 bytes)")
        table = reader(data)
    except _UnreadableError as error:
        raise CandleFileError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise CandleFileError(f"{path}: no such file") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, pl.exceptions.PolarsError) as error:
        raise CandleFileError(f"{path}: the file cannot be read: {error}") from error
    if table.lines.is_empty():
        raise CandleFileError(f"{path}: the file contains no rows")
    return table


class _UnreadableError(Exception):
    """What is wrong with the bytes, without the path, which the caller adds."""


def _reader(name: str) -> Callable[[bytes], Table] | None:
    return next((reader for suffix, reader in _READERS.items() if name.endswith(suffix)), None)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _UnreadableError(f"byte {error.start} is not UTF-8 text; save the file as UTF-8") from error


def _csv(data: bytes) -> Table:
    text = _text(data)
    newline = "\n" if "\n" in text else "\r"
    first = next((line for line in text.split(newline) if line.strip()), "")
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    if '"' in text:
        rows = _quoted(text, delimiter)
    else:
        split = pl.DataFrame({"text": [text]}).select(pl.col("text").str.split(newline).explode())
        numbered = split.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line"), pl.col("text"))
        filled = numbered.filter(pl.col("text").str.strip_chars() != "")
        rows = filled.select("line", pl.col("text").str.split(delimiter).alias("fields"))
    return _from_fields(rows, header=None)


def _quoted(text: str, delimiter: str) -> pl.DataFrame:
    lines: list[int] = []
    fields: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines.append(reader.line_num)
                fields.append(row)
    except csv.Error as error:
        raise _UnreadableError(f"line {reader.line_num} is not valid CSV: {error}") from error
    return _fields_frame(lines, fields)


def _fields_frame(lines: list[int], fields: list[list[str]] | list[list[str | None]]) -> pl.DataFrame:
    return pl.DataFrame({"line": lines, "fields": fields}, schema={"line": pl.Int64(), "fields": pl.List(pl.String())})


def _json(data: bytes) -> Table:
    try:
        content = json.loads(_text(data))
    except (ValueError, RecursionError) as error:
        raise _UnreadableError(f"the file is not valid JSON: {error}") from error
    if not isinstance(content, list):
        raise _UnreadableError("the JSON is not a list of candles")
    if all(isinstance(row, list) for row in content):
        rows, header = content, None
    elif all(isinstance(row, dict) for row in content):
        names = tuple(dict.fromkeys(name for row in content for name in row))
        rows, header = [[row.get(name) for name in names] for row in content], names
    else:
        raise _UnreadableError("the JSON is neither a list of lists nor a list of objects")
    fields = [[None if cell is None else str(cell) for cell in row] for row in rows]
    return _from_fields(_fields_frame(list(range(1, len(fields) + 1)), fields), header=header, may_have_header=False)


def _from_fields(rows: pl.DataFrame, *, header: tuple[str, ...] | None, may_have_header: bool = True) -> Table:
    """Rows of text cells (columns ``line`` and ``fields``) as a table, without the header row if there is one."""
    if header is None and may_have_header and not rows.is_empty():
        first = [cell.strip() for cell in rows["fields"][0].to_list()]
        if not any(_is_number(cell) for cell in first):
            header, rows = tuple(first), rows[1:]
    if rows.is_empty():
        raise _UnreadableError("the file contains no rows")
    counts = rows["fields"].list.len()
    usual = int(counts.mode().min())  # type: ignore[arg-type]
    if header is None:
        if usual not in _HEADERLESS:
            known = ", ".join(str(count) for count in _HEADERLESS)
            raise _UnreadableError(
                f"the file has {usual} columns and no header, which is only understood for {known} columns; "
                "add a first line with the column names"
            )
        header = _HEADERLESS[usual]
    elif usual != len(header):
        raise _UnreadableError(
            f"the header names {len(header)} columns ({', '.join(header)}) but the rows have {usual}; "
            "make the header match the rows"
        )
    cells = rows.select(
        pl.col("fields").list.get(position, null_on_oob=True).str.strip_chars().alias(str(position))
        for position in range(usual)
    )
    return Table(header, tuple(cells.get_columns()), rows["line"], counts != usual)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _frame(frame: pl.DataFrame) -> Table:
    lines = pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True)
    malformed = pl.repeat(False, frame.height, eager=True)
    return Table(tuple(frame.columns), tuple(frame.get_columns()), lines, malformed)


def _zip(data: bytes) -> Table:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [name for name in archive.namelist() if name.lower().endswith(".csv")]
        if len(members) != 1:
            raise _UnreadableError(f"the archive contains {len(members)} CSV files; it must contain exactly one")
        return _csv(archive.read(members[0]))


_READERS: dict[str, Callable[[bytes], Table]] = {
    ".parquet": lambda data: _frame(pl.read_parquet(io.BytesIO(data))),
    ".feather": lambda data: _frame(pl.read_ipc(io.BytesIO(data))),
    ".csv": _csv,
    ".txt": _csv,
    ".csv.gz": lambda data: _csv(gzip.decompress(data)),
    ".zip": _zip,
    ".json": _json,
    ".json.gz": lambda data: _json(gzip.decompress(data)),
}
"""Suffix of the file's name -> reads its bytes as a table."""
