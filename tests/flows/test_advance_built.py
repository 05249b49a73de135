"""Series built from shorter candles: judged when their span is over and final, equal to a scan, and never mixed."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import analysis
from common.clock import ReplayClock
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Group
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = datetime(2024, 8, 5, tzinfo=UTC)
DAY_MS = to_ms(DAY)
BTC = Group.parse("BINANCE:BTCUSDT 1h")
TEXTS = (
    "BTCUSDT 1h: close crosses_below sma(5)",
    "BTCUSDT 1h: every(rsi(7) < 35)",
    "BTCUSDT 1h: every(volume > sma(4, volume) and close < sma(3)@2h)",
    "ETHUSDT 15m: close crosses sma(2)@1h",
    "ETHUSDT 15m: every(close < lowest(3)@BTCUSDT@1h / 20 + 200)",
    "ETHUSDT 5m: every(close < sma(8)@30m and close@BTCUSDT@1h < open@BTCUSDT@1h)",
)
CONDITIONS = [Condition.parse(text) for text in TEXTS]


@pytest.fixture
def five(sample: pl.DataFrame) -> pl.DataFrame:
    """5m candles of BTC and ETH alone, three days up to the crash's evening."""
    return sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"])
        & (pl.col("timeframe") == "5m")
        & pl.col("open_time").is_between(datetime(2024, 8, 3, 0, 20, tzinfo=UTC), datetime(2024, 8, 5, 18, tzinfo=UTC))
    ).sort("symbol", "open_time")


def recorded(store: FileStore) -> list[tuple[str, int, bool]]:
    rows = store.triggers.after(0, 100_000)
    return sorted(zip(rows["condition_id"], rows["close_time"].dt.epoch("ms"), rows["settled"], strict=True))


def scanned(
    candles: pl.DataFrame, until_ms: int, conditions: list[Condition] = CONDITIONS
) -> list[tuple[str, int, bool]]:
    rows = analysis.scan(conditions, candles).filter(
        pl.col("close_time").dt.epoch("ms").is_between(DAY_MS, until_ms, closed="right")
    )
    return sorted(zip(rows["condition_id"], rows["close_time"].dt.epoch("ms"), rows["settled"], strict=True))


async def run(runtime: Runtime, until_ms: int) -> None:
    for timeframe in ("5m", "15m", "1h"):
        await advance(runtime, timeframe, until_ms)


def at(hour: int, minute: int = 0) -> int:
    return DAY_MS + hour * HOUR + minute * MINUTE


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold at every run"])
async def test_live_equals_scan_while_candles_arrive(
    store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame, cold: bool
) -> None:
    """Candles arrive every half hour; some never do, and one is late but comes before its hour is judged."""
    missing = np.random.default_rng(7).random(five.height) < 0.02
    late = (pl.col("open_time") == datetime(2024, 8, 5, 7, 10, tzinfo=UTC)) & (pl.col("symbol") == "BTCUSDT")
    there = five.filter(~pl.Series(missing) | late)
    assert there.filter(pl.col("open_time") > DAY).height < five.filter(pl.col("open_time") > DAY).height
    before = pl.col("open_time") < DAY
    store.candles.upsert(there.filter(before))
    store.registry.register(CONDITIONS, active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    for moment in range(DAY_MS, at(12), 30 * MINUTE):
        now = moment + 30 * MINUTE
        closed = pl.col("open_time").dt.epoch("ms").is_between(moment, now - 1) & ~late
        store.candles.upsert(there.filter(closed))
        if now == at(8):
            store.candles.upsert(there.filter(late))
        clock.move_to(now + 30_000)
        runtime = Runtime(store, log, clock) if cold else runtime
        await run(runtime, now)
    store.candles.upsert(there)
    clock.move_to(at(12, 10))
    await run(runtime, at(12))
    triggers = recorded(store)
    assert triggers == scanned(there, at(12))
    assert {condition_id for condition_id, _, _ in triggers} == {condition.id for condition in CONDITIONS}, (
        "some did not fire"
    )
    assert set(store.ticks.built_from().values()) == {"5m"}
    assert store.ticks.ticks()["holes"].sum() > 0


async def test_a_built_candle_waits_until_it_is_final(
    store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame
) -> None:
    bitcoin = five.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("open_time") < datetime(2024, 8, 5, 1, tzinfo=UTC)))
    store.candles.upsert(bitcoin[:-1])
    store.registry.register(CONDITIONS[:2], active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)

    async def waits(now_ms: int) -> bool:
        clock.move_to(now_ms)
        done = await advance(runtime, "1h", at(1))
        return done.waiting == {BTC}

    assert await waits(at(1)), "its last five minutes may still come"
    assert await waits(at(5)), "the hold time is over, but no later candle has come"
    later = five.filter(
        (pl.col("symbol") == "BTCUSDT") & (pl.col("open_time") == datetime(2024, 8, 5, 1, 5, tzinfo=UTC))
    )
    store.candles.upsert(later)
    assert not await waits(at(5))
    assert store.ticks.watermarks("1h") == {BTC: at(1)}
    assert store.ticks.ticks()["holes"].to_list() == [1]
    assert store.candles.upsert(bitcoin[-1]).revised == 1, "too late: its hour has been judged without it"
    assert recorded(store) == scanned(pl.concat([bitcoin[:-1], later]), at(1), CONDITIONS[:2])


