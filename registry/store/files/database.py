"""The two DuckDB files and the one process that may write them.

``registry.duckdb`` holds conditions, subscriptions, ticks and triggers, ``candles.duckdb`` the candles: each has its
own retention, and candles can be rebuilt without touching the registry. A transaction writes one of them.
"""

import logging
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path

import duckdb
import polars as pl

from common.errors import StoreBroken, StoreDamaged, StoreError, StoreLocked, StoreMissing, StoreNotWritable
from common.private_files import NotPrivate, close_to_others, make_private_folder
from registry.store.files.commit_health import CommitHealth
from registry.store.files.migrate import check_schema, migrate
from registry.store.files.write_ahead_log import LogCondition, examine
from registry.store.sql import zoned

CATALOGS = ("registry", "candles")
"""File stem and catalog name of the two files."""

_READER_PATIENCE_S = 3.0
"""How long an owner waits for a reader to close: the dashboard opens the files for the duration of a query."""

_FEW_ROWS = 32

_log = logging.getLogger(__name__)

_DAMAGED = re.compile(r"[Cc]orrupt|replaying (checkpoint )?WAL|not a valid DuckDB database file|checksum")

_LOCK_HOLDER = re.compile(r"held in (?P<executable>\S+) \(PID (?P<pid>\d+)\)")


