"""Large results from Postgres as Arrow, by ADBC."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import polars as pl

from common.errors import StoreUnreachable

# It has no types.
dbapi = import_module("adbc_driver_postgresql.dbapi")


class ArrowReader:
    """Connections that are made when they are needed, and used again; one query at a time each."""

    def __init__(self, url: str, *, snapshot: str | None = None) -> None:
        """``snapshot`` is one that another connection has exported: all queries see what that connection sees."""
        self._url = url
        self._snapshot = snapshot
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    def batches(self, sql: str) -> Iterator[pl.DataFrame]:
        """A query's result, in batches as they come. Raises :class:`StoreUnreachable`."""
        connection = self._taken()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                for batch in cursor.fetch_record_batch():
                    yield pl.DataFrame(batch)
        except BaseException as error:
            with suppress(dbapi.Error):
                connection.close()
            if isinstance(error, dbapi.Error):
                raise StoreUnreachable(f"reading from Postgres failed: {str(error).splitlines()[0]}") from error
            raise
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _taken(self) -> Any:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            connection = dbapi.connect(self._url, autocommit=True)
            with connection.cursor() as cursor:
                cursor.execute("SET search_path = registry, public")
                if self._snapshot is not None:
                    cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    cursor.execute(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
            return connection
        except dbapi.Error as error:
            raise StoreUnreachable(f"Postgres does not answer: {str(error).splitlines()[0]}") from error
