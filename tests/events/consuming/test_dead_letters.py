"""A poisoned delivery costs its own bot five attempts and nobody else anything; dead letters can be retried."""

import multiprocessing
import signal
from pathlib import Path
from typing import Any

import pytest

from common.clock import ReplayClock
from events.consuming.dead_letters import DROP, RETRY, consumers_with_dead_letters, dead_letters, order
from events.consuming.delivery import Delivery
from events.log.payload import decode
from events.log.redis_log import RedisEventLog
from registry.store.files.file_store import FileStore
from registry.subscriptions import DeliveryPolicy
from tests.events.consuming.consumer_process import consume
from tests.events.consuming.consuming import Bots, consuming, settle
from tests.events.firing import Firing, known_conditions, subscribe
from tests.events.servers import FaultyServer
from tests.registry.store.ticks import HOUR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bots.ledger"


@pytest.fixture
def conditions(store: FileStore) -> list[str]:
    return known_conditions(store, 3)


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(0)


def is_poisoned(delivery: Delivery) -> bool:
    return delivery.subscription.bot_id == "bad" and delivery.event.seq % 5 == 0


def test_a_poisoned_handler_loses_exactly_its_own_deliveries(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    first, second, _ = conditions
    subscribe(firing.store, first, "bad", "good")
    subscribe(firing.store, second, "other")
    bots = Bots(is_poisoned)
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        for _ in range(10):
            firing.publish([first, second])
        settle(consumer)
        letters = [letter for _, letter in dead_letters(firing.log, "bots", 100)]
        assert [(decode(letter["event"].encode()).seq, letter["bot_id"]) for letter in letters] == [
            (5, "bad"),
            (15, "bad"),
        ]
        assert [letter["attempts"] for letter in letters] == ["5", "5"]
        assert bots.attempts.count(letters[0]["delivery_id"]) == 5
        assert bots.seqs("good") == list(range(1, 20, 2))
        assert bots.seqs("other") == list(range(2, 21, 2))
        assert bots.seqs("bad") == [seq for seq in range(1, 20, 2) if seq % 5]
        assert consumers_with_dead_letters(firing.log) == {"bots": 2}


def test_a_reason_says_where_and_not_what(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "bad")
    with consuming(firing.store, firing.log, path, Bots(lambda _: True), clock, retry_after_s=()) as consumer:
        firing.publish(conditions[:1])
        settle(consumer)
    ((_, letter),) = dead_letters(firing.log, "bots", 100)
    assert letter["reason"].startswith("ValueError at consuming.py:")
    assert "hunter2" not in str(letter)


def test_what_follows_waits_behind_a_refused_one_and_keeps_its_order(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "bad", "good")
    bots = Bots(lambda delivery: delivery.subscription.bot_id == "bad")
    pauses = (10.0, 10.0)
    with consuming(firing.store, firing.log, path, bots, clock, retry_after_s=pauses) as consumer:
        for _ in range(3):
            firing.publish(conditions[:1])
        settle(consumer)
        assert bots.seqs("good") == [1, 2, 3]
        assert len(bots.attempts) == 4
    with consuming(firing.store, firing.log, path, bots, clock, retry_after_s=pauses) as consumer:
        bots.refuse = lambda _: False
        settle(consumer)
        assert bots.seqs("bad") == [], "its pause is not over"
        clock.move_to(10_000)
        settle(consumer)
        assert bots.seqs("bad") == [1, 2, 3]
        assert dead_letters(firing.log, "bots", 100) == []


def test_a_bot_that_stops_wanting_is_not_tried_again(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "bad")
    bots = Bots(lambda _: True)
    with consuming(firing.store, firing.log, path, bots, clock, retry_after_s=(10.0,)) as consumer:
        firing.publish(conditions[:1])
        settle(consumer)
        firing.store.registry.unsubscribe("ann", "bad", conditions[0], at_ms=HOUR)
        clock.move_to(10_000)
        settle(consumer)
        assert len(bots.attempts) == 1
        assert dead_letters(firing.log, "bots", 100) == []


def test_a_dead_letter_is_tried_again_or_dropped_as_operators_say(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "bad")
    bots = Bots(lambda _: True)
    with consuming(firing.store, firing.log, path, bots, clock, retry_after_s=()) as consumer:
        for _ in range(3):
            firing.publish(conditions[:1])
        settle(consumer)
    bots.refuse = lambda _: False
    (first, second, third) = dead_letters(firing.log, "bots", 100)
    order(firing.log, "bots", *first, RETRY)
    order(firing.log, "bots", *second, DROP)
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        settle(consumer)
        assert bots.seqs() == [1]
        assert dead_letters(firing.log, "bots", 100) == [third]


def test_dead_letters_are_told_again_to_a_server_that_lost_them(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "bad")
    bots = Bots(lambda _: True)
    with consuming(firing.store, firing.log, path, bots, clock, retry_after_s=()) as consumer:
        for _ in range(3):
            firing.publish(conditions[:1])
        settle(consumer)
        first, *_ = dead_letters(firing.log, "bots", 100)
        order(firing.log, "bots", *first, DROP)
    with consuming(firing.store, firing.log, path, bots, clock, retry_after_s=()) as consumer:
        settle(consumer)
        firing.log.client.flushall()
        settle(consumer)
        settle(consumer)
        left = [decode(letter["event"].encode()).seq for _, letter in dead_letters(firing.log, "bots", 100)]
        assert left == [2, 3]


def test_a_spent_subscription_can_still_have_what_died(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock
) -> None:
    subscribe(firing.store, conditions[0], "once", policy=DeliveryPolicy(max_fires=1))
    bots = Bots(lambda _: True)
    with consuming(firing.store, firing.log, path, bots, clock, retry_after_s=()) as consumer:
        firing.publish(conditions[:1])
        firing.publish(conditions[:1])
        settle(consumer)
    (letter,) = dead_letters(firing.log, "bots", 100)
    bots.refuse = lambda _: False
    order(firing.log, "bots", *letter, RETRY)
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        settle(consumer)
    assert bots.seqs() == [1]


_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["tests.events.consuming.consumer_process"])