class DuckDatabase:
    """An open pair of files. Each read has a cursor of its own; writes run one after another, each in a transaction.

    Raises :class:`StoreMissing`, :class:`StoreLocked`, :class:`StoreNotWritable` or
    :class:`common.errors.SchemaMismatch` if the files cannot be opened.
    """

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        self.folder = folder
        self.read_only = read_only
        self.when_broken: Callable[[StoreBroken], object] = lambda _: None
        """Called, from any thread and perhaps more than once, when DuckDB can only be restarted."""
        self._write_lock = threading.RLock()
        self._copying = threading.Lock()
        self._makers: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self.commits = CommitHealth()
        if read_only and not all(self._file(catalog).exists() for catalog in CATALOGS):
            raise StoreMissing(f"no store in {folder}; `hub demo` or `hub candles import` creates one")
        if not read_only:
            self._make_folder()
        # DuckDB would import it in the middle of a query, and take a Ctrl-C during that for a library that is missing.
        import_module("pandas")
        self._connection = duckdb.connect()
        try:
            self._connection.execute("SET TimeZone = 'UTC'")
            for catalog in CATALOGS:
                self._attach(catalog)
                if not read_only:
                    self._file(catalog).chmod(0o600)
            self.migrated: dict[str, tuple[int, int]] = {}
            """Catalog -> its schema before this process opened it, and after."""
            for catalog in CATALOGS:
                if read_only:
                    check_schema(self._connection, catalog)
                else:
                    self.migrated[catalog] = migrate(self._connection, catalog)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Write everything into the files and close them."""
        with self._write_lock:
            if not self.read_only:
                self.checkpoint()
            self._connection.close()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """All rows of a query."""
        with self._cursor() as cursor:
            return cursor.execute(sql, list(parameters)).fetchall()

    def newest(self, column: str, table: str) -> int:
        """The largest number in a column, 0 in an empty table."""
        return int(str(self.rows(f"SELECT coalesce(max({column}), 0) FROM {table}")[0][0]))

    def frame(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> pl.DataFrame:
        """A query's result; ``tables`` are visible to it under their names. Naive times come back as UTC."""
        with self._cursor() as cursor:
            return zoned(_query(cursor, sql, parameters, tables))

    def frames(self, sql: str, rows: int) -> Iterator[pl.DataFrame]:
        """A query's result in batches of about ``rows`` rows, if it is too large to hold twice. Times stay naive."""
        with self._cursor() as cursor:
            for batch in cursor.execute(sql).to_arrow_reader(rows):
                yield pl.DataFrame(batch)

    def copy_to(self, folder: Path) -> int:
        """Copy both files into a folder, as of one moment. Returns the number of rows. Writes continue meanwhile."""
        copies = {catalog: f"copy_of_{catalog}" for catalog in CATALOGS}
        with self._copying, ExitStack() as stack:
            cursors = {catalog: stack.enter_context(self._cursor()) for catalog in CATALOGS}
            try:
                for catalog, copy in copies.items():
                    path = str(folder / f"{catalog}.duckdb").replace("'", "''")
                    cursors[catalog].execute(f"ATTACH '{path}' AS {copy}")
                # A transaction may write only one file, so there are two; nothing is written between their beginnings.
                with self.alone():
                    for catalog, cursor in cursors.items():
                        cursor.execute("BEGIN")
                        cursor.execute(f"SELECT 1 FROM {catalog}.schema_version LIMIT 1").fetchall()
                rows = 0
                for catalog, cursor in cursors.items():
                    cursor.execute(f"COPY FROM DATABASE {catalog} TO {copies[catalog]}")
                    cursor.execute("COMMIT")
                    rows += sum(self._counts(copies[catalog]).values())
            finally:
                for catalog, copy in copies.items():
                    with suppress(duckdb.Error):
                        cursors[catalog].execute("ROLLBACK")
                    with suppress(duckdb.Error):
                        cursors[catalog].execute(f"DETACH {copy}")
            return rows

    def _counts(self, catalog: str) -> dict[str, int]:
        """Table of an attached file -> number of its rows."""
        tables = [
            str(name)
            for (name,) in self.rows("SELECT table_name FROM duckdb_tables() WHERE database_name = ?", [catalog])
        ]
        return {name: int(str(self.rows(f"SELECT count(*) FROM {catalog}.{name}")[0][0])) for name in tables}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all others from writing while the block runs, for work that takes a transaction on each file."""
        with self._write_lock:
            yield

    @contextmanager
    def one_maker(self, what: str) -> Iterator[None]:
        """Keep others from the same kind of work, which takes several transactions of several threads."""
        with self._makers[what]:
            yield

    def checkpoint(self) -> None:
        """Take the write-ahead logs into the files, where the place of deleted rows can be used again.

        Without effect while somebody reads what was deleted: the next time does it.
        """
        with self._write_lock:
            for catalog in CATALOGS:
                # A failed checkpoint loses nothing: the write-ahead log stays, and the next opening replays it.
                with suppress(duckdb.Error), self._connection.cursor() as cursor:
                    cursor.execute(f"CHECKPOINT {catalog}")

    @contextmanager
    def transaction(self) -> Iterator["DuckTransaction"]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        if self.read_only:
            raise StoreNotWritable(f"the store in {self.folder} was opened read-only")
        with self._write_lock, self._cursor() as cursor, self.commits.watching():
            cursor.execute("BEGIN")
            try:
                yield DuckTransaction(cursor)
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
                raise

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with self._connection.cursor() as cursor:
                yield cursor
        except duckdb.Error as error:
            explained = _explain(error, self.folder)
            if isinstance(explained, StoreBroken):
                self.when_broken(explained)
            raise explained from error

    def _attach(self, catalog: str) -> None:
        mode = " (READ_ONLY)" if self.read_only else ""
        path = str(self._file(catalog)).replace("'", "''")
        deadline = time.monotonic() + (0.0 if self.read_only else _READER_PATIENCE_S)
        while True:
            log = self._write_ahead_log(catalog)
            try:
                self._connection.execute(f"ATTACH '{path}' AS {catalog}{mode}")
            except duckdb.Error as error:
                if "Could not set lock" not in str(error) or time.monotonic() > deadline:
                    raise _explain(error, self.folder) from error
                time.sleep(0.05)
            else:
                break
        if log.dropped and not self.read_only:
            _log.warning(
                "the write-ahead log of %s ended in the middle of a write: its last %d bytes, after the last commit, "
                "were dropped. If the process was killed, that write had not been acknowledged and nothing is lost; "
                "after a power cut or a disk fault, compare with a backup, and run `hub store check` and `hub verify`",
                self._file(catalog).name,
                log.dropped,
            )

    def _write_ahead_log(self, catalog: str) -> LogCondition:
        try:
            log = examine(self._file(catalog).with_suffix(".duckdb.wal"))
        except OSError as error:
            raise StoreNotWritable(f"cannot read {error.filename}: {error.strerror}") from error
        if not log.begins_well:
            # DuckDB would open the file without it, and without a word.
            raise StoreDamaged(
                f"the write-ahead log {log.path} is damaged: it does not begin like one, so nothing in it can be read; "
                f"{_mend(log.path)}"
            )
        return log

    def _file(self, catalog: str) -> Path:
        return self.folder / f"{catalog}.duckdb"

    def _make_folder(self) -> None:
        try:
            make_private_folder(self.folder)
        except OSError as error:
            raise StoreNotWritable(
                f"cannot create the store's folder {self.folder}: {error.strerror}; "
                "set HUB_DATA_DIR to a writable folder"
            ) from error
        if not os.access(self.folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise StoreNotWritable(
                f"no permission to write to {self.folder}; set HUB_DATA_DIR to a writable folder, or change its owner"
            )
        try:
            # Before DuckDB puts anything there; it creates files with the mode that the process's umask leaves.
            opened = close_to_others([self.folder, *(path for path in self.folder.glob("*.duckdb*"))])
        except NotPrivate as error:
            raise StoreNotWritable(str(error)) from error
        if opened:
            _log.warning(
                "other users could read the store in %s; now only this user can: %s",
                self.folder,
                " ".join(path.name for path in opened),
            )


class DuckTransaction:
    """Reads and writes of one transaction. Times of its frames are naive UTC, as the tables keep them."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def frame(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> pl.DataFrame:
        """A query's result; ``tables`` are visible to it under their names."""
        return _query(self._cursor, sql, parameters, tables)

    def execute(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> None:
        """Run one statement; ``tables`` are visible to it under their names."""
        with _visible(self._cursor, tables):
            self._cursor.execute(sql, list(parameters))

    def delete(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> int:
        """Run one ``DELETE``; returns how many rows that were. ``tables`` are visible to it under their names."""
        with _visible(self._cursor, tables):
            return int(self._cursor.execute(sql, list(parameters)).fetchall()[0][0])

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        """Append one row; for several, a frame is faster."""
        marks = ", ".join("?" for _ in row)
        self._cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))

    def append(self, table: str, rows: pl.DataFrame) -> None:
        """Append rows by column name."""
        if rows.height > _FEW_ROWS:
            self.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming", incoming=rows)
        elif rows.height:
            # Registering a frame with DuckDB takes longer than binding a few values, and much longer on a busy machine.
            names = ", ".join(f'"{name}"' for name in rows.columns)
            marks = ", ".join([f"({', '.join('?' * rows.width)})"] * rows.height)
            values = [value for row in rows.iter_rows() for value in row]
            self._cursor.execute(f"INSERT INTO {table} ({names}) VALUES {marks}", values)


