"""A tick is recorded once and whole, from where the watermarks are, or not at all."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest

from common import failpoints
from common.clock import ReplayClock
from common.errors import StaleTick
from common.grids import Grid
from registry.instruments import Listing
from registry.store.parts.ticks import Rebase, RunRecord, TickRecord, UnitCosts
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt
from tests.registry.store.ticks import BTC, ETH, HOUR, tick
from tests.waiting import wait_for


def test_seq_is_contiguous_over_ticks(store: Store) -> None:
    assert store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=3)) == range(1, 4)
    assert store.ticks.record_tick(tick(2 * HOUR, (BTC, HOUR))) == range(4, 4)
    assert store.ticks.record_tick(tick(3 * HOUR, (BTC, 2 * HOUR), triggers=2)) == range(4, 6)
    assert store.triggers.after(0, 100)["seq"].to_list() == [1, 2, 3, 4, 5]
    assert store.triggers.after(3, 1)["seq"].to_list() == [4]


@pytest.mark.parametrize("start", [None, 0, 2 * HOUR])
def test_a_tick_from_elsewhere_writes_nothing(store: Store, start: int | None) -> None:
    store.ticks.record_tick(tick(HOUR, (BTC, None), (ETH, None), triggers=1))
    with pytest.raises(StaleTick, match="BTCUSDT 1h"):
        store.ticks.record_tick(tick(2 * HOUR, (ETH, HOUR), (BTC, start), triggers=4))
    assert store.ticks.watermarks("1h") == {BTC: HOUR, ETH: HOUR}
    assert store.triggers.last_seq() == 1
    assert store.ticks.ticks().height == 1


def candle(symbol: str, number: int, close: float) -> pl.DataFrame:
    """The candle of 1h with that number since 1970."""
    values = {"open": close, "high": close, "low": close, "close": close, "volume": 1.0}
    times = {"open_time": datetime.fromtimestamp(number * HOUR / 1000, UTC)}
    frame = pl.DataFrame({"exchange": "BINANCE", "symbol": symbol, "timeframe": "1h"} | times | values)
    return frame.with_columns(pl.col("open_time").cast(pl.Datetime("ms", "UTC")))


def test_a_tick_is_refused_if_its_candles_changed_while_it_was_judged(store: Store) -> None:
    store.candles.upsert(pl.concat([candle("BTCUSDT", number, 1.0) for number in range(3)]))
    first = replace(tick(2 * HOUR, (BTC, None), triggers=1), candles_read=store.candles.last_change())
    store.candles.upsert(candle("ETHUSDT", 1, 1.0))
    store.candles.upsert(candle("BTCUSDT", 2, 2.0))
    store.candles.upsert(candle("BTCUSDT", 1, 1.0))
    assert store.ticks.record_tick(first) == range(1, 2), "another series, a later candle, and the same once more"

    second = replace(tick(3 * HOUR, (BTC, 2 * HOUR), triggers=1), candles_read=store.candles.last_change())
    store.candles.upsert(candle("BTCUSDT", 2, 3.0))
    with pytest.raises(StaleTick, match="candles of BINANCE:BTCUSDT 1h changed"):
        store.ticks.record_tick(second)
    assert store.ticks.watermarks("1h") == {BTC: 2 * HOUR}
    again = replace(second, candles_read=store.candles.last_change(), token="again")
    assert store.ticks.record_tick(again) == range(2, 3)
    assert store.candles.upsert(candle("BTCUSDT", 2, 4.0)).revised == 1


def test_a_tick_from_before_the_owner_started_is_refused(open_files_at: OpenAt, tmp_path: Path) -> None:
    with open_files_at(tmp_path / "s") as store:
        store.candles.upsert(candle("BTCUSDT", 0, 1.0))
        record = replace(tick(HOUR, (BTC, None)), candles_read=store.candles.last_change())
    with open_files_at(tmp_path / "s") as store, pytest.raises(StaleTick):
        store.ticks.record_tick(record)


def test_the_same_tick_twice_is_recorded_once(store: Store) -> None:
    store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=2))
    with pytest.raises(StaleTick):
        store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=2))
    assert store.triggers.last_seq() == 2


def test_a_record_that_comes_again_gets_the_answer_that_was_lost(open_at: OpenAt, tmp_path: Path) -> None:
    first, second = tick(HOUR, (BTC, None), triggers=2), tick(2 * HOUR, (BTC, HOUR), triggers=1)
    with open_at(tmp_path / "s") as store:
        assert store.ticks.record_tick(first) == range(1, 3)
        assert store.ticks.record_tick(second) == range(3, 4)
        assert store.ticks.record_tick(first) == range(1, 3)
    with open_at(tmp_path / "s") as store:
        assert store.ticks.record_tick(second) == range(3, 4)
        assert store.ticks.ticks().height == 2
        assert store.triggers.last_seq() == 3


def test_the_same_tick_by_two_threads_is_recorded_once(store: Store, tmp_path: Path) -> None:
    """The second one comes when the first is on disk and memory does not know it yet."""
    pause, errors = tmp_path / "pause", list[StaleTick]()

    def record() -> None:
        try:
            store.ticks.record_tick(replace(tick(HOUR, (BTC, None), triggers=2), token=uuid4().hex))
        except StaleTick as stale:
            errors.append(stale)

    failpoints.arm(f"after_commit:1:pause={pause}")
    try:
        threads = [threading.Thread(target=record) for _ in range(2)]
        threads[0].start()
        wait_for(pause.exists, "the first thread to commit")
        threads[1].start()
        threads[1].join(0.5)
        pause.unlink()
        for thread in threads:
            thread.join(20)
    finally:
        failpoints.arm("")
    assert len(errors) == 1
    assert store.triggers.last_seq() == store.triggers.after(0, 100).height == 2
    assert store.ticks.ticks().height == 1


def test_a_failed_write_leaves_everything_as_it_was(store: Store) -> None:
    store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=1))
    broken = tick(2 * HOUR, (BTC, HOUR), triggers=1)
    unfit = TickRecord(**{**vars(broken), "triggers": broken.triggers.with_columns(pl.lit(None).alias("price"))})
    with pytest.raises(Exception, match=r"(?i)not.null"):
        store.ticks.record_tick(unfit)
    assert store.ticks.watermarks("1h") == {BTC: HOUR}
    assert store.ticks.record_tick(broken) == range(2, 3), "the same tick, whole, goes in afterwards"


def test_another_process_goes_on_where_the_last_one_was(open_at: OpenAt, tmp_path: Path) -> None:
    clock = ReplayClock(0)
    with open_at(tmp_path / "s", clock) as store:
        for number in range(1, 6):
            store.ticks.record_tick(tick(number * HOUR, (BTC, (number - 1) * HOUR if number > 1 else None), triggers=1))
        store.ticks.record_run(RunRecord("r", "1h", 5 * HOUR, 5, 5, 1, 2, 3))
        store.ticks.record_unit_costs(UnitCosts(10, 1.0, 2.0, 3.0))
    with open_at(tmp_path / "s", clock) as store:
        assert store.ticks.watermarks("1h") == {BTC: 5 * HOUR}
        assert store.ticks.anchors() == {BTC.base: 0}
        assert store.ticks.unit_costs() == UnitCosts(10, 1.0, 2.0, 3.0)
        assert store.ticks.runs()["ticks"].to_list() == [5]
        assert store.ticks.record_tick(tick(6 * HOUR, (BTC, 5 * HOUR), triggers=1)) == range(6, 7)


def test_the_newest_runs_of_a_timeframe_are_read_alone(store: Store, clock: ReplayClock) -> None:
    begin = clock.now_ms()
    for number in range(1, 5):
        clock.move_to(begin + number * HOUR)
        store.ticks.record_run(RunRecord(f"run {number}", "1h" if number < 4 else "5m", number * HOUR, 1, 0, 1, 2, 3))
    assert store.ticks.runs(2)["run_id"].to_list() == ["run 3", "run 4"]
    assert store.ticks.runs(2, timeframe="1h")["run_id"].to_list() == ["run 2", "run 3"]
    assert store.ticks.runs(timeframe="1h", since_ms=begin + 3 * HOUR)["run_id"].to_list() == ["run 3"]
    assert store.ticks.runs(timeframe="1d").is_empty()


def test_the_grid_of_a_series_comes_with_its_anchor(store: Store) -> None:
    """Only the grids that are not UTC's are told, and a tick of another grid is refused."""
    grid = Grid.parse("America/New_York, day 17:00, week sun, 3d 2")
    first = replace(tick(HOUR, (BTC, None), (ETH, None)), grids={BTC.base: grid})
    store.ticks.record_tick(first)
    assert store.ticks.grids() == {BTC.base: grid}
    assert {anchor.series: anchor.grid for anchor in store.ticks.anchor_history()} == {BTC.base: grid, ETH.base: Grid()}
    for grids in ({}, {BTC.base: Grid.parse("EET")}):
        other = replace(tick(2 * HOUR, (BTC, HOUR)), anchors={BTC.base: 0}, grids=grids)
        with pytest.raises(StaleTick, match="load the anchors again"):
            store.ticks.record_tick(other)
    again = replace(tick(2 * HOUR, (BTC, HOUR)), anchors={BTC.base: 0}, grids={BTC.base: grid})
    store.ticks.record_tick(again)
    store.rebase(Rebase(BTC.base, BTC.base, {BTC.base: HOUR}, {}, {}))
    assert store.ticks.grids() == {}, "a rebase brings the grid of its own"


def test_grids_of_listings(store: Store) -> None:
    grid = Grid.parse("EET, week sun")
    instruments = [BTC.base.instrument, ETH.base.instrument]
    store.candles.list_instruments([Listing(instruments[0], grid=grid), Listing(instruments[1])])
    assert store.candles.grids() == {str(instruments[0]): grid}
