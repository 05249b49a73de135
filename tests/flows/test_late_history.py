"""Candles that arrive after their condition and before its first tick: a warm worker judges them like a cold one."""

from datetime import UTC, datetime

from common.clock import ReplayClock
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Series
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog
from tests.flows.hub_model import frame_of

HOUR = 3_600_000
DAY_MS = to_ms(datetime(2024, 8, 5, tzinfo=UTC))
BTC, ETH = Series.parse("BINANCE:BTCUSDT 1h"), Series.parse("BINANCE:ETHUSDT 1h")


def add(store: FileStore, series: Series, first_open_ms: int, closes: list[float | None], length: int = HOUR) -> None:
    """Flat candles at the given closes; ``None`` is a missing slot."""
    store.candles.upsert(
        frame_of(
            (series, first_open_ms + number * length, (close, close, close, close, 1.0))
            for number, close in enumerate(closes)
            if close is not None
        )
    )


def closes_of(store: FileStore) -> list[float]:
    """Hours after the start of the day at which something fired."""
    return [(time - DAY_MS) / HOUR for time in store.triggers.after(0, 100)["close_time"].dt.epoch("ms")]


async def test_a_warm_worker_judges_a_series_that_begins_after_its_condition(
    store: FileStore, log: MemoryLog, clock: ReplayClock
) -> None:
    add(store, BTC, DAY_MS - 3 * HOUR, [1.0, 1.0, 1.0, 1.0, 1.0])
    add(store, ETH.at("4h"), DAY_MS - 8 * HOUR, [1.0, 1.0], 4 * HOUR)
    store.registry.register(
        [Condition.parse("ETHUSDT 1h: every(close > 0)"), Condition.parse("BTCUSDT 1h: close < 0")],
        active_from_ms=DAY_MS,
    )
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", DAY_MS + HOUR)
    add(store, ETH, DAY_MS - HOUR, [1.0, 1.0, 1.0])
    await advance(runtime, "1h", DAY_MS + 2 * HOUR)
    assert closes_of(store) == [1, 2]


async def test_a_candle_that_comes_before_the_first_tick_is_as_judged_for_everybody(
    store: FileStore, log: MemoryLog, clock: ReplayClock
) -> None:
    """The series has not been judged yet, so its history may still grow: the store accepts the candle, and every
    worker's verdict must take it into account."""
    add(store, BTC, DAY_MS - 5 * HOUR, [10.0, 10.0, None, 10.0, 10.0])
    store.registry.register([Condition.parse("BTCUSDT 1h: every(sma(4) > 20)")], active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    assert (await advance(runtime, "1h", DAY_MS)).ticks == 0
    add(store, BTC, DAY_MS - 3 * HOUR, [100.0])
    add(store, BTC, DAY_MS, [10.0])
    await advance(runtime, "1h", DAY_MS + HOUR)
    # The last four are 100, 10, 10, 10.
    assert closes_of(store) == [1]
