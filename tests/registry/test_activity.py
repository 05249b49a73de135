"""An unwanted condition costs nothing, and one that is wanted again neither misses a trigger nor fires a wrong one."""

import random
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import analysis
from analysis.audit import audit
from common.clock import ReplayClock
from common.errors import StaleTick
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.activity import ActiveSpan, is_active, wanted_from
from registry.conditions import Condition
from registry.groups import Group
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from tests.events.log.memory_log import MemoryLog

HOUR = 3_600_000
DAY_MS = to_ms(datetime(2024, 8, 5, tzinfo=UTC))
BTC, ETH = Group.parse("BINANCE:BTCUSDT 1h"), Group.parse("BINANCE:ETHUSDT 1h")
BELOW, ABOVE = (Condition.parse(f"BTCUSDT 1h: {text}") for text in ("every(close < sma(5))", "every(close > sma(5))"))
LEVEL = Condition.parse("BTCUSDT 1h: close < sma(20)")
ELSEWHERE = Condition.parse("ETHUSDT 1h: every(close < sma(5) and close@BTCUSDT > 0)")


def at(hour: int) -> int:
    return DAY_MS + hour * HOUR


@pytest.mark.parametrize(
    ("spans", "active", "from_nothing", "from_twelve"),
    [
        ([(10, None)], [11, 12, 99], 10, 12),
        ([(10, 14)], [11, 12, 14], 10, 12),
        ([(3, 12)], [4, 12], 3, None),
        ([(3, 8), (20, None)], [4, 8, 21], 3, 20),
        ([(3, 8), (10, 15), (20, 25)], [4, 8, 11, 15, 21, 25], 3, 12),
        ([(3, 8), (9, 12)], [4, 8, 10, 11, 12], 3, None),
    ],
)
def test_spans(
    spans: list[tuple[int, int | None]], active: list[int], from_nothing: int, from_twelve: int | None
) -> None:
    active_spans = [ActiveSpan(*span) for span in spans]
    assert [close for close in (*range(30), 99) if is_active(active_spans, close)] == [
        close
        for close in (*range(30), 99)
        if any(begin < close and (end is None or close <= end) for begin, end in spans)
    ]
    assert [close for close in active if is_active(active_spans, close)] == active
    assert wanted_from(active_spans, None) == from_nothing
    assert wanted_from(active_spans, 12) == from_twelve


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    return sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"])
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(datetime(2024, 7, 20, tzinfo=UTC), datetime(2024, 8, 15, tzinfo=UTC))
    )


def want(store: FileStore, condition: Condition, hour: int, bot: str = "bot") -> None:
    store.registry.subscribe([SubscriptionRequest("ann", bot, condition.id, "dca", {})], active_from_ms=at(hour))


def leave(store: FileStore, condition: Condition, hour: int, grace: int = 4, bot: str = "bot") -> bool:
    return store.registry.unsubscribe("ann", bot, condition.id, at_ms=at(hour), grace_ms=grace * HOUR)


