"""What a database in Postgres has at one moment, while others go on writing to it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import polars as pl
import psycopg

from registry.store.postgres.arrow import ArrowReader
from registry.store.postgres.values import fitted, readable_as_arrow


class PgSnapshot:
    """Reads of one moment, in several connections. Raises :class:`psycopg.Error` and ``StoreUnreachable``."""

    def __init__(self, url: str) -> None:
        with ExitStack() as stack:
            connection = psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor)
            self._connection = stack.enter_context(connection)
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._connection.execute("SET LOCAL search_path = registry, public")
            name = str(self._connection.execute("SELECT pg_export_snapshot()").fetchall()[0][0])
            self._arrow = ArrowReader(url, snapshot=name)
            stack.callback(self._arrow.close)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """End the snapshot: Postgres keeps what it shows until then."""
        self._stack.close()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """As :meth:`registry.store.sql.Database.rows`, without parameters."""
        assert not parameters
        return self._connection.execute(sql).fetchall()

    def frames(self, sql: str, rows: int) -> Iterator[pl.DataFrame]:
        """As :meth:`registry.store.sql.Database.frames`."""
        columns = self._connection.execute(f"SELECT * FROM ({sql}) AS described LIMIT 0").description or []
        for batch in self._arrow.batches(readable_as_arrow(sql, columns)):
            for part in batch.iter_slices(rows):
                yield fitted(part, columns)
