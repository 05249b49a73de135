"""Moves a hub between files and Postgres: every row, in its order, and a comparison of both afterwards."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl
import psycopg

from common.errors import StoreDamaged, StoreError, StoreUnreachable
from registry.store.files.database import CATALOGS, DuckDatabase
from registry.store.postgres.database import PgDatabase
from registry.store.postgres.snapshot import PgSnapshot
from registry.store.sql import Database

_AT_ONCE = 100_000
_ALSO_IN_A_NEW_STORE = "registry.store_identity"
_OF_THE_SCHEMA = "schema_version"
_ORDER = {"candles.candles": "series_id, open_time"}
"""Where it is not the order in which rows were written."""


@dataclass(frozen=True)
class CopiedTable:
    """A table that was copied, and is the same on both sides."""

    table: str
    rows: int


def copy_store(source: str, target: str, progress: Callable[[str, int, int], object]) -> list[CopiedTable]:
    """Copy the store of ``source`` into the empty one of ``target``: one is ``duckdb:FOLDER``, the other
    ``postgresql://…``. ``progress`` gets each table with the rows copied of it so far, and their total.

    The files must not be open elsewhere; processes on Postgres cannot write meanwhile. Raises :class:`StoreError` if
    the target is not empty, and :class:`StoreDamaged` if both do not say the same afterwards.
    """
    kinds = [url.partition(":")[0] for url in (source, target)]
    if sorted(kinds) not in (["duckdb", "postgres"], ["duckdb", "postgresql"]):
        raise StoreError(
            "one side of a copy is duckdb:FOLDER and the other postgresql://…; `hub store backup` and `restore` "
            "copy between two of a kind"
        )
    with ExitStack() as stack:
        read, write = (_opened(url, stack, read_only=url is source) for url in (source, target))
        files = read if isinstance(read, DuckDatabase) else write
        assert isinstance(files, DuckDatabase)
        stack.enter_context(read.alone())
        return _copied(read, write, _columns(files), progress)


def copy_snapshot(url: str, folder: Path) -> int:
    """Copy what a database in Postgres has at one moment into files in a folder without any, and compare both; writes
    continue meanwhile. Returns how many rows that were. Raises :class:`StoreDamaged` if both do not say the same, and
    :class:`common.errors.StoreUnreachable`."""
    with ExitStack() as stack:
        write = DuckDatabase(folder, read_only=False)
        stack.callback(write.close)
        try:
            read = PgSnapshot(url)
            stack.callback(read.close)
            return sum(table.rows for table in _copied(read, write, _columns(write), lambda *_: None))
        except psycopg.Error as error:
            raise StoreUnreachable(f"Postgres does not answer: {str(error).splitlines()[0]}") from error


class _Readable(Protocol):
    """What is copied."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]: ...

    def frames(self, sql: str, rows: int) -> Iterator[pl.DataFrame]: ...


def _copied(
    read: _Readable, write: Database, columns: dict[str, list[str]], progress: Callable[[str, int, int], object]
) -> list[CopiedTable]:
    _refuse_rows(write, list(columns))
    # The registry last: what lacks it cannot be taken for a whole store.
    for catalog in reversed(CATALOGS):
        with write.transaction() as transaction:
            for table in (name for name in columns if name.startswith(f"{catalog}.")):
                if table == _ALSO_IN_A_NEW_STORE:
                    transaction.execute(f"DELETE FROM {table}")
                done, total = 0, int(str(read.rows(f"SELECT count(*) FROM {table}")[0][0]))
                for rows in _rows(read, table, columns[table]):
                    transaction.append(table, rows)
                    done += rows.height
                    progress(table, done, total)
    return [_compared(read, write, table, columns[table]) for table in columns]


def _opened(url: str, stack: ExitStack, *, read_only: bool) -> DuckDatabase | PgDatabase:
    scheme, _, place = url.partition(":")
    database = (
        DuckDatabase(Path(place), read_only=read_only) if scheme == "duckdb" else PgDatabase(url, read_only=read_only)
    )
    stack.callback(database.close)
    return database


def _columns(files: DuckDatabase) -> dict[str, list[str]]:
    """Table -> its columns; both databases have the same."""
    columns: dict[str, list[str]] = {}
    for catalog, table, column in files.rows(
        "SELECT database_name, table_name, column_name FROM duckdb_columns() "
        "WHERE database_name IN ('registry', 'candles') ORDER BY database_name, table_name, column_index"
    ):
        if table != _OF_THE_SCHEMA:
            columns.setdefault(f"{catalog}.{table}", []).append(str(column))
    return columns


def _refuse_rows(database: Database, tables: list[str]) -> None:
    for table in tables:
        if table != _ALSO_IN_A_NEW_STORE and database.rows(f"SELECT 1 FROM {table} LIMIT 1"):
            raise StoreError(
                f"the target already has rows in {table}; name a new folder, or make a new database: createdb NAME"
            )


def _rows(database: _Readable, table: str, columns: list[str]) -> Iterator[pl.DataFrame]:
    names = ", ".join(f'"{name}"' for name in columns)
    return database.frames(f"SELECT {names} FROM {table} ORDER BY {_ORDER.get(table, 'rowid')}", _AT_ONCE)


def _compared(read: _Readable, write: Database, table: str, columns: list[str]) -> CopiedTable:
    (rows, digest), copied = (_digest(each, table, columns) for each in (read, write))
    if (rows, digest) != copied:
        raise StoreDamaged(
            f"{table} differs after the copy: {rows} rows in the source, {copied[0]} in the target; remove the target "
            "and copy again"
        )
    return CopiedTable(table, rows)


def _digest(database: _Readable, table: str, columns: list[str]) -> tuple[int, int]:
    """How many rows a table has, and a number that stands for their contents in their order."""
    rows = digest = 0
    for frame in _rows(database, table, columns):
        same = frame.with_columns(
            pl.col(pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32).cast(pl.Int64),
            pl.col(pl.Datetime).cast(pl.Datetime("ms")),
            pl.col(pl.List(pl.String)).list.join("\x1f"),
        )
        numbered = same.with_row_index("number", offset=rows)
        digest += sum(numbered.hash_rows().to_list())
        rows += frame.height
    return rows, digest
