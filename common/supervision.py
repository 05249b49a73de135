"""Loops that run for as long as their process does: one that fails is logged, counted, and begins again after a pause.

A loop that ends unseen is worse than one that fails loudly: its work stops, and nothing says so. (Child processes are
the business of ``common/supervised.py``.)
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from common.errors import reason_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pauses:
    """Pauses before a loop begins again: each twice as long as the one before, until it has run for a while."""

    first_s: float = 0.5
    longest_s: float = 30.0
    calm_s: float = 60.0
    """A loop that has run for this long begins with the first pause again."""

    def after(self, ran_s: float, pause_s: float) -> float:
        """The next pause; ``pause_s`` was the last one, 0 if there was none."""
        return self.first_s if pause_s == 0 or ran_s >= self.calm_s else min(2 * pause_s, self.longest_s)


_SETTLED_S = 5.0
"""A loop that has begun again counts as up after this time, or after its last pause if that was longer."""


class Loop:
    """One supervised loop: whether it is up, how often it had to begin again, and why."""

    def __init__(self, name: str, pauses: Pauses, monotonic: Callable[[], float]) -> None:
        self.name = name
        self.restarts = 0
        self._pauses = pauses
        self._monotonic = monotonic
        self._state: Literal["new", "running", "pausing", "stopped"] = "new"
        self._since_s = 0.0
        self._pause_s = 0.0
        self._reason = ""

    @property
    def is_up(self) -> bool:
        """Whether it works, or has been stopped on purpose."""
        return self.problem is None

    @property
    def problem(self) -> str | None:
        """Why it does not work at the moment, or worked only a moment ago; ``None`` if it works."""
        settled = self._state == "running" and (
            not self._reason or self._monotonic() - self._since_s >= max(_SETTLED_S, self._pause_s)
        )
        if settled or self._state in ("new", "stopped"):
            return None
        return f"{self.name} failed and began again {self.restarts} times, last because of {self._reason}"

    def run(self, work: Callable[[], object], stop: threading.Event) -> None:
        """Run ``work``, which goes on until ``stop`` is set, again and again until then."""
        try:
            while not stop.is_set():
                self._begin()
                try:
                    work()
                except BaseException as error:  # also what ends a thread in silence, as SystemExit does
                    failure = reason_of(error)
                else:
                    failure = "an end that nobody asked for"
                if not stop.is_set():
                    stop.wait(self._fail(failure))
        finally:
            self._state = "stopped"

    async def run_task(
        self,
        work: Callable[[], Awaitable[object]],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Run ``work``, which goes on until it is cancelled, again and again until then."""
        try:
            while True:
                self._begin()
                try:
                    await work()
                except asyncio.CancelledError as error:
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise
                    # Nobody cancelled this task: what it waited for was cancelled.
                    failure = reason_of(error)
                except Exception as error:
                    failure = reason_of(error)
                else:
                    failure = "an end that nobody asked for"
                await sleep(self._fail(failure))
        finally:
            self._state = "stopped"

    def _begin(self) -> None:
        self.restarts += self._state == "pausing"
        self._state = "running"
        self._since_s = self._monotonic()

    def _fail(self, reason: str) -> float:
        """Note why it ended; returns how long to pause."""
        self._pause_s = self._pauses.after(self._monotonic() - self._since_s, self._pause_s)
        self._reason = reason
        self._state = "pausing"
        _log.error("%s ended because of %s; it begins again in %g s", self.name, reason, self._pause_s)
        return self._pause_s


class Loops:
    """The supervised loops of a process, by name."""

    def __init__(self, pauses: Pauses | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pauses = pauses or Pauses()
        self._monotonic = monotonic
        self._loops: dict[str, Loop] = {}

    def loop(self, name: str) -> Loop:
        """The loop of that name, made if there is none yet."""
        return self._loops.setdefault(name, Loop(name, self._pauses, self._monotonic))

    def start(self, name: str, work: Callable[[], object], stop: threading.Event) -> threading.Thread:
        """Run a loop in a thread of its own, which is returned; it ends once ``stop`` is set and ``work`` returns."""
        thread = threading.Thread(target=self.loop(name).run, args=(work, stop), name=name)
        thread.start()
        return thread

    def all(self) -> list[Loop]:
        """Every loop that was ever started."""
        return list(self._loops.values())

    def problems(self) -> list[str]:
        """What is wrong with the loops, one sentence each; empty if all of them work."""
        return [problem for loop in self.all() if (problem := loop.problem) is not None]
