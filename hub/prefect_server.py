"""A real Prefect server as a child of the data folder: the ephemeral one that Prefect starts runs no schedules.

Nothing here imports Prefect: its client reads the environment when it is imported, so the environment has to be set
first.
"""

import logging
import os
import secrets
import sys
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Self

from common.errors import PrefectServerError
from common.supervised import SupervisedServer, free_port, make_folder

_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
}

_BOUNDED = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(7 * 24 * 3600),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "PT24H",
}
"""Runs are kept for a week and events for a day, unless the environment says otherwise: each run takes 55 KB, and
Prefect keeps them for ever by default."""

_TALKATIVE = ("EventsWorker", "APILogWorker")
"""Loggers of Prefect's client that count what is still to be sent, at every exit and whatever level is set."""


class PrefectServer:
    """Prefect's API server, its database in ``folder``; raises :class:`PrefectServerError` if it does not start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._supervised: SupervisedServer | None = None

    def start(self) -> Self:
        """Adopt the server that runs in the folder, or start one."""
        port = self._port()
        self._supervised = SupervisedServer(
            "prefect",
            self._folder,
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            answers=lambda: _is_healthy(port),
            patience_s=180.0,
            environment={
                **self._environment(port),
                **{name: os.environ.get(name, value) for name, value in _BOUNDED.items()},
                "PREFECT_SERVER_API_AUTH_STRING": self._login(),
                # Every page in a browser of this machine can reach the port; only its own may read what it answers.
                "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
            },
            failure=PrefectServerError,
        )
        self._supervised.start()
        return self

    @property
    def is_running(self) -> bool:
        """Whether the folder has a running server."""
        return SupervisedServer("prefect", self._folder, [], answers=lambda: True, patience_s=0).state == "running"

    def use(self) -> None:
        """Point this process's Prefect at the server. Call it before anything imports Prefect."""
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        os.environ.update(self._environment(self._port()))

    def stop(self) -> None:
        """End the server after sending it everything that this process still has for it; its database stays."""
        if self._supervised is not None:
            _send_waiting_events()
            self._supervised.stop()

    def _environment(self, port: int) -> dict[str, str]:
        return {
            **_QUIET,
            "PREFECT_HOME": str(self._folder),
            "PREFECT_API_URL": _api_url(port),
            "PREFECT_API_AUTH_STRING": self._login(),
        }

    def _login(self) -> str:
        """What the server asks its clients for, ``name:password``; kept in the folder, for its owner alone."""
        path = self._folder / "prefect.login"
        if not path.exists():
            make_folder(self._folder, PrefectServerError)
            # Whoever is first decides; a file appears under its name with its content.
            draft = path.with_name(f"prefect.login.{secrets.token_hex(8)}")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"hub:{secrets.token_urlsafe(32)}")
            with suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path.read_text()

    def _port(self) -> int:
        """The port of the server that runs in the folder, or else a free one, which is noted there."""
        path = self._folder / "prefect.port"
        state = SupervisedServer("prefect", self._folder, [], answers=lambda: True, patience_s=0).state
        if self._supervised is None and state == "gone":
            make_folder(self._folder, PrefectServerError)
            path.write_text(str(free_port()))
        return int(path.read_text())


def _send_waiting_events() -> None:
    """Make Prefect's client send its buffered events; at exit, without the server, it would complain about them."""
    if "prefect.events.worker" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker

    # In a thread of its own: inside an event loop the call would have to be awaited.
    sender = threading.Thread(target=EventsWorker.drain_all, kwargs={"timeout": 5, "at_exit": False})
    sender.start()
    sender.join(10)


def use_server_elsewhere() -> None:
    """Use the server that ``PREFECT_API_URL`` names. Call it before anything imports Prefect.

    Raises :class:`PrefectServerError` if it names none.
    """
    if "PREFECT_API_URL" not in os.environ:
        raise PrefectServerError(
            "the work of this store is in shards, whose workers need one Prefect server: name it, "
            "PREFECT_API_URL=http://HOST:4200/api, and have the deployments there: hub deploy --shards 2"
        )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def _api_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/api"


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"{_api_url(port)}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
