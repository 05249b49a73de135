"""A group that waits for candles is built again alone when they change, and costs nobody else anything."""

from datetime import UTC, datetime

import polars as pl
import pytest

from common.clock import ReplayClock
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog
from tests.flows.watching import WatchedStore, knowledge

HOUR = 3_600_000
BEGIN = 500
"""The hour of the first tick."""
STOPPED = 300
"""The hour in which OLDUSDT stopped."""
BUSY = ("BTCUSDT 1h: rsi(14) < 30", "ETHUSDT 1h: ema(9) > close[2]@BTCUSDT", "ETHUSDT 1h: close > sma(5) for 3 bars")
WAITING = (
    "OLDUSDT 1h: close > 3",
    "OLDUSDT 1h: close > close@BTCUSDT",
    "BTCUSDT 1h: close > close@OLDUSDT",
    "SOLUSDT 1h: close > close@OLDUSDT",
)


def hours(symbol: str, first: int, stop: int, factor: int = 1) -> pl.DataFrame:
    numbers = range(first, stop)
    closes = [float((number * 7919 * factor) % 101 + 1) for number in numbers]
    return pl.DataFrame(
        {
            "exchange": "BINANCE",
            "symbol": symbol,
            "timeframe": "1h",
            "open_time": [datetime.fromtimestamp(number * 3_600, UTC) for number in numbers],
            **dict.fromkeys(("open", "high", "low", "close", "volume"), closes),
        },
        schema_overrides={"open_time": pl.Datetime("ms", "UTC")},
    )


LIVE = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


class Hub:
    """A hub that judges every hour; the histories that a warm tick reads are counted."""

    def __init__(self, store: FileStore, texts: tuple[str, ...]) -> None:
        self.real, self.store = store, WatchedStore(store)
        self.clock = ReplayClock(BEGIN * HOUR)
        for symbol in LIVE:
            store.candles.upsert(hours(symbol, 0, BEGIN))
        store.candles.upsert(hours("OLDUSDT", 100, STOPPED))
        store.registry.register([Condition.parse(text) for text in texts], active_from_ms=BEGIN * HOUR)
        self.runtime = Runtime(self.store, MemoryLog(), self.clock)  # type: ignore[arg-type]
        self.hour = BEGIN

    async def tick(self) -> dict[str, int]:
        """Judge the next hour; returns how many candles of history were read, by series."""
        self.hour += 1
        for symbol in LIVE:
            self.real.candles.upsert(hours(symbol, self.hour - 1, self.hour))
        self.clock.move_to(self.hour * HOUR)
        self.store.reads.clear()
        done = await advance(self.runtime, "1h", self.hour * HOUR)
        assert done.ticks == 1, "nobody waits for those who wait"
        read: dict[str, int] = {}
        for each in self.store.reads:
            if each.candles:
                read[str(each.series)] = read.get(str(each.series), 0) + each.candles
        return read

    def knows_what_a_cold_one_would(self) -> bool:
        cold = Runtime(self.real, MemoryLog(), self.clock).prepare("1h")
        return knowledge(self.runtime.prepare("1h")) == knowledge(cold)


@pytest.mark.parametrize("waiting", WAITING)
async def test_a_waiting_group_makes_no_warm_tick_cold(store: FileStore, waiting: str) -> None:
    hub = Hub(store, (*BUSY, waiting))
    await hub.tick()
    own = {str(series) for series in Condition.parse(waiting).group.series}
    for _ in range(3):
        assert hub_is_quiet(await hub.tick(), own, waiting)
    assert hub.knows_what_a_cold_one_would()


def hub_is_quiet(read: dict[str, int], own: set[str], waiting: str) -> bool:
    """Whether nothing was read but, by a group whose own live series nobody else judges, its own series."""
    return read.keys() <= own if waiting.startswith("SOLUSDT") or "BTCUSDT" in waiting else not read


@pytest.mark.parametrize("waiting", WAITING)
async def test_others_are_not_read_when_candles_of_a_waiting_group_change(store: FileStore, waiting: str) -> None:
    hub = Hub(store, (*BUSY, waiting))
    group = Condition.parse(waiting).group
    for _ in range(3):
        await hub.tick()
    # An earlier history, and other values: nobody has judged them, so they count.
    store.candles.upsert(hours("OLDUSDT", 0, STOPPED, factor=3))
    read = await hub.tick()
    assert read.keys() == {str(series) for series in group.series}
    assert read["BINANCE:OLDUSDT 1h"] >= STOPPED
    assert hub.knows_what_a_cold_one_would()
    assert await hub.tick() == {} or waiting.startswith("SOLUSDT")


async def test_a_series_that_stops_costs_nobody_a_history(store: FileStore) -> None:
    """The part is split: both halves keep what they know."""
    hub = Hub(store, (*BUSY, "ETHUSDT 1h: close > close@SOLUSDT", "ETHUSDT 1h: close[3] > close@OLDUSDT"))
    store.candles.upsert(hours("OLDUSDT", STOPPED, BEGIN + 3))
    for _ in range(3):
        await hub.tick()
    assert hub.store.reads == []
    assert {} == await hub.tick() == await hub.tick()
    assert hub.knows_what_a_cold_one_would()
    store.candles.upsert(hours("OLDUSDT", BEGIN + 3, BEGIN + 5))
    hub.clock.move_to(hub.hour * HOUR + 1)
    done = await advance(hub.runtime, "1h", hub.hour * HOUR)
    assert (done.ticks, done.waiting) == (2, set()), "it catches up"
    assert hub.knows_what_a_cold_one_would()
