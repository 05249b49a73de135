"""Two stores open on one database, as two processes have them: each sees at once what the other has committed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import StaleTick, StoreLocked, StoreUnreachable
from registry.conditions import Condition
from registry.store import open_store
from registry.store.parts.accounts import ApiKey
from registry.store.parts.registry import SubscriptionRequest
from registry.store.postgres.database import ChangedTables
from registry.store.postgres.pg_store import PgStore
from registry.store.protocol import SharedStore, Store
from tests.postgres_server import PostgresServer
from tests.registry.store.ticks import BTC, ETH, HOUR, tick

Answer = TypeVar("Answer")
RSI = Condition.parse("BINANCE:BTCUSDT 1h: rsi(14) < 30")
ABOVE = Condition.parse("BINANCE:BTCUSDT 1h: close > 1")


@pytest.fixture
def url(postgres: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    yield postgres.url_of(tmp_path)
    postgres.drop_databases()


@pytest.fixture
def two(url: str, clock: ReplayClock) -> Iterator[tuple[Store, Store]]:
    """Two stores on one empty database."""
    with open_store(url, clock=clock) as one, open_store(url, clock=clock) as other:
        yield one, other


def listed(store: Store, sample: pl.DataFrame) -> None:
    store.candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(10))


def test_what_one_registers_the_other_has(two: tuple[Store, Store], sample: pl.DataFrame) -> None:
    one, other = two
    listed(one, sample)
    assert other.candles.names() == one.candles.names()
    version = other.registry.version()
    one.registry.register([RSI], active_from_ms=0)
    assert other.registry.condition(RSI.id) == one.registry.condition(RSI.id)
    assert not other.registry.register([RSI], active_from_ms=0)[0].created
    request = SubscriptionRequest("ann", "bot", RSI.id, "dca", {"size": 1})
    made = other.registry.subscribe([request], active_from_ms=0)[0].subscription
    assert one.registry.subscription("ann", "bot", RSI.id) == made
    assert one.registry.bot_config("ann", "bot", RSI.id) == {"size": 1}
    assert one.registry.version() == other.registry.version() > version
    changes = one.registry.changes_after(version, "1h")
    assert [condition.condition_id for condition in changes.conditions] == [RSI.id]
    one.registry.set_paused("ann", "bot", RSI.id, True, at_ms=0)
    paused = other.registry.subscription("ann", "bot", RSI.id)
    assert paused is not None
    assert paused.state == "paused"
    assert paused.config_bytes == made.config_bytes
    other.registry.unsubscribe("ann", "bot", RSI.id, at_ms=5)
    assert one.registry.subscriptions_of("ann") == []
    assert one.registry.activity_of(RSI.id) == other.registry.activity_of(RSI.id)


def test_a_thread_waits_while_another_takes_up_what_was_committed(
    two: tuple[Store, Store], sample: pl.DataFrame
) -> None:
    one, other = two
    assert isinstance(other, PgStore)
    listed(one, sample)
    other.take_up()
    one.registry.register([RSI], active_from_ms=0)
    follow, is_under_way, may_go_on = other._database.follow, threading.Event(), threading.Event()

    def slow(changed: ChangedTables) -> None:
        is_under_way.set()
        may_go_on.wait()
        follow(changed)

    other._database.follow = slow
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(other.registry.condition(RSI.id))) for _ in range(2)]
    threads[0].start()
    assert is_under_way.wait(30)
    threads[1].start()
    # One that did not wait would have answered by then.
    threads[1].join(0.5)
    may_go_on.set()
    for thread in threads:
        thread.join()
    assert seen == [one.registry.condition(RSI.id)] * 2


def test_who_has_taken_up_what_there_is_need_not_ask_again(two: tuple[Store, Store], sample: pl.DataFrame) -> None:
    one, other = two
    assert isinstance(other, SharedStore)
    listed(one, sample)
    one.registry.register([RSI], active_from_ms=0)
    other.take_up()
    with other.taken_up():
        assert other.registry.condition(RSI.id) is not None
        one.registry.register([ABOVE], active_from_ms=0)
        assert other.registry.condition(ABOVE.id) is None
        request = SubscriptionRequest("ann", "bot", ABOVE.id, "dca", {})
        assert other.registry.subscribe([request], active_from_ms=0)[0].created, "a write is always up to date"
    assert other.registry.condition(ABOVE.id) is not None


def test_of_two_ticks_one_is_recorded(two: tuple[Store, Store]) -> None:
    one, other = two
    first = one.ticks.record_tick(tick(HOUR, (BTC, None), triggers=3))
    with pytest.raises(StaleTick):
        other.ticks.record_tick(tick(HOUR, (BTC, None), triggers=3))
    second = other.ticks.record_tick(tick(2 * HOUR, (ETH, None), triggers=2))
    assert (first, second) == (range(1, 4), range(4, 6))
    assert one.ticks.watermark(ETH) == 2 * HOUR
    assert one.triggers.last_seq() == 5
    assert one.triggers.after(0, 10).equals(other.triggers.after(0, 10))
    assert one.triggers.condition_state(f"{0:032x}") == other.triggers.condition_state(f"{0:032x}")
    assert one.ticks.totals().equals(other.ticks.totals())
    third = tick(3 * HOUR, (BTC, HOUR), triggers=1)
    assert one.ticks.record_tick(third) == other.ticks.record_tick(third) == range(6, 7), "a lost answer, sent again"


def test_racing_ticks_have_one_winner_and_numbers_without_gaps(two: tuple[Store, Store]) -> None:
    steps = 30
    won: list[range] = []
    both = threading.Barrier(2)
    losers: list[StaleTick] = []

    def race(store: Store) -> None:
        for step in range(1, steps + 1):
            both.wait()
            before = (step - 1) * HOUR or None
            try:
                won.append(store.ticks.record_tick(tick(step * HOUR, (BTC, before), (ETH, before), triggers=5)))
            except StaleTick as error:
                losers.append(error)

    threads = [threading.Thread(target=race, args=(store,)) for store in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(losers) == steps, "one winner a step"
    assert sorted(seq for each in won for seq in each) == list(range(1, 5 * steps + 1))
    assert two[0].triggers.after(0, 1_000)["seq"].to_list() == list(range(1, 5 * steps + 1))


def test_a_tick_sees_candles_that_another_process_replaced(two: tuple[Store, Store], sample: pl.DataFrame) -> None:
    one, other = two
    candles = sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).sort("open_time").head(5)
    one.candles.upsert(candles)
    read = other.candles.last_change()
    extent = other.candles.extent("1h")
    one.candles.upsert(candles.with_columns(pl.col("volume") + 1))
    assert other.candles.last_change() > read
    assert other.candles.extent("1h") == extent
    close_ms = int(candles["open_time"].dt.epoch("ms")[-1]) + HOUR
    with pytest.raises(StaleTick, match="candles"):
        other.ticks.record_tick(replace(tick(close_ms, (BTC, None)), candles_read=read))
    other.ticks.record_tick(replace(tick(close_ms, (BTC, None)), candles_read=other.candles.last_change()))
    assert one.candles.upsert(candles.with_columns(pl.col("volume") + 2)).revised == 5, "judged by the other process"


def test_keys_webhooks_and_failures_are_seen(two: tuple[Store, Store]) -> None:
    one, other = two
    key = ApiKey("k1", "ann", "user", "", "00", 1, None)
    one.accounts.add_key(key)
    assert other.accounts.key("k1") == key
    assert other.accounts.revoke_key("k1", at_ms=2)
    assert not one.accounts.revoke_key("k1", at_ms=3)
    one.accounts.forget_user("ann")
    assert other.accounts.key("k1") is None
    other.delivery.move_cursor("webhooks", 7)
    assert one.delivery.cursors() == {"webhooks": 7}


def test_a_cut_connection_loses_nothing_that_was_acknowledged(
    two: tuple[Store, Store], postgres: PostgresServer, url: str
) -> None:
    one, other = two
    one.ticks.record_tick(tick(HOUR, (BTC, None), triggers=3))
    postgres.cut_connections(url)
    record = tick(2 * HOUR, (BTC, HOUR), triggers=2)
    assert again(lambda: one.ticks.record_tick(record)) == range(4, 6)
    assert again(lambda: other.triggers.after(0, 100))["seq"].to_list() == list(range(1, 6))
    assert again(lambda: other.ticks.watermark(BTC)) == 2 * HOUR


def test_what_is_done_once_for_all_is_not_done_by_a_second_process(two: tuple[Store, Store]) -> None:
    one, other = two
    assert isinstance(one, SharedStore)
    assert isinstance(other, SharedStore)
    with one.sole("webhooks"):
        with other.sole("bots"):
            pass
        with pytest.raises(StoreLocked, match=r"posts to webhooks of this store; .*--without webhooks"):
            other.sole("webhooks").__enter__()
    with other.sole("webhooks"):
        pass


def test_whoever_does_it_takes_it_again_after_a_lost_connection_unless_another_one_was_faster(
    two: tuple[Store, Store], postgres: PostgresServer, url: str
) -> None:
    one, other = two
    assert isinstance(one, SharedStore)
    assert isinstance(other, SharedStore)
    with one.sole("bots") as keep:
        keep()
        postgres.cut_connections(url)
        again(keep)
        with pytest.raises(StoreLocked):
            other.sole("bots").__enter__()
        postgres.cut_connections(url)
        taken = other.sole("bots")
        again(taken.__enter__)
        for _ in range(2):
            with pytest.raises(StoreLocked, match="another service runs the bots"):
                again(keep)
        taken.__exit__(None, None, None)
        again(keep)
        with pytest.raises(StoreLocked):
            other.sole("bots").__enter__()


def again(call: Callable[[], Answer]) -> Answer:
    """The answer of a call that is repeated while connections turn out to be cut."""
    for _ in range(20):
        with suppress(StoreUnreachable):
            return call()
    raise AssertionError("it never answers")