def run_process(store: Path, server: FaultyServer, ledger: Path, **options: str) -> int:
    """A consumer in a process of its own until nothing comes any more; its exit code, -9 if it was killed."""
    process = _FORKED.Process(target=consume, args=(store, server.socket, ledger), kwargs=options)
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode


def test_a_delivery_that_kills_its_process_dies_alone(tmp_path: Path, server: FaultyServer, path: Path) -> None:
    folder = tmp_path / "store"
    with FileStore(folder) as store:
        first, second, _ = known_conditions(store, 3)
        subscribe(store, first, "bad", "good")
        subscribe(store, second, "other")
        client = server.client()
        firing = Firing(store, RedisEventLog(client))
        for _ in range(4):
            firing.publish([first, second])
    runs = 0
    while run_process(folder, server, path, kill="5") != 0:
        runs += 1
        assert runs < 10
    assert runs == 3
    effects = (tmp_path / "effects").read_text().split()
    assert sorted(effects) == sorted(
        [f"{seq}:{bot}" for seq in (1, 3, 5, 7) for bot in ("bad", "good") if (seq, bot) != (5, "bad")]
        + [f"{seq}:other" for seq in (2, 4, 6, 8)]
    )
    ((_, letter),) = dead_letters(RedisEventLog(client), "bots", 100)
    assert "process ended" in letter["reason"]
    client.close()


def test_a_process_killed_between_effect_and_acknowledgement_repeats_no_effect(
    tmp_path: Path, server: FaultyServer, path: Path
) -> None:
    folder = tmp_path / "store"
    with FileStore(folder) as store:
        first, *_ = known_conditions(store, 1)
        subscribe(store, first, "a", "b")
        client = server.client()
        firing = Firing(store, RedisEventLog(client))
        for _ in range(12):
            firing.publish([first])
    client.close()
    kills = 0
    for point in ("after_effect:7", "before_mark:1", "before_ack:2"):
        kills += run_process(folder, server, path, failpoint=point) != 0
    assert run_process(folder, server, path) == 0
    assert kills == 3
    effects = (tmp_path / "effects").read_text().split()
    for bot in ("a", "b"):
        assert [effect for effect in effects if effect.endswith(bot)] == [f"{seq}:{bot}" for seq in range(1, 13)]


def test_an_entry_that_is_no_event_is_put_aside_and_what_the_store_has_is_delivered(
    firing: Firing, conditions: list[str], path: Path, clock: ReplayClock, caplog: pytest.LogCaptureFixture
) -> None:
    subscribe(firing.store, conditions[0], "bot")
    firing.publish(conditions[:1])
    firing.fire(conditions[:1])
    client: Any = firing.log.client
    client.xadd("triggers", {"event": b"\xff{"}, id="2-0")
    firing.publish(conditions[:1])
    client.xadd("triggers", {"other": "x" * 10_000}, id="4-0")
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock) as consumer:
        settle(consumer)
        assert bots.seqs() == [1, 2, 3]
        letters = [letter for _, letter in dead_letters(firing.log, "bots", 100)]
        assert [letter["delivery_id"] for letter in letters] == ["entry 2-0", "entry 4-0"]
        assert letters[0]["event"] == "event=\\xff{"
        assert len(letters[1]["event"]) == 4_096
        (group,) = firing.log.groups()
        assert group.pending == 0, "they hold up no trim"
        assert "2 unreadable entries" in caplog.text
        for letter_id, letter in dead_letters(firing.log, "bots", 100):
            order(firing.log, "bots", letter_id, letter, DROP)
        settle(consumer)
    assert dead_letters(firing.log, "bots", 100) == []
