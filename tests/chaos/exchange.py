"""A stand-in for an exchange: it accepts every order, and can tell whether it has one with a client order id.

It does not refuse a second order with the same id: doing nothing twice is up to the bots.
"""

import sqlite3
from pathlib import Path
from typing import Self

from events.log.payload import Event


class Exchange:
    """Orders in a file, in the order of arrival. Several bots may use it one after another."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS orders "
            "(number INTEGER PRIMARY KEY, client_order_id TEXT, bot TEXT, condition_id TEXT, close_ms INTEGER)"
        )

    def order(self, client_order_id: str, bot: str, event: Event) -> None:
        """Accept an order."""
        self._connection.execute(
            "INSERT INTO orders VALUES (NULL, ?, ?, ?, ?)", [client_order_id, bot, event.condition_id, event.close_time]
        )

    def knows(self, client_order_id: str) -> bool:
        """Whether there is an order with an id."""
        rows = self._connection.execute("SELECT 1 FROM orders WHERE client_order_id = ?", [client_order_id])
        return rows.fetchone() is not None

    def orders_of(self, bot: str) -> list[tuple[str, int]]:
        """What a bot ordered: condition and close time, in order."""
        return self._connection.execute(
            "SELECT condition_id, close_ms FROM orders WHERE bot = ? ORDER BY number", [bot]
        ).fetchall()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()
