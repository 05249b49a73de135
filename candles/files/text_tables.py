"""Reads delimited text as a table: CSV, semicolons, tabs, bars."""

import codecs
import csv
import io
from collections import Counter

import polars as pl

from candles.files.table import (
    HEADER_LINES,
    Table,
    UnreadableError,
    fields_frame,
    header_of,
    table_of_cells,
    table_of_rows,
)

_DELIMITERS = ",;\t|"
_SPLIT_AT_ONCE = 4_000_000
"""Characters."""
_LOOKED_AT = 50
"""Lines from which the delimiter is told."""


def decoded(data: bytes) -> str:
    """UTF-8 text, or UTF-16 with a byte order mark, as terminals for trading write it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise UnreadableError(f"byte {error.start} is not UTF-16 text; save the file as UTF-8") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"byte {error.start} is not UTF-8 text; save the file as UTF-8") from error


def text_table(data: bytes) -> Table:
    """The table in a text file; its delimiter is the one that splits most of its lines into as many fields."""
    text = decoded(data)
    newline = "\n" if "\n" in text else "\r"
    delimiter = _delimiter(text, newline)
    if '"' in text:
        return table_of_rows(_quoted(text, delimiter), decimal_comma=delimiter != ",")
    lines = _lines(text, newline).to_frame("text")
    numbered = lines.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line"), pl.col("text"))
    filled = numbered.filter(pl.col("text").str.strip_chars() != "")
    header = header_of([line.split(delimiter) for line in filled["text"].head(HEADER_LINES + 1)])
    rows = filled[len(header) :]

    def columns(width: int) -> pl.DataFrame:
        # Straight into columns: lists of fields would take several times the memory of the file.
        return rows.select(pl.col("text").str.split_exact(delimiter, width - 1)).unnest("text")

    counts = rows["text"].str.count_matches(delimiter, literal=True) + 1
    return table_of_cells(header, rows["line"], counts, columns, decimal_comma=delimiter != ",")


def _lines(text: str, newline: str) -> pl.Series:
    """The lines of a text. Blocks of it are split one by one: at once, that would take several times its memory."""
    blocks: list[pl.Series] = []
    start = 0
    while start <= len(text):
        end = text.find(newline, start + _SPLIT_AT_ONCE)
        end = len(text) if end < 0 else end
        blocks.append(pl.Series([text[start:end]]).str.split(newline).explode())
        start = end + 1
    return pl.concat(blocks)


def _delimiter(text: str, newline: str) -> str:
    lines: list[str] = []
    start = 0
    while len(lines) < _LOOKED_AT and start < len(text):
        end = text.find(newline, start)
        end = len(text) if end < 0 else end
        if text[start:end].strip():
            lines.append(text[start:end])
        start = end + 1

    def usual(delimiter: str) -> tuple[int, int]:
        counts = Counter(line.count(delimiter) for line in lines)
        fields, agreeing = max(counts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        return (agreeing if fields else 0), fields

    # A decimal comma occurs as often as a delimiter does; what else separates the fields is the delimiter.
    best = max(_DELIMITERS, key=usual)
    others = [mark for mark in _DELIMITERS if mark != "," and usual(mark)[1] >= 4 and 2 * usual(mark)[0] > len(lines)]
    return others[0] if others else best


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
        raise UnreadableError(f"line {reader.line_num} is not valid CSV: {error}") from error
    return fields_frame(lines, fields)
