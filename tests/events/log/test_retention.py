"""The log drops old events, but none that a live consumer still has to read; dropped ones are in the store."""

from common.clock import ReplayClock
from events.consuming.group import GroupReader, forget
from events.log.keeper import LogKeeper, keeping, read_log
from events.log.publisher import BATCH, drain
from events.log.redis_log import STREAM
from events.log.retention import retention_floor, trim
from events.metrics import GROUP_LAG
from tests.events.firing import Firing
from tests.events.servers import FaultyServer
from tests.registry.store.ticks import HOUR
from tests.waiting import wait_for


def fire_by_the_hour(firing: Firing, clock: ReplayClock, hours: int, each: int) -> None:
    for _ in range(hours):
        clock.move_to(clock.now_ms() + HOUR)
        firing.fire(each)


def first_seq(firing: Firing) -> int:
    return firing.log.read(0, 1)[0].seq


def test_the_floor_is_the_last_trigger_beyond_the_retention(firing: Firing, clock: ReplayClock) -> None:
    assert retention_floor(firing.store.triggers, HOUR) == 0
    fire_by_the_hour(firing, clock, 10, 7)
    assert retention_floor(firing.store.triggers, 3 * HOUR) == 6 * 7
    assert retention_floor(firing.store.triggers, 100 * HOUR) == 0
    firing.store.triggers.raise_floor(200)
    assert retention_floor(firing.store.triggers, 3 * HOUR) == 6 * 7


def test_old_events_go_and_what_a_living_group_has_not_read_stays(firing: Firing, clock: ReplayClock) -> None:
    fire_by_the_hour(firing, clock, 10, 1_000)
    drain(firing.store, firing.log)
    client = firing.log.client
    client.xgroup_create(STREAM, "slow", id="0")
    client.xreadgroup("slow", "me", {STREAM: ">"}, count=2_500)
    client.xack(STREAM, "slow", *[f"{seq}-0" for seq in range(1, 2_001)])
    trim(firing.store.triggers, firing.log, retention_ms=3 * HOUR)
    assert 1_800 < first_seq(firing) <= 2_001
    client.xgroup_destroy(STREAM, "slow")
    client.xgroup_create(STREAM, "left for good", id="0")
    trim(firing.store.triggers, firing.log, retention_ms=3 * HOUR)
    assert 5_800 < first_seq(firing) <= 6_001


def test_the_hard_cap_stops_for_nobody(firing: Firing, clock: ReplayClock) -> None:
    fire_by_the_hour(firing, clock, 5, 1_000)
    drain(firing.store, firing.log)
    firing.log.client.xgroup_create(STREAM, "slow", id="0")
    firing.log.client.xreadgroup("slow", "me", {STREAM: ">"}, count=10)
    assert trim(firing.store.triggers, firing.log, most=2_000) >= 2_900
    assert 2_000 <= firing.log.length() < 2_200


def test_a_wiped_log_begins_where_the_retention_does(firing: Firing, clock: ReplayClock) -> None:
    fire_by_the_hour(firing, clock, 10, BATCH // 4)
    assert drain(firing.store, firing.log, retention_ms=3 * HOUR) == 4 * BATCH // 4
    assert first_seq(firing) == 6 * BATCH // 4 + 1
    assert firing.log.last_seq() == firing.store.triggers.last_seq()


def test_the_keeper_publishes_what_nobody_did_and_notes_how_far_it_is(
    firing: Firing, clock: ReplayClock, server: FaultyServer
) -> None:
    firing.fire(8)
    with keeping(LogKeeper(firing.store, firing.log, clock)) as keeper:
        wait_for(lambda: firing.log.last_seq() == 8, "the first triggers to be published")
        wait_for(lambda: firing.store.delivery.log_readings(1), "a reading of the log")
        server.kill()
        firing.fire(4)
        wait_for(lambda: keeper.problem is not None, "the keeper to miss its server")
        server.start()
        wait_for(lambda: keeper.problem is None and firing.log.last_seq() == 12, "the other triggers to be published")
    (reading,) = firing.store.delivery.log_readings(5)
    assert (reading.published_seq, reading.events, reading.lags) == (8, 8, {})
    assert reading.bytes > 0


def test_the_keeper_leaves_triggers_to_their_publisher_for_one_look(firing: Firing, clock: ReplayClock) -> None:
    keeper = LogKeeper(firing.store, firing.log, clock)
    keeper.begin()
    firing.fire(3)
    keeper.look()
    assert firing.log.last_seq() == 0
    keeper.look()
    assert firing.log.last_seq() == 3


def test_a_reading_says_how_far_each_group_is(firing: Firing) -> None:
    firing.publish(10)
    firing.log.client.xgroup_create(STREAM, "g", id="7-0")
    reading = read_log(firing.store, firing.log, 5)
    assert (reading.read_ms, reading.lags) == (5, {"g": 3})
    firing.store.delivery.record_log(reading)
    assert firing.store.delivery.log_readings(1) == [reading]


def test_a_consumer_that_was_forgotten_is_not_measured_any_more(firing: Firing, clock: ReplayClock) -> None:
    def lags() -> dict[str, float]:
        (measured,) = GROUP_LAG.collect()
        return {sample.labels["group"]: sample.value for sample in measured.samples}

    keeper = LogKeeper(firing.store, firing.log, clock)
    for name in ("stays", "goes"):
        GroupReader(firing.log, name).synchronise(0)
    firing.publish(3)
    keeper.tidy()
    assert lags() == {"stays": 3, "goes": 3}
    assert forget(firing.log, "goes") == 0
    keeper.tidy()
    assert lags() == {"stays": 3}
