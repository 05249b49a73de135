"""A hub for one case whose store is in Postgres, and what may happen to a Postgres."""

import random
import time
from pathlib import Path
from typing import Any

from registry.store import open_store
from registry.store.postgres.copying import copy_store
from tests.chaos import shared_roles
from tests.chaos.checks import Rest
from tests.chaos.hub import Hub
from tests.chaos.processes import Process
from tests.chaos.storm import Storm
from tests.postgres_server import PostgresServer


class SharedHub(Hub):
    """As ``Hub``; its store is copied into a database of ``postgres``, where ``place`` is."""

    def __init__(self, folder: Path, template: Path, dice: random.Random, *, postgres: PostgresServer) -> None:
        super().__init__(folder, template, dice)
        self.postgres = postgres
        self.place = postgres.url_of(folder)
        copy_store(f"duckdb:{self.store}", self.place, lambda *_: None)

    def evaluate(self, ticks: int, **arguments: Any) -> Process:
        return self.start(shared_roles.evaluate, store=self.place, url=self.server.url, ticks=ticks, **arguments)

    def serve(self) -> Process:
        """A process that keeps the log."""
        return self.start(shared_roles.serve, store=self.place, url=self.server.url)

    def register(self, client: int, acknowledged: Path) -> Process:
        """A process that registers what a user wants."""
        return self.start(
            shared_roles.register, store=self.place, url=self.server.url, client=client, acknowledged=acknowledged
        )

    def rest(self) -> Rest:
        with open_store(self.place, read_only=True) as opened:
            rest = Rest.read(opened, self.server.log())
        self.triggers = rest.triggers.height
        return rest


def postgres_of(storm: Storm) -> PostgresServer:
    """The server of a storm's hub."""
    assert isinstance(storm.hub, SharedHub)
    return storm.hub.postgres


def kill_postgres(storm: Storm) -> None:
    """Every process of the server dies, and it recovers from its log."""
    postgres_of(storm).kill()
    time.sleep(storm.dice.uniform(0, 0.5))
    postgres_of(storm).start()
    storm.hub.faults["Postgres killed"] += 1
    storm.restart()


def restart_postgres(storm: Storm) -> None:
    """An operator restarts it: sessions are ended, transactions under way are rolled back."""
    postgres_of(storm).stop()
    time.sleep(storm.dice.uniform(0, 0.5))
    postgres_of(storm).start()
    storm.hub.faults["Postgres restarted"] += 1
    storm.restart()


def cut_connections(storm: Storm) -> None:
    """The network, a pooler or an operator ends all sessions."""
    assert isinstance(storm.hub, SharedHub)
    postgres_of(storm).cut_connections(storm.hub.place)
    storm.hub.faults["connections to Postgres cut"] += 1
    storm.restart()
