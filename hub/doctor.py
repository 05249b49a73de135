"""What may be wrong with a hub, seen from outside: each check says how to fix what it finds."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from candles.calendars import stored_calendars
from common.clock import SystemClock
from common.errors import HubError
from common.private_files import exposed, files_of_hub
from common.settings import Settings
from common.timeframes import DURATION_MS, to_ms
from events.server import connect_to
from registry.groups import Series
from registry.store import open_configured
from registry.store.owner import running

_LEAST_FREE = 1 << 30


@dataclass(frozen=True)
class HealthCheck:
    """The result of one check. ``ok`` is ``None`` if the detail is worth knowing but no fault."""

    name: str
    ok: bool | None
    detail: str


def examine(settings: Settings) -> Iterator[HealthCheck]:
    """Check everything, one thing after another; nothing is changed."""
    yield _folder(settings.data_dir)
    yield _private(settings)
    yield _space(settings.data_dir)
    here = running(settings.data_dir)
    if here is None:
        yield HealthCheck("service", None, "not running; start it: hub up")
    else:
        yield _guarded("service", lambda: _ready(here.url))
    if settings.redis_url is None:
        yield HealthCheck("event log", None, "the bundled Valkey, started and stopped with the service")
    else:
        url = settings.redis_url.get_secret_value()
        yield _guarded("event log", lambda: _redis(url))
    try:
        with open_configured(settings, read_only=True) as store:
            yield HealthCheck(
                "store", True, ", ".join(f"{count} {name}" for name, count in store.registry.totals().items())
            )
            usable = sum(key.revoked_ms is None for key in store.accounts.keys(None))
            yield HealthCheck(
                "keys",
                True if usable else None,
                f"{usable} in use" if usable else "none; create one: hub keys create USER",
            )
            now_ms, series, calendars = SystemClock().now_ms(), store.candles.series(), stored_calendars(store)
            stale = sum(
                now_ms - calendars.of(Series.parse(name)).close(to_ms(last)) > 2 * DURATION_MS[timeframe]
                for name, timeframe, last in series.select("series", "timeframe", "last_open_time").iter_rows()
                if last is not None
            )
            detail = (
                f"{series.height} series, {stale} of them stale"
                if series.height
                else "none; import some: hub candles import FILE"
            )
            yield HealthCheck("candles", None if stale or not series.height else True, detail)
    except HubError as error:
        yield HealthCheck("store", False, str(error))


def _folder(folder: Path) -> HealthCheck:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return HealthCheck(
            "data folder", False, f"no permission to write to {existing}; set HUB_DATA_DIR to another folder"
        )
    return HealthCheck("data folder", True, str(folder.absolute()))


def _private(settings: Settings) -> HealthCheck:
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


def _space(folder: Path) -> HealthCheck:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    shown = f"{free / 1e9:.1f} GB free"
    return HealthCheck("disk", free >= _LEAST_FREE, shown if free >= _LEAST_FREE else f"{shown}: less than 1 GB")


def _ready(url: str) -> str:
    try:
        answer = httpx.get(f"{url}/health/ready", timeout=10)
    except httpx.HTTPError as error:
        raise HubError(f"{url} does not answer ({type(error).__name__}); its log may tell why") from None
    health = answer.json()
    if health["status"] != "ok":
        faults = "; ".join(
            f"{name}: {health[name]['detail']}" for name in ("store", "event_log", "loops") if not health[name]["ok"]
        )
        raise HubError(f"{url} is {health['status']}: {faults}")
    return f"{url} is ready"


def _redis(url: str) -> str:
    connect_to(url).close()
    return "the server of REDIS_URL answers"


def _guarded(name: str, look: Callable[[], str]) -> HealthCheck:
    try:
        return HealthCheck(name, True, look())
    except HubError as error:
        return HealthCheck(name, False, str(error))
