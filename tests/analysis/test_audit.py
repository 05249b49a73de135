"""An audit finds every wrong trigger and no right one, across rebases too."""

from datetime import UTC, datetime

import polars as pl
import pytest

import analysis
from analysis.audit import audit
from candles.rebasing import plan_rebase
from common.clock import ReplayClock
from common.errors import StaleTick, StoreError
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = datetime(2024, 8, 5, tzinfo=UTC)
DAY_MS = to_ms(DAY)
BTC, ETH = Series.parse("BINANCE:BTCUSDT 1h"), Series.parse("BINANCE:ETHUSDT 1h")
TEXTS = (
    "BTCUSDT 1h: every(rsi(14) < 35)",
    "BTCUSDT 1h: close crosses_below sma(20)",
    "BTCUSDT 1h: every(close / (close - close[1]) < 3 or macd.histogram < 0)",
    "ETHUSDT 1h: every(close < sma(5) and close@BTCUSDT < sma(3)@BTCUSDT@4h)",
    "ETHUSDT 1h: close <= lowest(20) within 2 bars",
)
CONDITIONS = [Condition.parse(text) for text in TEXTS]


def at(hour: int) -> int:
    return DAY_MS + hour * HOUR


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    return sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"])
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(datetime(2024, 7, 20, tzinfo=UTC), datetime(2024, 8, 7, tzinfo=UTC))
    ).sort("symbol", "open_time")


