"""The hub's tables in Postgres, which several processes may have open.

Every process keeps in memory what each request needs, as over files. So that all of them say the same, one of them
writes at a time, holding an advisory lock of its session, and every transaction notes in ``registry.changed_tables``
which tables it wrote to and how many rows they got. Whoever takes the lock, or finds that somebody else has written
since, first takes up what others committed: the rows at the end of the tables that changed.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

import polars as pl
import psycopg
from psycopg import ClientCursor, Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from common.errors import StoreBroken, StoreError, StoreNotWritable, StoreUnreachable
from registry.store.files.commit_health import CommitHealth
from registry.store.postgres.arrow import ArrowReader
from registry.store.postgres.incarnation import incarnation_of
from registry.store.postgres.locks import BOTS_LOCK, WRITE_LOCK
from registry.store.postgres.migrate import check_schema, migrate
from registry.store.postgres.sole_lock import SoleLock
from registry.store.postgres.values import as_csv, definition_of, fitted, frame_of, readable_as_arrow
from registry.store.sql import zoned

_FEW_ROWS = 32
_CONNECTIONS = 8
_PATIENCE_S = 15.0
"""How long a read waits for a connection."""
_RECONNECTED_S = 3.0
"""How long a connection that broke is tried to be made again, ever more seldom; the next read begins anew."""
_LOCK_PATIENCE_MS = 60_000
"""How long a write waits for those of other processes."""
_TARGET = re.compile(r"\s*(?:DELETE FROM|UPDATE|INSERT INTO|MERGE INTO)\s+((?:registry|candles)\.\w+)")
_OF_THE_SERVER = (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError)


class ChangedTables:
    """What other processes wrote since this one looked last."""

    def __init__(self, appended: Mapping[str, int], removed: set[str]) -> None:
        self._appended = appended
        self._removed = removed

    def rows(self, table: str) -> int:
        """How many rows were appended to a table."""
        return self._appended.get(table, 0)

    def touched(self, table: str) -> bool:
        """Whether anything of a table changed."""
        return table in self._appended or table in self._removed

    def count(self, table: str) -> int | None:
        """How many rows were appended; ``None`` if some were removed or changed, so that all have to be read again."""
        return None if table in self._removed else self.rows(table)


class PgDatabase:
    """Implements :class:`registry.store.sql.Database`. ``follow`` takes up what other processes have written."""

    def __init__(self, url: str, *, read_only: bool, incarnation: str | None = None) -> None:
        """``incarnation``: any other copy than this one is refused with :class:`StoreBroken`."""
        self._url = url
        self.name = _named(url)
        self.read_only = read_only
        self.follow: Callable[[ChangedTables], object] = lambda _: None
        self.commits = CommitHealth(failures=_OF_THE_SERVER)
        self._lock = threading.RLock()
        self._depth = 0
        self._writing: int | None = None
        """The thread that writes."""
        self._writer: Connection[tuple[object, ...]] | None = None
        self._seen = 0
        self._appended: Counter[str] = Counter()
        self._in_snapshot = threading.local()
        self.is_lost = False
        """What is in memory is not what the database has, as taking up changes failed half-way: it has to be opened
        again."""
        self.incarnation = incarnation
        """See :mod:`registry.store.postgres.incarnation`; ``None`` on a standby."""
        self.is_replaced = False
        """Connections lead to another copy than the one that the memory is of: this process has to be started again."""
        with self._explained():
            with self._connected() as connection:
                if read_only:
                    check_schema(connection)
                else:
                    connection.execute("SELECT pg_advisory_lock(%s)", [WRITE_LOCK])
                    migrate(connection)
            self._pool = ConnectionPool(
                url,
                min_size=1,
                max_size=_CONNECTIONS,
                timeout=_PATIENCE_S,
                reconnect_timeout=_RECONNECTED_S,
                kwargs={"autocommit": True, "cursor_factory": ClientCursor, "options": _OPTIONS},
                configure=self._examine,
                open=True,
            )
        self._arrow = ArrowReader(url)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            self._drop_writer()
        self._pool.close()
        self._arrow.close()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with self._reading() as connection:
            return connection.execute(_marked(sql), list(parameters)).fetchall()

    def newest(self, column: str, table: str) -> int:
        return int(str(self.rows(f"SELECT coalesce(max({column}), 0) FROM {table}")[0][0]))

    def frame(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> pl.DataFrame:
        with self._reading() as connection:
            if not tables:
                return zoned(_query(connection, sql, parameters))
            with connection.transaction(force_rollback=True), _visible(connection, tables):
                return zoned(_query(connection, sql, parameters))

    def frames(self, sql: str, rows: int) -> Iterator[pl.DataFrame]:
        with self._reading() as connection:
            columns = connection.execute(f"SELECT * FROM ({sql}) AS described LIMIT 0").description or []
        with self._explained():
            for batch in self._arrow.batches(readable_as_arrow(sql, columns)):
                for part in batch.iter_slices(rows):
                    yield fitted(part, columns)

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._lock:
            if self._depth:
                yield
                return
            with self._explained(), self.commits.watching():
                connection = self._locked_writer()
            self._depth, self._writing = 1, threading.get_ident()
            try:
                with self._explained():
                    self._catch_up(connection)
                yield
            finally:
                self._depth, self._writing = 0, None
                try:
                    connection.execute("SELECT pg_advisory_unlock(%s)", [WRITE_LOCK])
                except psycopg.Error:
                    self._drop_writer()

    @contextmanager
    def one_maker(self, what: str) -> Iterator[None]:
        with self.holding(_MAKERS[what]):
            self.catch_up()
            yield

    @contextmanager
    def holding(self, lock: int) -> Iterator[None]:
        """Hold an advisory lock while the block runs. It ends with the session, and so with the process."""
        with ExitStack() as stack:
            with self._explained():
                connection = stack.enter_context(self._connected())
                connection.execute("SELECT pg_advisory_lock(%s)", [lock])
            yield

    @contextmanager
    def holding_for_good(self, lock: int, refusal: StoreError) -> Iterator[Callable[[], None]]:
        """Hold it while the block runs, without waiting for it: raises ``refusal`` if another session has the lock.

        Yields what is to be called every few seconds, as the session may end meanwhile: it takes the lock again, raises
        ``refusal`` if another session was faster, and what reads raise while the server is away.
        """
        with ExitStack() as stack:
            with self._explained():
                sole = stack.enter_context(SoleLock(self._connected, lock, refusal))

            def keep() -> None:
                with self._explained():
                    sole.keep()

            yield keep

    @contextmanager
    def apart(self, lock: int) -> Iterator[Connection[tuple[object, ...]]]:
        """A transaction on tables that no process keeps in memory: it waits for those with the same advisory lock, and
        for no other writer."""
        if self.read_only:
            raise StoreNotWritable(f"{self.name} was opened read-only")
        with self._explained(), self._pool.connection() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
            yield connection

    @contextmanager
    def transaction(self) -> Iterator["PgTransaction"]:
        if self.read_only:
            raise StoreNotWritable(f"{self.name} was opened read-only")
        with self.alone(), self._explained(), self.commits.watching():
            connection = self._writing_connection()
            # Sent by hand: the writes of the block must not go on after a connection that was made again.
            connection.execute("BEGIN")
            transaction = PgTransaction(connection)
            try:
                yield transaction
                number = self._note_changes(connection, transaction)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise
            if number is not None:
                self._seen = number
                self._appended += transaction.appended

    def catch_up(self) -> None:
        """Take up what other processes have committed, if there is anything."""
        if self._writing == threading.get_ident():
            # It has caught up, and nobody else can write.
            return
        newest = self._newest_commit()
        if newest != self._seen or self.is_lost:
            with self._lock:
                if self._depth == 0:
                    with self._explained(), self._pool.connection() as connection:
                        self._catch_up(connection)

    def _newest_commit(self) -> int:
        try:
            return self.newest("number", "registry.changed_tables")
        except StoreUnreachable as error:
            if isinstance(error.__cause__, PoolTimeout):
                raise
            # The connection had broken while it was idle. All of them have been made again.
            return self.newest("number", "registry.changed_tables")

    def _catch_up(self, connection: Connection[tuple[object, ...]]) -> None:
        if self.is_lost:
            raise StoreUnreachable(f"{self.name}: the connection broke while changes were read; try again")
        newest = connection.execute("SELECT coalesce(max(number), 0) FROM registry.changed_tables").fetchall()[0][0]
        if newest == self._seen:
            return
        # One snapshot for all tables: others may commit meanwhile.
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self._in_snapshot.connection = connection
            appended = self._appended.copy()
            try:
                changed, newest = self._read_changes(connection)
                self.follow(changed)
                # Last: other threads go on without waiting when they see it.
                self._seen = newest
            except BaseException:
                self._appended, self.is_lost = appended, True
                raise
            finally:
                self._in_snapshot.connection = None

    def _read_changes(self, connection: Connection[tuple[object, ...]]) -> tuple[ChangedTables, int]:
        """What changed, and the number of the newest change."""
        rows = connection.execute(
            "SELECT name, number, appended, removed FROM registry.changed_tables WHERE number > %s", [self._seen]
        ).fetchall()
        more: dict[str, int] = {}
        removed: set[str] = set()
        newest = self._seen
        for name, number, appended, removed_at in rows:
            table = str(name)
            more[table] = int(str(appended)) - self._appended[table]
            self._appended[table] = int(str(appended))
            newest = max(newest, int(str(number)))
            if int(str(removed_at)) > self._seen:
                removed.add(table)
        return ChangedTables(more, removed), newest

    def appended(self, table: str) -> int:
        """How many rows were ever appended to a table, as far as this process has taken them up."""
        return self._appended[table]

    def _note_changes(self, connection: Connection[tuple[object, ...]], transaction: "PgTransaction") -> int | None:
        touched = sorted(transaction.appended.keys() | transaction.removed)
        if not touched:
            return None
        number = self._seen + 1
        rows = [
            (table, number, transaction.appended[table], number if table in transaction.removed else 0)
            for table in touched
        ]
        marks = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
        connection.execute(
            f"INSERT INTO registry.changed_tables AS c (name, number, appended, removed) VALUES {marks} "
            "ON CONFLICT (name) DO UPDATE SET number = excluded.number, appended = c.appended + excluded.appended, "
            "removed = greatest(c.removed, excluded.removed)",
            [value for row in rows for value in row],
        )
        return number

    @contextmanager
    def _reading(self) -> Iterator[Connection[tuple[object, ...]]]:
        snapshot = getattr(self._in_snapshot, "connection", None)
        with ExitStack() as stack:
            stack.enter_context(self._explained())
            try:
                connection = snapshot or stack.enter_context(self._pool.connection())
                self._refuse_replaced()
                yield connection
            except psycopg.OperationalError:
                # After a restart of the server all of them are broken; one caller is told, and not each.
                with suppress(psycopg.OperationalError):
                    self._pool.check()
                raise

    def _writing_connection(self) -> Connection[tuple[object, ...]]:
        if self._writer is None or self._writer.closed:
            if self._depth:
                # The lock went with the connection.
                raise StoreUnreachable(f"{self.name}: the connection broke in the middle of a write; try again")
            self._writer = self._connect()
        return self._writer

    def _locked_writer(self) -> Connection[tuple[object, ...]]:
        """The connection that writes, once no other process does."""
        was_idle = self._writer is not None and not self._writer.closed
        connection = self._writing_connection()
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", [WRITE_LOCK])
        except psycopg.OperationalError:
            if not was_idle or not connection.closed:
                raise
            # It had broken while it was idle: nothing has been written yet.
            connection = self._writing_connection()
            connection.execute("SELECT pg_advisory_lock(%s)", [WRITE_LOCK])
        return connection

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @contextmanager
    def _connected(self) -> Iterator[Connection[tuple[object, ...]]]:
        """A connection for the duration of the block, and with it what it locks."""
        with self._connect() as connection:
            yield connection

    def _connect(self) -> Connection[tuple[object, ...]]:
        connection = psycopg.connect(self._url, autocommit=True, cursor_factory=ClientCursor, options=_OPTIONS)
        try:
            self._examine(connection)
            self._refuse_replaced()
        except BaseException:
            connection.close()
            raise
        return connection

    def _examine(self, connection: Connection[tuple[object, ...]]) -> None:
        """Look whose connection it is: what breaks all of them may have brought another copy of the database."""
        there = incarnation_of(connection)
        if there is None and not self.read_only:
            raise StoreUnreachable(
                f"{self.name} is a standby, which only follows another server; promote it, or name all servers in "
                "HUB_STORE_URL, as in postgresql://USER@HOST1,HOST2/DATABASE?target_session_attrs=read-write"
            )
        self.incarnation = self.incarnation or there
        self.is_replaced = self.is_replaced or there not in (None, "", self.incarnation)

    def _refuse_replaced(self) -> None:
        if self.is_replaced:
            raise StoreBroken(
                f"{self.name} is another copy than the one that this process has in memory, as after a failover; "
                "start the process again"
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, PoolTimeout) as error:
            raise _explain(error, self.name) from error


class PgTransaction:
    """Implements :class:`registry.store.sql.Transaction`; counts what it writes."""

    def __init__(self, connection: Connection[tuple[object, ...]]) -> None:
        self._connection = connection
        self.appended: Counter[str] = Counter()
        """Table -> rows that it got."""
        self.removed: set[str] = set()
        """Tables of which rows were removed or changed."""

    def frame(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> pl.DataFrame:
        with _visible(self._connection, tables):
            return _query(self._connection, sql, parameters)

    def execute(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> None:
        self.delete(sql, parameters, **tables)

    def delete(self, sql: str, parameters: Sequence[object] = (), **tables: pl.DataFrame) -> int:
        with _visible(self._connection, tables):
            count = self._connection.execute(_marked(sql), list(parameters)).rowcount
        if count and (target := _TARGET.match(sql)):
            self.removed.add(target[1])
        return count

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("%s" for _ in row)
        self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))
        self.appended[table] += 1

    def append(self, table: str, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        names = ", ".join(f'"{name}"' for name in rows.columns)
        if rows.height > _FEW_ROWS:
            _copy(self._connection, f"{table} ({names})", rows)
        else:
            marks = ", ".join([f"({', '.join(['%s'] * rows.width)})"] * rows.height)
            values = [value for row in rows.iter_rows() for value in row]
            self._connection.execute(f"INSERT INTO {table} ({names}) VALUES {marks}", values)
        self.appended[table] += rows.height


_MAKERS = {"bots": BOTS_LOCK}
_OPTIONS = f"-c search_path=registry,public -c timezone=UTC -c extra_float_digits=1 -c lock_timeout={_LOCK_PATIENCE_MS}"


def _marked(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def _query(connection: Connection[tuple[object, ...]], sql: str, parameters: Sequence[object]) -> pl.DataFrame:
    cursor = connection.execute(_marked(sql), list(parameters))
    return frame_of(cursor.description or [], cursor.fetchall())


@contextmanager
def _visible(connection: Connection[tuple[object, ...]], tables: Mapping[str, pl.DataFrame]) -> Iterator[None]:
    for name, table in tables.items():
        connection.execute(f'CREATE TEMP TABLE "{name}" ({definition_of(table)}) ON COMMIT DROP')
        _copy(connection, f'"{name}"', table)
    try:
        yield
    except psycopg.Error:
        # They go with the transaction that failed.
        raise
    else:
        for name in tables:
            connection.execute(f'DROP TABLE pg_temp."{name}"')


def _copy(connection: Connection[tuple[object, ...]], into: str, rows: pl.DataFrame) -> None:
    if rows.is_empty():
        return
    with connection.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN (FORMAT csv)") as copy:
        copy.write(as_csv(rows))


def _named(url: str) -> str:
    """A database for people, without its password."""
    parts = conninfo_to_dict(url)
    return f"the store in Postgres ({parts.get('dbname', '')} at {parts.get('host', 'localhost')})"


def _explain(error: Exception, name: str) -> StoreError:
    lines = str(error).splitlines()
    text = lines[0] if lines else type(error).__name__
    if isinstance(error, psycopg.errors.DiskFull):
        return StoreNotWritable(f"no space left for {name}; nothing was recorded: free some space and try again")
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return StoreUnreachable(
            f"{name}: another process of the hub has been writing for {_LOCK_PATIENCE_MS // 1000} s; try again, and "
            "see pg_stat_activity if it does not end"
        )
    if isinstance(error, (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
        return StoreNotWritable(f"no permission to write to {name}: {text}; use a role that owns the database")
    if isinstance(error, (*_OF_THE_SERVER, PoolTimeout)):
        return StoreUnreachable(f"{name} does not answer: {text}; start it, or correct HUB_STORE_URL")
    return StoreError(f"{name} failed: {text}")