def spans(store: FileStore, condition: Condition) -> list[tuple[int, int | None]]:
    return [
        ((span.from_ms - DAY_MS) // HOUR, None if span.until_ms is None else (span.until_ms - DAY_MS) // HOUR)
        for span in store.registry.activity()[condition.id]
    ]


def fired(store: FileStore, condition: Condition) -> list[int]:
    rows = store.triggers.after(0, 100_000).filter(pl.col("condition_id") == condition.id)
    return [(close - DAY_MS) // HOUR for close in rows["close_time"].dt.epoch("ms")]


def scanned(candles: pl.DataFrame, condition: Condition) -> list[int]:
    return [(close - DAY_MS) // HOUR for close in analysis.scan([condition], candles)["close_time"].dt.epoch("ms")]


def test_when_a_condition_is_active(store: FileStore, hourly: pl.DataFrame) -> None:
    store.candles.upsert(hourly)
    store.registry.register([BELOW], active_from_ms=at(0), grace_ms=4 * HOUR)
    assert spans(store, BELOW) == [(0, 4)], "a grace time to be subscribed to"
    want(store, BELOW, 2)
    assert spans(store, BELOW) == [(0, None)]
    want(store, BELOW, 3, "other")
    assert leave(store, BELOW, 5)
    assert spans(store, BELOW) == [(0, None)], "the other bot wants it still"
    assert leave(store, BELOW, 6, bot="other")
    assert not leave(store, BELOW, 7, bot="other"), "it had ended"
    assert spans(store, BELOW) == [(0, 10)]
    want(store, BELOW, 9)
    assert spans(store, BELOW) == [(0, None)], "within the grace time nothing was missed"
    leave(store, BELOW, 10)
    want(store, BELOW, 20)
    assert spans(store, BELOW) == [(0, 14), (20, None)]
    leave(store, BELOW, 21)
    store.registry.register([BELOW], active_from_ms=at(30), grace_ms=4 * HOUR)
    assert spans(store, BELOW) == [(0, 14), (20, 25), (30, 34)], "registering again is wanting it again"


def test_activity_is_there_after_opening_again(tmp_path: Path, hourly: pl.DataFrame) -> None:
    with FileStore(tmp_path / "s") as store:
        store.candles.upsert(hourly)
        store.registry.register([BELOW, ABOVE], active_from_ms=at(0), grace_ms=4 * HOUR)
        want(store, BELOW, 2)
        leave(store, BELOW, 3)
        want(store, BELOW, 30)
        activity = store.registry.activity()
        counted = store.registry.subscribers()
    with FileStore(tmp_path / "s") as store:
        assert store.registry.activity() == activity
        assert store.registry.subscribers() == counted == {BELOW.id: 1}
        assert leave(store, BELOW, 31)
        assert store.registry.subscribers() == {}


async def test_what_nobody_wants_is_judged_for_the_grace_time_and_resumes(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    """BELOW is always wanted, ABOVE and LEVEL are not from hour 10 to hour 30; all are on one series."""
    store.candles.upsert(hourly)
    store.registry.register([BELOW, ABOVE, LEVEL], active_from_ms=at(0))
    for condition in (BELOW, ABOVE, LEVEL):
        want(store, condition, 0)
    runtime = Runtime(store, log, clock)
    judged = []
    for hour in range(1, 49):
        if hour == 11:
            assert leave(store, ABOVE, 10)
            assert leave(store, LEVEL, 10)
        if hour == 31:
            want(store, ABOVE, 30)
            want(store, LEVEL, 30)
        await advance(runtime, "1h", at(hour))
        judged.append(store.ticks.ticks()["conditions"][-1])
    assert judged == [3] * 14 + [1] * 16 + [3] * 18
    everything = {
        condition: [hour for hour in scanned(hourly, condition) if 0 < hour <= 48]
        for condition in (BELOW, ABOVE, LEVEL)
    }
    assert fired(store, BELOW) == everything[BELOW]
    for condition in (ABOVE, LEVEL):
        assert fired(store, condition) == [hour for hour in everything[condition] if hour <= 14 or hour > 30]
    assert len(fired(store, ABOVE)) < len(everything[ABOVE])
    assert audit(store).differences == ()


async def test_a_group_that_nobody_wanted_goes_on_where_it_is_wanted_again(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    """Its watermark jumps over the time in between: no ticks, no triggers, and no replay of a year."""
    store.candles.upsert(hourly)
    store.registry.register([ABOVE, LEVEL], active_from_ms=at(0), grace_ms=4 * HOUR)
    runtime = Runtime(store, log, clock)
    for hour in range(1, 31):
        await advance(runtime, "1h", at(hour))
    assert store.ticks.watermarks("1h") == {BTC: at(4)}
    assert store.ticks.ticks().height == 4
    want(store, ABOVE, 100)
    want(store, LEVEL, 100)
    clock.move_to(at(110))
    for each in (runtime, Runtime(store, log, clock)):
        await advance(each, "1h", at(110))
    assert store.ticks.watermarks("1h") == {BTC: at(110)}
    assert store.ticks.ticks().height == 4 + 10
    for condition in (ABOVE, LEVEL):
        expected = [hour for hour in scanned(hourly, condition) if 0 < hour <= 4 or 100 < hour <= 110]
        assert fired(store, condition) == expected
    assert audit(store).differences == ()
    wrong = hourly.filter(pl.col("open_time") == datetime(2024, 8, 6, tzinfo=UTC)).with_columns(pl.col("close") * 0.99)
    assert store.candles.upsert(wrong.filter(pl.col("symbol") == "BTCUSDT")).revised == 1, "it is part of the history"


async def test_a_condition_starts_where_its_series_has_been_judged(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    """Candles on which its series was judged without the condition do not count as judged for it."""
    store.candles.upsert(hourly)
    store.registry.register([BELOW], active_from_ms=at(0))
    runtime = Runtime(store, log, clock)
    await advance(runtime, "1h", at(6))
    store.registry.register([ABOVE], active_from_ms=at(2))
    assert spans(store, ABOVE)[0][0] == 6
    await advance(runtime, "1h", at(20))
    assert fired(store, ABOVE) == [hour for hour in scanned(hourly, ABOVE) if 6 < hour <= 20]
    assert audit(store).differences == ()


async def test_a_condition_that_comes_while_its_candle_is_judged_is_judged_on_it(
    store: FileStore, log: MemoryLog, hourly: pl.DataFrame
) -> None:
    """Runs prepare a moment before the candle closes: a condition registered in that moment is not missed."""
    store.candles.upsert(hourly)
    opposite = [Condition.parse("BTCUSDT 1h: every(close < sma(5) or close >= sma(5))")]

    class Meanwhile(ReplayClock):
        """While the run sleeps until 01:00, somebody registers."""

        async def sleep_until(self, time_ms: int) -> None:
            if opposite and time_ms == at(1):
                store.registry.register([opposite.pop()], active_from_ms=at(1) - 200)
            await super().sleep_until(time_ms)

    store.registry.register([BELOW], active_from_ms=at(0))
    (wanted,) = opposite
    await advance(Runtime(store, log, Meanwhile(at(0))), "1h", at(3))
    assert fired(store, wanted) == [1, 2, 3]
    assert store.ticks.ticks().height == 3
    assert audit(store).differences == ()


@pytest.mark.parametrize("seed", range(3))
async def test_any_coming_and_going_gives_what_a_scan_gives(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame, seed: int
) -> None:
    dice = random.Random(seed)
    conditions = [BELOW, ABOVE, LEVEL, ELSEWHERE]
    store.candles.upsert(hourly)
    runtime = Runtime(store, log, clock)
    hour = 0
    while hour < 120:
        for condition in conditions:
            move = dice.random()
            if condition.id not in store.registry.activity():
                if move < 0.3:
                    store.registry.register([condition], active_from_ms=at(hour), grace_ms=3 * HOUR)
            elif move < 0.12:
                want(store, condition, hour, dice.choice("ab"))
            elif move < 0.3:
                leave(store, condition, hour, 3, dice.choice("ab"))
        hour += dice.choice((1, 1, 2, 9))
        clock.move_to(at(hour))
        if dice.random() < 0.1:
            runtime = Runtime(store, log, clock)
        await advance(runtime, "1h", at(hour))
    for condition in conditions:
        active = store.registry.activity()[condition.id]
        expected = [close for close in scanned(hourly, condition) if close <= hour and is_active(active, at(close))]
        assert fired(store, condition) == expected, str(condition)
    assert sum(map(len, store.registry.activity().values())) > len(conditions), "some went and came back"
    assert audit(store).differences == ()


def test_a_tick_of_other_conditions_is_refused(store: FileStore, hourly: pl.DataFrame) -> None:
    from registry.store.parts.ticks import TickRecord, WatermarkMove
    from tests.registry.store.test_candles import NO_METRICS, NO_TRIGGERS

    store.candles.upsert(hourly)
    version = store.registry.version()
    store.registry.register([BELOW], active_from_ms=at(0))

    def record(close: int, group: Group = BTC, registry_version: int | None = version) -> TickRecord:
        moves = (WatermarkMove(group, None, at(close)),)
        return TickRecord(
            "1h", at(close), False, moves, NO_TRIGGERS, (), {}, NO_METRICS, registry_version=registry_version
        )

    with pytest.raises(StaleTick, match="became active"):
        store.ticks.record_tick(record(1))
    store.ticks.record_tick(record(1, ETH))
    store.ticks.record_tick(record(0))
