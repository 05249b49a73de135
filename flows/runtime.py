"""What a flow run works with: store, event log, clocks, and the warm state of the timeframes judged here."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from candles.series import SeriesReader
from common.clock import Clock, SystemClock
from common.errors import EventLogAhead, EventLogError
from common.settings import Settings, load_settings
from events.log.reconciliation import reconcile
from events.log.redis_log import EventLog
from events.opening import open_log
from flows.ingest import Ingest
from flows.live import Live, retry_errors
from registry.shards import Shard
from registry.store import open_configured
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_RETRY_NS = 10 * 60 * 1_000_000_000
"""How often conditions in error are tried again."""
_PAUSE_FACTOR = 10
"""After a failure to publish, publishing pauses for this many times as long as the failed attempt took."""

LiveKey = tuple[str, int | None]
"""Timeframe, and the number of the shard; ``None`` for all instruments."""


@dataclass
class Runtime:
    """Everything that flow runs of this process share."""

    store: Store
    log: EventLog
    clock: Clock
    ingest: Ingest | None = None
    """Fetches candles for the ticks; ``None`` where they come from elsewhere."""
    awaits_candles: bool = False
    """Whether another process brings the candles as they close, so that a tick has to wait for them."""
    live: dict[LiveKey, Live] = field(default_factory=dict)
    monotonic_ns: Callable[[], int] = time.perf_counter_ns
    """Measures how long publishing takes and pauses."""
    publish_from_ns: int = 0
    """Time of ``monotonic_ns`` before which publishing is not attempted, because it failed a short while ago."""
    publish_problem: str | None = None
    """Why it failed then."""
    retry_from_ns: dict[LiveKey, int] = field(default_factory=dict)
    """Time of ``monotonic_ns`` before which conditions in error are not tried again."""
    _turns: dict[LiveKey, Lock] = field(default_factory=dict)

    def turn(self, timeframe: str, shard: int | None = None) -> Lock:
        """Held by the thread that moves a state, where several threads could."""
        return self._turns.setdefault((timeframe, shard), Lock())

    def prepare(self, timeframe: str, shard: Shard | None = None) -> Live:
        """The state at the stored watermarks: kept from the previous run, and extended by what was registered since.

        Of a ``shard`` that has other instruments than in the previous run, it is built anew.
        """
        key = (timeframe, None if shard is None else shard.number)
        if key[1] in (None, 0) and self.monotonic_ns() >= self.retry_from_ns.get(key, 0):
            self.retry_from_ns[key] = self.monotonic_ns() + _RETRY_NS
            retry_errors(self.store, timeframe, self.clock.now_ms())
        live = self.live.get(key)
        if live is not None and live.shard != shard:
            self.release(*key)
            live = None
        if live is not None and (not self._is_valid(live) or live.is_mostly_expired()):
            del self.live[key]
            live = None
        if live is None:
            live = Live(timeframe, shard, SeriesReader.of(self.store), self.store.ticks.last_rebase())
        outdated = live.outdated(self.store)
        if outdated or self._can_grow(live):
            self.live.pop(key, None)
            # Only they are built again; a group that waits must not cost all others their state.
            live.drop(outdated)
            live.grow(self.store)
        self.live[key] = live
        return live

    def pause_publishing(self, started_ns: int, problem: str) -> None:
        """After an attempt that began at ``started_ns`` and failed: leave the log alone for ten times as long as it
        took, as with a server that hangs each attempt lasts until its timeout."""
        self.publish_problem = problem
        ended_ns = self.monotonic_ns()
        self.publish_from_ns = ended_ns + _PAUSE_FACTOR * (ended_ns - started_ns)

    def forget(self, timeframe: str, shard: Shard | None = None) -> None:
        """Drop a state that may have moved beyond what was recorded."""
        self.live.pop((timeframe, None if shard is None else shard.number), None)

    def release(self, timeframe: str, shard: int | None) -> None:
        """Drop a state that is not used any more, and save a checkpoint of it for whoever goes on."""
        live = self.live.pop((timeframe, shard), None)
        if live is not None and live.ticks_since_checkpoint:
            live.save_checkpoint(self.store)

    def close(self) -> None:
        """Save a checkpoint of every state that has moved since its last one, and drop all states."""
        for key in list(self.live):
            self.release(*key)

    def _is_valid(self, live: Live) -> bool:
        """Whether the state has come as far as the store says, since the last rebase."""
        marks = self.store.ticks.watermarks(live.timeframe)
        return live.rebase == self.store.ticks.last_rebase() and all(
            marks.get(group) == mark for group, mark in live.recorded.items()
        )

    def _can_grow(self, live: Live) -> bool:
        if live.registry_version != self.store.registry.version():
            return True
        return bool(live.absent) and any(map(SeriesReader.of(self.store).exists, live.absent))


_current: list[Runtime] = []


@contextmanager
def use_runtime(runtime: Runtime) -> Iterator[Runtime]:
    """Make the flow runs of this process work with ``runtime``."""
    _current.append(runtime)
    try:
        yield runtime
    finally:
        _current.remove(runtime)


def current_runtime() -> Runtime:
    """The runtime in use; raises ``LookupError`` outside :func:`use_runtime`."""
    if not _current:
        raise LookupError("no runtime; run flows inside `with use_runtime(...)` or `with open_runtime(...)`")
    return _current[-1]


@contextmanager
def store_in_use() -> Iterator[Store]:
    """The store of the runtime in use; outside one, as in a process for one run, the configured store."""
    if _current:
        yield _current[-1].store
    else:
        with open_configured(load_settings()) as store:
            yield store


@contextmanager
def open_runtime(settings: Settings | None = None, clock: Clock | None = None) -> Iterator[Runtime]:
    """Open the store and the event log named by the settings, and use them until the end of the block.

    Judging does not need the log. A server that does not answer costs ten seconds now and then, and what fires is
    published by a later run or by the owner.
    """
    settings = settings or load_settings()
    clock = clock or SystemClock()
    with (
        open_configured(settings, clock=clock) as store,
        open_log(settings, must_answer=False) as log,
        use_runtime(Runtime(store, log, clock)) as runtime,
    ):
        # Before anything is judged: a store restored from an older backup gets back the triggers that its log has.
        started_ns = runtime.monotonic_ns()
        try:
            reconcile(store, log)
        except EventLogAhead:
            raise
        except EventLogError as error:
            _log.error("%s", error)
            runtime.pause_publishing(started_ns, str(error))
        yield runtime
        runtime.close()
