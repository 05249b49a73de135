"""F18 and F23: candles that arrive in disorder, and users who register while the hub works and is killed."""

import time
from collections.abc import Callable
from pathlib import Path

from registry.store.files.file_store import FileStore
from tests.chaos import roles, scene
from tests.chaos.hub import Hub
from tests.chaos.processes import EFFORT
from tests.waiting import wait_for

NewHub = Callable[..., Hub]


def test_an_unruly_feed_fires_what_its_final_candles_say(new_hub: NewHub, tmp_path: Path) -> None:
    """F18: candles out of order, twice, wrong first, late, corrected; the process dies on the way."""
    early = tmp_path / "early"
    scene.make_store(early, scene.START_MS)
    ticks = min(30 * EFFORT, 240)
    for _ in range(1 if EFFORT == 1 else 4):
        hub = new_hub(template=early)
        seed = hub.dice.randrange(1_000_000)
        while True:
            name = hub.dice.choice(("mid_evaluation", "before_commit", "after_commit", "after_publish"))
            if hub.crash_or_finish(name, hub.feed(ticks, seed, failpoint=f"{name}:{hub.dice.randint(15, 60)}")):
                break
        hub.rest().check(ticks, apart=True)
        with FileStore(hub.store, read_only=True) as store:
            assert store.candles.revisions().height > 0


def test_what_was_answered_to_users_stays(new_hub: NewHub, tmp_path: Path) -> None:
    """F23: the owner is killed while users register and subscribe and ticks go on (I8)."""
    hub = new_hub()
    clients, count, ticks = (8, 5, 20) if EFFORT == 1 else (60, 25, 100)
    owner, worker = hub.own(), hub.work(ticks)
    users = [
        hub.start(roles.register, port=hub.port, client=client, count=count, acknowledged=tmp_path / f"{client}")
        for client in range(clients)
    ]
    for _ in range(2 * EFFORT):
        time.sleep(hub.dice.uniform(0.2, 0.8))
        hub.faults["owner killed"] += owner.kill()
        owner = hub.own()
    for process in [*users, worker]:
        process.finish()
    wait_for(hub.is_published, "all to be published")
    owner.kill()
    with FileStore(hub.store, read_only=True) as store:
        known = {condition.condition_id: condition.canonical for condition in store.registry.conditions()}
        assert len(set(known.values())) == len(known) > 0
        wanted: set[tuple[str, ...]] = set()
        for client in range(clients):
            for line in (tmp_path / f"{client}").read_text().splitlines():
                word, *key = line.split()
                (wanted.add if word == "subscribed" else wanted.discard)(tuple(key))
        assert wanted
        for user, bot, condition_id in wanted:
            subscription = store.registry.subscription(user, bot, condition_id)
            assert subscription is not None
            assert subscription.state == "active"
            assert condition_id in known
    rest = hub.rest()
    own = {condition.id for condition in scene.conditions()}
    others = [trigger for trigger in rest.recorded() if trigger.condition_id not in own]
    rest.check(ticks, also=others)
