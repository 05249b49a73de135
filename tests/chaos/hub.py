"""A hub for one case: a store, a server, and the processes around them; faults done to them are counted."""

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from common.supervised import free_port
from registry.store.remote.http_store import HttpStore
from tests.chaos import roles
from tests.chaos.checks import Rest
from tests.chaos.processes import CRASHED, Process
from tests.chaos.servers import LogServer


class Hub:
    """Its parts and its faults. ``dice`` are the case's: a seed repeats the case, as far as timing allows."""

    def __init__(
        self, folder: Path, template: Path, dice: random.Random, *, kind: str = "valkey", persistent: bool = True
    ) -> None:
        self.store = folder / "store"
        self._backup = folder / "backup"
        shutil.copytree(template, self.store)
        self.server = LogServer(folder / "server", kind, persistent=persistent)
        self.dice = dice
        self.faults: Counter[str] = Counter()
        """What was done to processes, servers and files."""
        self.crashes: Counter[str] = Counter()
        """Failpoints at which a process died."""
        self.triggers = 0
        """How many triggers there were in the end."""
        self.port = free_port()
        """The port on which the owner of the store listens, if there is one."""
        self.exchange = folder / "bots" / "exchange"
        """The file with the bots' orders."""
        self._processes: list[Process] = []

    def start(self, role: Any, **arguments: Any) -> Process:
        """Start a process that works on this hub."""
        process = Process(role, arguments)
        self._processes.append(process)
        return process

    def evaluate(self, ticks: int, **arguments: Any) -> Process:
        """The process that owns the store, judges and publishes."""
        return self.start(roles.evaluate, store=self.store, url=self.server.url, ticks=ticks, **arguments)

    def own(self, **arguments: Any) -> Process:
        """A process that owns the store on behalf of others."""
        return self.start(roles.own, store=self.store, url=self.server.url, port=self.port, **arguments)

    def work(self, ticks: int, **arguments: Any) -> Process:
        """A process that judges with the owner's store."""
        return self.start(roles.work, port=self.port, url=self.server.url, ticks=ticks, **arguments)

    def crash_or_finish(self, name: str, process: Process) -> bool:
        """Wait for a process that may die at a failpoint; returns whether it finished."""
        code = process.wait()
        assert code in (0, CRASHED), f"{process.name} ended with {code}"
        if code == CRASHED:
            self.crashes[name] += 1
        return code == 0

    def is_published(self) -> bool:
        """Whether the stream has everything that the owner has recorded."""
        with HttpStore(f"http://127.0.0.1:{self.port}", token=roles.TOKEN) as store:
            return store.triggers.last_seq() == self.server.log().last_seq()

    def move_store(self, folder: Path) -> None:
        """Move the store to another folder."""
        shutil.move(self.store, folder)
        self.store = folder

    def feed(self, ticks: int, seed: int, **arguments: Any) -> Process:
        """A process that judges while an unruly feed brings the candles."""
        return self.start(roles.feed, store=self.store, url=self.server.url, ticks=ticks, seed=seed, **arguments)

    def consume(self, until: int, **arguments: Any) -> Process:
        """A bot worker that acts until the trigger with number ``until`` is applied."""
        self.exchange.parent.mkdir(exist_ok=True)
        return self.start(
            roles.consume, port=self.port, url=self.server.url, folder=self.exchange.parent, until=until, **arguments
        )

    def back_up(self) -> None:
        """Copy the store's files."""
        shutil.copytree(self.store, self._backup, dirs_exist_ok=True)

    def restore(self) -> None:
        """Replace the store with the copy."""
        shutil.rmtree(self.store)
        shutil.copytree(self._backup, self.store)
        self.faults["older backup restored"] += 1

    def rest(self) -> Rest:
        """What store and stream hold once every process has ended."""
        rest = Rest.of(self.store, self.server.log())
        self.triggers = rest.triggers.height
        return rest

    def close(self) -> None:
        for process in self._processes:
            if process.runs():
                process.kill()
        self.server.stop()
