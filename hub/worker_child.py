"""The worker as a child of the service: started with it, started again when it ends, stopped before it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import ServiceError
from common.settings import Settings
from common.supervision import Loops
from hub.work import holder

_PATIENCE_S = 60.0
"""How long a worker may take to end: the runs under way, then Prefect's server."""
_LOOKED_S = 0.2


@contextmanager
def worker_running(settings: Settings, loops: Loops, *, ingest: bool) -> Iterator[None]:
    """Keep a worker running until the block ends; its log is ``worker.log`` in the data folder."""
    stop = threading.Event()
    thread = loops.start("the worker", lambda: _run(settings, stop, ingest=ingest), stop)
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _run(settings: Settings, stop: threading.Event, *, ingest: bool) -> None:
    """Run one worker until it ends or ``stop`` is set. Raises :class:`ServiceError` if it ends by itself."""
    _end_abandoned(settings.data_dir / "worker.lock")
    path = settings.data_dir / "worker.log"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        command = [sys.executable, "-m", "app_cli", "worker", *([] if ingest else ["--no-ingest"])]
        # Ctrl-C at the terminal is meant for the service, which then stops its worker in order.
        worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while worker.poll() is None:
        if stop.wait(_LOOKED_S):
            _end(worker)
            return
    raise ServiceError(f"the worker ended with code {worker.returncode}; the end of its log is in {path}")


def _end(worker: "subprocess.Popen[bytes]") -> None:
    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _end_abandoned(lock: Path) -> None:
    """End the worker of a service that was killed: it holds the folder's lock, and nobody would stop it."""
    pid = holder(lock)
    if pid is None:
        return
    for number, patience_s in ((signal.SIGTERM, _PATIENCE_S), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        waited = threading.Event()
        for _ in range(int(patience_s / _LOOKED_S)):
            if holder(lock) != pid:
                return
            waited.wait(_LOOKED_S)
