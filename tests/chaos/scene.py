"""What every case works with: four days of candles around a crash, a few dozen conditions, and what has to fire.

The candles are real; one is removed, so that there is a hole. What has to fire comes from the slow oracle, which
shares nothing with the engine. No verdict depends on a rounding error, so the answer is exact.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import polars as pl

from candles.sample import SAMPLE_FILES
from common.clock import ReplayClock
from common.timeframes import to_ms
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from tests.engine.live import histories_of
from tests.engine.slow_oracle import Oracle

STEP_MS = 5 * 60_000
START_MS = to_ms(datetime(2024, 8, 4, 20, tzinfo=UTC))
"""The conditions are registered then: candles that close later may fire."""

TICKS = 1_100
FIRST_OPEN_MS = START_MS - 192 * STEP_MS
HOLE_MS = START_MS + 17 * STEP_MS
"""Open time of the candle that ETHUSDT lacks."""

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_TEXTS = (
    "rsi(14) < 35",
    "every(rsi(14) < 30)",
    "close crosses_below sma(20)",
    "close crosses_above ema(12)",
    "macd.histogram crosses_above 0",
    "close <= lowest(20)",
    "close < bbands(20, 2).lower",
    "stoch(14, 3, 3).k crosses_above stoch(14, 3, 3).d",
    "volume > 2 * sma(20, volume)",
    "close > open for 3 bars",
)
_TOUCHED = 40
"""A tick at which the close of BTCUSDT equals a condition's threshold exactly: below is not the same as at."""


@dataclass(frozen=True)
class Trigger:
    """A trigger that has to fire, or that did."""

    condition_id: str
    close_ms: int


def close_of(tick: int) -> int:
    """When a tick's candles close; the first is tick 1."""
    return START_MS + tick * STEP_MS


def tick_of(close_ms: int) -> int:
    """The tick on which a candle closes."""
    return (close_ms - START_MS) // STEP_MS


@cache
def candles() -> pl.DataFrame:
    """The candles of all ticks and of half a day before them, without the hole."""
    rows = pl.concat([pl.read_parquet(path) for path in SAMPLE_FILES])
    opens = pl.col("open_time").dt.epoch("ms")
    return (
        rows.filter(
            (pl.col("timeframe") == "5m")
            & pl.col("symbol").is_in(SYMBOLS)
            & opens.is_between(FIRST_OPEN_MS, close_of(TICKS), closed="left")
            & ~((pl.col("symbol") == "ETHUSDT") & (opens == HOLE_MS))
        )
        .select(pl.lit("BINANCE").alias("exchange"), pl.all())
        .sort("open_time", "symbol")
    )


@cache
def conditions() -> list[Condition]:
    """Conditions of every kind: on their own series, on another one, firing once per stretch or on every candle."""
    texts = [f"{symbol} 5m: {text}" for symbol in SYMBOLS for text in _TEXTS]
    bitcoin = candles().filter(pl.col("symbol") == "BTCUSDT")
    (touched,) = bitcoin.filter(pl.col("open_time").dt.epoch("ms") == close_of(_TOUCHED) - STEP_MS)["close"]
    texts += [
        f"BTCUSDT 5m: every(close < {touched!r})",
        "ETHUSDT 5m: rsi(14) < rsi(14)@BTCUSDT",
        "SOLUSDT 5m: every(close < ema(12) and close@ETHUSDT < ema(12)@ETHUSDT)",
    ]
    return [Condition.parse(text) for text in texts]


@cache
def latecomer() -> Condition:
    """A condition that is registered later, where a case says so, and fires on every candle."""
    return Condition.parse("BTCUSDT 5m: every(close > 1)")


@cache
def _fires() -> tuple[Trigger, ...]:
    oracle = Oracle(histories_of(candles()), {})
    triggers = []
    for condition in conditions():
        near = [open_ms for open_ms in oracle.near(condition) if open_ms >= START_MS]
        assert not near, f"{condition} depends on a rounding error at {near}: choose another"
        triggers += [Trigger(condition.id, open_ms + STEP_MS) for open_ms in oracle.fires(condition)]
    return tuple(sorted(triggers, key=lambda trigger: (trigger.close_ms, trigger.condition_id)))


def expected(ticks: int = TICKS) -> list[Trigger]:
    """What has to fire up to a tick, in order."""
    return [trigger for trigger in _fires() if START_MS < trigger.close_ms <= close_of(ticks)]


def latecomers(after: int, until: int) -> list[Trigger]:
    """What the latecomer has to fire."""
    return [Trigger(latecomer().id, close_of(tick)) for tick in range(after + 1, until + 1)]


BOTS = ("bot-1", "bot-2", "bot-3")


def conditions_of(bot: str) -> set[str]:
    """The conditions that a bot subscribes to: the first bot to all, so that each has a subscriber; others to some."""
    number = BOTS.index(bot)
    return {condition.id for place, condition in enumerate(conditions()) if place % (number + 1) == 0}


def wanted_by_many(number: int) -> Condition:
    """One of a few conditions that many users register; equal ones are spelled in different ways."""
    texts = "BTCUSDT 5m: rsi(14) < {0}", "binance:btc/usdt 5m: {0}.0 > RSI", "BTC-USDT 5m: RSI(14, close) < {0}"
    return Condition.parse(texts[number % 3].format(20 + number // 3))


def make_store(folder: Path, until_ms: int | None = None) -> None:
    """A store with the candles (that open before a time), conditions and subscriptions, and nothing judged yet."""
    rows = candles()
    if until_ms is not None:
        rows = rows.filter(pl.col("open_time").dt.epoch("ms") < until_ms)
    with FileStore(folder, clock=ReplayClock(START_MS)) as store:
        store.candles.upsert(rows)
        register(store)


def register(store: Store) -> None:
    """Conditions and subscriptions of the scene. The store needs candles of each instrument."""
    store.registry.register(conditions(), active_from_ms=START_MS)
    requests = [
        SubscriptionRequest("ann", bot, condition_id, "dca", {})
        for bot in BOTS
        for condition_id in sorted(conditions_of(bot))
    ]
    store.registry.subscribe(requests, active_from_ms=START_MS)
