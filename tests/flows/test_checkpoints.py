"""A cold process that continues from a checkpoint knows what a warm one knows, to the last bit, and reads little.

A checkpoint that does not fit is passed over, and nothing that happens to checkpoints stops a tick.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from candles.rebasing import plan_rebase
from common.clock import ReplayClock
from common.errors import StoreNotWritable
from common.timeframes import to_ms
from engine.plan import make_plan
from flows import advance as advancing
from flows.advance import advance
from flows.checkpoints import Checkpoints
from flows.live import Live
from flows.runtime import Runtime
from indicators.catalogue import catalogue
from registry import conditions
from registry.condition_cache import ConditionCache
from registry.conditions import Condition
from registry.groups import Series
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from tests.events.log.memory_log import MemoryLog
from tests.flows.hub_model import frame_of
from tests.flows.watching import EmptyCache, WatchedStore, knowledge, next_fired

HOUR = 3_600_000
DAY = datetime(2024, 8, 5, tzinfo=UTC)
DAY_MS = to_ms(DAY)
BTC, ETH = Series.parse("BINANCE:BTCUSDT 1h"), Series.parse("BINANCE:ETHUSDT 1h")
TEXTS = (
    "BTCUSDT 1h: every(rsi(14) < 45 and macd.histogram > macd.histogram[3])",
    "BTCUSDT 1h: close crosses_below sma(20)",
    "BTCUSDT 1h: close <= lowest(20) within 4 bars",
    "ETHUSDT 1h: every(close[7] / close > 1 for 3 bars)",
    "ETHUSDT 1h: every(stoch(14, 3, 3).k < bbands(20, 2).percent_b * 100)",
    "ETHUSDT 1h: every(rsi(14) > rsi(14)@BTCUSDT and kama(10)[2]@4h < close)",
    "SOLUSDT 1h: obv rising 2 bars and close > supertrend",
    "BTCUSDT 1h: every(rsi(14) > ema(9, rsi(14)) or sma(5, ema(4, high - low))[2] > high - low)",
    "ETHUSDT 1h: every(bbands(20, 2, rsi(14)).lower < rsi(14) and ema(3, rsi(5))@4h > 50)",
)
CONDITIONS = [Condition.parse(text) for text in TEXTS]


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    """July and August until two days after the crash, 1h; longer timeframes are built from it."""
    return sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT", "SOLUSDT"])
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 8, 9, tzinfo=UTC))
    )


def fill(store: FileStore, candles: pl.DataFrame, conditions: list[Condition] = CONDITIONS) -> None:
    store.candles.upsert(candles)
    store.registry.register(conditions, active_from_ms=DAY_MS)
    store.registry.subscribe(
        [
            SubscriptionRequest("ann", f"bot-{number}", condition.id, "dca", {})
            for number, condition in enumerate(conditions)
        ],
        active_from_ms=DAY_MS,
    )


def cold(store: FileStore, log: MemoryLog, clock: ReplayClock, timeframe: str = "1h") -> tuple[Live, WatchedStore]:
    """The state of a process that has just been started, and what it read."""
    watched = WatchedStore(store)
    return Runtime(watched, log, clock).prepare(timeframe), watched  # type: ignore[arg-type]


def from_anchor(store: FileStore, log: MemoryLog, clock: ReplayClock, timeframe: str = "1h") -> Live:
    """The state of a process that has just been started on a store without checkpoints."""
    watched = WatchedStore(store, EmptyCache())
    return Runtime(watched, log, clock).prepare(timeframe)  # type: ignore[arg-type]


def read_since(watched: WatchedStore) -> Mapping[str, int]:
    """Stored series -> the earliest time from which it was read."""
    return {name: min(read.start_ms for read in watched.reads if read.series == name) for name in (BTC, ETH)}


async def checkpoints_at(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hours: list[int], until: int, timeframe: str = "1h"
) -> Live:
    """Run with checkpoints after each of ``hours``; returns the warm state after ``until``."""
    runtime = Runtime(store, log, clock)
    for hour in hours:
        await advance(runtime, timeframe, DAY_MS + hour * HOUR)
        runtime.live[timeframe, None].save_checkpoint(store)
    await advance(runtime, timeframe, DAY_MS + until * HOUR)
    return runtime.prepare(timeframe)


@pytest.mark.parametrize("since", [18, 40])
async def test_from_a_checkpoint_from_the_anchor_and_warm_are_the_same(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame, since: int
) -> None:
    fill(store, hourly)
    warm = await checkpoints_at(store, log, clock, [24], 24 + since)
    restored, watched = cold(store, log, clock)
    anchored = from_anchor(store, log, clock)
    assert knowledge(restored) == knowledge(anchored) == knowledge(warm)
    assert len(knowledge(warm)) > 50
    checkpoint_ms = DAY_MS + 23 * HOUR
    assert min(read.start_ms for read in watched.reads) > checkpoint_ms - 4 * HOUR, "4h candles go back furthest"
    assert max(read.candles for read in watched.reads) <= since + 4
    fired = 0
    for hour in range(24 + since + 1, 24 + since + 13):
        one, other, third = (next_fired(live, DAY_MS + hour * HOUR) for live in (warm, restored, anchored))
        assert one == other == third
        fired += len(one)
    assert fired
    assert knowledge(restored) == knowledge(anchored) == knowledge(warm)


async def test_a_run_after_a_restart_records_what_a_run_without_does(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    import analysis

    fill(store, hourly)
    for hours in (20, 23, 41, 72):
        runtime = Runtime(store, log, clock)
        await advance(runtime, "1h", DAY_MS + hours * HOUR)
        runtime.close()
    recorded = store.triggers.after(0, 10_000).select("condition_id", "close_time", "price", "settled")
    scanned = analysis.scan(CONDITIONS, hourly).filter(
        pl.col("close_time").dt.epoch("ms").is_between(DAY_MS, DAY_MS + 72 * HOUR, closed="right")
    )
    assert recorded.sort("close_time", "condition_id").equals(scanned.drop("open_time").select(recorded.columns))
    assert recorded.height > 50


async def test_a_checkpoint_is_saved_every_so_many_ticks_and_at_the_end(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advancing, "CHECKPOINT_TICKS", 5)
    fill(store, hourly)
    runtime = Runtime(store, log, clock)

    def opens() -> list[int]:
        return [(open_ms - DAY_MS) // HOUR for open_ms in store.cache.of([BTC])["open_ms"].unique().sort()]

    saved = []
    for hour in range(1, 13):
        await advance(runtime, "1h", DAY_MS + hour * HOUR)
        saved.append(opens())
    assert saved == [[]] * 4 + [[4]] * 5 + [[4, 9]] * 3, "the candle that opened at 4 is the fifth"
    runtime.close()
    assert opens() == [9, 11]
    assert runtime.live == {}
    again = Runtime(store, log, clock)
    again.prepare("1h")
    again.close()
    assert opens() == [9, 11], "what has not moved is not saved again"


# Which checkpoints are usable.


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("BTCUSDT 1h: every(rsi(14) < 50)", 47),
        ("BTCUSDT 1h: every(rsi(14) < 50 and close[3] > 0)", 47),
        ("BTCUSDT 1h: every(rsi(14) < 50 and close[20] > 0)", 23),
        ("BTCUSDT 1h: rsi(14) < 50 for 20 bars", 23),
        ("BTCUSDT 1h: every((rsi(14) < 50 for 10 bars) within 10 bars)", 23),
        ("BTCUSDT 1h: every(rsi(14) < 50 and close[60] > 0)", None),
        ("BTCUSDT 1h: every(rsi(14) > 50 within 60 bars)", None),
    ],
)
async def test_one_that_is_too_young_is_passed_over(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame, text: str, since: int | None
) -> None:
    """Delays and truths are not saved but repeated from the candles after a checkpoint, so there must be enough."""
    fill(store, hourly, [Condition.parse(text)])
    warm = await checkpoints_at(store, log, clock, [24, 48], 54)
    restored, watched = cold(store, log, clock)
    assert knowledge(restored) == knowledge(warm)
    first = min(read.start_ms for read in watched.reads[-1:])
    assert first == (store.ticks.anchors()[BTC] if since is None else DAY_MS + since * HOUR + 1)


async def test_another_series_must_go_back_as_far_as_the_base(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly, [Condition.parse("BTCUSDT 1h: rsi(14) < rsi(14)@ETHUSDT + 9 for 12 bars")])
    warm = await checkpoints_at(store, log, clock, [24, 48], 54)
    restored, watched = cold(store, log, clock)
    assert knowledge(restored) == knowledge(warm) == knowledge(from_anchor(store, log, clock))
    last = {read.series: read.start_ms for read in watched.reads}
    assert last == dict.fromkeys((BTC, ETH), DAY_MS + 23 * HOUR + 1)


class Served:
    """What a store with one checkpoint of BTC returns for the indicators of ``texts``."""

    def __init__(
        self, store: FileStore, texts: list[str], anchor_ms: int | None = None, until_ms: int = DAY_MS + 99 * HOUR
    ) -> None:
        plan = make_plan([Condition.parse(f"BTCUSDT 1h: every({text})") for text in texts])
        anchor_ms = store.ticks.anchors()[BTC] if anchor_ms is None else anchor_ms
        self.past = Checkpoints(store, plan).of(0, anchor_ms, until_ms)

    @property
    def indicators(self) -> list[str] | None:
        """Its indicators, ``None`` if it is not usable."""
        return None if self.past is None else sorted(name for name, *_ in self.past.carries)


async def test_what_it_must_have(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested = "sma(9, rsi(14)) < 1"
    texts = ("rsi(14) < 50 and sma(20) < sma(50, open)", nested)
    fill(store, hourly, [Condition.parse(f"BTCUSDT 1h: every({text})") for text in texts])
    await checkpoints_at(store, log, clock, [24], 24)
    served = Served(store, ["rsi(14) < 50", "sma(20) < sma(50, open)"])
    assert served.indicators == ["rsi", "sma", "sma"]
    assert served.past is not None
    assert served.past.open_ms == DAY_MS + 23 * HOUR
    assert served.past.candles == hourly.filter(
        (pl.col("symbol") == "BTCUSDT") & (pl.col("open_time").dt.epoch("ms") < DAY_MS + 24 * HOUR)
    ).height  # fmt: skip
    assert Served(store, ["rsi(14) < 50"]).indicators == ["rsi"], "more indicators than needed do no harm"
    assert Served(store, ["close > open"]).indicators == [], (
        "the candles of a series without indicators are counted too"
    )
    assert Served(store, [nested]).indicators == ["rsi", "sma"]
    others = ("rsi(15) < 50", "ema(20) < 1", "sma(50) < 1", "sma(20, open) < 1", "rsi(14, hl2) < 50")
    for text in (*others, "sma(9) < 1", "sma(9, rsi(15)) < 1"):
        assert Served(store, ["rsi(14) < 50", text]).indicators is None, text
    anchor = store.ticks.anchors()[BTC]
    for other in (anchor - HOUR, anchor + HOUR):
        assert Served(store, ["rsi(14) < 50"], other).indicators is None
    opened_ms = DAY_MS + 23 * HOUR
    assert Served(store, ["rsi(14) < 50"], until_ms=opened_ms).indicators == ["rsi"]
    assert Served(store, ["rsi(14) < 50"], until_ms=opened_ms - 1).indicators is None, "it is of a later candle"
    monkeypatch.setattr(conditions, "_CACHE", ConditionCache())
    monkeypatch.setitem(catalogue(), "rsi", replace(catalogue()["rsi"], version=catalogue()["rsi"].version + 1))
    assert Served(store, ["rsi(14) < 50"]).indicators is None
    assert Served(store, ["sma(20) < 1"]).indicators == ["sma"]
    outer = Checkpoints(store, make_plan([Condition.parse(f"BTCUSDT 1h: every({nested})")]))
    outer._wanted[0] = [each for each in outer._wanted[0] if each.indicator == "sma"]
    assert outer.of(0, anchor, opened_ms) is None, "its inner indicator has another formula"


async def test_one_of_a_candle_that_has_not_closed_does_not_serve(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    """The hourly worker is ahead of the 30m one, which reads the same series and must not see its own future."""
    half = hourly.filter(pl.col("symbol") == "BTCUSDT").with_columns(
        pl.lit("30m").alias("timeframe"), (pl.col("open_time") - pl.lit(DAY)) / 2 + pl.lit(DAY)
    )
    hours = Condition.parse("BTCUSDT 1h: every(rsi(14) < 50)")
    halves = Condition.parse("BTCUSDT 30m: every(rsi(14)@1h < 50 and close > 0)")
    fill(store, pl.concat([hourly, half.select(hourly.columns)]), [hours, halves])
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", DAY_MS + 10 * HOUR)
    await advance(runtime, "30m", DAY_MS + 10 * HOUR + HOUR // 2)
    await advance(runtime, "1h", DAY_MS + 11 * HOUR)
    runtime.live["1h", None].save_checkpoint(store)
    restored, _ = cold(store, log, clock, "30m")
    assert knowledge(restored) == knowledge(runtime.prepare("30m"))


async def test_after_a_rebase_none_from_before_serves(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    """A correction of a judged candle is a revision, until a rebase takes it; the anchor's time stays the same."""
    fill(store, hourly, [Condition.parse("BTCUSDT 1h: every(rsi(14) < 50)"), Condition.parse("ETHUSDT 1h: close > 1")])
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", DAY_MS + 24 * HOUR)
    runtime.live["1h", None].save_checkpoint(store)
    await advance(runtime, "1h", DAY_MS + 30 * HOUR)
    before = store.ticks.anchors()[BTC]
    store.candles.upsert(frame_of([(BTC, DAY_MS + 20 * HOUR, (60_000.0, 70_000.0, 50_000.0, 69_000.0, 1.0))]))
    assert store.rebase(plan_rebase(store, BTC)) == 1
    assert store.ticks.anchors()[BTC] == before
    # A worker that has not noticed the rebase yet ends, and saves its state.
    runtime.close()
    restored, watched = cold(store, log, clock)
    assert knowledge(restored) == knowledge(from_anchor(store, log, clock))
    assert read_since(watched)[BTC] == before
    assert read_since(watched)[ETH] > DAY_MS, "nothing happened to the other series"
    again = await checkpoints_at(store, log, clock, [36], 48)
    restored, watched = cold(store, log, clock)
    assert knowledge(restored) == knowledge(again)
    assert read_since(watched)[BTC] == DAY_MS + 35 * HOUR + 1


