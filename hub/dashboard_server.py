"""The dashboard as a child of the data folder."""

import importlib.util
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from common.errors import ServiceError
from common.settings import Settings
from common.supervised import SupervisedServer, free_port, make_folder, port_is_busy

_USUAL_PORT = 8501


class DashboardServer:
    """Streamlit with the dashboard's pages, on this machine only. Everything about it is in the folder ``dashboard``.

    On the port of the settings, which must be free (:class:`ServiceError`), or else on Streamlit's usual one or, if
    that is taken, any. One that a killed service left behind is adopted, with its port.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir.absolute() / "dashboard"
        self.log = self._folder / "dashboard.log"
        self._port = dashboard_port(self._folder) or _choose(settings.dashboard_port)
        self._supervised: SupervisedServer | None = None

    @property
    def url(self) -> str:
        """Where it is, once it answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id; ``None`` if it is not running."""
        return None if self._supervised is None else self._supervised.pid

    def start(self, environment: Mapping[str, str]) -> None:
        """Adopt the one that runs in the folder, or start one and wait until it answers."""
        make_folder(self._folder, ServiceError)
        (self._folder / "dashboard.port").write_text(str(self._port))
        script = importlib.util.find_spec("app_streamlit")
        assert script is not None
        assert script.origin is not None
        self._supervised = SupervisedServer(
            "dashboard",
            self._folder,
            [
                *(sys.executable, "-m", "streamlit", "run", script.origin),
                *("--server.address", "127.0.0.1", "--server.port", str(self._port), "--server.headless", "true"),
                *("--server.fileWatcherType", "none", "--browser.gatherUsageStats", "false"),
            ],
            answers=lambda: _is_healthy(self._port),
            patience_s=60.0,
            environment=environment,
            failure=ServiceError,
        ).start()

    def stop(self) -> None:
        """End it."""
        if self._supervised is not None:
            self._supervised.stop()


def dashboard_port(folder: Path) -> int | None:
    """The port of the dashboard that runs in a folder; ``None`` if none does."""
    if SupervisedServer("dashboard", folder, [], answers=lambda: True, patience_s=0).pid is None:
        return None
    try:
        return int((folder / "dashboard.port").read_text())
    except (OSError, ValueError):
        return None


def _choose(wanted: int | None) -> int:
    if wanted is None:
        return free_port() if port_is_busy(_USUAL_PORT) else _USUAL_PORT
    if wanted and port_is_busy(wanted):
        raise ServiceError(
            f"port {wanted} for the dashboard is taken; set HUB_DASHBOARD_PORT to a free port (0 takes any), or start "
            "without it: hub up --without dashboard"
        )
    return wanted or free_port()


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
