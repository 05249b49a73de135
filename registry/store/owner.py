"""Whether a data folder has a service that runs: ``service.json`` in it says where, and as which process."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from common.errors import ServiceError
from common.processes import start_time
from common.settings import Settings

_STOP_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Running:
    """A service that runs."""

    pid: int
    url: str


def running(data_dir: Path) -> Running | None:
    """The service that owns a data folder, ``None`` if none runs."""
    try:
        noted = json.loads(_note(data_dir).read_text())
        found = Running(int(noted["pid"]), str(noted["url"]))
    except (OSError, ValueError, KeyError):
        return None
    # The start time tells it from another process that got its number later.
    return found if start_time(found.pid) == noted["started"] else None


@contextmanager
def noted(data_dir: Path, url: str) -> Iterator[Running]:
    """Say in the data folder that this process serves it, as long as the block runs."""
    here = Running(os.getpid(), url)
    partial = _note(data_dir).with_suffix(".partial")
    partial.write_text(json.dumps({"pid": here.pid, "started": start_time(here.pid), "url": here.url}))
    partial.rename(_note(data_dir))
    try:
        yield here
    finally:
        _note(data_dir).unlink(missing_ok=True)


def stop(data_dir: Path) -> Running:
    """Ask the service of a data folder to stop, and wait until it has; raises :class:`ServiceError`."""
    found = running(data_dir)
    if found is None:
        raise ServiceError(f"no hub runs in {data_dir}; `hub up` starts one, HUB_DATA_DIR names another folder")
    with suppress(ProcessLookupError):
        try:
            os.kill(found.pid, signal.SIGTERM)
        except PermissionError:
            raise ServiceError(f"process {found.pid} is somebody else's: stop it as the user that started it") from None
    deadline = time.monotonic() + _STOP_PATIENCE_S
    while running(data_dir) == found:
        if time.monotonic() > deadline:
            raise ServiceError(f"process {found.pid} did not stop within {_STOP_PATIENCE_S:g} s; its log may say why")
        time.sleep(0.05)
    return found


def url_of(settings: Settings) -> str:
    """Where the store that the settings name is: at ``HUB_STORE_URL``, at the service of the data folder if one runs,
    else in the files of the data folder."""
    here = running(settings.data_dir) if settings.store_url is None else None
    return settings.resolved_store_url if here is None else here.url


def _note(data_dir: Path) -> Path:
    return data_dir / "service.json"
