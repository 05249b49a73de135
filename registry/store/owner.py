"""Whether a service is running on a data folder: ``service.json`` in it says where, and as which process."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from common.errors import ServiceError
from common.private_files import write_private
from common.processes import start_time
from common.settings import Settings

_STOP_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Running:
    """A running service."""

    pid: int
    url: str


def running(data_dir: Path) -> Running | None:
    """The service that owns a data folder, ``None`` if none is running."""
    try:
        note = json.loads(_note(data_dir).read_text())
        service = Running(int(note["pid"]), str(note["url"]))
    except (OSError, ValueError, KeyError):
        return None
    # The start time tells the service from a later process with the same number.
    return service if start_time(service.pid) == note["started"] else None


@contextmanager
def noted(data_dir: Path, url: str) -> Iterator[Running]:
    """Note in the data folder that this process serves it, for as long as the block runs."""
    here = Running(os.getpid(), url)
    partial = _note(data_dir).with_suffix(".partial")
    write_private(partial, json.dumps({"pid": here.pid, "started": start_time(here.pid), "url": here.url}))
    partial.rename(_note(data_dir))
    try:
        yield here
    finally:
        _note(data_dir).unlink(missing_ok=True)


def stop(data_dir: Path) -> Running:
    """Ask the service of a data folder to stop, and wait until it has; raises :class:`ServiceError`."""
    service = running(data_dir)
    if service is None:
        raise ServiceError(f"no hub is running in {data_dir}; `hub up` starts one, HUB_DATA_DIR names another folder")
    with suppress(ProcessLookupError):
        try:
            os.kill(service.pid, signal.SIGTERM)
        except PermissionError:
            raise ServiceError(
                f"process {service.pid} belongs to another user; stop it as the user who started it"
            ) from None
    deadline = time.monotonic() + _STOP_PATIENCE_S
    while running(data_dir) == service:
        if time.monotonic() > deadline:
            raise ServiceError(f"process {service.pid} did not stop within {_STOP_PATIENCE_S:g} s; its log may say why")
        time.sleep(0.05)
    return service


def url_of(settings: Settings) -> str:
    """Where the store of the settings is: at ``HUB_STORE_URL`` if set, else at the running service of the data folder,
    else in the files of the data folder."""
    here = running(settings.data_dir) if settings.store_url is None else None
    return settings.resolved_store_url if here is None else here.url


def _note(data_dir: Path) -> Path:
    return data_dir / "service.json"
