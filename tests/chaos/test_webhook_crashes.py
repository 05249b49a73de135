"""F20 for webhooks: the process that sends dies between any two steps."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from common.clock import ReplayClock
from common.webhook_signature import verify
from registry.store.files.file_store import FileStore
from registry.store.parts.delivery import Webhook
from tests.chaos import roles, scene
from tests.chaos.hub import Hub
from tests.chaos.processes import EFFORT
from tests.events.webhooks.receiver import Receiver

NewHub = Callable[..., Hub]


@pytest.mark.parametrize("step", ["before_post", "after_post", "before_mark"])
def test_a_sender_that_dies_sends_all_in_order(step: str, new_hub: NewHub, tmp_path: Path) -> None:
    """F20: the sender of webhooks dies; deliveries may come again, none is missing, and their order is kept."""
    hub, ticks, receiver = new_hub(), min(20 * EFFORT, 100), Receiver()
    try:
        with FileStore(hub.store, clock=ReplayClock(scene.START_MS)) as store:
            store.delivery.add_webhook(Webhook("w1", "ann", receiver.url("a"), "secret", "bot-1", "active", 0, 0, 1))
        hub.evaluate(ticks).finish()
        arguments = {"store": hub.store, "url": hub.server.url, "folder": tmp_path}
        for _ in range(3 * min(EFFORT, 7)):
            nth = 1 if step == "before_mark" else hub.dice.randint(1, 15)
            if hub.crash_or_finish(step, hub.start(roles.send, **arguments, failpoint=f"{step}:{nth}")):
                break
        hub.start(roles.send, **arguments).finish()
    finally:
        receiver.close()
    assert hub.crashes[step] > 0
    assert receiver.got
    assert [body for _, headers, body in receiver.got if not verify("secret", headers, body)] == []
    first_time = list(dict.fromkeys(headers["webhook-id"] for _, headers, _ in receiver.got))
    wanted = [trigger for trigger in scene.expected(ticks) if trigger.condition_id in scene.conditions_of("bot-1")]
    triggers = hub.rest().triggers
    numbers = dict(zip(triggers["trigger_id"], triggers["seq"], strict=True))
    ids = sorted((f"{trigger.condition_id}:{trigger.close_ms}" for trigger in wanted), key=lambda name: numbers[name])
    assert first_time == [f"{name}:ann:bot-1" for name in ids]
    assert {json.loads(body)["bot_id"] for _, _, body in receiver.got} == {"bot-1"}
