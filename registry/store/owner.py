"""Whether a service is running on a data folder: ``service.json`` in it says where, and as which process."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import ServiceError
from common.private_files import write_private
from common.processes import NO_DESCRIPTORS, start_time, state_of
from common.settings import Settings

_STOP_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Running:
    """A running service."""

    pid: int
    url: str
    started: str = field(repr=False)
    """When its process started, in the system's own format; tells it from a later process with the same number."""
    role: str = "all"
    """What it does of a hub that runs in several processes."""


def running(data_dir: Path) -> Running | None:
    """The service that owns a data folder, ``None`` if none is running.

    One that may be running counts as running. Raises :class:`ServiceError` if this process cannot open another file.
    """
    path = _note(data_dir)
    try:
        note = json.loads(path.read_text())
        service = Running(int(note["pid"]), str(note["url"]), str(note["started"]), str(note.get("role", "all")))
    except OSError as error:
        if error.errno in NO_DESCRIPTORS:
            raise ServiceError(
                f"cannot tell whether a hub is running in {data_dir}: this process has too many files open to read "
                f"{path.name}; raise the limit (`ulimit -n`) and try again"
            ) from None
        return None
    except (ValueError, KeyError):
        return None
    return None if state_of(service.pid, service.started) == "gone" else service


@contextmanager
def noted(data_dir: Path, role: str = "all") -> Iterator[Callable[[str], Running]]:
    """Pass a function that notes in the data folder that this process serves it at a URL, in that role.

    The note is removed when the block ends. Enter it before anything that the process has to release, so that the note
    is there until all of that is done.
    """
    path = _note(data_dir)
    here: list[Running] = []

    def note(url: str) -> Running:
        pid = os.getpid()
        service = Running(pid, url, start_time(pid), role)
        partial = path.with_suffix(".partial")
        write_private(partial, json.dumps({"pid": pid, "started": service.started, "url": url, "role": role}))
        partial.rename(path)
        here.append(service)
        return service

    try:
        yield note
    finally:
        if here:
            path.unlink(missing_ok=True)


def stop(data_dir: Path) -> Running:
    """Ask the service of a data folder to stop, and wait until its process has ended; raises :class:`ServiceError`."""
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
    # The process itself, not its note: it may have things to write after the note has gone.
    while state_of(service.pid, service.started) != "gone":
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