async def test_one_that_slipped_in_after_a_rebase_does_not_serve(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    """It belongs to a worker that read its candles just before the rebase and saved just after it."""
    fill(store, hourly, [Condition.parse("BTCUSDT 1h: every(rsi(14) < 50)")])
    await checkpoints_at(store, log, clock, [24], 24)
    rows = store.cache.of([BTC])
    assert Served(store, ["rsi(14) < 50"]).indicators == ["rsi"]
    store.rebase(plan_rebase(store, BTC))
    assert store.cache.of([BTC]).is_empty(), "the rebase drops what there was"
    store.cache.save("1h 0/1", rows)
    assert Served(store, ["rsi(14) < 50"]).indicators is None
    store.cache.save("1h 0/1", rows.with_columns(pl.lit(1, pl.Int32).alias("rebase")))
    assert Served(store, ["rsi(14) < 50"]).indicators == ["rsi"]


async def test_candles_that_may_still_change_are_in_none(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    """A group without a tick has seen candles that nobody has judged, on a series that another group has anchored."""
    until = pl.col("open_time").dt.epoch("ms") < DAY_MS + 10 * HOUR
    fill(store, hourly.filter((pl.col("symbol") == "BTCUSDT") | until), [Condition.parse("ETHUSDT 1h: rsi(14) < 1")])
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", DAY_MS + 2 * HOUR)
    # Later another group reads the series: it starts at the last closed candle and waits for the next.
    later = [
        Condition.parse("BTCUSDT 1h: every(rsi(14) < 50)"),
        Condition.parse("ETHUSDT 1h: every(rsi(14) < rsi(14)@BTCUSDT + 50)"),
    ]
    clock.move_to(DAY_MS + 10 * HOUR)
    store.registry.register(later, active_from_ms=DAY_MS + 10 * HOUR)
    ahead = Runtime(store, log, clock)
    live = ahead.prepare("1h")
    live.save_checkpoint(store)
    saved = store.cache.of([BTC, ETH]).filter(pl.col("indicator") == "")
    assert dict(saved.select("series", "open_ms").iter_rows()) == {ETH: DAY_MS + HOUR}, "up to where it has been judged"


# Damage, loss and concurrency.


@pytest.mark.parametrize("broken", ["short", "long", "odd", "empty"])
async def test_a_damaged_one_is_passed_over_with_a_warning(
    store: FileStore,
    log: MemoryLog,
    clock: ReplayClock,
    hourly: pl.DataFrame,
    broken: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fill(store, hourly)
    warm = await checkpoints_at(store, log, clock, [18, 24], 48)
    rows = store.cache.of([BTC]).filter(pl.col("open_ms") == DAY_MS + 23 * HOUR)
    damage: dict[str, Callable[[bytes], bytes]] = {
        "short": lambda state: state[:-8],
        "long": lambda state: state + state[:8],
        "odd": lambda state: state[:-3],
        "empty": lambda _: b"",
    }
    states = [
        damage[broken](state) if "rsi" in name else state for name, state in rows.select("indicator", "state").rows()
    ]
    store._database._connection.execute(
        "DELETE FROM registry.condition_evaluation_cache WHERE series = ? AND open_ms = ?", [BTC, DAY_MS + 23 * HOUR]
    )
    store.cache.save("1h 0/1", rows.with_columns(pl.Series("state", states, dtype=pl.Binary)))
    with caplog.at_level(logging.WARNING, "flows.checkpoints"):
        restored, watched = cold(store, log, clock)
    assert knowledge(restored) == knowledge(warm)
    assert read_since(watched) == {BTC: DAY_MS + 17 * HOUR + 1, ETH: DAY_MS + 23 * HOUR + 1}
    assert "BINANCE:BTCUSDT 1h at 2024-08-05 23:00" in caplog.text
    assert "rsi has" in caplog.text


class Failing:
    """A cache that cannot be used."""

    def save(self, owner: str, rows: pl.DataFrame) -> None:
        raise StoreNotWritable("no space left")

    def of(self, series: list[str]) -> pl.DataFrame:
        raise StoreNotWritable("the block is damaged")


async def test_a_cache_that_fails_stops_nobody(
    store: FileStore,
    log: MemoryLog,
    clock: ReplayClock,
    hourly: pl.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(advancing, "CHECKPOINT_TICKS", 5)
    fill(store, hourly)
    runtime = Runtime(WatchedStore(store, Failing()), log, clock)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, "flows.checkpoints"):
        done = await advance(runtime, "1h", DAY_MS + 7 * HOUR)
        runtime.close()
    assert done.ticks == 7
    assert "the block is damaged" in caplog.text
    assert "no checkpoint of 1h 0/1: no space left" in caplog.text


async def test_losing_all_of_them_costs_nothing_but_time(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly)
    warm = await checkpoints_at(store, log, clock, [24], 48)
    store._database._connection.execute("DELETE FROM registry.condition_evaluation_cache")
    restored, watched = cold(store, log, clock)
    assert knowledge(restored) == knowledge(warm)
    assert read_since(watched) == {name: store.ticks.anchors()[name] for name in (BTC, ETH)}


async def test_two_timeframes_that_read_one_series_keep_their_own(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    """The shorter one saves more often, and has other indicators."""
    fill(
        store,
        hourly,
        [
            Condition.parse("BTCUSDT 4h: every(rsi(14) < 50)"),
            Condition.parse("BTCUSDT 1h: every(sma(20)@4h < close)"),
        ],
    )
    runtime = Runtime(store, log, clock)
    for hour in range(4, 25, 4):
        await advance(runtime, "1h", DAY_MS + hour * HOUR)
        runtime.live["1h", None].save_checkpoint(store)
        if hour in {4, 8}:
            await advance(runtime, "4h", DAY_MS + hour * HOUR)
            runtime.live["4h", None].save_checkpoint(store)
    await advance(runtime, "4h", DAY_MS + 36 * HOUR)
    restored, watched = cold(store, log, clock, "4h")
    assert knowledge(restored) == knowledge(runtime.prepare("4h"))
    assert min(read.start_ms for read in watched.reads) > DAY_MS, "it continues from its own checkpoint"


def test_a_carry_comes_back_with_its_bits(store: FileStore) -> None:
    """Including the payload of a NaN and the sign of a zero."""
    from engine.blocks import Computation
    from flows.checkpoints import _bytes, _carry
    from indicators.compute import start

    odd = np.array([0x7FF8000000000123, 0x8000000000000000, 0x0000000000000001], np.uint64).view(np.float64)
    for name, record in catalogue().items():
        parameters = record.complete({})
        carry = start(record, parameters)
        for array in (carry.state, *carry.windows):
            array[:] = np.resize(odd, array.size)
        assert _carry(Computation(name, tuple(parameters.items()), None, "1h", ""), _bytes(carry)) == carry
