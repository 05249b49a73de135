"""What a flow run works with: store, event log, clock, and the warm state of the timeframes judged here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from candles.series import SeriesReader
from common.clock import Clock, SystemClock
from common.settings import Settings, load_settings
from events.log.reconciliation import reconcile
from events.log.redis_log import EventLog
from events.opening import open_log
from flows.live import Live
from registry.store import open_configured
from registry.store.protocol import Store

Key = tuple[str, int, int]
"""Timeframe, shard, number of shards."""


@dataclass
class Runtime:
    """Everything that flow runs of this process share."""

    store: Store
    log: EventLog
    clock: Clock
    live: dict[Key, Live] = field(default_factory=dict)
    publish_from_ns: int = 0
    """``time.perf_counter_ns`` before which publishing is not tried, as it failed a short while ago."""

    def prepare(self, timeframe: str, shard: int, shards: int) -> Live:
        """The state at the stored watermarks: kept from the run before, and grown by what was registered since."""
        key = (timeframe, shard, shards)
        held = self.live.get(key)
        if held is not None and (not self._is_valid(held) or held.is_mostly_expired()):
            del self.live[key]
            held = None
        if held is None:
            held = Live(timeframe, shard, shards, SeriesReader.of(self.store), self.store.ticks.last_rebase())
        if self._can_grow(held):
            self.live.pop(key, None)
            held.grow(self.store)
        self.live[key] = held
        return held

    def forget(self, timeframe: str, shard: int, shards: int) -> None:
        """Drop a state that may have moved beyond what was recorded."""
        self.live.pop((timeframe, shard, shards), None)

    def close(self) -> None:
        """Save what has moved since its last checkpoint. The state is not used afterwards."""
        for live in self.live.values():
            if live.ticks_since_checkpoint:
                live.save_checkpoint(self.store)
        self.live.clear()

    def _is_valid(self, held: Live) -> bool:
        """Whether the state is where the store is. Once a group has a tick, what it was judged from stays; one that has
        seen candles without a tick may have begun on others than there are now."""
        marks = self.store.ticks.watermarks(held.timeframe)
        if held.rebase != self.store.ticks.last_rebase() or held.is_made_otherwise(self.store):
            return False
        return all(marks.get(group) == mark for group, mark in held.recorded.items()) and all(
            held.candle_version(self.store, group) == version for group, version in held.versions.items()
        )

    def _can_grow(self, held: Live) -> bool:
        if held.registry_version != self.store.registry.version():
            return True
        return bool(held.absent) and any(map(SeriesReader.of(self.store).exists, held.absent))


_current: list[Runtime] = []


@contextmanager
def use_runtime(runtime: Runtime) -> Iterator[Runtime]:
    """Let the flow runs of this process work with ``runtime``."""
    _current.append(runtime)
    try:
        yield runtime
    finally:
        _current.remove(runtime)


def current_runtime() -> Runtime:
    """The runtime in use; raises ``LookupError`` outside :func:`use_runtime`."""
    if not _current:
        raise LookupError("no runtime: flow runs work inside `with use_runtime(...)` or `with open_runtime(...)`")
    return _current[-1]


@contextmanager
def open_runtime(settings: Settings | None = None, clock: Clock | None = None) -> Iterator[Runtime]:
    """Open the store and the event log that the settings name, and use them; closed in the reverse order."""
    settings = settings or load_settings()
    clock = clock or SystemClock()
    with (
        open_configured(settings, clock=clock) as store,
        open_log(settings) as log,
        use_runtime(Runtime(store, log, clock)) as runtime,
    ):
        # Before anything is judged: an older backup of the store gets back what its log knows.
        reconcile(store, log)
        yield runtime
        runtime.close()
