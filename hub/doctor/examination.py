"""All checks, in the order in which somebody looks for a fault: the machine, the processes, what they do."""

from collections.abc import Iterator

from common.clock import SystemClock
from common.errors import HubError
from common.settings import Settings
from flows.hub_state import look_at_service
from hub.doctor import machine, processes, work
from hub.doctor.exchange_clock import clock_checks
from hub.doctor.health_check import HealthCheck
from registry.store import open_configured


def examine(settings: Settings) -> Iterator[HealthCheck]:
    """Check everything, one thing after another; nothing is changed. It takes a few seconds."""
    now_ms = SystemClock().now_ms()
    health = look_at_service(settings.data_dir)
    yield machine.versions()
    yield machine.folder(settings.data_dir)
    yield machine.private(settings)
    yield machine.space(settings.data_dir)
    yield machine.ports(settings, is_running=health is not None)
    yield processes.service(health)
    yield processes.worker(settings, is_running=health is not None)
    yield processes.scheduling(settings.data_dir, now_ms)
    yield processes.event_log(settings, is_running=health is not None)
    try:
        with open_configured(settings, read_only=True) as store:
            yield work.contents(store)
            yield work.keys(store)
            yield work.candles(store, now_ms)
            yield work.gaps(store)
            yield work.judging(store, now_ms, is_needed="worker" not in settings.without)
            yield from clock_checks(store, settings, now_ms)
    except HubError as error:
        # One that is in use names the process that has it.
        yield HealthCheck("store", False, str(error))
