"""What the service keeps running beside itself: worker, bots and dashboard, each in a loop that starts it again."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping

from common.errors import ServiceError
from common.settings import Settings
from common.supervision import Loops
from hub.alone import ProcessRole, end_holder
from hub.dashboard_server import DashboardServer
from hub.logs import relay

_PATIENCE_S = 60.0
"""How long a process may take to end: of the worker the runs under way, then Prefect's server."""
_LOOKED_S = 0.2


class Children:
    """The worker, the process that runs bots, and the dashboard of a service, unless ``HUB_WITHOUT`` names them.

    Ctrl-C at the terminal is meant for the service, which stops them in order: they are in sessions of their own.
    """

    def __init__(self, settings: Settings, loops: Loops) -> None:
        """Raises :class:`ServiceError` if the dashboard's port is taken."""
        self._settings = settings
        self._loops = loops
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._threads: list[threading.Thread] = []
        self._dashboard = None if "dashboard" in settings.without else DashboardServer(settings)

    @property
    def dashboard_url(self) -> str | None:
        """Where the dashboard is, once it answers; ``None`` without one."""
        return None if self._dashboard is None else self._dashboard.url

    def start(self) -> None:
        """Start them, and start again what ends by itself."""
        if "worker" not in self._settings.without:
            self._threads.append(self._loops.start("worker", self._keep_worker, self._stop))
        if "bots" not in self._settings.without:
            self._threads.append(self._loops.start("bots", self._keep_bots, self._stop))
        if self._dashboard is not None:
            self._threads.append(self._loops.start("dashboard", self._keep_dashboard, self._stop))

    def stop(self) -> None:
        """End them and wait until they have ended. The worker needs the service until then."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def hurry(self) -> None:
        """From now on nothing is waited for: a child that has not ended is killed."""
        self._hurry.set()

    def _keep_worker(self) -> None:
        self._keep("worker", "worker", *(["--no-ingest"] if "ingest" in self._settings.without else []))

    def _keep_bots(self) -> None:
        self._keep("bots", "bots", "run")

    def _keep(self, role: ProcessRole, *command: str) -> None:
        """Run one process until it ends or is to end. Raises :class:`ServiceError` if it ends by itself."""
        end_holder(self._settings.data_dir, role)
        process = subprocess.Popen(
            [sys.executable, "-m", "app_cli", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment_of(self._settings),
        )
        assert process.stdout is not None
        relaying = threading.Thread(target=relay, args=(role, process.stdout), name=f"{role}-log")
        relaying.start()
        try:
            while process.poll() is None and not self._stop.wait(_LOOKED_S):
                pass
            if process.poll() is None:
                self._end(process)
        finally:
            relaying.join()
        if not self._stop.is_set():
            raise ServiceError(f"{role} (process {process.pid}) ended with code {process.returncode}")

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        process.send_signal(signal.SIGTERM)
        for _ in range(int(_PATIENCE_S / _LOOKED_S)):
            if self._hurry.is_set() or process.poll() is not None:
                break
            self._hurry.wait(_LOOKED_S)
        if process.poll() is None:
            process.kill()
        process.wait()

    def _keep_dashboard(self) -> None:
        """The same for the dashboard."""
        assert self._dashboard is not None
        self._dashboard.start(environment_of(self._settings))
        try:
            while self._dashboard.pid is not None and not self._stop.wait(_LOOKED_S):
                pass
            if not self._stop.is_set():
                raise ServiceError(f"the dashboard ended; the end of its log is in {self._dashboard.log}")
        finally:
            self._dashboard.stop()


def environment_of(settings: Settings) -> Mapping[str, str]:
    """The environment in which another process has the data folder of these settings."""
    return {**os.environ, "HUB_DATA_DIR": str(settings.data_dir.absolute())}
