"""A stand-in for an exchange: it takes every order that it gets, and tells whether it has one of a client order id.

It does not refuse a second order with the same id: that nothing is done twice is for the bots to see to.
"""

import sqlite3
from pathlib import Path
from typing import Self

from events.log.payload import Event


class Exchange:
    """Orders in a file, in the order in which they came. Several bots may use it one after another."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS orders "
            "(number INTEGER PRIMARY KEY, client_order_id TEXT, bot TEXT, condition_id TEXT, close_ms INTEGER)"
        )

    def order(self, client_order_id: str, bot: str, event: Event) -> None:
        """Take an order."""
        self._connection.execute(
            "INSERT INTO orders VALUES (NULL, ?, ?, ?, ?)", [client_order_id, bot, event.condition_id, event.close_time]
        )

    def knows(self, client_order_id: str) -> bool:
        """Whether there is an order with an id."""
        found = self._connection.execute("SELECT 1 FROM orders WHERE client_order_id = ?", [client_order_id])
        return found.fetchone() is not None

    def orders_of(self, bot: str) -> list[tuple[str, int]]:
        """What a bot ordered: condition and close time, in order."""
        return self._connection.execute(
            "SELECT condition_id, close_ms FROM orders WHERE bot = ? ORDER BY number", [bot]
        ).fetchall()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()
