"""What a hub is doing at the moment, for people: the command line and the dashboard show it."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from analysis.progress import ExchangeCandles, TimeframeProgress, ToBeJudged, exchange_candles, progress
from analysis.savings import Savings, summarise
from common.errors import EventLogError, EventServerError, PrefectServerError
from common.plain_http import WITHOUT_CERTIFICATES
from common.settings import Settings
from common.timeframes import DURATION_MS
from events.consuming.dead_letters import consumers_with_dead_letters
from events.log.keeper import read_log
from events.opening import connect_log
from flows.prefect_view import PrefectView, look_at_prefect
from registry.store.owner import running
from registry.store.parts.runs import AuditRecord, RunFailure
from registry.store.protocol import Store

_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Health:
    """What the running service says of itself."""

    url: str
    pid: int
    status: str
    """``ok``, ``degraded``, ``unavailable``; or ``silent`` if it does not answer."""
    faults: tuple[str, ...]


@dataclass(frozen=True)
class EventState:
    """The event log and its readers."""

    stored: int
    """Number of the newest trigger in the store."""
    published: int
    """Number of the newest one in the log."""
    lags: dict[str, int]
    """Consumer -> events that it has not applied."""
    dead_letters: dict[str, int]
    """Consumer -> its dead letters; those without are left out."""

    @property
    def unpublished(self) -> int:
        """Triggers that are not in the log yet."""
        return max(0, self.stored - self.published)


@dataclass(frozen=True)
class HubState:
    """Everything at one moment. What could not be asked is ``None``, and its ``*_problem`` says why."""

    now_ms: int
    health: Health | None
    """``None`` if no service runs."""
    totals: dict[str, int]
    """What :meth:`registry.store.parts.registry.RegistryStore.totals` counts."""
    in_error: int
    retired: int
    superseded: int
    timeframes: tuple[TimeframeProgress, ...]
    candles: tuple[ExchangeCandles, ...]
    events: EventState | None
    events_problem: str | None
    prefect: PrefectView | None
    """``None`` also where no worker has ever started."""
    prefect_problem: str | None
    failing: tuple[RunFailure, ...]
    """The newest failure of each deployment whose runs have not succeeded since."""
    audit: AuditRecord | None
    """What the newest audit said, if there was one."""
    today: Savings
    """Of what has been judged since midnight, UTC."""


def look_at_hub(settings: Settings, store: Store, now_ms: int) -> HubState:
    """Look at the hub of the settings, whose store is ``store``. Nothing is changed, and what is down is waited for at
    most a few seconds."""
    totals, wanted = store.registry.totals(), ToBeJudged.of(store)
    events, events_problem = _events(settings, store, now_ms)
    prefect, prefect_problem = _prefect(settings.data_dir, now_ms)
    return HubState(
        now_ms=now_ms,
        health=look_at_service(settings.data_dir),
        totals=totals,
        in_error=totals["in_error"],
        retired=totals["retired"],
        superseded=totals["superseded"],
        timeframes=tuple(progress(wanted, now_ms)),
        candles=tuple(exchange_candles(wanted, now_ms)),
        events=events,
        events_problem=events_problem,
        prefect=prefect,
        prefect_problem=prefect_problem,
        failing=tuple(store.runs.failing()),
        audit=next(iter(store.runs.audits(1)), None),
        today=summarise(store, since_ms=now_ms - now_ms % DURATION_MS["1d"]),
    )


def look_at_service(data_dir: Path) -> Health | None:
    """What the service of a folder says of itself; ``None`` if none runs."""
    here = running(data_dir)
    if here is None:
        return None
    try:
        answer = httpx.get(f"{here.url}/health/ready", timeout=_PATIENCE_S, verify=WITHOUT_CERTIFICATES).json()
    except httpx.HTTPError as error:
        return Health(here.url, here.pid, "silent", (f"it does not answer ({type(error).__name__})",))
    parts = {"store": "store", "event_log": "event log", "loops": "loops"}
    faults = tuple(f"{shown}: {answer[name]['detail']}" for name, shown in parts.items() if not answer[name]["ok"])
    return Health(here.url, here.pid, answer["status"], faults)


def _events(settings: Settings, store: Store, now_ms: int) -> tuple[EventState | None, str | None]:
    try:
        with connect_log(settings) as log:
            reading = read_log(store, log, now_ms)
            letters = consumers_with_dead_letters(log)
    except (EventLogError, EventServerError) as error:
        return None, str(error)
    return EventState(reading.stored_seq, reading.published_seq, dict(reading.lags), letters), None


def _prefect(data_dir: Path, now_ms: int) -> tuple[PrefectView | None, str | None]:
    try:
        return look_at_prefect(data_dir, now_ms), None
    except PrefectServerError as error:
        return None, str(error)
