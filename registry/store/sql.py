"""What the tables of a store ask of the database that they are in, and SQL that DuckDB and Postgres both read.

The tables of both are the same, in the schemas ``registry`` and ``candles``, and so are the statements over them; what
differs is in :mod:`registry.store.files.database` and in :mod:`registry.store.postgres.database`. A statement marks its
parameters with ``?``. Rows of a table have a ``rowid`` that grows with each row.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import polars as pl

from common.timeframes import from_ms


class Transaction(Protocol):
    """Reads and writes of one transaction. Times of its frames are naive UTC, as the tables keep them."""

    def frame(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> pl.DataFrame:
        """A query's result; ``tables`` are visible to it under their names."""
        ...

    def execute(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> None:
        """Run one statement; ``tables`` are visible to it under their names."""
        ...

    def delete(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> int:
        """Run one ``DELETE``; returns how many rows that were. ``tables`` are visible to it under their names."""
        ...

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        """Append one row; for several, a frame is faster."""
        ...

    def append(self, table: str, rows: pl.DataFrame) -> None:
        """Append rows by column name."""
        ...


class Database(Protocol):
    """An open database. Reads see what has been committed; writes run one after another, each in a transaction."""

    @property
    def read_only(self) -> bool: ...

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """All rows of a query."""
        ...

    def newest(self, column: str, table: str) -> int:
        """The largest number in a column, 0 in an empty table."""
        ...

    def frame(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> pl.DataFrame:
        """A query's result; ``tables`` are visible to it under their names. Naive times come back as UTC."""
        ...

    def frames(self, sql: str, rows: int) -> Iterator[pl.DataFrame]:
        """A query's result in batches of about ``rows`` rows, if it is too large to hold twice. Times stay naive."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Keep all others from writing while the block runs; what is in memory is what the database has then."""
        ...

    def one_maker(self, what: str) -> AbstractContextManager[None]:
        """Keep others from the same kind of work, which takes several transactions of several threads."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        ...


def newest_rows(table: str, of: str, by: str = "rowid") -> str:
    """SQL for the newest row of each of some things: those in which the columns ``by`` are largest."""
    largest = ", ".join(f"{column} DESC" for column in by.split(", "))
    place = f"row_number() OVER (PARTITION BY {of} ORDER BY {largest}) AS place"
    return f"(SELECT * FROM (SELECT *, {place} FROM {table} AS t) AS placed WHERE place = 1)"


def last_rows(table: str, count: int | None) -> str:
    """SQL for the last ``count`` rows of a table, or for all of it."""
    return table if count is None else f"(SELECT * FROM {table} ORDER BY rowid DESC LIMIT {count})"


def zoned(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the tables' naive UTC times as ``Datetime('ms', 'UTC')``."""
    # Casts of columns: a query of polars for them would take longer than most queries of the store.
    columns = [
        column.cast(pl.Datetime("ms")).cast(pl.Datetime("ms", "UTC")) if _is_naive(column.dtype) else column
        for column in frame.get_columns()
    ]
    return pl.DataFrame(columns)


def _is_naive(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.Datetime) and kind.time_zone is None


def naive_time(time_ms: int) -> datetime:
    """Milliseconds since the epoch as the naive UTC time that the tables keep."""
    return from_ms(time_ms).replace(tzinfo=None)


def naive(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with zoned UTC times as the naive ones that the tables keep."""
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone == "UTC"]
    return frame.with_columns(pl.col(times).dt.replace_time_zone(None)) if times else frame