def refuse_if_open(folder: Path) -> None:
    """Raise :class:`StoreLocked` if a process has the files open; anything else that is wrong with them is ignored."""
    for catalog in CATALOGS:
        try:
            # Only to read: a damaged write-ahead log stays as it is.
            duckdb.connect(str(folder / f"{catalog}.duckdb"), read_only=True).close()
        except duckdb.Error as error:
            if isinstance(explained := _explain(error, folder), StoreLocked):
                raise explained from error


def _query(
    cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object], tables: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    with _visible(cursor, tables):
        return cursor.execute(sql, list(parameters)).pl()


@contextmanager
def _visible(cursor: duckdb.DuckDBPyConnection, tables: Mapping[str, pl.DataFrame]) -> Iterator[None]:
    if tables:
        # As with pandas: DuckDB imports it when it is first shown a frame.
        import pyarrow.dataset  # noqa: F401
    for name, table in tables.items():
        cursor.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            cursor.unregister(name)


def _explain(error: duckdb.Error, folder: Path) -> StoreError:
    text = str(error)
    if holder := _LOCK_HOLDER.search(text):
        pid = int(holder["pid"])
        return StoreLocked(
            f"the store in {folder} is in use by process {pid}{_command_of(pid)}; "
            "work through it (HUB_STORE_URL=http://HOST:PORT, if it is `hub up`), wait until it ends, stop it, or set "
            "HUB_DATA_DIR to another folder"
        )
    if isinstance(error, duckdb.FatalException) or "has been invalidated" in text:
        # DuckDB could not move its log into the file, or could not make sure that a write is on disk. What was
        # acknowledged is intact, but it continues only after a restart.
        return StoreBroken(
            f"the store in {folder} stopped because a write failed, for lack of space or because of the disk; "
            "everything acknowledged is kept: free some space, then restart the process that owns it"
        )
    if "Permission denied" in text or "read-only" in text.lower():
        return StoreNotWritable(
            f"no permission to write to the store in {folder}; set HUB_DATA_DIR to a writable folder"
        )
    if "No space left" in text or "File too large" in text:
        return StoreNotWritable(
            f"no space left for the store in {folder}; nothing was recorded: free some space and try again"
        )
    if _DAMAGED.search(text):
        log = re.search(r'WAL file "([^"]+)"', text)
        mend = _mend(Path(log[1]) if log else None)
        return StoreDamaged(f"the store in {folder} failed: {text.splitlines()[0]}; its files are damaged: {mend}")
    return StoreError(f"the store in {folder} failed: {text.splitlines()[0]}")


def _mend(log: Path | None) -> str:
    """How to go on with damaged files."""
    restore = "restore the newest backup: hub store restore BACKUP --yes (it keeps these files)"
    if log is None:
        return restore
    return (
        f"{restore}; or move {log.name} elsewhere, which gives up what was written since the last checkpoint: triggers "
        "among it come back from the event log, candles can be imported again"
    )


def _command_of(pid: int) -> str:
    """`` (name)`` of a process if the system tells it; never its arguments, which may contain secrets."""
    try:
        return f" ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    except OSError:
        return ""
