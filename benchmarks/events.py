"""Events from a tick's commit to the bots' handlers: throughput, latency, size, and the cost of waiting."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl

from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale
from common.clock import SystemClock
from common.timeframes import from_ms
from events.consuming.consumer import Consumer
from events.consuming.delivery import Delivery
from events.consuming.ledger import Ledger
from events.log.keeper import LogKeeper, keeping
from events.log.live_feed import LiveFeed
from events.log.publisher import drain
from events.log.redis_log import RedisEventLog
from events.server import BundledServer
from registry.groups import Group, Series
from registry.store import open_store
from registry.store.parts.registry import StoredSubscription
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove
from registry.store.protocol import Store
from registry.subscriptions import DeliveryPolicy

_HOUR_MS = 3_600_000
_SERIES = Series.parse("BINANCE:BTCUSDT 1h")
_PAUSE_S = 0.02


def events(scale: Scale, _: Peers) -> Section:
    """One tick that fires many triggers, many ticks that fire one, and none at all."""
    with _hub() as hub:
        burst = _burst(hub, scale)
        quiet = _quiet(hub, scale)
        idle = _idle(hub, scale)
    count, subscribers = scale.events, scale.events * scale.subscribers_an_event
    return Section(
        "Events",
        [
            Table(
                f"{count:,} triggers of one tick, on the clock and in CPU time of this process alone; the bundled "
                "Valkey writes its append-only file every second. A consumer without subscribers reads, remembers and "
                f"acknowledges; one with {subscribers:,} also hands a delivery to a handler for each of them, which "
                "does nothing, and writes nothing for them. Subscriptions are in memory before.",
                ("what", "seconds", "CPU seconds", "a second"),
                [
                    _rate("published", count, burst.publish),
                    _rate("read from the stream and acknowledged", count, burst.consume),
                    _rate("delivered to subscribers", subscribers, burst.expand),
                ],
            ),
            Table(
                f"One event: the sample's kind of trigger, {count:,} of them.",
                ("what", "bytes"),
                [
                    ("JSON", figure(burst.payload_bytes)),
                    ("memory of the stream", figure(burst.memory_bytes)),
                    ("append-only file, before it is rewritten", figure(burst.file_bytes)),
                ],
            ),
            Table(
                f"{scale.quiet_ticks:,} ticks that fire once, {_PAUSE_S * 1000:.0f} ms apart: from the commit of the "
                "tick to the handler of a consumer that waits, in milliseconds. The publisher, the consumer and the "
                "store share this process.",
                ("p50", "p90", "p99", "greatest"),
                [tuple(figure(float(value)) for value in (*np.percentile(quiet, (50, 90, 99)), quiet.max()))],
            ),
            Table(
                f"Nothing happens for {idle.seconds:.0f} s: CPU time as a share of one core.",
                ("who", "share, %"),
                [
                    ("keeper of the log, live feed and a consumer", figure(idle.hub * 100)),
                    ("Valkey", figure(idle.server * 100)),
                ],
            ),
        ],
        [
            at_most(f"{count:,} events of one tick published, on the clock", 5.0, burst.publish.wall, " s"),
            at_most("an idle hub's delivery, share of a core", 1.0, (idle.hub + idle.server) * 100, " %"),
        ],
    )


@dataclass(frozen=True)
class _Spent:
    wall: float
    cpu: float


@dataclass(frozen=True)
class _Burst:
    publish: _Spent
    consume: _Spent
    expand: _Spent
    payload_bytes: float
    memory_bytes: float
    file_bytes: float


@dataclass(frozen=True)
class _Idle:
    seconds: float
    hub: float
    server: float


class _Hub:
    """A store that fires on demand, and its event log."""

    def __init__(self, folder: Path, store: Store, server: BundledServer) -> None:
        self.folder = folder
        self.store = store
        self.server = server
        self.log = RedisEventLog(server.connect())
        self.clock = SystemClock()
        self._close_ms: int | None = None
        self._ledgers = 0

    def fire(self, count: int) -> None:
        """Record a tick with ``count`` triggers."""
        close_ms = (self._close_ms or 0) + _HOUR_MS
        ids = [f"{number:032x}" for number in range(count)]
        triggers = pl.DataFrame(
            {"condition_id": ids, "trigger_id": [f"{name}:{close_ms}" for name in ids]},
            schema={"condition_id": pl.String, "trigger_id": pl.String},
        ).with_columns(
            pl.lit("BINANCE").alias("exchange"),
            pl.lit("BTCUSDT").alias("symbol"),
            pl.lit("1h").alias("timeframe"),
            pl.lit(from_ms(close_ms - _HOUR_MS)).dt.cast_time_unit("ms").alias("open_time"),
            pl.lit(from_ms(close_ms)).dt.cast_time_unit("ms").alias("close_time"),
            pl.lit(60_459.99).alias("price"),
            pl.lit('{"rsi(14, close)":29.137580123}').alias("values"),
            pl.lit(True).alias("settled"),
            pl.lit(False).alias("late"),
            pl.lit("rsi=1").alias("definition_versions"),
        )
        metrics = TickMetrics(0, count, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        moves = (WatermarkMove(Group([_SERIES]), self._close_ms, close_ms),)
        anchors = {_SERIES: 0} if self._close_ms is None else {}
        self.store.ticks.record_tick(TickRecord("1h", close_ms, False, moves, triggers, (), anchors, metrics))
        self._close_ms = close_ms

    @contextmanager
    def consumer(self, handler: Any, start: int, registry: "_Subscriptions") -> Iterator[Consumer]:
        """A consumer whose subscriptions are in memory."""
        self._ledgers += 1
        name = f"consumer-{self._ledgers}"
        parts = SimpleNamespace(identity=self.store.identity, triggers=self.store.triggers, registry=registry)
        store = cast(Store, parts)
        with Ledger(self.folder / f"{name}.ledger") as ledger:
            yield Consumer(name, self.log, store, ledger, handler, self.clock, start=start)


class _Subscriptions:
    """``each`` subscribers for each of the conditions, as the registry returns them."""

    def __init__(self, conditions: int, each: int) -> None:
        policy = DeliveryPolicy()
        self._stored = [
            StoredSubscription(
                f"user-{number % 9_973}", f"bot-{number}", f"{number // each:032x}", "dca", policy, "active", 0, 0, 1,
                number + 1,
            )
            for number in range(conditions * each)
        ]  # fmt: skip

    def last_change(self) -> int:
        return len(self._stored)

    def subscription_changes(self, after: int, limit: int) -> Sequence[StoredSubscription]:
        return self._stored[after : after + limit]


@contextmanager
def _hub() -> Iterator[_Hub]:
    with tempfile.TemporaryDirectory() as folder:
        server = BundledServer(Path(folder) / "events").start()
        try:
            with open_store(f"duckdb:{folder}/store") as store:
                hub = _Hub(Path(folder), store, server)
                yield hub
                hub.log.client.close()
        finally:
            server.stop()


def _burst(hub: _Hub, scale: Scale) -> _Burst:
    count = scale.events
    hub.fire(count)
    with _spending() as publish:
        assert drain(hub.store, hub.log) == count
    length, memory = hub.log.length(), hub.log.memory_bytes()
    file_bytes = sum(path.stat().st_size for path in (hub.folder / "events").glob("appendonlydir/*"))
    (first,) = hub.log.read(0, 1)
    taken = _Counting()
    with hub.consumer(taken, 0, _Subscriptions(0, 0)) as consumer, _spending() as consume:
        _exhaust(consumer)
    subscriptions = _Subscriptions(count, scale.subscribers_an_event)
    with hub.consumer(taken, 0, subscriptions) as consumer:
        consumer.step()  # the first batch comes with the view of the subscriptions
        before = taken.count
        with _spending() as rest:
            _exhaust(consumer)
    assert taken.count == count * scale.subscribers_an_event
    # Scaled to all of them: the first batch was not timed.
    share = taken.count / max(1, taken.count - before)
    expand = _Spent(rest[0].wall * share, rest[0].cpu * share)
    return _Burst(publish[0], consume[0], expand, len(first.payload), memory / length, file_bytes / length)


def _quiet(hub: _Hub, scale: Scale) -> "np.ndarray[Any, np.dtype[np.float64]]":
    arrived = threading.Event()

    def handler(_: Delivery) -> None:
        took.append(time.perf_counter() - committed)
        arrived.set()

    took: list[float] = []
    committed = 0.0
    stop = threading.Event()
    with hub.consumer(handler, hub.store.triggers.last_seq(), _Subscriptions(1, 1)) as consumer:
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()
        try:
            for _ in range(scale.quiet_ticks):
                time.sleep(_PAUSE_S)
                arrived.clear()
                hub.fire(1)
                committed = time.perf_counter()
                drain(hub.store, hub.log)
                assert arrived.wait(30)
        finally:
            stop.set()
            thread.join()
    return np.array(took) * 1000


def _idle(hub: _Hub, scale: Scale) -> _Idle:
    """The cost of waiting: the log's keeper, a live feed and a consumer in one process, and the server."""

    async def feed() -> None:
        task = asyncio.create_task(LiveFeed(hub.store.triggers, hub.log).run())
        await asyncio.sleep(scale.idle_s)
        task.cancel()

    stop = threading.Event()
    with (
        hub.consumer(_Counting(), hub.store.triggers.last_seq(), _Subscriptions(1, 1)) as consumer,
        keeping(LogKeeper(hub.store, hub.log, hub.clock)),
    ):
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()
        time.sleep(min(2.0, scale.idle_s))
        cpu, server, started = time.process_time(), _cpu_of(hub.server.pid), time.perf_counter()
        asyncio.run(feed())
        seconds = time.perf_counter() - started
        idle = _Idle(
            seconds,
            (time.process_time() - cpu) / seconds,
            (_cpu_of(hub.server.pid) - server) / seconds,
        )
        stop.set()
        thread.join()
    return idle


class _Counting:
    """A handler that only counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _: Delivery) -> None:
        self.count += 1


def _exhaust(consumer: Consumer) -> None:
    while consumer.step():
        pass


@contextmanager
def _spending() -> Iterator[list[_Spent]]:
    spent: list[_Spent] = []
    cpu, wall = time.process_time(), time.perf_counter()
    yield spent
    spent.append(_Spent(time.perf_counter() - wall, time.process_time() - cpu))


def _cpu_of(pid: int | None) -> float:
    """CPU seconds of another process; NaN where the system does not report them."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / 100


def _rate(what: str, count: int, spent: _Spent) -> tuple[str, str, str, str]:
    return what, figure(spent.wall), figure(spent.cpu), f"{count / spent.wall:,.0f}"
