"""What the executor tells of itself: kept in a file of the data folder, where the service reads it."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from common.private_files import write_private
from common.supervision import Loops

NAME = "bots.json"
_REPORTED_S = 5.0


class ExecutorReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the executor stands, and sums since the data folder's first one. Names no user and no bot."""

    round_ms: int = 0
    """When the last round began that has ended."""
    bots: int = 0
    """How many it runs."""
    not_run: int = 0
    """Bots that it cannot run for now, as their account does not open."""
    waiting: int = 0
    """Triggers that bots have not acted on."""
    lag_s: float = 0.0
    """Time since the close of the oldest of them."""
    failures: dict[str, int] = {}
    """Kind of bot -> how often one failed and went on from its last record."""
    refused: dict[str, int] = {}
    """Kind of bot -> orders that brokers have refused."""
    restarts: dict[str, int] = {}
    """Loop of the executor -> how often it failed and began again."""

    @classmethod
    def read(cls, folder: Path) -> "ExecutorReport | None":
        """The last report of a data folder, ``None`` where bots were never run."""
        try:
            return msgspec.json.decode((folder / NAME).read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, folder: Path) -> None:
        """Replace the report of a data folder; whoever reads it gets the old one or the new one. Raises ``OSError``."""
        draft = folder / f".{NAME}.{os.getpid()}"
        write_private(draft, msgspec.json.encode(self).decode())
        draft.replace(folder / NAME)


class Reporting:
    """Keeps the report of a data folder up to date: of one executor after the other, as a loop that fails begins again
    with another one. ``loops`` are those of which the executor consists."""

    def __init__(self, folder: Path, loops: Loops) -> None:
        self._folder = folder
        self._loops = loops
        self._earlier = ExecutorReport.read(folder) or ExecutorReport()
        self._before = ExecutorReport()
        """Of the executors of this process before the one that is followed."""
        self._report: Callable[[], ExecutorReport] = ExecutorReport

    def follow(self, report: Callable[[], ExecutorReport]) -> None:
        """Report what this says, from now on."""
        self._before = self._since_start()
        self._report = report

    def run(self, stop: threading.Event) -> None:
        """Write a report every few seconds, and at the end. Raises ``OSError``."""
        while not stop.wait(_REPORTED_S):
            self.write()
        self.write()

    def write(self) -> None:
        """Write the report of now. Raises ``OSError``."""
        restarts = {loop.name: loop.restarts for loop in self._loops.all()}
        report = msgspec.structs.replace(self._since_start(), restarts=restarts)
        _after(self._earlier, report).write(self._folder)

    def _since_start(self) -> ExecutorReport:
        return _after(self._before, self._report())


def _after(earlier: ExecutorReport, later: ExecutorReport) -> ExecutorReport:
    """The later one, with the sums of both."""
    return msgspec.structs.replace(
        later,
        failures=_sum(earlier.failures, later.failures),
        refused=_sum(earlier.refused, later.refused),
        restarts=_sum(earlier.restarts, later.restarts),
    )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one.keys() | other.keys()}
