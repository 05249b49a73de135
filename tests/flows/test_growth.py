"""Conditions registered in mid-stream are taken into the existing state, and nothing that was there moves.

From the time at which they become active they fire as if they had always been there.
"""

import random
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

import analysis
from common.clock import ReplayClock
from common.timeframes import to_ms
from engine import program as program_module
from engine.blocks import SPARE
from engine.plan import Plan, make_plan
from engine.program import Program
from flows.advance import advance
from flows.live import Live
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Series
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from tests.events.log.memory_log import MemoryLog
from tests.flows.hub_model import frame_of
from tests.flows.watching import WatchedStore, knowledge

HOUR = 3_600_000
DAY = datetime(2024, 8, 5, tzinfo=UTC)
DAY_MS = to_ms(DAY)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "DOGEUSDT", "XRPUSDT", "LTCUSDT")


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    """The three weeks around the crash, 1h; longer timeframes are built from it."""
    return sample.filter(
        (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(datetime(2024, 7, 20, tzinfo=UTC), datetime(2024, 8, 9, tzinfo=UTC))
    )


class Hub:
    """A warm worker on a store whose reads are watched."""

    def __init__(self, store: FileStore, log: MemoryLog, clock: ReplayClock, candles: pl.DataFrame) -> None:
        self.store = store
        self.watched = WatchedStore(store)
        self.runtime = Runtime(self.watched, log, clock)  # type: ignore[arg-type]
        self.log, self.clock, self.candles = log, clock, candles
        self.since: dict[str, int] = {}
        self.conditions: list[Condition] = []
        self.hour = 0
        store.candles.upsert(candles)

    def register(self, *texts: str, ago: int = 0) -> None:
        """Register, and subscribe, so that nothing expires."""
        fresh, since_ms = [Condition.parse(text) for text in texts], self.clock.now_ms() - ago
        self.store.registry.register(fresh, active_from_ms=since_ms)
        self.store.registry.subscribe(
            [SubscriptionRequest("ann", condition.id, condition.id, "dca", {}) for condition in fresh],
            active_from_ms=since_ms,
        )
        for condition in fresh:
            self.since.setdefault(condition.id, since_ms)
        self.conditions += fresh

    async def run(self, hours: int) -> None:
        for _ in range(hours):
            self.hour += 1
            await advance(self.runtime, "1h", DAY_MS + self.hour * HOUR)

    def prepare(self) -> tuple[Live, set[str]]:
        """The state, and the stored series that were read to build it."""
        self.watched.reads.clear()
        live = self.runtime.prepare("1h")
        return live, {read.series for read in self.watched.reads}

    def cold(self) -> Live:
        return Runtime(self.store, self.log, self.clock).prepare("1h")

    def check(self) -> int:
        """Compare the record with a scan, and the state with a cold process's; returns how many triggers there are."""
        recorded = self.store.triggers.after(0, 100_000).select("condition_id", "close_time", "price", "settled")
        since = pl.DataFrame({"condition_id": list(self.since), "since": list(self.since.values())})
        closes = pl.col("close_time").dt.epoch("ms")
        scanned = (
            analysis.scan(self.conditions, self.candles)
            .join(since, on="condition_id")
            .filter((closes > pl.col("since")) & (closes <= DAY_MS + self.hour * HOUR))
            .select(recorded.columns)
            .sort("close_time", "condition_id")
        )
        assert recorded.sort("close_time", "condition_id").equals(scanned)
        assert knowledge(self.prepare()[0]) == knowledge(self.cold())
        return recorded.height


@pytest.fixture
def hub(store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame) -> Hub:
    return Hub(store, log, clock, hourly)


def names(symbols: Iterable[str]) -> set[str]:
    return {f"BINANCE:{symbol} 1h" for symbol in symbols}


# What grows, and what does not.


async def test_the_state_stays_and_only_what_is_new_is_read(hub: Hub) -> None:
    hub.register("BTCUSDT 1h: every(rsi(14) < 45)", "ETHUSDT 1h: close crosses_below sma(20)")
    first, read = hub.prepare()
    assert read == names(["BTCUSDT", "ETHUSDT"])
    (alone,) = first.parts
    await hub.run(5)
    for texts, expected in [
        (["SOLUSDT 1h: every(rsi(14) < 50)"], ["SOLUSDT"]),
        (["BTCUSDT 1h: every(macd.histogram > 0 and rsi(14) < 60)"], ["BTCUSDT"]),
        (["XRPUSDT 1h: close < sma(5) for 2 bars", "SOLUSDT 1h: every(rsi(14) > 50)"], ["SOLUSDT", "XRPUSDT"]),
        ([], []),
    ]:
        hub.register(*texts)
        live, read = hub.prepare()
        assert live is first
        assert live.parts == [alone]
        assert live.parts[0] is alone
        assert read == names(expected)
        await hub.run(3)
    assert hub.check() > 20


async def test_a_subscription_costs_itself_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.register("BTCUSDT 1h: every(rsi(14) < 45)", "ETHUSDT 1h: close crosses_below sma(20)")
    await hub.run(2)
    hub.prepare()
    first = hub.conditions[0]
    hub.store.registry.subscribe([SubscriptionRequest("bob", "b", first.id, "dca", {})], active_from_ms=DAY_MS)

    def refuse(*_: object) -> None:
        raise AssertionError("everything is read for the sake of one")

    for part, names_of in (("registry", ("conditions", "activity", "subscribers")), ("ticks", ("anchors",))):
        for name in names_of:
            monkeypatch.setattr(getattr(hub.store, part), name, refuse)
    live, read = hub.prepare()
    (alone,) = live.parts
    counts = dict(zip([each.id for each in alone.plan.conditions], live.subscriptions(alone.plan), strict=True))
    assert (read, counts) == (set(), {first.id: 2, hub.conditions[1].id: 1})


async def test_several_series_are_taken_in_by_the_part_at_the_same_time(hub: Hub) -> None:
    hub.register("BTCUSDT 1h: every(rsi(14) < 45)")
    await hub.run(3)
    hub.register("ETHUSDT 1h: every(rsi(14) < rsi(14)@BTCUSDT)")
    live, read = hub.prepare()
    alone, together = live.parts
    assert read == names(["BTCUSDT", "ETHUSDT"])
    await hub.run(3)
    for text, expected in [
        # Another group of existing series, whose lanes and views exist too.
        ("BTCUSDT 1h: every(rsi(14) > rsi(14)@ETHUSDT)", ["BTCUSDT", "ETHUSDT"]),
        ("SOLUSDT 1h: every(close < sma(5) and rsi(14)@BTCUSDT < 50)", ["BTCUSDT", "SOLUSDT"]),
        # An existing group.
        ("ETHUSDT 1h: close * 20 > ema(9)@BTCUSDT within 2 bars", ["BTCUSDT", "ETHUSDT"]),
        # Another timeframe, built from what is stored.
        ("SOLUSDT 1h: every(close > sma(5)@4h and close[3]@4h@BTCUSDT > 0)", ["BTCUSDT", "SOLUSDT"]),
    ]:
        hub.register(text)
        live, read = hub.prepare()
        assert live.parts == [alone, together]
        assert list(map(id, live.parts)) == [id(alone), id(together)]
        assert read == names(expected)
        await hub.run(4)
    assert {member.group for member in together.groups} == {condition.group for condition in hub.conditions[1:]}
    assert hub.check() > 20


async def test_groups_at_another_time_get_a_part_of_their_own(hub: Hub) -> None:
    hub.register("ETHUSDT 1h: every(rsi(14) < rsi(14)@BTCUSDT)")
    await hub.run(3)
    # A condition registered for the past is judged from there on, slot by slot, until all are together again.
    hub.register("SOLUSDT 1h: every(rsi(14) < rsi(14)@BTCUSDT)", ago=3 * HOUR)
    live, _ = hub.prepare()
    assert [set(part.reached.values()) for part in live.parts] == [{DAY_MS + 3 * HOUR}, {DAY_MS}]
    await hub.run(3)
    assert [set(part.reached.values()) for part in live.parts] == [{DAY_MS + 6 * HOUR}] * 2
    hub.register("BTCUSDT 1h: every(rsi(14) < rsi(14)@SOLUSDT)")
    before = list(live.parts)
    assert hub.prepare()[0].parts == before
    await hub.run(6)
    assert hub.check() > 10


async def test_a_series_that_gets_its_first_candles_is_taken_in(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    later = pl.col("symbol") == "DOGEUSDT"
    hub = Hub(store, log, clock, hourly.filter(~later))
    store.candles.upsert(hourly.filter(later).head(1).with_columns(pl.lit("1w").alias("timeframe")))
    hub.register("BTCUSDT 1h: every(rsi(14) < 45)", "DOGEUSDT 1h: every(rsi(14) < 45)")
    await hub.run(4)
    live, read = hub.prepare()
    (alone,) = live.parts
    assert read == set()
    assert live.absent == {"BINANCE:DOGEUSDT 1h"}
    store.candles.upsert(hourly.filter(later))
    grown, read = hub.prepare()
    assert grown is live
    assert grown.parts[0] is alone
    assert read == names(["DOGEUSDT"])
    assert live.absent == set()
    hub.candles = hourly
    await hub.run(4)
    assert hub.check() > 4


# Nothing exists twice.


def used_lanes(plan: Plan) -> list[tuple[object, str]]:
    return [
        (block.computation, str(plan.series[index]))
        for block in plan.indicators
        for index in block.series
        if index != SPARE
    ]


def shape(plan: Plan) -> dict[str, object]:
    """What a plan computes and judges, wherever its values are."""
    return {
        "conditions": sorted(condition.id for condition in plan.conditions),
        "series": sorted(map(str, plan.series)),
        "slots": {
            (None if owner is None else str(plan.series[owner]), operand) for owner, operand in plan.layout.slots
        },
        "truths": plan.program.size,
        "delays": plan.layout.delays.size,
        "views": plan.layout.views.size,
        "arithmetic": plan.layout.arithmetic.size,
        "lanes": sorted(used_lanes(plan), key=str),
        "memory": plan.memory,
        "bases": sorted(str(series) for series, is_base in zip(plan.series, plan.is_base, strict=True) if is_base),
    }


POOL = (
    "every(rsi(14) < 45 and close[5] > 0)",
    "close crosses_below sma(20)",
    "every(rsi(14) < 45 or rsi(14) > 70)",
    "every(rsi(14)[3] < 45 for 2 bars)",
    "close - sma(20) < 0 - atr(14) for 3 bars",
    "every(close - sma(20) < 0)",
    "2 of (rsi(14) < 45, close < sma(20), volume > volume[1])",
    "every(rsi(14)@BTCUSDT < 45 and close < sma(20))",
    "every(rsi(14)@BTCUSDT < rsi(14))",
    "every(close > sma(5)@4h)",
    "close < sma(5)@4h within 4 bars",
    "every(macd.histogram[2] < macd.histogram)",
)


def test_a_plan_that_grew_is_one_that_was_made_at_once() -> None:
    conditions = [Condition.parse(f"{symbol} 1h: {text}") for symbol in SYMBOLS[:3] for text in POOL]
    whole = shape(make_plan(conditions))
    for seed in range(4):
        dice = random.Random(seed)
        waiting = dice.sample(conditions, len(conditions))
        plan = make_plan(waiting[:2])
        while waiting:
            count = dice.randint(1, 4)
            plan.extend(waiting[:count])
            waiting = waiting[count:]
        assert shape(plan) == whole
        lanes = used_lanes(plan)
        assert len(lanes) == len(set(lanes))
        plan.extend(conditions)
        assert shape(plan) == whole, "what is there is not added again"


async def test_spare_lanes_are_used_before_new_blocks_appear(hub: Hub) -> None:
    def blocks() -> list[list[str]]:
        (part,) = hub.prepare()[0].parts
        series = part.plan.series
        return [
            ["" if index == SPARE else str(series[index])[8:-3] for index in block.series]
            for block in part.plan.indicators
        ]

    expected = [
        [["BTCUSDT"]],
        [["BTCUSDT"], ["ETHUSDT", "", "", ""]],
        [["BTCUSDT"], ["ETHUSDT", "SOLUSDT", "", ""]],
        [["BTCUSDT"], ["ETHUSDT", "SOLUSDT", "DOGEUSDT", ""]],
        [["BTCUSDT"], ["ETHUSDT", "SOLUSDT", "DOGEUSDT", "XRPUSDT"]],
        [["BTCUSDT"], ["ETHUSDT", "SOLUSDT", "DOGEUSDT", "XRPUSDT"], ["LTCUSDT", "", "", ""]],
    ]
    for symbol, lanes in zip(SYMBOLS, expected, strict=True):
        hub.register(f"{symbol} 1h: every(kama(10) > close)")
        assert blocks() == lanes
        slots = hub.prepare()[0].parts[0].plan.slots
        hub.register(f"{symbol} 1h: every(kama(10) < close)")
        assert blocks() == lanes
        assert hub.prepare()[0].parts[0].plan.slots == slots, "nothing new is read, so there is no new slot"
        await hub.run(2)
    assert hub.check() > 30


async def test_lanes_that_were_spare_start_from_nothing_of_before(hub: Hub) -> None:
    """A spare lane has been stepped all the time, with nothing in it."""
    hub.register("BTCUSDT 1h: every(sma(5) > stoch(5, 3, 3).k)")
    await hub.run(1)
    hub.register("ETHUSDT 1h: every(sma(5) > stoch(5, 3, 3).k)")
    await hub.run(30)
    hub.register("SOLUSDT 1h: every(sma(5) > stoch(5, 3, 3).k)", "XRPUSDT 1h: every(sma(5) < stoch(5, 3, 3).k)")
    await hub.run(1)
    assert hub.check() > 40


# Nothing that is known is lost.


async def test_delays_of_one_series_do_not_shorten_those_of_another(hub: Hub) -> None:
    """Earlier values are kept as far back as the new conditions of each series need, and no less far than before."""
    hub.register("BTCUSDT 1h: every(close[8] > close)")
    await hub.run(4)
    hub.register("BTCUSDT 1h: every(close[1] > close)", "ETHUSDT 1h: every(close[30] > close)")
    await hub.run(12)
    assert hub.check() > 10


async def test_truths_that_look_back_go_on(hub: Hub) -> None:
    hub.register("BTCUSDT 1h: close < sma(20) for 6 bars", "BTCUSDT 1h: every(rsi(14) < 30 within 20 bars)")
    await hub.run(9)
    hub.register(
        "BTCUSDT 1h: every(not (close < sma(20) for 6 bars))",
        "BTCUSDT 1h: every((rsi(14) < 30 within 20 bars) and close > open)",
        "BTCUSDT 1h: every(close < sma(20) for 2 bars)",
    )
    await hub.run(24)
    assert hub.check() > 20


@pytest.mark.parametrize("short_runs", [0, 512], ids=["sorted again", "as they came"])
@pytest.mark.parametrize("seed", range(3))
async def test_whatever_comes_in_whatever_order(
    hub: Hub, seed: int, short_runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorting the truths again changes nothing but their places."""
    monkeypatch.setattr(program_module, "_SHORT_RUNS", short_runs)
    sorts: list[Program] = []
    compact = Program.compact

    def noted_compact(program: Program) -> NDArray[np.int64]:
        sorts.append(program)
        return compact(program)

    monkeypatch.setattr(Program, "compact", noted_compact)
    dice = random.Random(seed)
    waiting = [f"{symbol} 1h: {text}" for symbol in SYMBOLS[:4] for text in POOL]
    dice.shuffle(waiting)
    first = None
    while waiting:
        count = dice.randint(1, 5)
        hub.register(*waiting[:count])
        waiting = waiting[count:]
        live, _ = hub.prepare()
        first = first or live
        assert live is first
        await hub.run(dice.randint(0, 3))
    await hub.run(12)
    assert (len(sorts) >= 3) == (short_runs == 0)
    assert hub.check() > 100


async def test_candles_that_a_group_jumped_over_may_change_until_its_first_tick(hub: Hub) -> None:
    """No condition of a group was wanted for a while; later it continues after candles that nobody has judged."""
    hub.register("ETHUSDT 1h: close > 1")
    condition = Condition.parse("BTCUSDT 1h: every(sma(4) > 100000)")
    hub.store.registry.register([condition], active_from_ms=DAY_MS)
    await hub.run(40)
    assert hub.store.ticks.watermarks("1h")[condition.group] < DAY_MS + 30 * HOUR
    wish = SubscriptionRequest("ann", "bot", condition.id, "dca", {})
    hub.store.registry.subscribe([wish], active_from_ms=hub.clock.now_ms())
    live, _ = hub.prepare()
    assert max(part.reached[condition.group] for part in live.parts) == DAY_MS + 40 * HOUR
    changed = frame_of([(Series.parse("BINANCE:BTCUSDT 1h"), DAY_MS + 38 * HOUR, (6e4, 1e6, 6e4, 1e6, 1.0))])
    assert hub.store.candles.upsert(changed).replaced == 1
    await hub.run(4)
    fired = hub.store.triggers.of(condition.id, 10)["close_time"].dt.epoch("ms")
    assert sorted((time - DAY_MS) // HOUR for time in fired) == [41, 42]
