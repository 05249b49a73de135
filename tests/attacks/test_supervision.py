"""No fault ends a loop in silence: a full disk, an entry of the event log that is no event, a store that is broken."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from events.consuming.dead_letters import dead_letters
from events.log.redis_log import STREAM
from registry.store.files.file_store import FileStore
from tests.attacks.running_hub import RunningHub
from tests.chaos.processes import EFFORT
from tests.events.firing import subscribe
from tests.events.webhooks.receiver import Receiver
from tests.waiting import wait_for

PATIENCE_S = 60.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are set as Linux does it")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    with RunningHub(tmp_path) as started:
        yield started


def subscribe_with_webhook(hub: RunningHub, ann: httpx.Client, receiver: Receiver) -> None:
    with hub.store() as store:
        subscribe(store, hub.conditions[0], "b")  # type: ignore[arg-type]
    assert ann.post("/webhooks", json={"url": receiver.url("ann")}).status_code == 201


def loop_metric(operator: httpx.Client, name: str, loop: str) -> float:
    lines = operator.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f'{name}{{loop="{loop}"}}')).split()[1])


def test_a_full_disk_and_a_poisoned_entry_end_no_loop(hub: RunningHub, receiver: Receiver) -> None:
    with hub.client() as ann, hub.client("olga", operator=True) as operator, hub.firing() as firing:
        subscribe_with_webhook(hub, ann, receiver)
        fired = hub.conditions[:1]
        firing.fire(fired)
        wait_for(lambda: receiver.seqs("ann") == [1], "the first delivery", PATIENCE_S)
        assert hub.ready()["loops"]["ok"]
        assert loop_metric(operator, "hub_loop_up", "webhooks-take") == 1

        for _ in range(EFFORT):
            # The store has the trigger, and the webhooks' ledger cannot take it.
            os.kill(hub.valkey, signal.SIGSTOP)
            firing.fire(fired)
            with hub.full_disk():
                os.kill(hub.valkey, signal.SIGCONT)
                wait_for(lambda: not hub.ready()["loops"]["ok"], "readiness to say that a loop failed", PATIENCE_S)
                shown = hub.ready()
                assert "webhooks-take" in shown["loops"]["detail"]
                assert shown["status"] != "ok"
                assert loop_metric(operator, "hub_loop_up", "webhooks-take") == 0
            wait_for(lambda: receiver.seqs("ann")[-1] == firing.ticks, "the delivery, with space again", PATIENCE_S)
            wait_for(lambda: hub.ready()["status"] == "ok", "readiness to be well", PATIENCE_S)
        assert loop_metric(operator, "hub_loop_restarts_total", "webhooks-take") >= 1
        assert any("webhooks-take ended because of OperationalError" in line for line in hub.log)

        with hub.event_log() as log, ann.stream("GET", "/events") as events:
            lines = events.iter_lines()
            assert next(lines).startswith("retry: ")
            poisoned = log.last_seq() + 1
            log.client.xadd(STREAM, {"event": "no json at all"}, id=f"{poisoned}-0")
            wait_for(lambda: [letter for _, letter in dead_letters(log, "webhooks", 10)], "a dead letter", PATIENCE_S)
            ((_, letter),) = dead_letters(log, "webhooks", 10)
            assert (letter["delivery_id"], letter["event"]) == (f"entry {poisoned}-0", "event=no json at all")
            with hub.store() as store:
                wait_for(lambda: store.triggers.last_seq() == poisoned, "the number to be given up", PATIENCE_S)
            firing.fire(fired)
            data = next(line for line in lines if line.startswith("data: "))
            assert json.loads(data.removeprefix("data: "))["seq"] == poisoned + 1, "the live feed goes on"
        wait_for(lambda: receiver.seqs("ann")[-1] == poisoned + 1, "the delivery after it", PATIENCE_S)
        assert hub.ready()["loops"]["ok"]


SMALL_LOGS = """
import sys
import hub.serve
from app_cli import run

real = hub.serve.open_store

def with_small_logs(url):
    store = real(url)
    store._database._connection.execute("SET checkpoint_threshold = '1KB'")
    return store

hub.serve.open_store = with_small_logs
sys.exit(run(["up"]))
"""
"""`hub up` whose store moves its write-ahead log into the file at every commit, as it otherwise does after 16 MB."""


def test_a_service_whose_store_is_broken_ends_and_says_why(tmp_path: Path) -> None:
    with RunningHub(tmp_path, [sys.executable, "-c", SMALL_LOGS]) as hub, hub.client() as ann:
        size = max(path.stat().st_size for path in (tmp_path / "store").glob("registry.duckdb*"))
        registered: list[str] = []
        with hub.limited_files(size + 4_096):
            for number in range(2_000):
                try:
                    answer = ann.post("/conditions/register", json={"condition": f"BTCUSDT 1h: close > {number + 100}"})
                except httpx.TransportError:
                    break
                if answer.status_code == 201:
                    registered.append(answer.json()["condition_id"])
            code = hub.process.wait(PATIENCE_S)
        assert code == 1
        hub.reader.join()
        shown = "".join(hub.log)
        assert "free some space, then restart the process that owns it" in shown
        assert "Traceback" not in shown
    with FileStore(tmp_path / "store") as store:
        assert all(store.registry.condition(condition_id) for condition_id in registered), (
            "what was acknowledged is kept"
        )
