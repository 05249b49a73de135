"""A run advances the watermarks: in order, once, late if necessary, and past holes only once they are final."""

import asyncio
from datetime import UTC, datetime

import polars as pl
import pytest

import analysis
from common.clock import ReplayClock
from common.errors import EventLogAhead, EventLogError, StoreError
from common.timeframes import to_ms
from events.log.payload import Event
from flows.advance import Advanced, advance
from flows.live import Live
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Group
from registry.shards import Shard, even_shard
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.store.parts.ticks import TickRecord
from tests.events.log.memory_log import MemoryLog

HOUR = 3_600_000
DAY = datetime(2024, 8, 5, tzinfo=UTC)
DAY_MS = to_ms(DAY)
BTC, ETH = Group.parse("BINANCE:BTCUSDT 1h"), Group.parse("BINANCE:ETHUSDT 1h")
TEXTS = ("rsi(14) < 35", "close crosses_below sma(20)", "close <= lowest(20)", "macd.histogram crosses_above 0")
PRICES = ("open", "high", "low", "close")
CONDITIONS = [Condition.parse(f"{symbol} 1h: {text}") for symbol in ("BTCUSDT", "ETHUSDT") for text in TEXTS]


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    """July and August until two days after the crash, BTC and ETH, 1h."""
    return sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"])
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 8, 7, tzinfo=UTC))
    )


def fill(store: FileStore, candles: pl.DataFrame, clock: ReplayClock) -> None:
    store.candles.upsert(candles)
    store.registry.register(CONDITIONS, active_from_ms=clock.now_ms())
    store.registry.subscribe(
        [
            SubscriptionRequest("ann", f"bot-{number}", condition.id, "dca", {})
            for number, condition in enumerate(CONDITIONS)
        ],
        active_from_ms=clock.now_ms(),
    )


def recorded(store: FileStore) -> list[tuple[str, int]]:
    rows = store.triggers.after(0, 100_000)
    return sorted(zip(rows["condition_id"], rows["close_time"].dt.epoch("ms"), strict=True))


def scanned(candles: pl.DataFrame, until_ms: int) -> list[tuple[str, int]]:
    rows = analysis.scan(CONDITIONS, candles).filter(
        pl.col("close_time").dt.epoch("ms").is_between(DAY_MS, until_ms, closed="right")
    )
    return sorted(zip(rows["condition_id"], rows["close_time"].dt.epoch("ms"), strict=True))


async def test_a_day_of_runs_records_what_a_scan_finds(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly, clock)
    runtime = Runtime(store, log, clock)
    for hour in range(1, 25):
        done = await advance(runtime, "1h", DAY_MS + hour * HOUR)
        assert done.ticks == 1
    assert recorded(store) == scanned(hourly, DAY_MS + 24 * HOUR) != []
    assert store.ticks.watermarks("1h") == {BTC: DAY_MS + 24 * HOUR, ETH: DAY_MS + 24 * HOUR}
    assert not store.ticks.ticks()["late"].any()


async def test_one_late_run_records_the_same_in_order(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly, clock)
    clock.move_to(DAY_MS + 24 * HOUR)
    done = await advance(Runtime(store, log, clock), "1h", DAY_MS + 24 * HOUR)
    assert done.ticks == 24
    assert recorded(store) == scanned(hourly, DAY_MS + 24 * HOUR) != []
    ticks = store.ticks.ticks()
    assert ticks["close_time"].is_sorted()
    # The candle of the last hour has only just closed; all earlier ones are late, and marked as such.
    assert ticks["late"].to_list() == [True] * 23 + [False]
    late = store.triggers.after(0, 10)["late"]
    assert not late.is_empty()
    assert late.all()


