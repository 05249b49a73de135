"""Demos as real processes, each in a data folder of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

import polars as pl

from common.supervised import SupervisedServer
from events.log.payload import Event
from events.log.redis_log import STREAM, RedisEventLog
from events.server import BundledServer
from registry.store import open_store
from registry.store.protocol import Store
from tests.waiting import wait_for

HUB = Path(sys.executable).with_name("hub")

LONGEST_S = 420.0
"""A demo that takes longer hangs; it takes a fifth of that on two idle cores."""

_SERVERS = {"valkey": "events", "prefect": "prefect"}
"""Servers that a demo starts, with their folders; a killed demo leaves them to the next one."""


class Run:
    """One ``hub demo``, running or ended."""

    def __init__(self, folder: "DemoFolder", number: int, arguments: tuple[str, ...]) -> None:
        self._folder = folder
        self._output = folder.root / f"run-{number}.stdout"
        self._messages = folder.root / f"run-{number}.stderr"
        # Settings of the shell and a .env of the working folder are not for these demos.
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "PREFECT_", "REDIS_"))
        }
        with self._output.open("wb") as output, self._messages.open("wb") as messages:
            self._process = subprocess.Popen(
                [str(HUB), "demo", "--json", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=messages,
                cwd=folder.root,
                env={**clean, "HUB_DATA_DIR": str(folder.root)},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def messages(self) -> str:
        return self._messages.read_text()

    @property
    def report(self) -> dict[str, Any]:
        """The JSON on standard output."""
        report: dict[str, Any] = json.loads(self.output)
        return report

    def wait(self) -> int:
        """The exit code; a run that hangs is killed and its messages are raised."""
        try:
            return self._process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the demo did not end within {LONGEST_S:g} s:\n{self.messages}") from None

    def wait_for(self, phase: str) -> None:
        """Return when the demo says that a phase begins."""
        wait_for(lambda: f"{phase} …" in self._messages_of_a_living(), f"the phase {phase!r}", LONGEST_S)

    def wait_for_events(self, count: int) -> None:
        """Return when the replay has published so many events."""
        self.wait_for("Replay")
        client = BundledServer(self._folder.part / "events").connect()
        try:
            log = RedisEventLog(client)
            wait_for(lambda: self._messages_of_a_living() and log.last_seq() >= count, f"{count} events", LONGEST_S)
        finally:
            client.close()

    def _messages_of_a_living(self) -> str:
        assert self._process.poll() is None, f"ended with {self._process.returncode}:\n{self.messages}"
        return self.messages

    def kill(self) -> int:
        """SIGKILL; the exit code, which is another one if the demo had ended before."""
        self._process.kill()
        return self._process.wait()


@dataclass(frozen=True)
class Stream:
    """What the event log holds."""

    entry_ids: list[str]
    payloads: list[bytes]
    events: list[Event]


class DemoFolder:
    """A data folder with all that demos leave in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._runs: list[Run] = []
        self._cleared = False

    @property
    def part(self) -> Path:
        """Where a demo keeps its things."""
        return self.root / "demo"

    def start(self, *arguments: str) -> Run:
        assert not self._cleared, "the tests in this folder are over"
        run = Run(self, len(self._runs), arguments)
        self._runs.append(run)
        return run

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store, while no demo has it."""
        with open_store(f"duckdb:{self.part / 'store'}", read_only=True) as store:
            yield store

    def triggers(self) -> pl.DataFrame:
        """All recorded triggers by ``seq``."""
        with self.store() as store:
            return store.triggers.after(0, 10_000_000)

    def ticks(self) -> pl.DataFrame:
        """All recorded ticks."""
        with self.store() as store:
            return store.ticks.ticks()

    def stream(self) -> Stream:
        """All published events, read through a server of our own on the demo's log."""
        server = BundledServer(self.part / "events").start()
        try:
            client = server.connect()
            try:
                entries: Any = client.xrange(STREAM)
                events = [entry.event for entry in RedisEventLog(client).read(0, len(entries) + 1)]
            finally:
                client.close()
        finally:
            server.stop()
        return Stream(
            entry_ids=[entry_id.decode() for entry_id, _ in entries],
            payloads=[fields[b"event"] for _, fields in entries],
            events=events,
        )

    def server_pid(self, name: str) -> int | None:
        """Process id of the demo's ``valkey`` or ``prefect`` server, ``None`` while it does not run."""
        return self._server(name).pid

    def processes(self) -> list[int]:
        """All living processes that were started with this data folder (Linux; none are found elsewhere)."""
        mark = f"HUB_DATA_DIR={self.root}".encode()
        started_here = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile, or belongs to somebody else
                if mark in (place / "environ").read_bytes().split(b"\0"):
                    started_here.append(int(place.name))
        return started_here

    def clear(self) -> None:
        """End what still runs, and start nothing any more."""
        self._cleared = True
        for run in self._runs:
            run.kill()
        for name in _SERVERS:
            self._server(name).stop()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)

    def _server(self, name: str) -> SupervisedServer:
        return SupervisedServer(name, self.part / _SERVERS[name], [], answers=lambda: True, patience_s=0)
