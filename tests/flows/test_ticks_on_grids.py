"""Ticks of instruments whose days begin at different hours, and grids that are fixed with the anchor."""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

import analysis
from analysis.audit import audit
from analysis.explain import explain
from candles.epochs import Epochs
from candles.rebasing import plan_rebase
from candles.series import SeriesReader
from common.clock import ReplayClock
from common.errors import GridError, StaleTick
from common.grids import UTC_GRID, Grid
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Series, series_of
from registry.instruments import Listing
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.store.parts.ticks import TickRecord
from tests.engine.test_other_grids import on_grid
from tests.events.log.memory_log import MemoryLog

HOUR = 3_600_000
DAY = 24 * HOUR
START = to_ms(datetime(2024, 8, 1, tzinfo=UTC))
"""A Thursday."""
HERE, HONG_KONG = series_of("BINANCE", "BTCUSDT", "1d"), series_of("OKX", "BTCUSDT", "1d")
FROM_16 = Grid.parse("day 16:00")
CONDITIONS = [
    Condition.parse("BTCUSDT 1d: every(close > sma(3))"),
    Condition.parse("OKX:BTCUSDT 1d: every(close > sma(3))"),
    Condition.parse("BTCUSDT 1d: every(close > close@OKX:BTCUSDT)"),
    Condition.parse("OKX:BTCUSDT 1d: every(close[1] > close@BINANCE:BTCUSDT)"),
]


def listed(store: FileStore, series: Series, grid: Grid) -> None:
    store.candles.list_instruments([Listing(series.instrument, grid=grid)])


def subscribed(store: FileStore, conditions: list[Condition]) -> None:
    store.registry.register(conditions, active_from_ms=START)
    wishes = [SubscriptionRequest("user", f"bot {each.id}", each.id, "dca", {}) for each in conditions]
    store.registry.subscribe(wishes, active_from_ms=START)


@pytest.fixture
def candles(store: FileStore) -> pl.DataFrame:
    """Ten days before the start and ten after it, on both grids."""
    listed(store, HONG_KONG, FROM_16)
    return pl.concat(
        [
            on_grid(HERE, UTC_GRID, START - 10 * DAY, START + 10 * DAY, seed=4),
            on_grid(HONG_KONG, FROM_16, START - 10 * DAY, START + 10 * DAY, seed=5),
        ]
    )


def recorded(store: FileStore) -> set[tuple[str, int, int, float]]:
    rows = store.triggers.after(0, 10_000)
    times = (rows[name].dt.epoch("ms") for name in ("open_time", "close_time"))
    return set(zip(rows["condition_id"], *times, rows["price"], strict=True))


