"""Real processes that start in milliseconds: forked from one that has imported everything."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from typing import Any

EFFORT = int(os.environ.get("HUB_TEST_EFFORT", "1"))
"""How long the cases are; 1 in ``make test``."""

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.chaos.preloaded"])

PATIENCE_S = 150.0 if EFFORT == 1 else 400.0
CRASHED = -signal.SIGKILL


class Process:
    """A role at work in a process of its own."""

    def __init__(self, role: Callable[..., None], arguments: Mapping[str, Any]) -> None:
        self.name = role.__name__
        self._process: ForkServerProcess = _CONTEXT.Process(target=role, kwargs=dict(arguments), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.exitcode is None

    def kill(self) -> bool:
        """SIGKILL; returns whether it was still running."""
        if not self.runs():
            # Its process id may belong to another process by now.
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()
        return True

    def pause(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self.runs():
            os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> int:
        """Its exit code."""
        self._process.join(PATIENCE_S)
        if self._process.exitcode is None:
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"{self.name} did not end within {PATIENCE_S:g} s")
        return self._process.exitcode

    def finish(self) -> None:
        """Wait until it ends, and require success."""
        code = self.wait()
        assert code == 0, f"{self.name} ended with {code}"
