"""An advisory lock that one process keeps for as long as it runs, whatever happens to the server meanwhile."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Self

import psycopg
from psycopg import Connection

from common.errors import StoreError

Connected = Callable[[], AbstractContextManager[Connection[tuple[object, ...]]]]


class SoleLock:
    """Holds the lock in a session of its own while it is entered. It is for one thread at a time.

    A session ends with the server, or when the network drops it, and the lock with it: whoever relies on it calls
    :meth:`keep` every few seconds.
    """

    def __init__(self, connected: Connected, lock: int, refusal: StoreError) -> None:
        """``refusal`` is raised where another session has the lock."""
        self._connected, self._lock, self._refusal = connected, lock, refusal
        self._session = ExitStack()
        self._connection: Connection[tuple[object, ...]] | None = None

    def keep(self) -> None:
        """Look whether the session is still there, and take the lock again if it is not.

        Raises the refusal if another one has taken it since, and :class:`psycopg.Error` while the server is away.
        """
        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                self._drop()
            else:
                return
        self._take()

    def _take(self) -> None:
        try:
            connection = self._session.enter_context(self._connected())
            is_free = connection.execute("SELECT pg_try_advisory_lock(%s)", [self._lock]).fetchall()[0][0]
            if not is_free:
                raise self._refusal
        except BaseException:
            # A session whose answer was lost may have the lock, and would be in the way of the next one.
            self._drop()
            raise
        self._connection = connection

    def _drop(self) -> None:
        self._connection = None
        self._session.close()

    def __enter__(self) -> Self:
        self._take()
        return self

    def __exit__(self, *exception: object) -> None:
        self._drop()
