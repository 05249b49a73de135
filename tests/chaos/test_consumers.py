"""F20 to F22: bots that die between any two steps, triggers that cannot be handled, a stream that is trimmed."""

import time
from collections.abc import Callable

import pytest

from events.consuming.dead_letters import dead_letters
from tests.chaos import scene
from tests.chaos.checks import check_effects
from tests.chaos.hub import Hub
from tests.chaos.processes import EFFORT, Process

NewHub = Callable[..., Hub]

STEPS = ("after_read", "before_effect", "after_effect", "before_mark", "before_ack", "after_ack")

SERVER_FAULTS = {
    "killed": "server killed",
    "cut": "server killed and its file cut",
    "wiped": "server killed and its files wiped",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_dies_at_a_step_acts_once(step: str, new_hub: NewHub) -> None:
    """F20: the consumer dies at one step again and again."""
    hub, ticks = new_hub(), min(20 * EFFORT, 200)
    until, _ = _published(hub, ticks)
    longest = 40 if "effect" in step else 1
    # A step that a consumer passes once for many events is reached again only while there is more to read.
    for _ in range(3 * min(EFFORT, 7)):
        if hub.crash_or_finish(step, hub.consume(until, failpoint=f"{step}:{hub.dice.randint(1, longest)}")):
            break
    hub.consume(until).finish()
    assert hub.crashes[step] > 0
    assert check_effects(hub.exchange, scene.expected(ticks)) > 0


def test_workers_servers_and_owners_die_while_bots_act(new_hub: NewHub) -> None:
    """F20: worker, evaluator, owner and server are killed, cut and wiped while ticks go on and bots act."""
    hub, ticks = new_hub(), min(40 * EFFORT, 240)
    until = len(scene.expected(ticks))
    owner, evaluator, worker = hub.own(), hub.work(ticks), hub.consume(until)
    for _ in range(6 * EFFORT):
        time.sleep(hub.dice.uniform(0.1, 0.6))
        match hub.dice.choice(("worker", "worker", "evaluator", "owner", "killed", "cut", "wiped", "paused")):
            case "worker":
                worker = _replaced(hub, "worker killed", worker, lambda: hub.consume(until))
            case "evaluator":
                evaluator = _replaced(hub, "evaluator killed", evaluator, lambda: hub.work(ticks))
            case "owner":
                owner = _replaced(hub, "owner killed", owner, hub.own)
            case "paused":
                hub.server.pause()
                time.sleep(hub.dice.uniform(0.05, 0.4))
                hub.server.resume()
                hub.faults["server paused"] += 1
            case how:
                hub.server.kill()
                if how == "cut":
                    hub.server.cut(hub.dice.randrange(6_000))
                elif how == "wiped":
                    hub.server.wipe()
                hub.server.start()
                hub.faults[SERVER_FAULTS[how]] += 1
    for process in (evaluator, worker):
        process.finish()
    owner.kill()
    hub.evaluate(ticks).finish()
    hub.rest().check(ticks)
    check_effects(hub.exchange, scene.expected(ticks))


def test_triggers_that_cannot_be_handled_are_put_aside_and_hold_up_nobody(new_hub: NewHub) -> None:
    """F21: every 50th trigger is poison; exactly those deliveries are dead letters."""
    hub, ticks, poison = new_hub(), min(60 * EFFORT, 240), 50
    until, owner = _published(hub, ticks)
    hub.consume(until, poison=poison).finish()
    owner.kill()
    triggers = hub.rest().triggers
    poisoned = set(triggers.filter(triggers["seq"] % poison == 0)["trigger_id"])
    wanted = {
        f"{trigger_id}:ann:{bot}"
        for trigger_id in poisoned
        for bot in scene.BOTS
        if trigger_id.split(":")[0] in scene.conditions_of(bot)
    }
    assert wanted
    letters = [letter for _, letter in dead_letters(hub.server.log(), "bots", 10_000)]
    assert sorted(letter["delivery_id"] for letter in letters) == sorted(wanted)
    left = [
        trigger for trigger in scene.expected(ticks) if f"{trigger.condition_id}:{trigger.close_ms}" not in poisoned
    ]
    check_effects(hub.exchange, left)


def test_a_worker_that_was_away_beyond_the_trim_misses_nothing(new_hub: NewHub) -> None:
    """F22: the stream is trimmed past the place of a consumer that is down."""
    hub, ticks = new_hub(), 40
    hub.evaluate(20).finish()
    owner = hub.own()
    hub.consume(hub.server.log().last_seq()).finish()
    owner.kill()
    until, _ = _published(hub, ticks)
    for kept in (30, 0)[: 1 + (EFFORT > 1)]:
        hub.server.client().xtrim("triggers", maxlen=kept, approximate=False)
        hub.faults["stream trimmed past a consumer"] += 1
    hub.consume(until).finish()
    check_effects(hub.exchange, scene.expected(ticks))


def _published(hub: Hub, ticks: int) -> tuple[int, Process]:
    """Judge and publish; ``seq`` of the newest trigger, and an owner at work."""
    hub.evaluate(ticks).finish()
    return hub.server.log().last_seq(), hub.own()


def _replaced(hub: Hub, fault: str, process: Process, again: Callable[[], Process]) -> Process:
    if not process.kill():
        return process
    hub.faults[fault] += 1
    return again()
