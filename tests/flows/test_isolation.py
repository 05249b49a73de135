"""One condition, series or group that cannot be judged becomes an error by itself; everybody else is judged."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from analysis.audit import audit
from candles.series import SeriesReader
from common.clock import ReplayClock
from common.errors import StoreUnreachable
from common.timeframes import to_ms
from engine.part import LoadSlot, Moved, Part, PlanGroup
from engine.plan import Plan
from flows.advance import advance
from flows.isolation import find_culprits
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.store.parts.ticks import TickRecord
from tests.events.log.memory_log import MemoryLog

HOUR = 3_600_000
DAY = datetime(2024, 8, 5, tzinfo=UTC)
DAY_MS = to_ms(DAY)
EVERY = [Condition.parse(f"{symbol} 1h: every(close > 1)") for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
OTHERS = [
    Condition.parse("BTCUSDT 1h: every(close > 2)"),
    Condition.parse("BTCUSDT 1h: every(close > 2 and close@ETHUSDT > 1)"),
    Condition.parse("BTCUSDT 1h: every(close > 3 and close@ETHUSDT > 1)"),
]
ALL = [*EVERY, *OTHERS]


@pytest.fixture
def hub(store: FileStore, log: MemoryLog, clock: ReplayClock, sample: pl.DataFrame) -> FileStore:
    """A store with candles, and conditions that fire on each of them."""
    clock.move_to(DAY_MS)
    store.candles.upsert(
        sample.filter(
            (pl.col("timeframe") == "1h")
            & pl.col("open_time").is_between(datetime(2024, 8, 3, tzinfo=UTC), datetime(2024, 8, 6, tzinfo=UTC))
        )
    )
    store.registry.register(ALL, active_from_ms=DAY_MS)
    store.registry.subscribe(
        [SubscriptionRequest("ann", f"b{place}", each.id, "dca", {}) for place, each in enumerate(ALL)],
        active_from_ms=DAY_MS,
    )
    return store


async def run(runtime: Runtime, hour: int) -> None:
    await advance(runtime, "1h", DAY_MS + hour * HOUR)


def fired(store: FileStore, condition: Condition) -> list[int]:
    """The hours at which a condition has fired."""
    rows = store.triggers.after(0, 100_000).filter(pl.col("condition_id") == condition.id)
    return [(close_ms - DAY_MS) // HOUR for close_ms in rows["close_time"].dt.epoch("ms")]


def damage(store: FileStore, condition: Condition, canonical: str) -> None:
    """Give a stored condition other texts, as a fault of an older hub would have."""
    known = store.registry._conditions
    known[condition.id] = replace(known[condition.id], canonical=canonical, text=canonical)


def in_error(store: FileStore) -> dict[str, str]:
    return {condition_id: why.reason for condition_id, why in store.registry.unjudged().items()}


def everybody_but(*wrong: Condition) -> list[Condition]:
    return [condition for condition in ALL if condition not in wrong]


@pytest.mark.parametrize(
    ("canonical", "reason"),
    [
        ("nonsense", "cannot be read"),
        (ALL[0].canonical, "has the id"),
        ("BINANCE:BTCUSDT 1h: all(" + ", ".join(f"close > {n}" for n in range(10_001)) + ")", "too many comparisons"),
    ],
)
async def test_what_cannot_be_read_is_an_error_by_itself_and_logged_once(
    hub: FileStore, log: MemoryLog, clock: ReplayClock, caplog: pytest.LogCaptureFixture, canonical: str, reason: str
) -> None:
    wrong = ALL[3]
    damage(hub, wrong, canonical)
    warm = Runtime(hub, log, clock)
    for hour in (1, 2):
        await run(warm, hour)
    for hour in (3, 4):
        await run(Runtime(hub, log, clock), hour)
    assert list(in_error(hub)) == [wrong.id]
    assert reason in in_error(hub)[wrong.id]
    assert {str(each): fired(hub, each) for each in everybody_but(wrong)} == {
        str(each): [1, 2, 3, 4] for each in everybody_but(wrong)
    }
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert wrong.id in caplog.text

    damage(hub, wrong, wrong.canonical)
    await run(Runtime(hub, log, clock), 5)
    assert in_error(hub) == {}
    assert fired(hub, wrong) == [5], "its group was judged without it meanwhile"


async def test_what_cannot_be_planned_is_an_error_by_itself(
    hub: FileStore, log: MemoryLog, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {ALL[1].id, ALL[4].id}
    extend = Plan.extend

    def failing(plan: Plan, conditions: Iterable[Condition]) -> None:
        listed = list(conditions)
        if wrong & {condition.id for condition in listed}:
            raise ZeroDivisionError("a secret of the machine")
        extend(plan, listed)

    with monkeypatch.context() as broken:
        broken.setattr(Plan, "extend", failing)
        runtime = Runtime(hub, log, clock)
        for hour in (1, 2):
            await run(runtime, hour)
    assert set(in_error(hub)) == wrong
    assert set(in_error(hub).values()) == {"it cannot be judged: ZeroDivisionError; the log of the tick says more"}
    for condition in everybody_but(ALL[1], ALL[4]):
        assert fired(hub, condition) == [1, 2]
    # ETHUSDT was judged by nobody else: once its condition can be planned, nothing has been missed.
    await run(Runtime(hub, log, clock), 3)
    assert in_error(hub) == {}
    assert (fired(hub, ALL[1]), fired(hub, ALL[4])) == ([1, 2, 3], [3])


@pytest.mark.parametrize("number", range(len(ALL)))
async def test_what_fails_while_it_is_judged_is_an_error_by_itself(
    hub: FileStore, log: MemoryLog, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    wrong, move = ALL[number], Part.move

    def failing(part: Part, groups: Sequence[PlanGroup], close_ms: int, load: LoadSlot) -> Moved:
        moved = move(part, groups, close_ms, load)
        if wrong in part.plan and wrong.group in [member.group for member in groups] and close_ms == DAY_MS + 3 * HOUR:
            raise FloatingPointError("only this one")
        return moved

    monkeypatch.setattr(Part, "move", failing)
    runtime = Runtime(hub, log, clock)
    for hour in range(1, 6):
        await run(runtime, hour)
    assert list(in_error(hub)) == [wrong.id]
    assert fired(hub, wrong) == [1, 2]
    for condition in everybody_but(wrong):
        assert fired(hub, condition) == [1, 2, 3, 4, 5]
    assert not audit(hub).differences


async def test_a_series_that_cannot_be_read_takes_its_own_conditions_out(
    hub: FileStore, log: MemoryLog, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = SeriesReader.spans

    def failing(reader: SeriesReader, wanted: Mapping[Series, tuple[int, int]]) -> dict[Series, pl.DataFrame]:
        if any(series.instrument.symbol == "ETHUSDT" for series in wanted):
            raise OSError("the page of a file is damaged")
        return spans(reader, wanted)

    of_ethusdt = [each for each in ALL if any(series.instrument.symbol == "ETHUSDT" for series in each.all_series)]
    with monkeypatch.context() as broken:
        broken.setattr(SeriesReader, "spans", failing)
        await run(Runtime(hub, log, clock), 1)
        await run(Runtime(hub, log, clock), 2)
    assert set(in_error(hub)) == {each.id for each in of_ethusdt}
    for condition in everybody_but(*of_ethusdt):
        assert fired(hub, condition) == [1, 2]
    await run(Runtime(hub, log, clock), 3)
    assert in_error(hub) == {}
    for condition in ALL:
        assert fired(hub, condition) == [1, 2, 3], "judged late, and nothing is missing"
    assert not audit(hub).differences


@pytest.mark.parametrize("error", [StoreUnreachable("the owner is away"), OSError("no disk")])
async def test_what_fails_for_everybody_is_nobodys_error(
    hub: FileStore, log: MemoryLog, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: object) -> None:
        raise error

    for name in ("spans", "first", "at"):
        with monkeypatch.context() as broken:
            broken.setattr(SeriesReader, name, failing)
            with pytest.raises(type(error)):
                await run(Runtime(hub, log, clock), 1)
        assert in_error(hub) == {}
    await run(Runtime(hub, log, clock), 1)
    assert all(fired(hub, condition) == [1] for condition in ALL)


async def test_a_retired_condition_is_not_judged_and_a_reinstated_one_is(
    hub: FileStore, log: MemoryLog, clock: ReplayClock
) -> None:
    retired, warm = ALL[3], Runtime(hub, log, clock)
    await run(warm, 1)
    hub.registry.retire(retired.id, "it harms others", at_ms=clock.now_ms())
    await run(warm, 2)
    await run(Runtime(hub, log, clock), 3)
    assert fired(hub, retired) == [1]
    assert hub.registry.reinstate(retired.id, active_from_ms=clock.now_ms())
    await run(warm, 4)
    assert fired(hub, retired) == [1, 4]
    assert not audit(hub).differences
    for condition in everybody_but(retired):
        assert fired(hub, condition) == [1, 2, 3, 4]


async def test_a_tick_that_was_prepared_before_records_nothing_of_a_condition_retired_meanwhile(
    hub: FileStore, log: MemoryLog, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    retired, record_tick = ALL[3], hub.ticks.record_tick

    def retire_first(record: TickRecord) -> object:
        hub.registry.retire(retired.id, "it harms others", at_ms=clock.now_ms() - HOUR)
        return record_tick(record)

    monkeypatch.setattr(hub.ticks, "record_tick", retire_first)
    await run(Runtime(hub, log, clock), 1)
    assert fired(hub, retired) == []
    assert fired(hub, ALL[0]) == [1]


def test_culprits_are_found_among_many_with_few_trials() -> None:
    conditions = [Condition.parse(f"BTCUSDT 1h: close > {number}") for number in range(1, 1001)]
    wrong, trials = {conditions[7], conditions[700]}, 0

    def trial(some: Mapping[Group, Sequence[Condition]]) -> None:
        nonlocal trials
        trials += 1
        if wrong & {each for several in some.values() for each in several}:
            raise ValueError

    assert set(find_culprits({conditions[0].group: conditions}, trial)) == wrong
    assert trials < 60
