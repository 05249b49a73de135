"""Every event reaches each of its subscribers, in order, whatever happens to the log in between."""

import threading
from contextlib import suppress
from pathlib import Path

import pytest

from common.clock import ReplayClock
from common.errors import EventLogAhead, EventLogError, LedgerError
from events import metrics
from events.log.publisher import drain
from events.log.redis_log import STREAM
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.subscriptions import DeliveryPolicy
from tests.events.consuming.consuming import Bots, consuming, settle
from tests.events.firing import Firing, known_conditions, subscribe
from tests.events.servers import FaultyServer
from tests.registry.store.serving import TOKEN, serving
from tests.registry.store.ticks import HOUR
from tests.waiting import wait_for


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bots.ledger"


@pytest.fixture
def conditions(store: FileStore) -> list[str]:
    return known_conditions(store, 5)


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(0)


def pending(firing: Firing, group: str = "bots") -> int:
    return next(known.pending for known in firing.log.groups() if known.name == group)


def test_an_event_reaches_all_its_subscribers_and_nobody_else(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    first, second, third, *_ = conditions
    subscribe(firing.store, first, "a", "b")
    subscribe(firing.store, first, "a", user="bob")
    subscribe(firing.store, third, "c")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        firing.publish([first, second, third])
        settle(consumer)
        firing.publish([third])
        settle(consumer)
        assert bots.got == [(1, "a"), (1, "b"), (1, "a"), (3, "c"), (4, "c")]
        assert pending(firing) == 0
        assert consumer.seq == 4
        ids = [delivery.delivery_id for delivery in bots.deliveries]
        assert len(set(ids)) == 5
        assert ids[0] == f"{first}:{HOUR}:ann:a"


def test_names_with_colons_do_not_share_an_id(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "c", user="a:b")
    subscribe(firing.store, conditions[0], "b:c", user="a")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        firing.publish(conditions[:1])
        settle(consumer)
    assert len({delivery.delivery_id for delivery in bots.deliveries}) == 2


def test_who_subscribes_while_the_consumer_runs_is_served_from_then_on(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    first = conditions[0]
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        firing.publish([first])
        settle(consumer)
        subscribe(firing.store, first, "a", active_from_ms=HOUR)
        firing.publish([first])
        settle(consumer)
        firing.store.registry.set_paused("ann", "a", first, True, at_ms=2 * HOUR)
        firing.publish([first])
        settle(consumer)
        firing.store.registry.set_paused("ann", "a", first, False, at_ms=3 * HOUR)
        firing.publish([first])
        settle(consumer)
        firing.store.registry.unsubscribe("ann", "a", first, at_ms=4 * HOUR)
        firing.publish([first])
        settle(consumer)
    assert bots.seqs() == [2, 4]


def test_a_new_consumer_starts_now_and_an_old_one_where_it_was(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    firing.publish(conditions[:1])
    with consuming(firing.store, firing.log, path, bots, clock, start=None) as consumer:
        settle(consumer)
        firing.publish(conditions[:1])
        settle(consumer)
    firing.publish(conditions[:1])
    with consuming(firing.store, firing.log, path, bots, clock, start=None) as consumer:
        settle(consumer)
    assert bots.seqs() == [2, 3]


def test_policies_are_kept_over_restarts(firing: Firing, conditions: list[str], path: Path, clock: ReplayClock) -> None:
    first = conditions[0]
    subscribe(firing.store, first, "twice", policy=DeliveryPolicy(max_fires=2))
    subscribe(firing.store, first, "rarely", policy=DeliveryPolicy(cooldown_s=3 * 3600))
    subscribe(firing.store, first, "always")

    def skipped() -> float:
        labels = {"group": "bots", "reason": "spent"}
        return metrics.METRICS.get_sample_value("hub_deliveries_skipped_total", labels) or 0

    before = skipped()
    bots = Bots()
    for _ in range(6):
        with consuming(firing.store, firing.log, path, bots, clock) as consumer:
            firing.publish([first])
            settle(consumer)
    assert bots.seqs("twice") == [1, 2]
    assert bots.seqs("rarely") == [1, 4]
    assert bots.seqs("always") == [1, 2, 3, 4, 5, 6]
    assert skipped() == before + 4
    firing.store.registry.unsubscribe("ann", "twice", first, at_ms=6 * HOUR)
    clock.move_to(10 * HOUR)
    subscribe(firing.store, first, "twice", active_from_ms=6 * HOUR, policy=DeliveryPolicy(max_fires=2))
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        firing.publish([first])
        settle(consumer)
    assert bots.seqs("twice") == [1, 2, 7], "a new subscription counts anew"


def test_events_trimmed_away_from_a_consumer_that_was_down_come_from_the_store(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        firing.publish(conditions[:1])
        settle(consumer)
    for _ in range(30):
        firing.publish(conditions[:1])
    firing.log.client.xtrim(STREAM, minid="25-0", approximate=False)
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        settle(consumer)
        assert pending(firing) == 0
    assert bots.seqs() == list(range(1, 32))


def test_events_that_were_handed_out_and_trimmed_meanwhile_come_from_the_store(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    """A predecessor read 20, applied none, and died; the log forgot half of them."""
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        settle(consumer)
        for _ in range(20):
            firing.publish(conditions[:1])
        firing.log.client.xreadgroup("bots", "dead process", {STREAM: ">"})
    firing.log.client.xtrim(STREAM, minid="11-0", approximate=False)
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        settle(consumer)
        assert pending(firing) == 0
    assert bots.seqs() == list(range(1, 21))


def test_everything_trimmed_away_is_noticed_without_a_further_event(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        settle(consumer)
        for _ in range(5):
            firing.publish(conditions[:1])
        firing.log.client.xtrim(STREAM, maxlen=0, approximate=False)
        settle(consumer)
        assert bots.seqs() == [1, 2, 3, 4, 5]


def test_numbers_that_no_trigger_has_hold_nobody_up(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        firing.publish(conditions[:1])
        firing.store.triggers.raise_floor(50)
        firing.publish(conditions[:1])
        settle(consumer)
        assert bots.seqs() == [1, 51]
        assert consumer.seq == 51


def test_a_wiped_server_repeats_nothing_and_loses_nothing(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        for _ in range(3):
            firing.publish(conditions[:1])
        settle(consumer)
        firing.publish(conditions[:1])
        firing.log.client.flushall()
        settle(consumer)
        firing.publish(conditions[:1])
        settle(consumer)
        assert bots.seqs() == [1, 2, 3, 4, 5]
        assert pending(firing) == 0


def test_a_server_that_forgot_the_last_seconds_repeats_nothing(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock, server: FaultyServer
) -> None:
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        for _ in range(15):
            firing.publish(conditions[:1])
            settle(consumer)
        server.kill()
        server.cut(3_000)
        server.start()
        firing.log.client.connection_pool.disconnect()
        assert drain(firing.store, firing.log) > 0
        settle(consumer)
        firing.publish(conditions[:1])
        settle(consumer)
        assert bots.seqs() == list(range(1, 17))
        assert pending(firing) == 0


def test_a_server_that_is_away_is_done_without(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock, server: FaultyServer
) -> None:
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    stop = threading.Event()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        firing.publish(conditions[:1])
        settle(consumer)
        server.kill()
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()
        try:
            firing.fire(conditions[:1])
            wait_for(lambda: bots.seqs() == [1, 2], "the delivery of what only the store has")
            server.start()
            drain(firing.store, firing.log)
            firing.publish(conditions[:1])
            wait_for(lambda: bots.seqs() == [1, 2, 3], "the delivery of what the server has again")
        finally:
            stop.set()
            thread.join()


def test_a_ledger_belongs_to_one_consumer_of_one_hub(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock, tmp_path: Path
) -> None:
    with consuming(firing.store, firing.log, path, Bots(), clock):
        pass
    with (
        pytest.raises(LedgerError, match="'bots', not to 'others'"),
        consuming(firing.store, firing.log, path, Bots(), clock, name="others"),
    ):
        pass
    with (
        FileStore(tmp_path / "other") as other,
        pytest.raises(LedgerError, match="belongs to store"),
        consuming(other, firing.log, path, Bots(), clock),
    ):
        pass


def test_the_log_of_another_store_is_not_consumed(
    firing: Firing, path: Path, clock: ReplayClock, tmp_path: Path
) -> None:
    firing.publish(3)
    with (
        FileStore(tmp_path / "other") as other,
        consuming(other, firing.log, path, Bots(), clock) as consumer,
        pytest.raises(EventLogAhead),
    ):
        consumer.step()


def test_a_full_server_does_not_stop_deliveries_from_being_remembered(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        firing.publish(conditions[:1])
        settle(consumer)
        firing.publish(conditions[:1])
        firing.log.client.config_set("maxmemory", "1")
        for _ in range(3):
            with suppress(EventLogError):
                settle(consumer)
        firing.log.client.config_set("maxmemory", "0")
        firing.publish(conditions[:1])
        settle(consumer)
        assert bots.seqs() == [1, 2, 3]


def test_a_consumer_works_through_the_owner_of_the_store(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "a")
    bots = Bots()
    with (
        serving(firing.store) as url,
        open_store(url, token=TOKEN) as remote,
        consuming(remote, firing.log, path, bots, clock) as consumer,
    ):
        for _ in range(3):
            firing.publish(conditions[:1])
        firing.log.client.xtrim(STREAM, minid="3-0", approximate=False)
        settle(consumer)
        subscribe(firing.store, conditions[0], "b")
        firing.publish(conditions[:1])
        settle(consumer)
    assert bots.got == [(1, "a"), (2, "a"), (3, "a"), (4, "a"), (4, "b")]
