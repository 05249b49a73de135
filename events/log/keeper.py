"""Keeps the event log in step with the store while the owner of the store runs."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from common.clock import Clock
from common.errors import EventLogError, StoreError
from common.supervision import Loops
from events import metrics
from events.log.publisher import drain
from events.log.reconciliation import reconcile
from events.log.redis_log import RedisEventLog
from events.log.retention import MOST_EVENTS, RETENTION_MS, trim
from registry.store.parts.delivery import LogReading
from registry.store.protocol import SharedStore, Store

_log = logging.getLogger(__name__)

_LOOK_S = 1.0
_SHORTEST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_LOOKS_A_READING = 60


class LogKeeper:
    """Keeps the log complete and bounded: reconciles at start, publishes what has stayed unpublished for two looks,
    trims old events, and records how far the log and its readers have come.

    The process that records triggers normally publishes them itself; the keeper steps in when it could not, because the
    log's server was down or the process was killed. ``problem`` says why the keeper cannot work, for health checks.
    """

    def __init__(
        self,
        store: Store,
        log: RedisEventLog,
        clock: Clock,
        *,
        retention_ms: int = RETENTION_MS,
        most_events: int = MOST_EVENTS,
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._retention_ms = retention_ms
        self._most_events = most_events
        self._is_reconciled = False
        self._lagged_at = -1
        self._looks = 0
        self.problem: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; while the server is down, wait a little longer after each attempt."""
        pause_s = _SHORTEST_PAUSE_S
        while not stop.is_set():
            try:
                self.look()
            except (EventLogError, StoreError) as error:
                self._note(error)
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self.problem = None
                pause_s = _SHORTEST_PAUSE_S
                stop.wait(_LOOK_S)

    def begin(self) -> None:
        """Reconcile store and log, then publish what is still unpublished. Must come before any candle is judged."""
        reconcile(self._store, self._log)
        self.publish()
        self._is_reconciled = True

    def publish(self) -> None:
        """Publish every trigger that the log does not have yet."""
        drain(self._store, self._log, retention_ms=self._retention_ms)

    def look(self) -> None:
        """One round of work."""
        if not self._is_reconciled:
            self.begin()
        last = self._log.last_seq()
        newest = self._store.triggers.last_seq()
        metrics.PUBLISH_LAG.set(max(0, newest - last))
        if (last != newest and last == self._lagged_at) or self._is_replaced():
            self.publish()
        self._lagged_at = last if last != newest else -1
        if self._looks % _LOOKS_A_READING == 0:
            self.tidy()
        self._looks += 1

    def _is_replaced(self) -> bool:
        return isinstance(self._store, SharedStore) and self._store.replaced() is not None

    def tidy(self) -> None:
        """Trim the log, and record how far it and its readers have come."""
        trimmed = trim(self._store.triggers, self._log, retention_ms=self._retention_ms, most=self._most_events)
        metrics.EVENTS_TRIMMED.inc(trimmed)
        reading = read_log(self._store, self._log, self._clock.now_ms())
        metrics.LOG_EVENTS.set(reading.events)
        metrics.LOG_BYTES.set(reading.bytes)
        # A forgotten consumer has no lag.
        metrics.GROUP_LAG.clear()
        for group, lag in reading.lags.items():
            metrics.GROUP_LAG.labels(group).set(lag)
        self._store.delivery.record_log(reading)

    def _note(self, error: EventLogError | StoreError) -> None:
        metrics.LOG_FAILURES.inc()
        if self.problem != str(error):
            _log.error("%s", error)
        self.problem = str(error)


@contextmanager
def keeping(keeper: LogKeeper, loops: Loops | None = None) -> Iterator[LogKeeper]:
    """Start a keeper and run it in a thread for the duration of the block, supervised with ``loops``; publish what is
    left at the end.

    Raises :class:`common.errors.EventLogError` if it cannot start: the log belongs to another store, or its server does
    not answer.
    """
    keeper.begin()
    stop = threading.Event()
    thread = (loops or Loops()).start("log-keeper", lambda: keeper.run(stop), stop)
    try:
        yield keeper
    finally:
        stop.set()
        thread.join()
        with suppress(EventLogError, StoreError):
            keeper.publish()


def read_log(store: Store, log: RedisEventLog, now_ms: int) -> LogReading:
    """How far the log and its readers have come. Lags are differences of ``seq``: a trim falsifies the server's."""
    published = log.last_seq()
    return LogReading(
        read_ms=now_ms,
        stored_seq=store.triggers.last_seq(),
        published_seq=published,
        events=log.length(),
        bytes=log.memory_bytes(),
        lags={group.name: max(0, published - group.applied_seq) for group in log.groups()},
    )