@pytest.mark.parametrize("cold", [False, True])
async def test_each_day_is_judged_when_it_ends(
    store: FileStore, log: MemoryLog, candles: pl.DataFrame, cold: bool
) -> None:
    clock = ReplayClock(START)
    store.candles.upsert(candles)
    subscribed(store, CONDITIONS)
    runtime = Runtime(store, log, clock)
    seen: list[int] = []
    for hour in (8, 16, 24, 40, 48, 64, 72, 9 * 24, 9 * 24 + 16):
        clock.move_to(START + hour * HOUR)
        runtime = Runtime(store, log, clock) if cold else runtime
        await advance(runtime, "1d", START + hour * HOUR, on_tick=lambda close_ms, _: seen.append(close_ms))
        marks = store.ticks.watermarks("1d")
        if hour >= 24:
            assert marks[CONDITIONS[1].group] == START + ((hour + 8) // 24 * 24 - 8) * HOUR
            assert marks[CONDITIONS[0].group] == START + hour // 24 * 24 * HOUR
        elif hour == 16:
            assert marks == dict.fromkeys((CONDITIONS[1].group, CONDITIONS[3].group), START + 16 * HOUR)
        else:
            assert marks == {}
    assert seen == sorted(seen)
    grids = {"OKX:BTCUSDT": FROM_16}
    scan = analysis.scan(CONDITIONS, candles, grids=grids).filter(
        pl.col("close_time").dt.epoch("ms").is_between(START + 1, START + (9 * 24 + 16) * HOUR)
    )
    times = (scan[name].dt.epoch("ms") for name in ("open_time", "close_time"))
    expected = set(zip(scan["condition_id"], *times, scan["price"], strict=True))
    assert recorded(store) == expected
    assert len({row[0] for row in expected}) == 4
    assert store.ticks.ticks()["late"].to_list().count(False) >= 6
    assert audit(store).differences == ()
    assert store.ticks.grids() == {HONG_KONG: FROM_16}


async def test_a_grid_stays_with_its_anchor_until_a_rebase(store: FileStore, log: MemoryLog) -> None:
    """Weeks built from days begin on Monday until the instrument's grid says Thursday and a rebase takes it."""
    week = HERE.at("1w")
    condition = Condition.parse("BTCUSDT 1w: every(close > 0)")
    days = on_grid(HERE, UTC_GRID, START - 40 * DAY, START + 40 * DAY)
    store.candles.upsert(days)
    subscribed(store, [condition])
    runtime = Runtime(store, log, ReplayClock(START + 15 * DAY))
    await advance(runtime, "1w", START + 15 * DAY)
    monday_rows = recorded(store)
    assert {datetime.fromtimestamp(row[2] / 1000, UTC).strftime("%a") for row in monday_rows} == {"Mon"}
    thursdays = Grid.parse("week thu")
    listed(store, HERE, thursdays)
    for fresh in (runtime, Runtime(store, log, ReplayClock(START + 22 * DAY))):
        await advance(fresh, "1w", START + 22 * DAY)
    assert {datetime.fromtimestamp(row[2] / 1000, UTC).strftime("%a") for row in recorded(store)} == {"Mon"}
    assert audit(store).differences == ()
    before = {row[2] for row in recorded(store)}
    store.rebase(plan_rebase(store, week))
    assert store.ticks.grids() == {week: thursdays}
    runtime = Runtime(store, log, ReplayClock(START + 36 * DAY))
    await advance(runtime, "1w", START + 36 * DAY)
    fresh_closes = {row[2] for row in recorded(store)} - before
    assert {datetime.fromtimestamp(close / 1000, UTC).strftime("%a") for close in fresh_closes} == {"Thu"}
    assert min(fresh_closes) > max(before)
    assert audit(store).differences == (), "each epoch is judged again on its own grid"
    epochs = Epochs(store)
    for close_ms in before | fresh_closes:
        shown = explain(
            condition, epochs.up_to(condition, close_ms), epochs.calendars(condition, close_ms), at_ms=close_ms
        )
        assert (shown.close_time, shown.fires) == (close_ms, True)


async def test_until_its_first_tick_a_series_follows_its_listing(store: FileStore, log: MemoryLog) -> None:
    """A warm worker that waits for Monday learns that the week ends on Thursday."""
    store.candles.upsert(on_grid(HERE, UTC_GRID, START - 40 * DAY, START + 40 * DAY))
    subscribed(store, [Condition.parse("BTCUSDT 1w: every(close > 0)")])
    clock = ReplayClock(START)
    runtime = Runtime(store, log, clock)
    assert (await advance(runtime, "1w", START)).ticks == 0
    listed(store, HERE, Grid.parse("week thu"))
    clock.move_to(START + 7 * DAY)
    await advance(runtime, "1w", START + 7 * DAY)
    assert [row[1:3] for row in recorded(store)] == [(START, START + 7 * DAY)]


async def test_a_store_that_is_opened_again_knows_its_grids(
    store: FileStore, log: MemoryLog, candles: pl.DataFrame
) -> None:
    store.candles.upsert(candles)
    subscribed(store, CONDITIONS[1:2])
    await advance(Runtime(store, log, ReplayClock(START + DAY)), "1d", START + DAY)
    folder, anchors = store._database.folder, store.ticks.anchor_history()
    assert [anchor.grid for anchor in anchors] == [FROM_16]
    store.close()
    with FileStore(folder, clock=ReplayClock(START)) as again:
        assert again.ticks.anchor_history() == anchors
        listed(again, HONG_KONG, UTC_GRID)
        assert SeriesReader.of(again).calendars.grid(HONG_KONG) == FROM_16, "the anchor's, not the listing's"


async def test_a_tick_that_was_judged_on_another_grid_is_refused(
    store: FileStore, log: MemoryLog, candles: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.candles.upsert(candles)
    subscribed(store, CONDITIONS[1:2])
    late = Runtime(store, log, ReplayClock(START + DAY))
    records: list[TickRecord] = []
    record_tick = store.ticks.record_tick

    def keep(record: TickRecord) -> range:
        records.append(record)
        return record_tick(record)

    monkeypatch.setattr(store.ticks, "record_tick", keep)
    await advance(late, "1d", START + DAY)
    (record,) = records
    with pytest.raises(StaleTick, match="judged OKX:BTCUSDT 1d from"):
        record_tick(replace(record, grids={}, token="another", moves=()))


async def test_a_rebase_refuses_candles_that_are_not_on_the_grid(
    store: FileStore, log: MemoryLog, candles: pl.DataFrame
) -> None:
    store.candles.upsert(candles)
    subscribed(store, CONDITIONS[:1])
    await advance(Runtime(store, log, ReplayClock(START + DAY)), "1d", START + DAY)
    listed(store, HERE, FROM_16)
    with pytest.raises(GridError, match="BINANCE:BTCUSDT 1d has a candle that opens at 2024-07-22 00:00"):
        plan_rebase(store, HERE)


async def test_a_condition_on_candles_between_slots_is_an_error_of_its_own(
    store: FileStore, log: MemoryLog, candles: pl.DataFrame
) -> None:
    store.candles.upsert(candles)
    listed(store, HONG_KONG, UTC_GRID)
    subscribed(store, CONDITIONS[:2])
    await advance(Runtime(store, log, ReplayClock(START + DAY)), "1d", START + DAY)
    assert store.ticks.watermarks("1d") == {CONDITIONS[0].group: START + DAY}
    (reason,) = [why.reason for name, why in store.registry.unjudged().items() if name == CONDITIONS[1].id]
    assert "where no slot of 1d begins on the grid 'UTC'" in reason


def test_gaps_are_slots_without_a_candle(store: FileStore) -> None:
    """A day of 25 hours and a night between sessions are none."""
    zones = {"A": "EET", "B": "America/New_York, session 09:30-16:00", "C": "UTC"}
    autumn = to_ms(datetime(2024, 10, 27, tzinfo=UTC))
    for symbol, text in zones.items():
        series, grid = series_of("BINANCE", symbol, "1h"), Grid.parse(text)
        listed(store, series, grid)
        frames = [on_grid(each, grid, autumn - 7 * DAY, autumn + 7 * DAY) for each in (series, series.at("1d"))]
        store.candles.upsert(pl.concat(frames))
    assert store.candles.gaps().is_empty()
    hours, lacking = series_of("BINANCE", "D", "1h"), Grid.parse(zones["B"])
    listed(store, hours, lacking)
    bars = on_grid(hours, lacking, autumn - 2 * DAY, autumn)
    store.candles.upsert(bars.filter(~pl.int_range(pl.len()).is_in([6, 7, 8])))
    (gap,) = store.candles.gaps(hours).select("first_open_time", "last_open_time", "slots").rows()
    opens = bars["open_time"]
    assert gap == (opens[6], opens[8], 3), "the last half hour of a day, and the first two of the next"
