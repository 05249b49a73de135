"""What the processes of a hub in Postgres do: as those of ``roles``, through outages of the database."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from common import failpoints
from common.clock import ReplayClock
from common.errors import EventLogAhead, EventLogError, StoreBroken, StoreNotWritable, StoreUnreachable
from events.log.keeper import LogKeeper, keeping
from events.log.redis_log import EventLog
from registry.store import open_store
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from tests.chaos import roles, scene

_Result = TypeVar("_Result")

AGAIN = 4
"""The exit code of a process that says it has to be started again."""
_PAUSE_S = 0.05
_AWAY = (StoreUnreachable, StoreNotWritable, EventLogError)


def evaluate(*, store: str, url: str, ticks: int, failpoint: str = "", judged: Path | None = None) -> None:
    """Judge tick after tick up to ``ticks``, and publish everything. A run that fails is followed by another one."""
    failpoints.arm(failpoint)

    def run(opened: Store, log: EventLog) -> None:
        _again(lambda: roles.judge(opened, log, ticks))
        if judged is not None:
            judged.touch()
        _again(lambda: roles.publish(opened, log))

    _with_store(store, url, run)


def serve(*, store: str, url: str) -> None:
    """Keep the log, as a service does, until it is killed."""

    def keep(opened: Store, log: EventLog) -> None:
        keeper = LogKeeper(opened, roles.open_log(url), ReplayClock(scene.START_MS))
        _again(keeper.begin)
        with keeping(keeper):
            while True:
                time.sleep(_PAUSE_S)
                _again(lambda: opened.triggers.last_seq())  # noqa: PLW0108 (the part asks whether it is replaced)

    _with_store(store, url, keep)


def register(*, store: str, url: str, client: int, acknowledged: Path) -> None:
    """A service whose user registers conditions and subscribes until it is killed, and notes what was acknowledged."""

    # After all ticks, so that what has to fire stays the same.
    later = scene.close_of(scene.TICKS)

    def keep_registering(opened: Store, log: EventLog) -> None:
        number = len(acknowledged.read_text().splitlines()) if acknowledged.exists() else 0
        with acknowledged.open("a", buffering=1) as notes:
            while True:
                condition = scene.wanted_by_many(number % 40)
                request = SubscriptionRequest(f"user-{client}", f"bot-{number}", condition.id, "dca", {})
                _again(lambda: opened.registry.register([condition], active_from_ms=later))  # noqa: B023
                _again(lambda: opened.registry.subscribe([request], active_from_ms=later))  # noqa: B023
                notes.write(f"{request.user_id} {request.bot_id} {condition.id}\n")
                number += 1
                time.sleep(_PAUSE_S)

    _with_store(store, url, keep_registering)


def _with_store(place: str, url: str, work: Callable[[Store, EventLog], None]) -> None:
    try:
        with _again(lambda: open_store(place, clock=ReplayClock(scene.START_MS))) as opened:
            log = roles.open_log(url)
            _again(lambda: roles.bring_together(opened, log))
            work(opened, log)
    except StoreBroken:
        sys.exit(AGAIN)


def _again(call: Callable[[], _Result]) -> _Result:
    """Repeat a call until the database answers; what only a restart helps with is raised."""
    deadline = time.monotonic() + roles.PATIENCE_S
    while True:
        try:
            return call()
        except _AWAY as error:
            if isinstance(error, (StoreBroken, EventLogAhead)) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
