"""Keeps the event log up to the store, for as long as the owner of the store runs."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from common.clock import Clock
from common.errors import EventLogError, StoreError
from events import metrics
from events.log.publisher import drain
from events.log.reconciliation import reconcile
from events.log.redis_log import RedisEventLog
from events.log.retention import MOST_EVENTS, RETENTION_MS, trim
from registry.store.parts.delivery import LogReading
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_LOOK_S = 1.0
_SHORTEST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_LOOKS_A_READING = 60


class LogKeeper:
    """Reconciles at start, publishes what nobody has published for two looks, trims, and notes how far the log is.

    Whoever records triggers publishes them; the keeper is for what they could not, because the log's server was away
    or they were killed. ``problem`` says why it cannot work, for people who ask for the hub's health.
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
        """Work until told to stop; a server that is away is waited for, a little longer each time."""
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
        """Bring store and log together, and publish what is not published. Before anything is judged."""
        reconcile(self._store, self._log)
        self.publish()
        self._is_reconciled = True

    def publish(self) -> None:
        """Publish what nobody has published."""
        drain(self._store, self._log, retention_ms=self._retention_ms)

    def look(self) -> None:
        """One round of work."""
        if not self._is_reconciled:
            self.begin()
        last = self._log.last_seq()
        newest = self._store.triggers.last_seq()
        metrics.PUBLISH_LAG.set(max(0, newest - last))
        if last != newest and last == self._lagged_at:
            self.publish()
        self._lagged_at = last if last != newest else -1
        if self._looks % _LOOKS_A_READING == 0:
            self.tidy()
        self._looks += 1

    def tidy(self) -> None:
        """Trim the log, and note how far it and its readers are."""
        gone = trim(self._store.triggers, self._log, retention_ms=self._retention_ms, most=self._most_events)
        metrics.EVENTS_TRIMMED.inc(gone)
        reading = read_log(self._store, self._log, self._clock.now_ms())
        metrics.LOG_EVENTS.set(reading.events)
        metrics.LOG_BYTES.set(reading.bytes)
        # Consumers that were forgotten lag behind nothing.
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
def keeping(keeper: LogKeeper) -> Iterator[LogKeeper]:
    """Let a keeper begin, and then work in a thread while the block runs; what is left at the end is published.

    Raises :class:`common.errors.EventLogError` when it cannot begin: the log is another store's, or does not answer.
    """
    keeper.begin()
    stop = threading.Event()
    thread = threading.Thread(target=keeper.run, args=(stop,), name="log-keeper")
    thread.start()
    try:
        yield keeper
    finally:
        stop.set()
        thread.join()
        with suppress(EventLogError, StoreError):
            keeper.publish()


def read_log(store: Store, log: RedisEventLog, now_ms: int) -> LogReading:
    """How far the log and its readers are. Lags are differences of ``seq``: the server's own are wrong after a trim."""
    published = log.last_seq()
    return LogReading(
        read_ms=now_ms,
        stored_seq=store.triggers.last_seq(),
        published_seq=published,
        events=log.length(),
        bytes=log.memory_bytes(),
        lags={group.name: max(0, published - group.applied_seq) for group in log.groups()},
    )
