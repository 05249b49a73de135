"""A worker's shards: leased, warm, given back with a checkpoint, and judged from candles that others bring."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import StoreError
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from flows.shard_keeper import ShardKeeper
from flows.sharding import lay_out, shard_at, shards_of
from flows.ticking import run_tick
from registry.conditions import Condition
from registry.groups import Group
from registry.shards import BUCKETS, ShardLayout, bucket_of
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.protocol import SharedStore, Store
from tests.events.log.memory_log import MemoryLog
from tests.postgres_server import PostgresServer, postgres_server

HOUR, MINUTE = 3_600_000, 60_000
DAY_MS = to_ms(datetime(2024, 8, 5, tzinfo=UTC))
LONG = 60_000
CONDITIONS = [Condition.parse(f"{symbol} 1h: every(close > sma(20))") for symbol in ("BTCUSDT", "ETHUSDT")]
BTC, ETH = Group.parse("BINANCE:BTCUSDT 1h"), Group.parse("BINANCE:ETHUSDT 1h")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    opens = pl.col("open_time").dt.epoch("ms")
    return sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"])
        & (pl.col("timeframe") == "1h")
        & opens.is_between(DAY_MS - 200 * HOUR, DAY_MS + 24 * HOUR)
    )


def fill(store: Store, candles: pl.DataFrame) -> None:
    store.candles.upsert(candles)
    store.registry.register(CONDITIONS, active_from_ms=DAY_MS)


@pytest.fixture
def shared(postgres: PostgresServer, tmp_path: Path, clock: ReplayClock, hourly: pl.DataFrame) -> Iterator[Runtime]:
    """A worker on a store in Postgres, with Bitcoin in shard 0 and Ether in shard 1."""
    with open_store(postgres.url_of(tmp_path), clock=clock) as store:
        fill(store, hourly)
        assert isinstance(store, SharedStore)
        store.shards.lay_out(layout(1, DAY_MS, btc=0, eth=1))
        yield Runtime(store, MemoryLog(store.identity()), clock)
    postgres.drop_databases()


def layout(number: int, from_ms: int, *, btc: int, eth: int, shards: int = 2) -> ShardLayout:
    shard_of = [0] * BUCKETS
    shard_of[bucket_of(BTC.base)], shard_of[bucket_of(ETH.base)] = btc, eth
    return ShardLayout(number, from_ms, shards, tuple(shard_of))


def renewed(keeper: ShardKeeper) -> tuple[set[int], set[int]]:
    """The shards that came with a renewal, and those of them that a dead worker had."""
    came, taken_over = keeper.renew()
    return set(came), set(taken_over)


async def judge(runtime: Runtime, shard: int, hour: int) -> set[Group]:
    """Run one tick of a shard; the groups that are judged up to it afterwards."""
    close_ms = DAY_MS + hour * HOUR
    await advance(runtime, "1h", close_ms, shard=shard_at(runtime.store, shard, close_ms))
    return {group for group, mark in runtime.store.ticks.watermarks("1h").items() if mark == close_ms}


async def test_a_shard_is_what_the_layout_of_the_tick_says(shared: Runtime) -> None:
    assert isinstance(shared.store, SharedStore)
    shared.store.shards.lay_out(layout(2, DAY_MS + 3 * HOUR, btc=1, eth=1))
    assert await judge(shared, 0, 1) == {BTC}
    assert await judge(shared, 1, 1) == {BTC, ETH}
    assert await judge(shared, 1, 2) == {ETH}
    # Nobody judged Bitcoin's second hour before it moved.
    assert await judge(shared, 1, 3) == {BTC, ETH}
    assert await judge(shared, 0, 4) == set()
    closes = shared.store.triggers.after(0, 1_000).group_by("condition_id").agg(pl.col("close_time"))
    assert all(each.is_unique().all() for each in closes["close_time"])
    assert await judge(shared, 7, 4) == set(), "a shard that there is no more has nothing"


async def test_a_shard_that_moves_leaves_a_checkpoint(shared: Runtime) -> None:
    assert isinstance(shared.store, SharedStore)
    await judge(shared, 0, 1)
    assert shared.store.cache.of([BTC.base]).is_empty()
    shared.store.shards.lay_out(layout(2, DAY_MS + 2 * HOUR, btc=1, eth=1))
    await judge(shared, 0, 2)
    assert not shared.store.cache.of([BTC.base]).is_empty()


async def test_what_is_given_back_is_not_kept_warm(shared: Runtime, postgres: PostgresServer, tmp_path: Path) -> None:
    with ShardKeeper(shared, lasting_ms=LONG) as keeper:
        assert renewed(keeper) == ({0, 1}, set())
        assert renewed(keeper) == (set(), set())
        await judge(shared, 0, 1)
        await judge(shared, 1, 1)
        with (
            open_store(postgres.url_of(tmp_path), clock=shared.clock) as store,
            ShardKeeper(Runtime(store, shared.log, shared.clock), lasting_ms=LONG) as other,
        ):
            assert renewed(other) == (set(), set())
            assert renewed(keeper) == (set(), set())
            assert keeper.shards == {0}
            assert set(shared.live) == {("1h", 0)}
            assert renewed(other) == ({1}, set())
            assert not store.cache.of([ETH.base]).is_empty(), "the other one goes on from a checkpoint"
        assert renewed(keeper) == ({1}, set()), "given back at its end"
    assert not shared.live


def test_a_state_that_a_run_moves_is_saved_after_it(shared: Runtime) -> None:
    with ShardKeeper(shared, lasting_ms=LONG) as keeper:
        keeper.renew()
        asyncio.run(judge(shared, 1, 1))
        with shared.turn("1h", 1):
            assert isinstance(shared.store, SharedStore)
            shared.store.shards.lease("other", 2, LONG)
            keeper.renew()
            assert keeper.shards == {0}
            assert set(shared.live) == {("1h", 1)}, "the run goes on with it"
        keeper.renew()
        assert not shared.live


def test_a_store_that_is_away_costs_the_shards_when_their_leases_end(
    shared: Runtime, postgres: PostgresServer, tmp_path: Path
) -> None:
    now_s = 0.0
    keeper = ShardKeeper(shared, lasting_ms=LONG, monotonic_s=lambda: now_s)
    keeper.renew()
    postgres.stop()
    try:
        for passed_s, shards in ((LONG / 1000, {0, 1}), (LONG / 1000 + 1, set())):
            now_s = passed_s
            assert renewed(keeper) == (set(), set())
            assert keeper.shards == shards
        assert keeper.count() >= 0
    finally:
        postgres.start()


def test_shards_are_laid_out_by_their_work_and_left_alone_while_it_is_even(shared: Runtime) -> None:
    store, now_ms = shared.store, DAY_MS + 30_000
    assert lay_out(store, 2, now_ms) is None
    assert lay_out(store, None, now_ms) is None
    made = lay_out(store, 3, now_ms)
    assert made is not None
    assert (made.number, made.shards, made.from_ms) == (2, 3, DAY_MS + 2 * MINUTE)
    assert shards_of(store, now_ms) == 3, "the workers have all of them before the first tick"
    more = [Condition.parse(f"BTCUSDT 1h: close > {price}") for price in range(100)]
    store.registry.register(more, active_from_ms=DAY_MS)
    assert lay_out(store, None, now_ms + MINUTE) is None, "one instrument is not divided"


def test_files_have_no_shards(store: FileStore) -> None:
    assert shard_at(store, None, DAY_MS) is None
    assert shards_of(store, DAY_MS) == 0
    with pytest.raises(StoreError, match="hub store copy"):
        lay_out(store, 2, DAY_MS)
    with pytest.raises(StoreError, match="hub deploy --shards"):
        shard_at(store, 0, DAY_MS)


async def test_a_tick_waits_for_candles_that_another_process_brings(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    opens = pl.col("open_time").dt.epoch("ms")
    newest = hourly.filter(opens == DAY_MS)
    fill(store, hourly.filter(opens < DAY_MS))
    runtime = Runtime(store, log, clock, awaits_candles=True)
    run = asyncio.create_task(run_tick(runtime, "run", "1h", DAY_MS + HOUR))
    for symbol, groups in (("ETHUSDT", {ETH}), ("BTCUSDT", {BTC, ETH})):
        await asyncio.sleep(0.3)
        assert not run.done()
        store.candles.upsert(newest.filter(pl.col("symbol") == symbol))
        while {group for group, mark in store.ticks.watermarks("1h").items() if mark == DAY_MS + HOUR} != groups:
            await asyncio.sleep(0.01)
    done = await run
    assert (done.waiting, done.groups) == (set(), 2)


async def test_a_tick_does_not_wait_for_ever(
    store: FileStore, log: MemoryLog, clock: ReplayClock, hourly: pl.DataFrame
) -> None:
    fill(store, hourly.filter(pl.col("open_time").dt.epoch("ms") < DAY_MS))
    run = asyncio.create_task(run_tick(Runtime(store, log, clock, awaits_candles=True), "run", "1h", DAY_MS + HOUR))
    await asyncio.sleep(0.3)
    assert not run.done()
    clock.move_to(DAY_MS + HOUR + 6 * MINUTE)
    assert (await run).waiting == {BTC, ETH}
