"""Deliveries without a trigger: TRUE when a bot subscribes, still TRUE when it is ready again."""

from pathlib import Path
from typing import Any

import pytest

from common.clock import ReplayClock
from common.errors import StoreError
from events.consuming.dead_letters import dead_letters
from events.consuming.delivery import Delivery
from events.log.payload import Event
from registry.store.files.file_store import FileStore
from registry.subscriptions import DeliveryPolicy
from tests.events.consuming.consuming import Bots, consuming, settle
from tests.events.firing import Firing, known_conditions, subscribe
from tests.registry.store.ticks import HOUR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bots.ledger"


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(0)


class Died(BaseException):
    """Stands for a process that is killed: nothing catches it."""


class Truth:
    """Conditions that are TRUE on the newest closed candle."""

    def __init__(self, *true: str) -> None:
        self.true = set(true)
        self.close_ms = HOUR
        self.is_away = False

    def now(self, condition_id: str) -> Event | None:
        if self.is_away:
            raise StoreError("away")
        if condition_id not in self.true:
            return None
        close = self.close_ms
        named = f"{condition_id}:{close}"
        return Event(
            named, 0, condition_id, "BINANCE", "BTCUSDT", "1h", close - HOUR, close, {}, 1.0, True, False, "", close
        )


FIRE_IF_TRUE = DeliveryPolicy(fire_if_true=True)


def test_a_condition_that_is_true_is_delivered_once_at_the_subscription(
    firing: Firing, path: Path, clock: ReplayClock
) -> None:
    true, false, *_ = known_conditions(firing.store, 3)
    subscribe(firing.store, true, "before", policy=FIRE_IF_TRUE)
    bots = Bots()
    for _ in range(2):
        with consuming(firing.store, firing.log, path, bots, clock, truths=Truth(true)) as consumer:
            settle(consumer)
            subscribe(firing.store, true, "yes", active_from_ms=HOUR, policy=FIRE_IF_TRUE)
            subscribe(firing.store, true, "not asked", active_from_ms=HOUR)
            subscribe(firing.store, false, "no", active_from_ms=HOUR, policy=FIRE_IF_TRUE)
            settle(consumer)
    ((delivery),) = bots.deliveries
    assert (delivery.subscription.bot_id, delivery.occasion, delivery.event.seq) == ("yes", "subscription", 0)
    assert delivery.delivery_id == f"subscription:{true}:{HOUR}:ann:yes"


def test_a_subscription_that_is_resumed_is_not_asked_for_again(firing: Firing, path: Path, clock: ReplayClock) -> None:
    (true,) = known_conditions(firing.store, 1)
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock, truths=Truth(true)) as consumer:
        settle(consumer)
        subscribe(firing.store, true, "a", policy=FIRE_IF_TRUE)
        settle(consumer)
        for paused in (True, False):
            firing.store.registry.set_paused("ann", "a", true, paused, at_ms=HOUR)
            settle(consumer)
    assert bots.got == [(0, "a")]


def test_a_store_that_is_away_is_asked_again(firing: Firing, path: Path, clock: ReplayClock) -> None:
    (true,) = known_conditions(firing.store, 1)
    truth = Truth(true)
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock, truths=truth) as consumer:
        settle(consumer)
        truth.is_away = True
        subscribe(firing.store, true, "a", policy=FIRE_IF_TRUE)
        for _ in range(2):
            with pytest.raises(StoreError):
                consumer.step()
        truth.is_away = False
        settle(consumer)
        assert bots.got == [(0, "a")]


def test_a_delivery_at_the_subscription_counts_for_its_policy(firing: Firing, path: Path, clock: ReplayClock) -> None:
    (true,) = known_conditions(firing.store, 1)
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock, truths=Truth(true)) as consumer:
        settle(consumer)
        subscribe(firing.store, true, "once", policy=DeliveryPolicy(fire_if_true=True, max_fires=1))
        settle(consumer)
        firing.publish([true])
        settle(consumer)
    assert bots.got == [(0, "once")]


def test_a_bot_that_is_ready_again_is_served_while_the_condition_is_true(
    firing: Firing, path: Path, clock: ReplayClock
) -> None:
    true, false, *_ = known_conditions(firing.store, 2)
    wants = DeliveryPolicy(while_true=True)
    subscribe(firing.store, true, "dca", policy=wants)
    subscribe(firing.store, true, "other")
    subscribe(firing.store, false, "dca", policy=wants)
    bots, truth = Bots(), Truth(true)
    with consuming(firing.store, firing.log, path, bots, clock, truths=truth) as consumer:
        settle(consumer)
        for condition, bot in ((true, "dca"), (true, "other"), (false, "dca"), (true, "unknown")):
            consumer.rearm("ann", bot, condition)
        settle(consumer)
        assert [delivery.delivery_id for delivery in bots.deliveries] == [f"rearm:{true}:{HOUR}:ann:dca"]
        truth.close_ms = 2 * HOUR
        consumer.rearm("ann", "dca", true)
        settle(consumer)
        assert len(bots.deliveries) == 2