async def test_running_again_does_nothing(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly, clock)
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", DAY_MS + 12 * HOUR)
    before = (store.triggers.after(0, 10_000), store.ticks.ticks(), list(log.events))
    assert [len(what) > 0 for what in before] == [True] * 3
    for runtime_again in (runtime, Runtime(store, log, clock)):
        done = await advance(runtime_again, "1h", DAY_MS + 12 * HOUR)
        assert (done.ticks, done.triggers, done.published) == (0, 0, 0)
    done = await advance(runtime, "1h", DAY_MS + 3 * HOUR)
    assert done.ticks == 0, "an older tick has nothing left to do"
    after = (store.triggers.after(0, 10_000), store.ticks.ticks(), list(log.events))
    assert before[0].equals(after[0])
    assert before[1].equals(after[1])
    assert before[2] == after[2]


async def test_two_workers_at_once_do_the_work_once(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    """Each has its own warm state; the second one finds that the watermarks have moved, loads again and goes on."""
    fill(store, hourly, clock)
    workers = [Runtime(store, log, clock) for _ in range(3)]

    async def run(runtime: Runtime, offset: int) -> Advanced:
        done = Advanced("1h", 0)
        for hour in range(1, 13):
            await asyncio.sleep(0)
            done = await advance(runtime, "1h", DAY_MS + (hour + offset) * HOUR)
        return done

    await asyncio.gather(*(run(runtime, offset) for offset, runtime in enumerate(workers)))
    assert store.ticks.ticks().height == 14
    assert recorded(store) == scanned(hourly, DAY_MS + 14 * HOUR) != []
    assert [event.seq for event in log.events] == list(range(1, store.triggers.last_seq() + 1))


async def test_a_worker_whose_state_is_behind_reloads(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, hourly, clock)
    first, second = Runtime(store, log, clock), Runtime(store, log, clock)
    await advance(first, "1h", DAY_MS + 2 * HOUR)
    await advance(second, "1h", DAY_MS + 5 * HOUR)
    # As if the watermarks had been read just before the other worker's commit.
    monkeypatch.setattr(Runtime, "_is_valid", lambda *_: True)
    done = await advance(first, "1h", DAY_MS + 8 * HOUR)
    assert done.ticks == 3
    assert recorded(store) == scanned(hourly, DAY_MS + 8 * HOUR) != []


async def test_a_tick_that_was_not_recorded_is_judged_anew_by_the_same_worker(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, hourly, clock)
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", DAY_MS + 2 * HOUR)

    def away(_: TickRecord) -> None:
        raise StoreError("the store's owner is away")

    for hour in range(3, 13):
        with monkeypatch.context() as patched:
            patched.setattr(store.ticks, "record_tick", away)
            with pytest.raises(StoreError, match="away"):
                await advance(runtime, "1h", DAY_MS + hour * HOUR)
        await advance(runtime, "1h", DAY_MS + hour * HOUR)
    assert recorded(store) == scanned(hourly, DAY_MS + 12 * HOUR) != []


async def test_candles_that_change_while_their_slot_is_judged_are_judged(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    today, opens = pl.col("open_time") >= DAY, pl.col("open_time").dt.epoch("ms")
    # At first, prices of the day are wrong, and of the night before a candle is missing.
    factor = pl.when(today & (pl.col("open_time").dt.hour() % 2 == 0)).then(1.1).when(today).then(0.9).otherwise(1.0)
    wrong = hourly.with_columns(pl.col(name) * factor for name in PRICES)
    fill(store, wrong.filter(pl.col("open_time") != datetime(2024, 8, 4, 22, tzinfo=UTC)), clock)
    record_tick, tried = store.ticks.record_tick, set[int]()

    def interrupted(record: TickRecord) -> range:
        if record.close_time_ms not in tried:
            tried.add(record.close_time_ms)
            store.candles.upsert(hourly.filter(opens.is_between(DAY_MS - 3 * HOUR, record.close_time_ms - HOUR)))
        return record_tick(record)

    monkeypatch.setattr(store.ticks, "record_tick", interrupted)
    runtime = Runtime(store, log, clock)
    for hour in range(1, 13):
        await advance(runtime, "1h", DAY_MS + hour * HOUR)
    assert len(tried) == 12
    assert recorded(store) == scanned(hourly, DAY_MS + 12 * HOUR) != []
    assert store.candles.revisions().is_empty()


async def test_candles_that_change_between_the_state_and_its_first_slot_are_in_the_state(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    low = pl.col("open_time") == datetime(2024, 8, 4, 20, tzinfo=UTC)
    hourly = hourly.with_columns(pl.when(low).then(pl.col(name) * 0.5).otherwise(pl.col(name)) for name in PRICES)
    assert scanned(hourly, DAY_MS + 12 * HOUR) != scanned(hourly.filter(~low), DAY_MS + 12 * HOUR)
    fill(store, hourly.filter(~low), clock)
    prepare = Runtime.prepare

    def interrupted(runtime: Runtime, timeframe: str, shard: Shard | None = None) -> Live:
        live = prepare(runtime, timeframe, shard)
        store.candles.upsert(hourly)
        return live

    monkeypatch.setattr(Runtime, "prepare", interrupted)
    await advance(Runtime(store, log, clock), "1h", DAY_MS + 12 * HOUR)
    assert recorded(store) == scanned(hourly, DAY_MS + 12 * HOUR) != []


async def test_without_a_later_candle_the_series_waits(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    cut = hourly.filter((pl.col("symbol") == "BTCUSDT") | (pl.col("open_time") < datetime(2024, 8, 5, 3, tzinfo=UTC)))
    fill(store, cut.filter(pl.col("open_time") < datetime(2024, 8, 5, 3, tzinfo=UTC)), clock)
    clock.move_to(DAY_MS + 12 * HOUR)
    told: list[int] = []
    done = await advance(
        Runtime(store, log, clock), "1h", DAY_MS + 12 * HOUR, on_tick=lambda close_ms, _: told.append(close_ms)
    )
    assert done.waiting == {BTC, ETH}
    assert told == [DAY_MS + hour * HOUR for hour in (1, 2, 3)], "a slot for which all groups wait is no tick"
    store.candles.upsert(cut)
    done = await advance(Runtime(store, log, clock), "1h", DAY_MS + 12 * HOUR)
    assert done.waiting == {ETH}
    assert store.ticks.watermarks("1h") == {BTC: DAY_MS + 12 * HOUR, ETH: DAY_MS + 3 * HOUR}, "BTC is not held up"
    store.candles.upsert(hourly)
    await advance(Runtime(store, log, clock), "1h", DAY_MS + 12 * HOUR)
    assert recorded(store) == scanned(hourly, DAY_MS + 12 * HOUR) != []


async def test_a_hole_is_passed_only_after_the_hold_time_and_is_final(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    at_five = (pl.col("symbol") == "ETHUSDT") & (pl.col("open_time") == datetime(2024, 8, 5, 4, tzinfo=UTC))
    gappy = hourly.filter(~at_five)
    fill(store, gappy, clock)
    runtime = Runtime(store, log, clock)
    done = await advance(runtime, "1h", DAY_MS + 5 * HOUR)
    assert done.waiting == {ETH}, "there is a later candle, but the hold time of five minutes has only just begun"
    assert store.ticks.watermarks("1h")[ETH] == DAY_MS + 4 * HOUR
    clock.move_to(DAY_MS + 5 * HOUR + 5 * 60_000)
    done = await advance(runtime, "1h", DAY_MS + 5 * HOUR)
    assert done.waiting == set()
    assert store.ticks.watermarks("1h")[ETH] == DAY_MS + 5 * HOUR
    assert store.ticks.ticks()["holes"].sum() == 1
    late = hourly.filter(at_five)
    assert store.candles.upsert(late).revised == 1, "the candle comes too late: listed, not judged"
    await advance(Runtime(store, log, clock), "1h", DAY_MS + 24 * HOUR)
    assert recorded(store) == scanned(gappy, DAY_MS + 24 * HOUR) != []


async def test_a_correction_of_a_judged_candle_changes_no_verdict(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly, clock)
    await advance(Runtime(store, log, clock), "1h", DAY_MS + 6 * HOUR)
    wrong = hourly.filter(pl.col("open_time") < datetime(2024, 8, 5, 6, tzinfo=UTC)).with_columns(
        pl.col("close") * 0.5, pl.col("low") * 0.5
    )
    assert store.candles.upsert(wrong).replaced == 0
    await advance(Runtime(store, log, clock), "1h", DAY_MS + 24 * HOUR)
    assert recorded(store) == scanned(hourly, DAY_MS + 24 * HOUR) != []


async def test_a_condition_registered_in_mid_stream_fires_only_afterwards(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly, clock)
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", DAY_MS + 6 * HOUR)
    late_comer = Condition.parse("BTCUSDT 1h: close < sma(5)")
    store.registry.register([late_comer], active_from_ms=clock.now_ms())
    await advance(runtime, "1h", DAY_MS + 24 * HOUR)
    closes = [close for condition_id, close in recorded(store) if condition_id == late_comer.id]
    expected = analysis.scan([late_comer], hourly)["close_time"].dt.epoch("ms")
    assert closes == [close for close in expected if DAY_MS + 6 * HOUR < close <= DAY_MS + 24 * HOUR] != []


async def test_a_series_that_is_behind_does_not_fire_conditions_for_the_time_before_them(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly, clock)
    await advance(Runtime(store, log, clock), "1h", DAY_MS + 2 * HOUR)
    clock.move_to(DAY_MS + 12 * HOUR)
    late_comer = Condition.parse("BTCUSDT 1h: close < sma(3)")
    store.registry.register([late_comer], active_from_ms=clock.now_ms())
    await advance(Runtime(store, log, clock), "1h", DAY_MS + 24 * HOUR)
    closes = [close for condition_id, close in recorded(store) if condition_id == late_comer.id]
    expected = analysis.scan([late_comer], hourly)["close_time"].dt.epoch("ms").to_list()
    assert any(DAY_MS + 2 * HOUR < close <= DAY_MS + 12 * HOUR for close in expected)
    assert closes == [close for close in expected if DAY_MS + 12 * HOUR < close <= DAY_MS + 24 * HOUR] != []


async def test_a_new_condition_on_a_new_series_starts_where_it_was_registered(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    store.candles.upsert(hourly)
    clock.move_to(DAY_MS + 6 * HOUR)
    condition = Condition.parse("BTCUSDT 1h: every(close < sma(5))")
    store.registry.register([condition], active_from_ms=clock.now_ms())
    clock.move_to(DAY_MS + 24 * HOUR)
    await advance(Runtime(store, log, clock), "1h", DAY_MS + 24 * HOUR)
    assert store.ticks.ticks().height == 18
    expected = analysis.scan([condition], hourly)["close_time"].dt.epoch("ms").to_list()
    assert any(DAY_MS < close <= DAY_MS + 6 * HOUR for close in expected)
    fired = [close for _, close in recorded(store)]
    assert fired == [close for close in expected if DAY_MS + 6 * HOUR < close <= DAY_MS + 24 * HOUR] != []


class Stopwatch:
    """A monotonic clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.time_ns = 1_000_000_000

    def now_ns(self) -> int:
        return self.time_ns

    def move_on(self, seconds: float) -> None:
        self.time_ns += round(seconds * 1e9)


class BrokenLog(MemoryLog):
    """An event log whose server is away: each attempt fails after a fifth of a second."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        super().__init__()
        self.broken = True
        self.attempts = 0
        self._stopwatch = stopwatch

    def last_seq(self) -> int:
        if self.broken:
            self.attempts += 1
            self._stopwatch.move_on(0.2)
            raise EventLogError("the event log's server failed (ConnectionError: away)")
        return super().last_seq()


async def test_a_broken_event_log_stops_no_evaluation_and_loses_nothing(
    store: FileStore, clock: ReplayClock, hourly: pl.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    stopwatch = Stopwatch()
    log = BrokenLog(stopwatch)
    fill(store, hourly, clock)
    runtime = Runtime(store, log, clock, monotonic_ns=stopwatch.now_ns)
    done = await advance(runtime, "1h", DAY_MS + 20 * HOUR)
    assert (done.ticks, done.published) == (20, 0)
    assert "away" in str(done.publish_error)
    assert len(caplog.records) == 1, "reported once for the run, not on every tick"
    assert log.attempts == 1, "a server that takes long to fail is not asked again on every tick"
    assert store.triggers.last_seq() > 0
    stopwatch.move_on(1.9)
    await advance(runtime, "1h", DAY_MS + 21 * HOUR)
    assert log.attempts == 1, "the pause is ten times as long as the attempt took"
    stopwatch.move_on(0.1)
    log.broken = False
    await advance(runtime, "1h", DAY_MS + 21 * HOUR)
    assert [event.seq for event in log.events] == list(range(1, store.triggers.last_seq() + 1))


async def test_what_the_log_refused_last_is_published_at_the_end_of_the_run(
    store: FileStore, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    stopwatch = Stopwatch()
    log = BrokenLog(stopwatch)
    fill(store, hourly, clock)
    firing = min(close_ms for _, close_ms in scanned(hourly, DAY_MS + 20 * HOUR))

    def heal(_close_ms: int, _triggers: int) -> None:
        log.broken = False
        stopwatch.move_on(2)

    runtime = Runtime(store, log, clock, monotonic_ns=stopwatch.now_ns)
    done = await advance(runtime, "1h", firing, on_tick=heal)
    assert done.triggers > 0
    assert (done.published, done.publish_error) == (done.triggers, None)


async def test_the_log_of_another_store_is_refused_before_anything_is_judged(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly, clock)
    log.events.append(Event("t", 7, "c", "e", "s", "1h", 0, 1, {}, 1.0, True, False, "", 0))
    with pytest.raises(EventLogAhead, match=r"another store .*number 7"):
        await advance(Runtime(store, log, clock), "1h", DAY_MS + HOUR)
    assert store.ticks.ticks().is_empty()


async def test_shards_split_instruments_and_lose_none(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly, clock)
    runtime = Runtime(store, log, clock)
    for shard in range(3):
        await advance(runtime, "1h", DAY_MS + 24 * HOUR, shard=even_shard(shard, 3))
    assert recorded(store) == scanned(hourly, DAY_MS + 24 * HOUR) != []


async def test_an_empty_store_has_nothing_to_do(store: FileStore, log: MemoryLog, clock: ReplayClock) -> None:
    done = await advance(Runtime(store, log, clock), "1h", DAY_MS + HOUR)
    assert (done.ticks, done.triggers) == (0, 0)
    assert clock.now_ms() == DAY_MS + HOUR, "it waits for its tick like any other run"


async def test_counts_are_what_isolated_bots_would_have_done(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    store.candles.upsert(hourly)
    texts = [
        "BTCUSDT 1h: rsi < 30",
        "BTCUSDT 1h: rsi > 70",
        "BTCUSDT 1h: rsi < 30 and macd > 0",
        "ETHUSDT 1h: close > 1",
    ]
    conditions = [Condition.parse(text) for text in texts]
    store.registry.register(conditions, active_from_ms=DAY_MS)
    wishes = [(0, 5), (1, 1), (2, 2), (3, 4)]
    store.registry.subscribe(
        [
            SubscriptionRequest("ann", f"bot-{which}-{number}", conditions[which].id, "dca", {})
            for which, count in wishes
            for number in range(count)
        ],
        active_from_ms=DAY_MS,
    )
    await advance(Runtime(store, log, clock), "1h", DAY_MS + HOUR)
    tick = store.ticks.ticks().row(0, named=True)
    assert tick["subscriptions"] == 5 + 1 + 2 + 4
    assert tick["conditions"] == 4
    assert tick["isolated_loads"] == 12
    assert tick["isolated_indicators"] == 5 * 1 + 1 * 1 + 2 * 2 + 4 * 0
    assert tick["equal_sharing_loads"] == 4
    assert tick["equal_sharing_indicators"] == 1 + 1 + 2 + 0
    assert tick["indicators"] == 2, "rsi(14) and macd of BTCUSDT"
    assert tick["series"] == 2
