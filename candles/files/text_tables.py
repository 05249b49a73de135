"""Reads delimited text as a table: CSV, semicolons, tabs, bars."""

import codecs
import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterable
from itertools import islice

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
_BLANKS = re.compile(r"(?<=\S)[ \t]+(?=\S)")
_LOOKED_AT = 50
"""Lines from which the delimiter is told."""


def decoded(data: bytes) -> str:
    """UTF-8 text, or UTF-16, as terminals for trading write it, also without a byte order mark."""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # The first character is one of ASCII: half of it is 0.
    if marked or 0 in data[:2]:
        encoding = "utf-16" if marked else "utf-16-be" if data[0] == 0 else "utf-16-le"
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            raise UnreadableError(f"byte {error.start} is not UTF-16 text; save the file as UTF-8") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"byte {error.start} is not UTF-8 text; save the file as UTF-8") from error


def text_table(data: bytes) -> Table:
    """The table in a text file; its delimiter is the one that splits most of its lines into as many fields."""
    text = decoded(data)
    # Files have a hundred megabytes and more: what is not needed any longer is let go at once, here and below.
    del data
    newline = "\n" if "\n" in text else "\r"
    delimiter = _delimiter(text, newline)
    if delimiter not in text:
        # Columns that blanks keep apart, any number of them.
        text, delimiter = _BLANKS.sub("\t", text), "\t"
    if '"' in text:
        return table_of_rows(_quoted(text, delimiter), delimiter=delimiter)
    numbered = _lines(text, newline)
    del text
    header = header_of([line.split(delimiter) for line in _first(numbered, HEADER_LINES + 1)])
    _drop(numbered, len(header))
    numbers = pl.concat([pl.Series([], dtype=pl.Int64), *(block["line"] for block in numbered)])
    counts = pl.concat([pl.Series([], dtype=pl.UInt32), *(_fields(block, delimiter) for block in numbered)])

    def columns(width: int) -> pl.DataFrame:
        # Straight into columns, because lists of fields would take several times the memory of the file. A block of
        # lines is let go when it has been split.
        fields = pl.col("text").str.split_exact(delimiter, width - 1)
        parts: list[pl.DataFrame] = []
        while numbered:
            parts.append(numbered.popleft().select(fields).unnest("text").select(pl.all().str.strip_chars()))
        return pl.concat(parts)

    return table_of_cells(header, numbers, counts, columns, delimiter=delimiter)


def _lines(text: str, newline: str) -> deque[pl.DataFrame]:
    """The lines of a text that are not blank, block by block: ``line``, their numbers, and ``text``. At once, splitting
    would take several times the memory of the text."""
    blocks: deque[pl.DataFrame] = deque()
    start, number = 0, 1
    while start <= len(text):
        end = text.find(newline, start + _SPLIT_AT_ONCE)
        end = len(text) if end < 0 else end
        block = pl.Series("text", [text[start:end]]).str.split(newline).explode().to_frame()
        numbered = block.with_row_index("line", offset=number).with_columns(pl.col("line").cast(pl.Int64))
        blocks.append(numbered.filter(pl.col("text").str.contains(r"\S")))
        number += block.height
        start = end + 1
    return blocks


def _first(blocks: Iterable[pl.DataFrame], count: int) -> list[str]:
    return list(islice((line for block in blocks for line in block["text"].head(count)), count))


def _drop(blocks: deque[pl.DataFrame], count: int) -> None:
    """Leave out the first lines, which are in the first block that has any."""
    while blocks and count:
        block = blocks.popleft()
        if block.height > count:
            blocks.appendleft(block[count:])
        count -= min(count, block.height)


def _fields(block: pl.DataFrame, delimiter: str) -> pl.Series:
    """How many fields each line has."""
    return block["text"].str.count_matches(delimiter, literal=True) + 1


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