def test_a_bot_that_is_ready_again_is_not_forgotten_by_a_consumer_that_ends(
    firing: Firing, path: Path, clock: ReplayClock
) -> None:
    (true,) = known_conditions(firing.store, 1)
    subscribe(firing.store, true, "dca", policy=DeliveryPolicy(while_true=True))
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock, truths=Truth(true)) as consumer:
        settle(consumer)
        consumer.rearm("ann", "dca", true)
    for _ in range(2):
        with consuming(firing.store, firing.log, path, bots, clock, truths=Truth(true)) as consumer:
            settle(consumer)
    assert bots.attempts == [f"rearm:{true}:{HOUR}:ann:dca"]


def test_a_bot_that_says_twice_that_it_is_ready_is_counted_once(firing: Firing, path: Path, clock: ReplayClock) -> None:
    (true,) = known_conditions(firing.store, 1)
    subscribe(firing.store, true, "dca", policy=DeliveryPolicy(while_true=True, max_fires=2))
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock, truths=Truth(true)) as consumer:
        settle(consumer)
        consumer.rearm("ann", "dca", true)
        consumer.rearm("ann", "dca", true)
        settle(consumer)
        firing.publish([true])
        settle(consumer)
    assert [delivery.occasion for delivery in bots.deliveries] == ["rearm", "trigger"]


def test_a_bot_that_is_ready_again_while_the_store_is_away_is_asked_for_later(
    firing: Firing, path: Path, clock: ReplayClock
) -> None:
    (true,) = known_conditions(firing.store, 1)
    subscribe(firing.store, true, "dca", policy=DeliveryPolicy(while_true=True))
    bots, truth = Bots(), Truth(true)
    with consuming(firing.store, firing.log, path, bots, clock, truths=truth) as consumer:
        settle(consumer)
        truth.is_away = True
        consumer.rearm("ann", "dca", true)
        for _ in range(2):
            with pytest.raises(StoreError):
                consumer.step()
        truth.is_away = False
        settle(consumer)
    assert bots.attempts == [f"rearm:{true}:{HOUR}:ann:dca"]


@pytest.mark.parametrize("policy", [FIRE_IF_TRUE, DeliveryPolicy(while_true=True)], ids=["subscription", "rearm"])
def test_a_delivery_without_a_trigger_that_ended_the_process_keeps_its_id(
    policy: DeliveryPolicy, firing: Firing, path: Path, clock: ReplayClock
) -> None:
    (true,) = known_conditions(firing.store, 1)
    bots, truth = Bots(), Truth(true)

    def act_and_die(delivery: Delivery) -> None:
        bots(delivery)
        raise Died

    with consuming(firing.store, firing.log, path, act_and_die, clock, truths=truth) as consumer:
        settle(consumer)
        subscribe(firing.store, true, "dca", active_from_ms=HOUR, policy=policy)
        if policy.while_true:
            settle(consumer)
            consumer.rearm("ann", "dca", true)
        with pytest.raises(Died):
            settle(consumer)
    truth.close_ms = 2 * HOUR
    with consuming(firing.store, firing.log, path, bots, clock, truths=truth) as consumer:
        settle(consumer)
    occasion = "subscription" if policy.fire_if_true else "rearm"
    assert bots.attempts == [f"{occasion}:{true}:{HOUR}:ann:dca"] * 2


def test_a_waiting_delivery_that_ends_every_process_is_put_aside(
    firing: Firing, path: Path, clock: ReplayClock
) -> None:
    poison, plain = known_conditions(firing.store, 2)
    subscribe(firing.store, poison, "dca", policy=DeliveryPolicy(while_true=True))
    subscribe(firing.store, plain, "plain")
    bots = Bots()

    def die_of_it(delivery: Delivery) -> None:
        bots(delivery)
        if delivery.occasion == "rearm":
            raise Died

    with consuming(firing.store, firing.log, path, bots, clock, truths=Truth(poison)) as consumer:
        settle(consumer)
        consumer.rearm("ann", "dca", poison)
    deaths = 0
    for _ in range(8):
        with consuming(firing.store, firing.log, path, die_of_it, clock, truths=Truth(poison)) as consumer:
            try:
                settle(consumer)
            except Died:
                deaths += 1
    assert deaths == 5
    assert [letter["delivery_id"] for _, letter in dead_letters(firing.log, "bots", 10)] == [bots.attempts[0]]
    firing.publish([plain])
    with consuming(firing.store, firing.log, path, die_of_it, clock) as consumer:
        settle(consumer)
    assert bots.got[-1] == (1, "plain")


