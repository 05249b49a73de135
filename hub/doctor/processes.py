"""Checks of the processes: service, worker, Prefect's server, the event log's server."""

from pathlib import Path
from typing import Any

import redis

from common.errors import EventServerError, HubError
from common.settings import Settings
from common.timeframes import iso_time
from events.opening import connect_log
from events.server import connect_to
from flows.hub_state import Health
from flows.prefect_view import look_at_prefect
from hub.alone import holder
from hub.doctor.health_check import HealthCheck, guarded


def service(health: Health | None) -> HealthCheck:
    """What the running service says of itself."""
    if health is None:
        return HealthCheck("service", None, "not running; start it: hub up")
    if health.status == "ok":
        return HealthCheck("service", True, f"{health.url} is ready (process {health.pid})")
    return HealthCheck("service", False, f"{health.url} is {health.status}: {'; '.join(health.faults)}; see its log")


def worker(settings: Settings, *, is_running: bool) -> HealthCheck:
    """Whether a worker judges."""
    pid = holder(settings.data_dir, "worker")
    if pid is not None:
        return HealthCheck("worker", True, f"process {pid}")
    if is_running and "worker" not in settings.without:
        return HealthCheck("worker", False, "none runs; the log of `hub up` says why it ends, and it is started again")
    return HealthCheck("worker", None, "none runs, nothing is judged by itself; hub up or hub worker starts one")


def scheduling(data_dir: Path, now_ms: int) -> HealthCheck:
    """Whether Prefect's server schedules and a worker takes its runs."""
    try:
        view = look_at_prefect(data_dir, now_ms)
    except HubError as error:
        is_needed = holder(data_dir, "worker") is not None
        return HealthCheck("prefect", False if is_needed else None, str(error))
    if view is None:
        return HealthCheck("prefect", None, "no server yet; the first worker starts one")
    faults = []
    if view.is_paused:
        faults.append(f"the pool of the ticks is paused: resume it at {view.url}")
    if not view.is_worked_on:
        faults.append("no worker is online: hub up or hub worker starts one")
    if view.late:
        faults.append(f"{view.late} runs are late: the worker is too slow or hangs; restart it")
    if faults:
        return HealthCheck("prefect", False, f"{view.url}: {'; '.join(faults)}")
    if view.failed:
        newest = view.newest_failed[0]
        return HealthCheck(
            "prefect",
            None,
            f"{view.url}, {view.failed} runs failed in 24 hours, the newest at {iso_time(newest.ended_ms)}: "
            f"{newest.reason}",
        )
    return HealthCheck("prefect", True, f"{view.url}, {len(view.workers)} workers known, no late or failed run")


def event_log(settings: Settings, *, is_running: bool) -> HealthCheck:
    """Whether the event log's server answers, and keeps what it is given."""
    if settings.redis_url is None and not is_running:
        return HealthCheck("event log", None, "the bundled Valkey, started and stopped with the service")
    return guarded("event log", lambda: _event_log(settings))


def _event_log(settings: Settings) -> str:
    if settings.redis_url is not None:
        # This also checks its policy.
        connect_to(settings.redis_url.get_secret_value()).close()
    with connect_log(settings) as log:
        client: Any = log.client
        try:
            memory, persistence, server = (client.info(section) for section in ("memory", "persistence", "server"))
        except redis.RedisError as error:
            raise EventServerError(f"the event log's server does not say how it is ({type(error).__name__})") from error
    shown = f"{'REDIS_URL' if settings.redis_url else 'bundled'} {server.get('redis_version', '?')}"
    used, limit = int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))
    if limit and used > 0.9 * limit:
        raise EventServerError(
            f"{shown} uses {used / limit:.0%} of its memory: raise maxmemory, or lower HUB_EVENTS_RETENTION_HOURS"
        )
    if not int(persistence.get("aof_enabled", 0)):
        raise EventServerError(
            f"{shown} has no append-only file: a restart loses the stream until the hub has filled it again; set "
            "appendonly yes"
        )
    if persistence.get("aof_last_write_status", "ok") != "ok":
        raise EventServerError(f"{shown} cannot write its append-only file: look at its disk")
    return f"{shown}, {used / 1e6:.0f} MB used, noeviction, append-only file on"
