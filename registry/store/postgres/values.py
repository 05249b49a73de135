"""Frames of polars as rows of Postgres, and back."""

from collections.abc import Sequence

import polars as pl
from psycopg import Column

NUMERIC = 1700
_OF_POSTGRES: dict[int, pl.DataType | type[pl.DataType]] = {
    16: pl.Boolean,
    17: pl.Binary,
    20: pl.Int64,
    21: pl.Int32,
    23: pl.Int32,
    25: pl.String,
    700: pl.Float64,
    701: pl.Float64,
    1009: pl.List(pl.String),
    1015: pl.List(pl.String),
    1043: pl.String,
    1114: pl.Datetime("ms"),
    NUMERIC: pl.UInt64,
}
"""Number of a type in Postgres -> that of the column. ``numeric`` has digests and sums, which are never negative."""


def frame_of(columns: Sequence[Column], rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    """The rows of a query as a frame; times are naive."""
    schema = {column.name: _OF_POSTGRES.get(column.type_code, pl.String) for column in columns}
    whole = [tuple(map(_whole, row)) for row in rows] if pl.UInt64 in schema.values() else rows
    return pl.DataFrame(whole, schema=schema, orient="row")


def fitted(frame: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """A frame that was read as Arrow, with the types that :func:`frame_of` gives."""
    return frame.cast({column.name: _OF_POSTGRES.get(column.type_code, pl.String) for column in columns})


def readable_as_arrow(sql: str, columns: Sequence[Column]) -> str:
    """A query whose result has types that Arrow has, too: no such type as Postgres' numeric."""
    names = ", ".join(
        f'"{column.name}"::text AS "{column.name}"' if column.type_code == NUMERIC else f'"{column.name}"'
        for column in columns
    )
    return f"SELECT {names} FROM ({sql}) AS described"


def _whole(value: object) -> object:
    return int(str(value)) if type(value).__name__ == "Decimal" else value


def definition_of(frame: pl.DataFrame) -> str:
    """The columns of a table for a frame, as ``CREATE TABLE`` takes them."""
    return ", ".join(f'"{name}" {_type_of(kind)}' for name, kind in frame.schema.items())


def _type_of(kind: pl.DataType) -> str:
    if isinstance(kind, pl.Datetime):
        return "timestamp(3)"
    if isinstance(kind, pl.List):
        return "text[]"
    if kind == pl.UInt64:
        return "numeric(20)"
    if kind.is_integer():
        return "bigint"
    return {pl.Float64(): "double precision", pl.Boolean(): "boolean", pl.Binary(): "bytea"}.get(kind, "text")


def as_csv(frame: pl.DataFrame) -> bytes:
    """The rows as ``COPY … (FORMAT csv)`` reads them: null is nothing, an empty text is quoted."""
    columns = []
    for column in frame.get_columns():
        if column.dtype == pl.Binary:
            columns.append(("\\x" + column.bin.encode("hex")).alias(column.name))
        elif isinstance(column.dtype, pl.List):
            texts = [None if texts is None else _array(texts) for texts in column.to_list()]
            columns.append(pl.Series(column.name, texts, pl.String))
        else:
            columns.append(column)
    return pl.DataFrame(columns).write_csv(include_header=False, quote_style="non_numeric").encode()


def _array(texts: Sequence[str]) -> str:
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