@pytest.fixture
async def judged(store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame) -> Runtime:
    """A store in which the day has been judged up to noon; one candle of BTC is missing."""
    gap = (pl.col("symbol") == "BTCUSDT") & (pl.col("open_time") == datetime(2024, 8, 5, 4, tzinfo=UTC))
    store.candles.upsert(hourly.filter(~gap))
    store.registry.register(CONDITIONS, active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    clock.move_to(at(12) + 10 * MINUTE)
    await advance(runtime, "1h", at(12))
    assert store.triggers.last_seq() > 20
    return runtime


def correction(
    hourly: pl.DataFrame, hours: tuple[int, ...], symbol: str = "BTCUSDT", factor: float = 1.04
) -> pl.DataFrame:
    """Candles of some hours of the day, with closes, highs and lows changed by a factor."""
    rows = hourly.filter(
        (pl.col("symbol") == symbol)
        & pl.col("open_time").is_in([datetime(2024, 8, 5, hour, tzinfo=UTC) for hour in hours])
    )
    return rows.with_columns(
        pl.col("close") * factor, pl.col("high") * max(factor, 1.0), pl.col("low") * min(factor, 1.0)
    )


def sql(store: FileStore, statement: str, *parameters: object) -> None:
    """Change what is recorded, which no part of the hub does."""
    with store._database.transaction() as transaction:
        transaction.execute(statement, parameters)


async def test_what_was_judged_is_right(judged: Runtime) -> None:
    audited = audit(judged.store)
    assert audited.differences == ()
    assert audited.revised == ()
    assert (audited.conditions, audited.groups) == (5, 3)
    assert audited.triggers == judged.store.triggers.last_seq()


async def test_a_lost_a_forged_and_a_changed_trigger_are_found(judged: Runtime, store: FileStore) -> None:
    rows = store.triggers.after(0, 1_000)
    lost, changed, valued = rows.row(3, named=True), rows.row(7, named=True), rows.row(9, named=True)
    sql(store, "DELETE FROM registry.condition_triggers WHERE trigger_id = ?", lost["trigger_id"])
    sql(store, "UPDATE registry.condition_triggers SET price = price + 1 WHERE trigger_id = ?", changed["trigger_id"])
    sql(
        store,
        """UPDATE registry.condition_triggers SET "values" = replace("values"::VARCHAR, '4', '5')
        WHERE trigger_id = ?""",
        valued["trigger_id"],
    )
    sql(
        store,
        "INSERT INTO registry.condition_triggers SELECT * REPLACE (close_time + INTERVAL 30 MINUTE AS close_time) "
        "FROM registry.condition_triggers WHERE trigger_id = ?",
        rows["trigger_id"][0],
    )
    assert {(difference.kind, difference.condition_id) for difference in audit(store).differences} == {
        ("missing", lost["condition_id"]),
        ("different", changed["condition_id"]),
        ("different", valued["condition_id"]),
        ("extra", rows["condition_id"][0]),
    }
    later = audit(store, since_ms=int(lost["close_time"].timestamp() * 1000)).differences
    assert ("different", valued["condition_id"]) in {(difference.kind, difference.condition_id) for difference in later}
    assert ("missing", lost["condition_id"]) not in {(difference.kind, difference.condition_id) for difference in later}


async def test_what_revisions_would_have_changed_is_information(
    judged: Runtime, store: FileStore, hourly: pl.DataFrame
) -> None:
    gap_filled = hourly.filter(pl.col("open_time") == datetime(2024, 8, 5, 4, tzinfo=UTC))
    assert store.candles.upsert(pl.concat([correction(hourly, (6, 7)), gap_filled])).revised == 3
    audited = audit(store)
    assert audited.differences == ()
    revised = hourly.join(correction(hourly, (6, 7)), on=["symbol", "open_time"], how="anti")
    corrected = pl.concat([revised, correction(hourly, (6, 7))])
    wanted = {
        (row[0], row[1])
        for row in analysis.scan(CONDITIONS, corrected)
        .with_columns(pl.col("close_time").dt.epoch("ms"))
        .filter(pl.col("close_time").is_between(DAY_MS + 1, at(12)))
        .select("condition_id", "close_time")
        .rows()
    }
    rows = store.triggers.after(0, 1_000)
    was = set(zip(rows["condition_id"], rows["close_time"].dt.epoch("ms"), strict=True))
    changes: dict[str, set[tuple[str, int]]] = {"missing": set(), "extra": set(), "different": set()}
    for difference in audited.revised:
        changes[difference.kind].add((difference.condition_id, difference.close_ms))
    assert changes["missing"] == wanted - was
    assert changes["extra"] == was - wanted
    assert wanted != was


def test_revisions_are_listed(store: FileStore, judged: Runtime, hourly: pl.DataFrame, clock: ReplayClock) -> None:
    store.candles.upsert(correction(hourly, (4, 6)))
    clock.move_to(clock.now_ms() + HOUR)
    store.candles.upsert(correction(hourly, (6,), factor=1.05))
    listed = store.candles.revisions(BTC)
    assert listed["open_time"].dt.hour().to_list() == [4, 6, 6]
    assert listed["pending"].to_list() == [True, False, True], "the newest version of each slot"
    assert listed["judged_close"].is_null().to_list() == [True, False, False], "04:00 was judged as missing"
    assert store.candles.revisions(ETH).is_empty()
    clock.move_to(clock.now_ms() + HOUR)
    assert store.candles.upsert(hourly.filter(pl.col("open_time") == datetime(2024, 8, 5, 6, tzinfo=UTC))).revised == 1
    assert store.candles.revisions(BTC)["pending"].to_list() == [True, False, False, False], "taken back by its source"


async def test_a_rebase_judges_the_corrected_candles_from_then_on(
    judged: Runtime, store: FileStore, hourly: pl.DataFrame, clock: ReplayClock, log: MemoryLog
) -> None:
    """Old triggers stay, later ones are those of the corrected history, and both stay right for an audit."""
    store.candles.upsert(correction(hourly, (4, 6, 7, 9)))
    older = hourly.filter(pl.col("symbol") == "BTCUSDT").with_columns(pl.col("open_time") - pl.duration(days=18))
    store.candles.upsert(older.filter(pl.col("open_time") < datetime(2024, 7, 20, tzinfo=UTC)))
    before = store.triggers.after(0, 1_000)
    plan = plan_rebase(store, BTC)
    assert plan.anchors[BTC] == to_ms(datetime(2024, 7, 2, tzinfo=UTC)), "the first candle that there is"
    assert set(plan.anchors) == {BTC, "BINANCE:BTCUSDT 4h"}, "all that is made of the same candles"
    assert store.rebase(plan) == 4
    assert store.triggers.after(0, 1_000).equals(before)
    assert not store.candles.revisions(BTC)["pending"].any()
    clock.move_to(at(24))
    await advance(judged, "1h", at(24))
    assert audit(store).differences == ()
    assert audit(store).revised == ()
    corrected = pl.concat(
        [
            older.filter(pl.col("open_time") < datetime(2024, 7, 20, tzinfo=UTC)),
            hourly.join(correction(hourly, (4, 6, 7, 9)), on=["symbol", "open_time"], how="anti"),
            correction(hourly, (4, 6, 7, 9)),
        ]
    )
    rows = store.triggers.after(0, 1_000).filter(pl.col("close_time").dt.epoch("ms") > at(12))
    wanted = analysis.scan(CONDITIONS, corrected).filter(
        pl.col("close_time").dt.epoch("ms").is_between(at(12) + 1, at(24))
    )
    recorded = rows.select("condition_id", "close_time", "price", "settled").sort("close_time", "condition_id")
    assert recorded.equals(wanted.select("condition_id", "close_time", "price", "settled"))
    assert recorded.height > 10


@pytest.mark.parametrize("close_after", [False, True], ids=["saved before", "saved before and after"])
async def test_a_checkpoint_from_before_a_rebase_does_not_serve(
    judged: Runtime, store: FileStore, hourly: pl.DataFrame, clock: ReplayClock, close_after: bool
) -> None:
    """The anchor has the same time as before; what was computed from it has other values."""
    judged.prepare("1h").save_checkpoint(store)
    clock.move_to(at(18))
    await advance(judged, "1h", at(18))
    store.candles.upsert(correction(hourly, (6, 7, 9)))
    plan = plan_rebase(store, BTC)
    assert plan.anchors[BTC] == store.ticks.anchors()[BTC]
    store.rebase(plan)
    if close_after:
        judged.live["1h", None].ticks_since_checkpoint = 1
        judged.close()
    assert store.cache.of([BTC]).is_empty()
    for hour in (21, 24):
        clock.move_to(at(hour))
        await advance(Runtime(store, judged.log, clock), "1h", at(hour))
    assert audit(store).differences == ()
    eth = [name for name in store.cache.of([BTC, ETH])["series"].unique() if name == ETH]
    assert eth == [ETH], "others keep theirs"


async def test_rebases_one_after_another_stay_auditable(
    judged: Runtime,
    store: FileStore,
    hourly: pl.DataFrame,
    clock: ReplayClock,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    for number, (hour, symbol) in enumerate([(14, "BTCUSDT"), (16, "ETHUSDT"), (18, "BTCUSDT"), (20, "BTCUSDT")]):
        store.candles.upsert(correction(hourly, (3, 6, hour - 4), symbol, 1.02 + number / 100))
        assert audit(store).differences == ()
        store.rebase(plan_rebase(store, Series.parse(f"BINANCE:{symbol} 1h")))
        clock.move_to(at(hour))
        await advance(judged if number % 2 else Runtime(store, judged.log, clock), "1h", at(hour))
        assert audit(store).differences == ()
    history = store.ticks.anchor_history()
    assert len(history) == 3 + 2 + 1 + 2 + 2
    assert all(anchor.created_ms is not None for anchor in history)


async def test_a_tick_from_before_a_rebase_is_refused(judged: Runtime, store: FileStore, clock: ReplayClock) -> None:
    live = judged.prepare("1h")
    store.rebase(plan_rebase(store, BTC))
    assert not judged._is_valid(live)
    from registry.store.parts.ticks import TickRecord, WatermarkMove
    from tests.registry.store.test_candles import NO_METRICS, NO_TRIGGERS

    stale = TickRecord(
        "1h",
        at(13),
        False,
        (WatermarkMove(Group.parse("BINANCE:ETHUSDT 1h"), at(12), at(13)),),
        NO_TRIGGERS,
        (),
        {},
        NO_METRICS,
    )
    with pytest.raises(StaleTick, match="before rebase 1"):
        store.ticks.record_tick(stale)


async def test_a_rebase_is_there_after_opening_again(
    judged: Runtime, store: FileStore, hourly: pl.DataFrame, clock: ReplayClock
) -> None:
    store.candles.upsert(correction(hourly, (6,)))
    store.rebase(plan_rebase(store, BTC))
    folder = store._database.folder
    anchors, protected = store.ticks.anchors(), store.ticks.judged()
    store.close()
    with FileStore(folder, clock=clock) as again:
        assert again.ticks.last_rebase() == 1
        assert again.ticks.anchors() == anchors
        assert set(again.ticks.judged()) == set(protected)
        assert audit(again).differences == ()


async def test_an_end_between_the_two_files_loses_nothing(
    judged: Runtime, store: FileStore, hourly: pl.DataFrame, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.candles.upsert(correction(hourly, (6,)))

    def full(*_: object) -> int:
        raise StoreError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(store.candles, "take_revisions", full)
        with pytest.raises(StoreError, match="no space"):
            store.rebase(plan_rebase(store, BTC))
    assert store.candles.revisions(BTC)["pending"].to_list() == [True]
    clock.move_to(at(13))
    await advance(judged, "1h", at(13))
    assert audit(store).differences == ()
    assert store.rebase(plan_rebase(store, BTC)) == 1
    assert audit(store).differences == ()


async def test_a_rebase_decides_anew_what_a_series_is_made_of(
    store: FileStore, log: MemoryLog, clock: ReplayClock, sample: pl.DataFrame, hourly: pl.DataFrame
) -> None:
    five = sample.filter(
        (pl.col("symbol") == "BTCUSDT")
        & (pl.col("timeframe") == "5m")
        & pl.col("open_time").is_between(datetime(2024, 8, 1, tzinfo=UTC), datetime(2024, 8, 6, tzinfo=UTC))
    )
    store.candles.upsert(five)
    store.registry.register(CONDITIONS[:2], active_from_ms=DAY_MS)
    runtime = Runtime(store, log, clock)
    clock.move_to(at(12))
    await advance(runtime, "1h", at(12))
    store.candles.upsert(hourly)
    wrong = five.with_columns(pl.col("low") * 0.5, pl.col("close") * 0.5)
    plan = plan_rebase(store, BTC)
    assert (plan.stored, plan.built_from) == (BTC, {})
    store.rebase(plan)
    judged_before = pl.col("open_time").dt.epoch("ms") < at(12)
    counts = store.candles.upsert(wrong.filter(judged_before))
    assert counts.replaced == 0, "an audit still needs them as they were"
    clock.move_to(at(20))
    await advance(runtime, "1h", at(20))
    assert store.ticks.built_from() == {}
    assert audit(store).differences == ()


async def test_what_is_not_judged_needs_no_rebase(judged: Runtime, store: FileStore) -> None:
    with pytest.raises(StoreError, match="BINANCE:BTCUSDT 1h"):
        plan_rebase(store, Series.parse("BINANCE:SOLUSDT 1h"))