async def test_the_hold_time_is_that_of_the_missing_candle(
    store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame
) -> None:
    """Two timeframes, at most five minutes, after a missing candle's own end; the hour ends 25 minutes later here."""
    gap = pl.col("open_time") == datetime(2024, 8, 5, 0, 30, tzinfo=UTC)
    store.candles.upsert(five.filter(~gap))
    store.registry.register(CONDITIONS[:2], active_from_ms=DAY_MS)
    clock.move_to(at(1))
    done = await advance(Runtime(store, log, clock), "1h", at(1))
    assert (done.waiting, done.ticks) == (set(), 1)


async def test_a_series_that_is_judged_as_built_stays_built(
    store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame, tmp_path: Path
) -> None:
    """Hourly candles imported later, with wrong values here, change no verdict, warm or cold; nor do longer ones."""
    store.candles.upsert(five)
    store.registry.register(CONDITIONS[:3], active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", at(4))
    hours = five.filter(pl.col("open_time").dt.minute() == 0).with_columns(
        *(pl.lit(1.0).alias(name) for name in ("open", "high", "low", "close", "volume"))
    )
    for timeframe, opened in (
        ("1h", hours),
        ("15m", hours),
        ("2h", hours.filter(pl.col("open_time").dt.hour() % 2 == 0)),
    ):
        counts = store.candles.upsert(opened.with_columns(pl.lit(timeframe).alias("timeframe")))
        assert counts.revised == 0, "they are candles of another series, which is not judged"
    await advance(runtime, "1h", at(8))
    await advance(Runtime(store, log, clock), "1h", at(12))
    assert recorded(store) == scanned(five, at(12), CONDITIONS[:3]) != []
    assert store.ticks.built_from() == {BTC: "5m", "BINANCE:BTCUSDT 2h": "5m"}
    store.close()
    with FileStore(tmp_path / "store", clock=clock) as again:
        assert again.ticks.built_from() == {BTC: "5m", "BINANCE:BTCUSDT 2h": "5m"}
        await advance(Runtime(again, log, clock), "1h", at(16))
        assert recorded(again) == scanned(five, at(16), CONDITIONS[:3])


async def test_a_series_that_is_judged_as_stored_stays_stored(
    store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame
) -> None:
    from engine.resampling import resample

    hours = resample(five, "5m", "1h").drop("partial")
    store.candles.upsert(hours.filter(pl.col("open_time") < datetime(2024, 8, 5, 4, tzinfo=UTC)))
    store.registry.register(CONDITIONS[:2], active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", at(4))
    store.candles.upsert(five)
    clock.move_to(at(8))
    for worker in (runtime, Runtime(store, log, clock)):
        done = await advance(worker, "1h", at(8))
        assert done.waiting == {BTC}, "it waits for its own candles"
    assert store.ticks.built_from() == {}


async def test_what_a_built_candle_was_judged_from_is_never_rewritten(
    store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame
) -> None:
    store.candles.upsert(five)
    store.registry.register(CONDITIONS[:2], active_from_ms=DAY_MS)
    await advance(Runtime(store, log, clock), "1h", at(6))
    bitcoin = five.filter(pl.col("symbol") == "BTCUSDT")
    wrong = bitcoin.with_columns(pl.col("low") * 0.5, pl.col("close") * 0.5)
    judged = bitcoin.filter(pl.col("open_time").dt.epoch("ms") < at(6)).height
    counts = store.candles.upsert(wrong.filter(pl.col("open_time").dt.epoch("ms") < at(6)))
    assert (counts.revised, counts.replaced) == (judged, 0)
    await advance(Runtime(store, log, clock), "1h", at(16))
    assert recorded(store) == scanned(five, at(16), CONDITIONS[:2]) != []


async def test_candles_that_change_before_the_first_tick_are_what_it_judges(
    store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame
) -> None:
    """A warm worker has already read the series when the last sub-candles of the previous hour arrive."""
    bitcoin = five.filter(pl.col("symbol") == "BTCUSDT")
    early = bitcoin.filter(pl.col("open_time") < datetime(2024, 8, 4, 23, 40, tzinfo=UTC))
    store.candles.upsert(early)
    store.registry.register(CONDITIONS[:2], active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", DAY_MS)
    store.candles.upsert(bitcoin)
    await advance(runtime, "1h", at(12))
    assert recorded(store) == scanned(bitcoin, at(12), CONDITIONS[:2]) != []


async def test_what_a_series_is_made_of_is_looked_at_again_until_its_first_tick(
    store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame
) -> None:
    """A warm worker has built hours from 5m; then hours are imported, and another condition is registered."""
    from engine.resampling import resample

    bitcoin = five.filter(pl.col("symbol") == "BTCUSDT")
    store.candles.upsert(bitcoin)
    early = Condition.parse("BTCUSDT 1h: every(close > sma(12))")
    store.registry.register([early], active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", DAY_MS)
    hours = resample(bitcoin, "5m", "1h").drop("partial").with_columns(pl.col("close") * 1.1, pl.col("high") * 1.1)
    store.candles.upsert(hours)
    store.registry.register(CONDITIONS[1:2], active_from_ms=DAY_MS)
    await advance(runtime, "1h", at(4))
    assert store.ticks.built_from() == {}
    assert recorded(store) == scanned(hours, at(4), [early, CONDITIONS[1]]) != []


async def test_a_condition_that_waits_for_its_first_candles_is_judged_when_they_come(
    store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame
) -> None:
    bitcoin = five.filter(pl.col("symbol") == "BTCUSDT")
    store.candles.upsert(bitcoin.head(1).with_columns(pl.lit("1d").alias("timeframe")))
    store.registry.register(CONDITIONS[:2], active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    assert (await advance(runtime, "1h", at(2))).ticks == 0
    store.candles.upsert(bitcoin)
    assert (await advance(runtime, "1h", at(2))).ticks == 2


async def test_sessions_are_built_too(store: FileStore, log: MemoryLog, clock: ReplayClock, five: pl.DataFrame) -> None:
    """A market that closes in mid-hour: its last hour is judged from what there is at the end of the hold time."""
    from registry.instruments import Instrument

    minute_of_day = pl.col("open_time").dt.hour().cast(pl.Int32) * 60 + pl.col("open_time").dt.minute()
    bitcoin = five.filter((pl.col("symbol") == "BTCUSDT") & minute_of_day.is_between(90, 10 * 60 + 20))
    store.candles.upsert(bitcoin)
    store.candles.set_calendar(Instrument("BINANCE", "BTCUSDT"), "sessions")
    store.registry.register(CONDITIONS[:2], active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    clock.move_to(at(11))
    assert (await advance(runtime, "1h", at(11))).waiting == {BTC}
    clock.move_to(at(11, 5))
    assert (await advance(runtime, "1h", at(11))).waiting == set()
    assert store.ticks.watermarks("1h") == {BTC: at(11)}
    expected = analysis.scan(CONDITIONS[:2], bitcoin, calendars={"BINANCE:BTCUSDT": "sessions"})
    fired = {(condition_id, close) for condition_id, close, _ in recorded(store)}
    times = expected["close_time"].dt.epoch("ms")
    in_sessions = {row for row in zip(expected["condition_id"], times, strict=True) if row[1] > DAY_MS}
    assert in_sessions
    assert fired >= in_sessions


def test_a_scan_builds_what_is_not_there(five: pl.DataFrame) -> None:
    from engine.resampling import resample

    built = pl.concat(
        [five, *(resample(five, "5m", timeframe).drop("partial") for timeframe in ("15m", "30m", "1h", "2h"))]
    )
    triggers = analysis.scan(CONDITIONS, five)
    assert set(triggers["condition_id"]) == {condition.id for condition in CONDITIONS}
    assert triggers.equals(
        analysis.scan(CONDITIONS, built).filter(pl.col("close_time") <= datetime(2024, 8, 5, 18, 5, tzinfo=UTC))
    )
