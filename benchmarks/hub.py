"""A hub on the sample's hourly candles, as a worker has it: store, event log, clock, subscriptions, tick after tick."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from candles.importing import import_candles
from candles.sample import SAMPLE_FILES
from common.clock import ReplayClock, SystemClock
from common.settings import load_settings
from common.timeframes import DURATION_MS
from events.opening import open_log
from flows.advance import Advanced, advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.store import open_store
from registry.store.parts.registry import SubscriptionRequest

TIMEFRAME = "1h"
STEP_MS = DURATION_MS[TIMEFRAME]
START_MS = 1_722_816_000_000
"""Midnight before the crash of 5 August 2024: many conditions fire in the hours after it."""

Wanted = tuple[str, str, Condition]
"""A user's bot and the condition that it subscribes to."""


@dataclass(frozen=True)
class Tick:
    """One tick of the hub: seconds of CPU and wall time for all of it, and the run's own report."""

    close_ms: int
    cpu: float
    wall: float
    done: Advanced


class Hub:
    """An open hub; its next tick is the candle after the last one that was judged."""

    def __init__(self, runtime: Runtime, clock: ReplayClock, runner: asyncio.Runner) -> None:
        self.store = runtime.store
        self._runtime = runtime
        self._clock = clock
        self._runner = runner
        self._close_ms = max(self.store.ticks.watermarks(TIMEFRAME).values(), default=START_MS)

    def subscribe(self, wanted: Sequence[Wanted]) -> None:
        """Register conditions and subscribe bots to them."""
        conditions = list({condition.id: condition for _, _, condition in wanted}.values())
        self.store.registry.register(conditions, active_from_ms=START_MS)
        config = {"baseOrderSize": 100}
        requests = [SubscriptionRequest(user, bot, condition.id, "dca", config) for user, bot, condition in wanted]
        self.store.registry.subscribe(requests, active_from_ms=START_MS)

    def prepare(self) -> None:
        """Plan the registered conditions and bring their indicators up to date: once per process."""
        self._runtime.prepare(TIMEFRAME)

    def tick(self) -> Tick:
        """Judge, record and publish the next candle of every series."""
        self._close_ms += STEP_MS
        self._clock.move_to(self._close_ms)
        cpu, wall = time.process_time(), time.perf_counter()
        done = self._runner.run(advance(self._runtime, TIMEFRAME, self._close_ms))
        tick = Tick(self._close_ms, time.process_time() - cpu, time.perf_counter() - wall, done)
        assert done.ticks == 1, f"{done.ticks} ticks instead of one, waiting: {done.waiting}"
        assert done.publish_error is None, done.publish_error
        return tick


@contextmanager
def open_hub(folder: Path) -> Iterator[Hub]:
    """The hub of a folder, with the sample's hourly candles and the bundled event log."""
    clock = ReplayClock(START_MS)
    with (
        open_store(f"duckdb:{folder / 'store'}", clock=clock) as store,
        open_log(load_settings(data_dir=folder)) as log,
        asyncio.Runner() as runner,
    ):
        if not store.candles.names():
            hourly = [path for path in SAMPLE_FILES if f"_{TIMEFRAME}_" in path.name]
            import_candles(hourly, store, clock=SystemClock())
        runtime = Runtime(store, log, clock)
        yield Hub(runtime, clock, runner)
        runtime.close()


def alike(count: int) -> list[Condition]:
    """Conditions as in the seed's example: all of them read RSI(14) of one series."""
    texts = [
        f"BTCUSDT {TIMEFRAME}: rsi(14) {operator} {10 + 320 * level / count:.3f}"
        for level in range(-(-count // 4))
        for operator in ("<", ">", "crosses_below", "crosses_above")
    ]
    return [Condition.parse(text) for text in texts[:count]]


def mixed(count: int, seed: int = 5) -> list[Condition]:
    """Conditions on all pairs of the sample and on several indicators with a few usual periods."""
    dice, conditions = random.Random(seed), dict[str, Condition]()
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "AVAXUSDT", "LINKUSDT", "LTCUSDT")
    while len(conditions) < count:
        period, level, width = dice.choice((7, 9, 14, 21)), dice.randint(15, 45), dice.choice((1.5, 2, 2.5))
        fast, slow = dice.choice(((9, 21), (12, 26), (20, 50)))
        text = dice.choice(
            (
                f"rsi({period}) crosses_below {level}",
                f"rsi({period}) > {100 - level}",
                f"rsi({period}) < {level}",
                f"ema({fast}) crosses_above ema({slow})",
                f"ema({fast}) crosses_below ema({slow})",
                "macd.histogram crosses_above 0",
                "macd.line crosses_below macd.signal",
                f"close < bbands(20, {width}).lower",
                f"close crosses_above bbands(20, {width}).upper",
                f"stoch.k < {level}",
                "stoch.k crosses_above stoch.d",
                f"close > sma({slow})",
                f"cci(20) < -{100 + 5 * level}",
                f"williams_r({period}) < -{100 - level}",
                f"roc(10) < -{level / 10}",
            )
        )
        condition = Condition.parse(f"{dice.choice(symbols)} {TIMEFRAME}: {text}")
        conditions[condition.id] = condition
    return list(conditions.values())


def deal(conditions: Sequence[Condition], users: int, each: int, seed: int = 7) -> list[Wanted]:
    """``each`` conditions for every user, with a bot per condition. Some conditions are far more popular than others,
    and every one of them is wanted by somebody."""
    dice = random.Random(seed)
    order = dice.sample(range(len(conditions)), len(conditions))
    weights = [1 / (1 + place) for place in range(len(conditions))]
    wanted: list[Wanted] = []
    for user in range(users):
        chosen = order[user * each : (user + 1) * each]
        while len(chosen) < each:
            chosen += {*dice.choices(range(len(conditions)), weights, k=each - len(chosen))} - {*chosen}
        wanted += [(f"user-{user}", f"bot-{number}", conditions[place]) for number, place in enumerate(chosen)]
    return wanted
