"""Which processes work on a data folder, and the end of those that a killed service left behind."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.errors import StoreMissing
from common.settings import Settings
from common.supervised import SupervisedServer
from hub.alone import ROLES, end_holder, holder
from registry.store import open_store
from registry.store.owner import running

_SERVERS = {"dashboard": "dashboard", "prefect": "prefect", "valkey": "events"}
"""Server -> its folder in the data folder; in the order in which they are ended."""


@dataclass(frozen=True)
class HubProcess:
    """One process of a data folder, and where it answers if it answers anybody."""

    name: str
    pid: int
    url: str | None = None
    role: str | None = None
    """What the service does of a hub that runs in several processes."""


def processes_of(data_dir: Path) -> list[HubProcess]:
    """The processes that work on a data folder: service, worker, ingest, bots, dashboard, Prefect's server,
    Valkey."""
    return list(_processes(data_dir))


def end_leftovers(settings: Settings) -> list[HubProcess]:
    """End what a service left behind that was killed. Returns what was ended.

    Raises :class:`common.errors.StoreLocked` if a process works on the store, to which the others may belong.
    """
    data_dir = settings.data_dir
    left = [process for process in processes_of(data_dir) if process.name != "hub"]
    if not left:
        return []
    if settings.resolved_store_url.startswith("duckdb:"):
        with suppress(StoreMissing):
            open_store(settings.resolved_store_url, read_only=True).close()
    for role in ROLES:
        end_holder(data_dir, role)
    for name, folder in _SERVERS.items():
        _server(name, data_dir / folder).stop()
    return left


def _processes(data_dir: Path) -> Iterator[HubProcess]:
    here = running(data_dir)
    if here is not None:
        yield HubProcess("hub", here.pid, here.url, here.role)
    for role in ("worker", "ingest", "bots"):
        pid = holder(data_dir, role)
        if pid is not None:
            yield HubProcess(role, pid)
    for name, folder in _SERVERS.items():
        pid = _server(name, data_dir / folder).pid
        if pid is not None:
            port = data_dir / folder / f"{name}.port"
            yield HubProcess(name, pid, f"http://127.0.0.1:{port.read_text()}" if port.exists() else None)


def _server(name: str, folder: Path) -> SupervisedServer:
    return SupervisedServer(name, folder.absolute(), [], answers=lambda: True, patience_s=0)
