"""Processes of which a data folder has one at a time: its worker, its ingest, and the one that runs bots."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from common.errors import ServiceError
from common.processes import start_time, state_of

ProcessRole = Literal["worker", "ingest", "bots"]
ROLES: tuple[ProcessRole, ...] = ("bots", "worker", "ingest")
"""In the order in which they are ended."""
_NAMES = {
    "worker": "the worker",
    "ingest": "the process that fetches candles",
    "bots": "the process that runs the bots",
}


def holder(data_dir: Path, role: ProcessRole) -> int | None:
    """The process id of the one that has a role in a folder; ``None`` if nobody has."""
    path = _lock(data_dir, role)
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        noted = path.read_text().strip()
        return int(noted) if noted.isdigit() else None
    return None


def end_holder(data_dir: Path, role: ProcessRole) -> None:
    """End the one that has a role in a folder, if there is one: what a service that was killed has left behind.

    It is not waited for long: without its service it can record nothing, and what it was at is done again.
    """
    pid = holder(data_dir, role)
    if pid is None:
        return
    started = start_time(pid)
    for number, patience_s in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if state_of(pid, started) == "gone":
                return
            time.sleep(0.1)


@contextmanager
def alone(data_dir: Path, role: ProcessRole) -> Iterator[None]:
    """Have a role in a folder while the block runs; the process id is in the lock's file.

    Raises :class:`ServiceError` if another process has it.
    """
    with _lock(data_dir, role).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise ServiceError(
                f"{_NAMES[role]} of {data_dir} is already running: process {lock.read().strip() or 'unknown'}"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _lock(data_dir: Path, role: ProcessRole) -> Path:
    return data_dir / f"{role}.lock"
