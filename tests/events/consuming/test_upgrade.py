"""A consumer goes on across an upgrade that gives conditions other ids: nothing comes twice, nothing is left out."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from common.clock import ReplayClock
from events.log.redis_log import RedisEventLog
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from registry.subscriptions import DeliveryPolicy
from tests.events.consuming.consuming import Bots, consuming, settle
from tests.events.firing import Firing, known_conditions, subscribe
from tests.events.servers import FaultyServer
from tests.registry.store.files.yesterday import formulas, write_as

FIRST, SECOND = "BTCUSDT 1h: rsi(14) < 30", "BTCUSDT 1h: rsi(14) < 40"


class Yesterday:
    """A store and its log, before an upgrade and after it."""

    def __init__(self, folder: Path, log: RedisEventLog) -> None:
        self.folder = folder / "store"
        self.path = folder / "bots.ledger"
        self.clock = ReplayClock(0)
        self._log = log
        self._ticks = 0

    @contextmanager
    def open(self) -> Iterator[Firing]:
        """Open the store, and upgrade it if that has to be."""
        with FileStore(self.folder, clock=self.clock) as store:
            store.announce_upgrades()
            firing = Firing(store, self._log)
            firing.ticks = self._ticks
            yield firing
            self._ticks = firing.ticks


@pytest.fixture
def yesterday(tmp_path: Path, server: FaultyServer) -> Iterator[Yesterday]:
    client = server.client()
    made = Yesterday(tmp_path, RedisEventLog(client))
    with made.open() as firing:
        known_conditions(firing.store, 1)
        firing.store.registry.register([Condition.parse(FIRST), Condition.parse(SECOND)], active_from_ms=0)
    yield made
    client.close()


def test_what_was_recorded_before_and_what_fires_afterwards_reach_the_same_bots(yesterday: Yesterday) -> None:
    old, bots = Condition.parse(FIRST).id, Bots()
    with yesterday.open() as firing:
        subscribe(firing.store, old, "a", "b")
        subscribe(firing.store, old, "late", active_from_ms=100 * 3_600_000)
        with consuming(firing.store, firing.log, yesterday.path, bots, yesterday.clock) as consumer:
            firing.publish([old])
            settle(consumer)
        firing.publish([old])
    with formulas(rsi=7), yesterday.open() as firing:
        new = Condition.parse(FIRST).id
        with consuming(firing.store, firing.log, yesterday.path, bots, yesterday.clock) as consumer:
            settle(consumer)
            firing.publish([new])
            settle(consumer)
    assert [(delivery.event.condition_id, delivery.subscription.bot_id) for delivery in bots.deliveries] == [
        (condition_id, bot) for condition_id in (old, old, new) for bot in ("a", "b")
    ]
    assert {delivery.subscription.condition_id for delivery in bots.deliveries[2:]} == {new}
    assert len({delivery.delivery_id for delivery in bots.deliveries}) == 6


def test_what_a_bot_has_had_counts_on(yesterday: Yesterday) -> None:
    old, bots = Condition.parse(FIRST).id, Bots()
    with yesterday.open() as firing:
        subscribe(firing.store, old, "twice", policy=DeliveryPolicy(max_fires=2))
        subscribe(firing.store, old, "slow", policy=DeliveryPolicy(cooldown_s=3 * 3600))
        with consuming(firing.store, firing.log, yesterday.path, bots, yesterday.clock) as consumer:
            firing.publish([old])
            settle(consumer)
    with formulas(rsi=7), yesterday.open() as firing:
        new = Condition.parse(FIRST).id
        for _ in range(2):
            with consuming(firing.store, firing.log, yesterday.path, bots, yesterday.clock) as consumer:
                firing.publish([new])
                firing.publish([new])
                settle(consumer)
    # Numbers 2 is the upgrade's.
    assert (bots.seqs("twice"), bots.seqs("slow")) == ([1, 3], [1, 5])


def test_where_two_become_one_the_past_of_what_was_asked_for_last_counts(yesterday: Yesterday) -> None:
    first, second, bots = Condition.parse(FIRST).id, Condition.parse(SECOND).id, Bots()
    once = DeliveryPolicy(max_fires=1)
    with yesterday.open() as firing:
        subscribe(firing.store, first, "a", policy=once)
        yesterday.clock.move_to(1)
        subscribe(firing.store, second, "a", policy=once)
        # A change of the earlier one does not make it the later one.
        firing.store.registry.set_paused("ann", "a", first, True, at_ms=0)
        firing.store.registry.set_paused("ann", "a", first, False, at_ms=0)
        with consuming(firing.store, firing.log, yesterday.path, bots, yesterday.clock) as consumer:
            firing.publish([second])
            settle(consumer)
    old = write_as(yesterday.folder, second, "BINANCE:BTCUSDT 1h: RSI(14) < 30.0")
    with closing(sqlite3.connect(yesterday.path)) as ledger, ledger:
        ledger.execute("UPDATE fired SET condition_id = ? WHERE condition_id = ?", [old, second])
    with (
        yesterday.open() as firing,
        consuming(firing.store, firing.log, yesterday.path, bots, yesterday.clock) as consumer,
    ):
        firing.publish([first])
        settle(consumer)
    assert bots.seqs() == [1]


def test_a_bot_is_not_greeted_again(yesterday: Yesterday) -> None:
    class AlwaysTrue:
        def now(self, condition_id: str) -> None:
            asked.append(condition_id)

    asked: list[str] = []
    old = Condition.parse(FIRST).id
    greets = DeliveryPolicy(fire_if_true=True)
    with yesterday.open() as firing:
        subscribe(firing.store, old, "before", policy=greets)
        with consuming(
            firing.store, firing.log, yesterday.path, Bots(), yesterday.clock, truths=AlwaysTrue()
        ) as consumer:
            settle(consumer)
            subscribe(firing.store, old, "after", policy=greets)
            settle(consumer)
    assert asked == [old], "only who came after the consumer began"
    with (
        formulas(rsi=7),
        yesterday.open() as firing,
        consuming(firing.store, firing.log, yesterday.path, Bots(), yesterday.clock, truths=AlwaysTrue()) as consumer,
    ):
        settle(consumer)
    assert asked == [old]


def test_deliveries_that_wait_are_delivered_and_later_ones_wait_behind_them(yesterday: Yesterday) -> None:
    old, bots = Condition.parse(FIRST).id, Bots(refuse=lambda delivery: delivery.event.seq == 1)
    with yesterday.open() as firing:
        subscribe(firing.store, old, "a")
        with consuming(
            firing.store, firing.log, yesterday.path, bots, yesterday.clock, retry_after_s=(60.0,) * 4
        ) as consumer:
            firing.publish([old])
            settle(consumer)
    with formulas(rsi=7), yesterday.open() as firing:
        new = Condition.parse(FIRST).id
        with consuming(
            firing.store, firing.log, yesterday.path, bots, yesterday.clock, retry_after_s=(60.0,) * 4
        ) as consumer:
            firing.publish([new])
            settle(consumer)
            assert bots.deliveries == []
            bots.refuse = lambda _: False
            yesterday.clock.move_to(200_000)
            settle(consumer)
    assert [delivery.event.condition_id for delivery in bots.deliveries] == [old, new]


def test_who_leaves_afterwards_gets_nothing_of_before_either(yesterday: Yesterday) -> None:
    old, bots = Condition.parse(FIRST).id, Bots()
    with yesterday.open() as firing:
        subscribe(firing.store, old, "a")
        firing.publish([old])
    with formulas(rsi=7), yesterday.open() as firing:
        new = Condition.parse(FIRST).id
        assert firing.store.registry.unsubscribe("ann", "a", new, at_ms=0)
        with consuming(firing.store, firing.log, yesterday.path, bots, yesterday.clock) as consumer:
            settle(consumer)
    assert bots.got == []