def test_a_refused_delivery_without_a_trigger_is_tried_again(firing: Firing, path: Path, clock: ReplayClock) -> None:
    (true,) = known_conditions(firing.store, 1)
    subscribe(firing.store, true, "dca", policy=DeliveryPolicy(while_true=True))
    bots = Bots()
    bots.refuse = lambda _: len(bots.attempts) < 3
    with consuming(firing.store, firing.log, path, bots, clock, truths=Truth(true)) as consumer:
        settle(consumer)
        consumer.rearm("ann", "dca", true)
        settle(consumer)
        assert len(bots.attempts) == 3
        assert [delivery.occasion for delivery in bots.deliveries] == ["rearm"]


def test_nothing_is_checked_for_deliveries_that_go_nowhere(firing: Firing, path: Path, clock: ReplayClock) -> None:
    (true,) = known_conditions(firing.store, 1)
    asked: list[str] = []

    class Asked(Truth):
        def now(self, condition_id: str) -> Event | None:
            asked.append(condition_id)
            return super().now(condition_id)

    bots = Bots()
    options: dict[str, Any] = {"truths": Asked(true), "is_for": lambda one: one.bot_id == "wanted"}
    with consuming(firing.store, firing.log, path, bots, clock, **options) as consumer:
        settle(consumer)
        for bot in ("unwanted", "wanted"):
            subscribe(firing.store, true, bot, policy=DeliveryPolicy(fire_if_true=True, while_true=True))
        consumer.rearm("ann", "unwanted", true)
        settle(consumer)
    assert bots.got == [(0, "wanted")]
    assert asked == [true]


def test_users_take_turns_when_many_conditions_have_to_be_checked(
    firing: Firing, path: Path, clock: ReplayClock
) -> None:
    (true,) = known_conditions(firing.store, 1)
    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock, truths=Truth(true)) as consumer:
        settle(consumer)
        subscribe(firing.store, true, *(f"ann-{number}" for number in range(5)), policy=FIRE_IF_TRUE)
        subscribe(firing.store, true, "bob", user="bob", policy=FIRE_IF_TRUE)
        settle(consumer)
    assert bots.got.index((0, "bob")) == 1


def test_a_condition_that_cannot_be_judged_holds_up_no_other(
    firing: Firing, path: Path, clock: ReplayClock, caplog: pytest.LogCaptureFixture
) -> None:
    poison, true = known_conditions(firing.store, 2)

    class Poisoned(Truth):
        def now(self, condition_id: str) -> Event | None:
            if condition_id == poison:
                raise RecursionError("private")
            return super().now(condition_id)

    bots = Bots()
    with consuming(firing.store, firing.log, path, bots, clock, truths=Poisoned(true)) as consumer:
        settle(consumer)
        subscribe(firing.store, poison, "a", policy=FIRE_IF_TRUE)
        subscribe(firing.store, true, "a", policy=FIRE_IF_TRUE)
        settle(consumer)
    assert bots.got == [(0, "a")]
    assert (f"{poison} could not be checked" in caplog.text, "private" in caplog.text) == (True, False)


def test_a_handler_that_gathers_writes_before_anything_counts_as_accepted(
    firing: Firing, path: Path, clock: ReplayClock
) -> None:
    (true,) = known_conditions(firing.store, 1)
    subscribe(firing.store, true, "a", policy=DeliveryPolicy(while_true=True))
    gathered: list[str] = []
    written: list[str] = []

    def write() -> None:
        written.extend(gathered)
        gathered.clear()

    def refuse() -> None:
        if gathered:
            raise OSError("no space left on device")

    options: dict[str, Any] = {"truths": Truth(true)}

    def gather(delivery: Delivery) -> None:
        gathered.append(delivery.delivery_id)

    with consuming(firing.store, firing.log, path, gather, clock, flush=refuse, **options) as consumer:
        settle(consumer)
        firing.publish([true])
        with pytest.raises(OSError, match="no space"):
            settle(consumer)
    gathered.clear()
    with consuming(firing.store, firing.log, path, gather, clock, flush=write, **options) as consumer:
        settle(consumer)
        consumer.rearm("ann", "a", true)
        settle(consumer)
    assert [name.partition(":")[0] for name in written] == [true, "rearm"]
    assert gathered == []


def test_without_anybody_to_ask_triggers_still_come(
    firing: Firing, store: FileStore, path: Path, clock: ReplayClock
) -> None:
    (true,) = known_conditions(store, 1)
    bots = Bots()
    with consuming(store, firing.log, path, bots, clock) as consumer:
        settle(consumer)
        subscribe(store, true, "a", policy=FIRE_IF_TRUE)
        settle(consumer)
        firing.publish([true])
        settle(consumer)
    assert bots.got == [(1, "a")]
