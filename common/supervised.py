"""A server that belongs to a data folder: started once, adopted after a crash, stopped cleanly.

A killed hub cannot stop its children. The next start finds the process id in the folder, sees that the server still
answers, and takes it over. So a folder has one server at most, and a clean stop leaves none behind.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from common import processes
from common.errors import EventServerError, HubError
from common.private_files import NotPrivate, close_to_others, make_private_folder
from common.processes import NO_DESCRIPTORS, ProcessState, state_of


class SupervisedServer:
    """A child process in ``folder`` with ``<name>.pid``, ``<name>.lock`` and ``<name>.log``.

    The child writes the note about itself, and holds the lock until it has: a start that is killed at any moment leaves
    either no server, or one that the next start finds. ``command``, with the full path of its program, and
    ``environment`` start it; ``answers`` tells whether it is serving. Raises ``failure`` with the end of the server's
    log if it does not answer within ``patience_s`` seconds.

    "It cannot be told whether it runs" is not "it has died": a server is restarted or replaced only if it is known to
    be gone or not to answer. While the process has no file descriptor left, nothing is known.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        command: Sequence[str],
        *,
        answers: Callable[[], bool],
        patience_s: float,
        environment: Mapping[str, str] | None = None,
        failure: type[HubError] = EventServerError,
    ) -> None:
        self._name = name
        self._folder = folder
        self._command = list(command)
        self._answers = answers
        self._patience_s = patience_s
        self._environment = environment
        self._failure = failure
        self._child: subprocess.Popen[bytes] | None = None
        self._noted: tuple[int, str] | None = None
        """Process id and start time as last read from the note."""

    def start(self) -> Self:
        """Adopt the running server, or start one and wait until it answers."""
        make_folder(self._folder, self._failure)
        with self._file("lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.state
            if state == "unknown":
                raise self._failure(
                    f"cannot tell whether the {self._name} server of {self._folder} is running: the system does not "
                    "say, most likely because this process has too many files open; raise the limit (`ulimit -n`) and "
                    "try again"
                )
            if state == "gone" or not self._wait_for_answer(2.0):
                self.stop()
                self._spawn(lock.fileno())
        return self

    def stop(self) -> None:
        """Stop the server: politely first, by force after ten seconds. Does nothing if none is running.

        Raises ``failure`` if that cannot be told.
        """
        child, self._child = self._child, None
        is_ended = child is not None and _end_child(child)
        state = self.state
        if state == "unknown" and not is_ended:
            raise self._failure(
                f"cannot tell whether the {self._name} server of {self._folder} is running, so it was not stopped; the "
                "next start takes it over, and stops it in the end"
            )
        if state == "running" and self._noted is not None:
            _end(*self._noted)
        self._file("pid").unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """Process id of the server, ``None`` if it is not known to be running."""
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        return self._noted[0] if self.state == "running" and self._noted is not None else None

    @property
    def state(self) -> ProcessState:
        """Whether the server is running."""
        if self._child is not None and self._child.poll() is None:
            return "running"  # to know that of a child, nothing has to be opened
        try:
            pid, started = self._file("pid").read_text().split()
            self._noted = int(pid), started
        except OSError as error:
            if error.errno not in NO_DESCRIPTORS:
                return "gone"  # nothing is noted
            if self._noted is None:
                return "unknown"
        except ValueError:
            return "gone"
        return state_of(*self._noted)

    def _spawn(self, lock: int) -> None:
        note = [sys.executable, "-S", processes.__file__, str(self._file("pid")), str(lock)]
        with self._file("log").open("ab") as log:
            self._child = subprocess.Popen(
                [*note, *self._command],
                pass_fds=[lock],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(self._environment or {})},
                # Ctrl-C at the terminal is meant for the hub, which then stops its servers in order.
                start_new_session=True,
                # Also where a program uses the hub as a library, and has a umask of its own.
                umask=0o077,
            )
        try:
            answers = self._wait_for_answer(self._patience_s)
        except BaseException:
            # Ctrl-C, for example: nobody would stop a server that its owner does not know to run.
            self.stop()
            raise
        if not answers:
            code = self._child.poll()
            state = f"exited with code {code}" if code is not None else f"did not answer within {self._patience_s:g} s"
            self.stop()
            raise self._failure(f"the {self._name} server {state}; the end of {self._file('log')}:\n{self._log_end()}")

    def _wait_for_answer(self, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while True:
            if self._answers():
                return True
            ended = self._child is not None and self._child.poll() is not None
            if ended or time.monotonic() > deadline:
                return False
            time.sleep(0.05)

    def _log_end(self) -> str:
        try:
            return "\n".join(self._file("log").read_text(errors="replace").splitlines()[-5:])
        except OSError:
            return "(no log)"

    def _file(self, suffix: str) -> Path:
        return self._folder / f"{self._name}.{suffix}"


def make_folder(folder: Path, failure: type[HubError]) -> None:
    """Create a server's folder, for this user alone; raises ``failure`` if that is not possible."""
    try:
        make_private_folder(folder)
        close_to_others([folder])
    except OSError as error:
        raise failure(
            f"cannot create the folder {folder}: {error.strerror}; set HUB_DATA_DIR to a writable folder"
        ) from error
    except NotPrivate as error:
        raise failure(str(error)) from error


def free_port() -> int:
    """A loopback port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_busy(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def _end_child(child: subprocess.Popen[bytes]) -> bool:
    """End a child; returns whether it was still running."""
    if child.poll() is not None:
        return False
    child.terminate()
    try:
        child.wait(10.0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    return True


def _end(pid: int, started: str) -> None:
    """End a process that is no child, and wait until it is gone."""
    for force, patience_s in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        if state_of(pid, started) == "gone":
            return
        with suppress(ProcessLookupError):
            os.kill(pid, force)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if state_of(pid, started) == "gone":
                return
            time.sleep(0.02)
