"""docs/events.md: its scripts run against a real server, and its payload is what is published."""

import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import redis

from common.clock import ReplayClock
from events.log.payload import Event, channel
from registry.store.files.file_store import FileStore
from registry.subscriptions import POLICY_FIELDS
from tests.api.served_hub import Hub
from tests.events.firing import Firing, known_conditions, subscribe
from tests.events.servers import FaultyServer, listen
from tests.waiting import wait_for

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "events.md").read_text(encoding="utf-8")


def block(kind: str) -> str:
    (text,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(text)


def test_the_payload_is_that_of_an_event() -> None:
    shown = json.loads(block("json"))
    assert tuple(shown) == Event.__struct_fields__
    msgspec.convert(shown, Event)


def test_every_policy_is_in_the_table() -> None:
    assert POLICY_FIELDS
    assert [name for name in POLICY_FIELDS if f"| `{name}` |" not in PAGE] == []


def test_the_script_for_node_follows_and_comes_back_where_it_was(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = tmp_path / "follow.mjs"
    script.write_text(block("js"))
    assert len(block("js").splitlines()) <= 24
    with Hub(tmp_path / "hub") as hub:
        (condition_id,) = known_conditions(hub.store, 1)
        subscribe(hub.store, condition_id, "b", active_from_ms=hub.clock.now_ms())
        hub.fire(condition_id, count=3)
        environment = {**os.environ, "HUB_API_URL": hub.url, "HUB_API_KEY": hub.key("ann"), "LAST_EVENT_ID": "1"}
        with subprocess.Popen([node, str(script)], env=environment, stdout=subprocess.PIPE, text=True) as following:
            try:
                assert following.stdout is not None
                shown = [following.stdout.readline().strip() for _ in range(2)]
                hub.fire(condition_id)
                shown.append(following.stdout.readline().strip())
            finally:
                following.kill()
        rows = hub.store.triggers.after(1, 10)
        assert shown == rows["trigger_id"].to_list()


def test_the_python_of_a_consumer_runs(firing: Firing, tmp_path: Path) -> None:
    names: dict[str, object] = {}
    exec(compile(block("python"), "docs/events.md", "exec"), names)
    run_bots = names["run_bots"]
    assert callable(run_bots)
    (known,) = known_conditions(firing.store, 1)
    orders: list[str] = []
    exchange = SimpleNamespace(buy=orders.append, has_order=orders.__contains__)
    stop = threading.Event()
    arguments = (firing.log, firing.store, ReplayClock(0), exchange, stop, tmp_path)
    running = threading.Thread(target=run_bots, args=arguments)
    running.start()
    try:
        wait_for(firing.log.groups, "the consumer to have its group")
        subscribe(firing.store, known, "a", "b")
        firing.publish([known])
        wait_for(lambda: len(orders) == 2, "both bots to order")
    finally:
        stop.set()
        running.join()


def test_a_reader_with_the_rights_of_the_page_can_read_and_nothing_else(
    store: FileStore, server: FaultyServer, firing: Firing
) -> None:
    (line,) = re.findall(r"^ACL SETUSER .*$", PAGE, flags=re.MULTILINE)
    firing.publish(2)
    operator: Any = firing.log.client
    operator.execute_command(*line.split())
    reader: Any = redis.Redis(unix_socket_path=str(server.socket), username="reader", password="PASSWORD")
    assert len(reader.xrange("triggers")) == 2
    listener = listen(reader, "condition.*.triggered")
    firing.publish(1)
    message = listener.get_message(timeout=5)
    assert message is not None
    assert message["channel"].decode() == channel(f"{0:032x}")
    for refused in (("XADD", "triggers", "*", "event", "x"), ("GET", "triggers:owner"), ("FLUSHALL",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            reader.execute_command(*refused)
    listener.close()
    reader.close()
