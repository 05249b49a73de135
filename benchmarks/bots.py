"""Bots: one trigger that thousands of them act on, and an hour of minutes with many of them at work."""

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bot_hub import candle, filled, fired
from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale
from benchmarks.served_bots import acted_when_served
from bots.executor.consuming import CONSUMER, BotTriggers
from bots.executor.executor import Executor
from bots.executor.inbox import Inbox
from bots.executor.registered import RegisteredBots
from common.clock import ReplayClock
from common.errors import BrokerError
from events.consuming.consumer import Consumer
from events.consuming.ledger import Ledger
from events.log.publisher import drain
from events.log.redis_log import RedisEventLog
from events.server import BundledServer
from registry.store import open_store
from registry.store.protocol import Store

_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
_START_MS = 1_722_816_000_000


def bots(scale: Scale, _: Peers) -> Section:
    """One trigger for all bots at once, and 1m candles with fewer of them."""
    with _hub(scale.acting_bots) as hub:
        one = hub.fire()
        acted = hub.acted()
    served = acted_when_served(scale.acting_bots)
    with _hub(scale.active_bots) as hub:
        hub.fire()
        minutes = [hub.minute(number) for number in range(1, scale.bot_minutes + 1)]
    wall = [spent.wall for spent in minutes]
    count = scale.acting_bots
    return Section(
        "Bots",
        [
            Table(
                f"One trigger with {count:,} bots, a quarter of each kind: from the stream to what they did on disk. "
                "Consumer, executor and the owner of the store share this process.",
                ("bots that acted", "each once", "seconds", "CPU seconds"),
                [(f"{len(acted):,}", "yes" if set(acted.values()) == {1} else "no", figure(one.wall), figure(one.cpu))],
            ),
            Table(
                "The same in a running hub, `hub up` with its process of bots: from the moment when the trigger is "
                "about to be published until the last bot's record can be read over HTTP.",
                ("bots that acted", "each once", "seconds"),
                [(f"{served.bots:,}", "yes" if served.each_once else "no", figure(served.seconds))],
            ),
            Table(
                f"{scale.active_bots:,} bots at work, {len(minutes)} candles of 1m, one at a time: from the candle in "
                "the store to what the bots did on disk.",
                ("seconds, median", "seconds, greatest", "CPU seconds, median"),
                [(
                    figure(float(np.median(wall))),
                    figure(max(wall)),
                    figure(float(np.median([spent.cpu for spent in minutes]))),
                )],
            ),
        ],
        [
            at_most(f"{count:,} bots have acted on one trigger", 5.0, one.wall, " s"),
            at_most(f"{count:,} bots of a running hub have acted on one trigger", 5.0, served.seconds, " s"),
            at_most(f"{scale.active_bots:,} bots have seen a minute, the slowest one", 60.0, max(wall), " s"),
        ],
    )  # fmt: skip


@dataclass(frozen=True)
class _Spent:
    wall: float
    cpu: float


class _Hub:
    """A store with bots, its log, a consumer and an executor."""

    def __init__(self, store: Store, log: RedisEventLog, clock: ReplayClock, ledger: Ledger) -> None:
        self.store = store
        self.log = log
        inbox = Inbox(ledger)
        triggers = BotTriggers(RegisteredBots(store, _no_broker), inbox, threading.Event())
        self._consumer = Consumer(
            CONSUMER, log, store, ledger, triggers, clock, start=0, start_change=0, flush=triggers.flush,
            is_for=triggers.is_for,
        )  # fmt: skip
        self._executor = Executor(
            store, inbox, clock, applied=lambda: self._consumer.recorded_seq, open_broker=_no_broker
        )

    def settle(self) -> None:
        """Consume and look until nothing is left."""
        while self._consumer.step(wait_ms=1):
            pass
        while self._executor.look():
            pass

    def fire(self) -> _Spent:
        """The condition of all bots fires on the first hour."""
        self.settle()
        close_ms = _START_MS + _HOUR_MS
        self.store.candles.upsert(candle(close_ms - _MINUTE_MS, 50_000.0))
        self.settle()
        self.store.ticks.record_tick(fired(close_ms))
        drain(self.store, self.log)
        with _spending() as spent:
            self.settle()
        return spent[0]

    def minute(self, number: int) -> _Spent:
        """One more candle."""
        price = 50_000.0 + 40 * np.sin(number / 5)
        self.store.candles.upsert(candle(_START_MS + _HOUR_MS + (number - 1) * _MINUTE_MS, float(price)))
        with _spending() as spent:
            self.settle()
        return spent[0]

    def acted(self) -> Counter[int]:
        """Number of a bot -> how many triggers it acted on."""
        numbers = [bot.number for bot in self.store.bots.changed_after(0, 1_000_000)]
        return Counter({number: self.store.bots.history(number, "actions", 10).height for number in numbers})


@contextmanager
def _hub(count: int) -> Iterator[_Hub]:
    clock = ReplayClock(_START_MS)
    with tempfile.TemporaryDirectory() as folder:
        server = BundledServer(Path(folder) / "events").start()
        try:
            with open_store(f"duckdb:{folder}/store", clock=clock) as store, Ledger(Path(folder) / "ledger") as ledger:
                filled(store, count, _START_MS)
                yield _Hub(store, RedisEventLog(server.connect()), clock, ledger)
        finally:
            server.stop()


@contextmanager
def _spending() -> Iterator[list[_Spent]]:
    spent: list[_Spent] = []
    cpu, wall = time.process_time(), time.perf_counter()
    yield spent
    spent.append(_Spent(time.perf_counter() - wall, time.process_time() - cpu))


def _no_broker(*_: object) -> Any:
    raise BrokerError("there are no accounts here")
