"""Reads a file's bytes as a table of columns. What the columns mean is decided elsewhere.

Text (CSV, JSON, spreadsheets) stays text, so that a value that is not a number costs one row rather than the whole
file.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import polars as pl

from candles.files.json_tables import json_lines_table, json_table
from candles.files.table import Table, UnreadableError, table_of_frame, table_of_rows
from candles.files.text_tables import text_table
from common.errors import CandleFileError


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
        kinds = f"{' '.join(_READERS)}, and all but .zip and .xlsx also with .gz"
        raise CandleFileError(f"{path}: files of this kind are not supported; supported are {kinds}")
    try:
        if path.stat().st_size == 0:
            raise UnreadableError("the file is empty (0 bytes)")
        # Nobody else keeps the bytes, so that the reader can let go of them.
        table = reader(path.read_bytes())
        if table.lines.is_empty():
            raise UnreadableError("the file contains no rows")
    except UnreadableError as error:
        raise CandleFileError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise CandleFileError(f"{path}: no such file") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, pl.exceptions.PolarsError) as error:
        raise CandleFileError(f"{path}: the file cannot be read: {error}") from error
    return table


def _reader(name: str) -> Callable[[bytes], Table] | None:
    plain = name.removesuffix(".gz")
    reader = next((reader for suffix, reader in _READERS.items() if plain.endswith(suffix)), None)
    if reader is None or plain == name:
        return reader
    return None if plain.endswith((".zip", ".xlsx")) else lambda data: reader(gzip.decompress(data))


def _zip(data: bytes) -> Table:
    """The one candle file in an archive; among several, the only one that is no plain text."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        readers = {name: _reader(name.lower()) for name in archive.namelist() if _is_content(name)}
        members = [name for name, reader in readers.items() if reader is not None]
        members = [name for name in members if not name.lower().endswith(".txt")] or members
        if len(members) != 1:
            raise UnreadableError(f"the archive contains {len(members)} candle files; it must contain exactly one")
        reader = readers[members[0]]
        assert reader is not None, "only those with a reader are members"
        return reader(archive.read(members[0]))


def _is_content(name: str) -> bool:
    """Whether a member of an archive is a file of somebody's, and no archive in it."""
    return not name.lower().endswith(".zip") and not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _spreadsheet(data: bytes) -> Table:
    """The first sheet. Its cells are read as text, in which dates are written out and numbers keep their digits."""
    from fastexcel import FastExcelError

    try:
        sheet = pl.read_excel(io.BytesIO(data), has_header=False, infer_schema_length=0, drop_empty_rows=False)
    except FastExcelError as error:
        raise UnreadableError(f"the file is not a spreadsheet: {error}") from error
    except pl.exceptions.NoDataError as error:
        raise UnreadableError("the file contains no rows") from error
    fields = pl.concat_list(pl.all().cast(pl.String).fill_null("")).alias("fields")
    rows = sheet.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line"), fields)
    return table_of_rows(rows.filter(pl.col("fields").list.join("") != ""))


_READERS: dict[str, Callable[[bytes], Table]] = {
    ".parquet": lambda data: table_of_frame(pl.read_parquet(io.BytesIO(data))),
    ".feather": lambda data: table_of_frame(pl.read_ipc(io.BytesIO(data))),
    ".csv": text_table,
    ".txt": text_table,
    ".tsv": text_table,
    ".json": json_table,
    ".jsonl": json_lines_table,
    ".ndjson": json_lines_table,
    ".arrow": lambda data: table_of_frame(pl.read_ipc(io.BytesIO(data))),
    ".xlsx": _spreadsheet,
    ".zip": _zip,
}
"""Suffix of the file's name -> reads its bytes as a table."""
