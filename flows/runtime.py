"""What a flow run works with: store, event log, clock, and the warm state of the timeframes judged here."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from events.log import EventLog
from flows.evaluate import Evaluator
from flows.plan import Plan, make_plan
from registry.clock import Clock, SystemClock
from registry.conditions import Condition
from registry.settings import Settings, load_settings
from registry.store import open_store
from registry.store.protocol import Store
from registry.store.records import StoredCondition
from registry.timeframes import DURATION_MS

Key = tuple[str, int, int]
"""Timeframe, shard, number of shards."""


@dataclass
class Live:
    """The warm state of one timeframe: equal to what a cold process would build from the store."""

    plan: Plan
    evaluator: Evaluator
    registry_version: int
    names: tuple[str, ...]
    """Series by their names in the store; the groups have the same names."""
    position: dict[str, int]
    recorded: dict[str, int | None]
    """Group -> watermark in the store, ``None`` before its first tick."""
    reached: dict[str, int]
    """Group -> close time that the state has reached."""
    anchors: dict[str, int]
    """Anchors of series that the store does not know yet."""
    subscribers: NDArray[np.int64]
    """Condition -> active subscriptions."""
    active_from: dict[str, int]
    """Condition id -> time after which candles have to close to trigger it."""


@dataclass
class Runtime:
    """Everything that flow runs of this process share."""

    store: Store
    log: EventLog
    clock: Clock
    live: dict[Key, Live] = field(default_factory=dict)

    def prepare(self, timeframe: str, shard: int, shards: int) -> Live | None:
        """The state at the stored watermarks, kept from the run before where nothing has changed.

        ``None`` when no condition of the timeframe has candles.
        """
        key = (timeframe, shard, shards)
        held = self.live.get(key)
        if held is not None and self._is_valid(held):
            return held
        self.live.pop(key, None)
        built = _build(self.store, timeframe, shard, shards)
        if built is not None:
            self.live[key] = built
        return built

    def forget(self, timeframe: str, shard: int, shards: int) -> None:
        """Drop a state that may have moved beyond what was recorded."""
        self.live.pop((timeframe, shard, shards), None)

    def _is_valid(self, held: Live) -> bool:
        marks = self.store.ticks.watermarks(held.plan.timeframe)
        return held.registry_version == self.store.registry.version() and all(
            marks.get(group) == mark for group, mark in held.recorded.items()
        )


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
    from events.log import RedisEventLog
    from events.server import BundledServer, connect_to

    settings = settings or load_settings()
    clock = clock or SystemClock()
    with open_store(settings.resolved_store_url, clock=clock) as store:
        if settings.redis_url is not None:
            client = connect_to(settings.redis_url.get_secret_value())
            server = None
        else:
            server = BundledServer(settings.data_dir / "events", port=settings.redis_port).start()
            client = server.connect()
        try:
            with use_runtime(Runtime(store, RedisEventLog(client), clock)) as runtime:
                yield runtime
        finally:
            client.close()
            if server is not None:
                server.stop()


def _build(store: Store, timeframe: str, shard: int, shards: int) -> Live | None:
    version = store.registry.version()
    extent = store.candles.extent(timeframe)
    stored = [
        condition
        for condition in store.registry.conditions(timeframe)
        if _series_name(condition) in extent and _shard_of(condition, shards) == shard
    ]
    if not stored:
        return None
    plan = make_plan(Condition.parse(condition.canonical) for condition in stored)
    names = tuple(str(series) for series in plan.series)
    marks = store.ticks.watermarks(timeframe)
    anchors = store.ticks.anchors()
    evaluator = Evaluator(plan)
    reached: dict[str, int] = {}
    fresh_anchors: dict[str, int] = {}
    for index, name in enumerate(names):
        if name not in anchors:
            fresh_anchors[name] = extent[name][0]
        reached[name] = marks.get(name) or _first_watermark(store, name, stored, extent[name][0])
        anchor = anchors.get(name, extent[name][0])
        history = store.candles.between(name, anchor, reached[name] - DURATION_MS[timeframe] + 1)
        evaluator.restore(index, history, reached[name])
    evaluator.settle_truths()
    subscribers = store.registry.subscribers()
    return Live(
        plan=plan,
        evaluator=evaluator,
        registry_version=version,
        names=names,
        position={name: index for index, name in enumerate(names)},
        recorded={name: marks.get(name) for name in names},
        reached=reached,
        anchors=fresh_anchors,
        subscribers=np.array([subscribers.get(condition.id, 0) for condition in plan.conditions], np.int64),
        active_from={condition.condition_id: condition.active_from_ms for condition in stored},
    )


def _first_watermark(store: Store, series: str, conditions: list[StoredCondition], first_open_ms: int) -> int:
    """The last candle that had closed when the first condition on the series became active.

    Older candles give values and the truth before, never triggers. With none the first candle is judged.
    """
    active_from = min(held.active_from_ms for held in conditions if _series_name(held) == series)
    length = DURATION_MS[series.rsplit(" ", 1)[-1]]
    closed = store.candles.last(series, active_from - length + 1, 1)
    if closed.is_empty():
        return first_open_ms
    return int(closed["open_time"].dt.epoch("ms")[0]) + length


def _series_name(condition: StoredCondition) -> str:
    return f"{condition.exchange}:{condition.symbol} {condition.timeframe}"


def _shard_of(condition: StoredCondition, shards: int) -> int:
    return zlib.crc32(f"{condition.exchange}:{condition.symbol}".encode()) % shards
