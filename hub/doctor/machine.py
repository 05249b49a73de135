"""Checks of the machine: versions, the data folder, its permissions, disk, ports."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.requirements import Requirement

from common.private_files import exposed, files_of_hub
from common.settings import Settings
from common.supervised import port_is_busy
from hub.doctor.health_check import HealthCheck

_PACKAGE = "condition-hub"
_LEAST_FREE = 1 << 30


def versions() -> HealthCheck:
    """Whether the installed packages are those that the hub was made for; with others, Prefect looks ready and never
    runs."""
    wrong = []
    for text in distribution(_PACKAGE).requires or ():
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(needed.name)
        except PackageNotFoundError:
            wrong.append(f"{needed.name} is missing")
            continue
        if installed not in needed.specifier:
            wrong.append(f"{needed.name} is {installed}, not {needed.specifier}")
    shown = f"hub {version(_PACKAGE)}, Python {platform.python_version()}"
    shown += "".join(f", {name} {version(name)}" for name in ("duckdb", "prefect", "ccxt", "tzdata"))
    if wrong:
        return HealthCheck("versions", False, f"{shown}; {'; '.join(wrong)}: install requirements.lock (make setup)")
    return HealthCheck("versions", True, shown)


def folder(data_dir: Path) -> HealthCheck:
    """Whether the data folder can be written."""
    existing = _existing(data_dir)
    if not os.access(existing, os.W_OK | os.X_OK):
        return HealthCheck(
            "data folder", False, f"no permission to write to {existing}; set HUB_DATA_DIR to another folder"
        )
    return HealthCheck("data folder", True, str(data_dir.absolute()))


def private(settings: Settings) -> HealthCheck:
    """Whether other users can open what the hub has written."""
    scheme, _, place = settings.resolved_store_url.partition(":")
    store = Path(place)
    places = [*files_of_hub(settings.data_dir), *((store, *store.glob("*.duckdb*")) if scheme == "duckdb" else ())]
    try:
        open_to_others = list(dict.fromkeys(exposed(places)))
    except OSError as error:
        return HealthCheck("private files", False, f"cannot look at {error.filename}: {error.strerror}")
    if not open_to_others:
        return HealthCheck("private files", True, "only this user can open what the hub has written")
    shown = " ".join(map(str, open_to_others[:3])) + (" ..." if len(open_to_others) > 3 else "")
    return HealthCheck(
        "private files",
        False,
        f"other users can read secrets in {len(open_to_others)} files and folders: {shown}; restart the hub, which "
        "closes them, or run chmod -R go-rwx on them",
    )


def space(data_dir: Path) -> HealthCheck:
    """Whether there is room."""
    existing = _existing(data_dir)
    free = shutil.disk_usage(existing).free
    shown = f"{free / 1e9:.1f} GB free"
    return HealthCheck(
        "disk",
        free >= _LEAST_FREE,
        shown if free >= _LEAST_FREE else f"{shown}: less than 1 GB; free some, or move HUB_DATA_DIR",
    )


def ports(settings: Settings, *, is_running: bool) -> HealthCheck:
    """Whether the ports of the settings are free, unless the hub itself has them."""
    wanted = {"HUB_API_PORT": settings.api_port, "HUB_DASHBOARD_PORT": settings.dashboard_port or 0}
    if settings.redis_url is None:
        wanted["HUB_REDIS_PORT"] = settings.redis_port
    if is_running:
        return HealthCheck("ports", True, "the running hub has those that it needs")
    taken = [f"{name}={port}" for name, port in wanted.items() if port and port_is_busy(port)]
    if taken:
        return HealthCheck(
            "ports", False, f"in use by another process: {', '.join(taken)}; set them to free ports (0 takes any)"
        )
    return HealthCheck("ports", True, "free: " + ", ".join(f"{port or 'any'}" for port in wanted.values()))


def _existing(folder: Path) -> Path:
    """The folder, or else the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
