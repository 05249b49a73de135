"""Webhooks harm nobody: a real service, real sockets, and users whose servers do everything but answer.

One service for all cases, in a process of its own; its users come through the HTTP API, its triggers through the store
that it serves to other processes. ``HUB_TEST_EFFORT`` makes the cases longer.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

import app_cli
from common.clock import ReplayClock
from common.settings import load_settings
from common.webhook_signature import verify
from events.log.publisher import drain
from events.opening import connect_log
from registry.keys import new_key
from registry.store import open_configured
from registry.store.files.file_store import FileStore
from registry.store.protocol import Store
from tests.api.served_hub import few_candles, record_tick
from tests.attacks.hostile_servers import drip_body, drip_head, flood, hostile, redirect_to, reset, stay_silent
from tests.events.webhooks.receiver import Receiver
from tests.waiting import wait_for

HUB = Path(sys.executable).parent / "hub"
EFFORT = int(os.environ.get("HUB_TEST_EFFORT", "1"))
PATIENCE_S = 40.0
_HOUR_MS = 3_600_000


class Service:
    """`hub up` in a process, its users, and its store as other processes see it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        with FileStore(folder / "store") as store:
            store.candles.upsert(few_candles())
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([HUB, "up"], cwd=folder, env=environment, stdout=log, stderr=log)
        wait_for(self._serves, "the service to answer", 60)
        self.url = json.loads((folder / "service.json").read_text())["url"]
        settings = load_settings(data_dir=folder)
        self.store: Store = open_configured(settings)
        self._clients: list[httpx.Client] = []

    def _serves(self) -> bool:
        assert self.process.poll() is None, self.log()
        return "Condition Hub serves" in self.log()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def user(self, name: str) -> httpx.Client:
        """A client of a user with a key of its own."""
        key, text = new_key(name, "user", "", 0)
        self.store.accounts.add_key(key)
        client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {text}"}, timeout=30)
        self._clients.append(client)
        return client

    def key_id(self, name: str) -> str:
        return self.store.accounts.keys(name)[0].key_id

    def fire(self, *condition_ids: str) -> None:
        """Record a tick, after now, on which conditions fire, and publish its triggers, as a tick does."""
        before_ms = (time.time_ns() // 1_000_000 // _HOUR_MS + 1) * _HOUR_MS
        record_tick(self.store, ReplayClock(0), condition_ids, before_ms=before_ms)
        with connect_log(load_settings(data_dir=self.folder)) as log:
            drain(self.store, log)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.store.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(60) == 0
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("hub")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_URL"))}
    environment |= {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "HUB_DATA_DIR": str(folder),
        "HUB_API_PORT": "0",
        "HUB_WITHOUT": "worker,bots,dashboard",
        "HUB_WEBHOOKS_ALLOW_LOOPBACK": "true",
        "HUB_QUOTA_WEBHOOKS": "40",
        "HUB_QUOTA_WEBHOOK_BACKLOG_MIB": "1",
        "HUB_API_RATE_WRITE": "100000/minute",
    }
    started = Service(folder, environment)
    yield started
    started.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


def subscribe(client: httpx.Client, bots: Sequence[str], text: str, **policy: Any) -> str:
    """Subscribe bots to a condition; its id."""
    condition = str(client.post("/conditions/register", json={"condition": text}).json()["condition_id"])
    for bot in bots:
        body = {"bot_id": bot, "condition_id": condition, "bot_type": "dca", "policy": policy}
        answer = client.post("/conditions/subscribe", json=body)
        assert answer.status_code in (200, 201), answer.text
    return condition


def hook(client: httpx.Client, url: str, bot_id: str | None = None) -> dict[str, Any]:
    answer = client.post("/webhooks", json={"url": url, "bot_id": bot_id})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def closes(receiver: Receiver, path: str) -> list[int]:
    """Close times of what a receiver got, each once."""
    bodies = [json.loads(body) for where, _, body in receiver.got if where == f"/{path}"]
    return list(dict.fromkeys(body["event"]["close_time"] for body in bodies))


def test_forty_answers_that_never_end_delay_no_neighbour(service: Service, receiver: Receiver) -> None:
    """The head of the answer comes at once, its body drips for ever: 40 of them used to take every thread for good."""
    mallory, bob = service.user("mallory"), service.user("bob")
    worst = subscribe(mallory, ["m"], "BTCUSDT 1h: close > 11")
    good = subscribe(bob, ["b"], "BTCUSDT 1h: close > 12")
    hook(bob, receiver.url("bob"))
    with hostile(drip_body, drip_head) as (body, head):
        for number in range(40):
            hook(mallory, (body if number % 10 else head).url(f"hook-{number}"))
        service.fire(worst)
        wait_for(lambda: len(body.requests) + len(head.requests) >= 4, "the posts to begin", PATIENCE_S)
        for number in range(3):
            service.fire(worst, good)
            wait_for(lambda many=number + 1: len(closes(receiver, "bob")) >= many, "bob's delivery", PATIENCE_S)  # type: ignore[misc]
        wait_for(lambda: body.cut >= 8 * min(EFFORT, 4), "connections to be broken off", PATIENCE_S)
    assert closes(receiver, "bob") == sorted(closes(receiver, "bob"))


def test_each_kind_of_server_harms_itself_alone(service: Service, receiver: Receiver) -> None:
    eve = service.user("eve")
    condition = subscribe(eve, ["e"], "BTCUSDT 1h: close > 21")
    treatments = (drip_head, stay_silent, reset, flood, redirect_to(receiver.url("elsewhere")))
    with hostile(*treatments) as (dripping, silent, resetting, endless, redirecting):
        for server in (dripping, silent, resetting, endless, redirecting):
            hook(eve, server.url("hook"))
        secret = hook(eve, receiver.url("good"))["secret"]
        for _ in range(3):
            service.fire(condition)
        wait_for(lambda: len(closes(receiver, "good")) >= 3, "the good one to have all", PATIENCE_S)
        wait_for(lambda: len(endless.requests) >= 3, "an endless body to count as accepted", PATIENCE_S)
        wait_for(lambda: len(resetting.requests) >= 2, "a reset to be tried again", PATIENCE_S)
        wait_for(lambda: len(redirecting.requests) >= 2, "a redirect to be tried again", PATIENCE_S)
        wait_for(lambda: dripping.cut and silent.cut, "the deadline", PATIENCE_S)
        assert len(set(endless.ids())) == 3
        assert len(set(resetting.ids())) == len(set(redirecting.ids())) == 1, "later ones wait behind it"
    assert closes(receiver, "elsewhere") == []
    for _, headers, body in receiver.got:
        assert verify(secret, headers, body)


def test_a_thousand_bots_with_twenty_dead_webhooks_delay_no_neighbour(service: Service, receiver: Receiver) -> None:
    """What waits for one user is bounded, on disk as well: webhooks that used up their part are paused."""
    oscar, bob = service.user("oscar"), service.user("bob-2")
    bots = [f"bot-{number}" for number in range(100 if EFFORT == 1 else 1_000)]
    dead = subscribe(oscar, bots, "BTCUSDT 1h: close > 31")
    good = subscribe(bob, ["b"], "BTCUSDT 1h: close > 32")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for number in range(20):
        hook(oscar, f"http://127.0.0.1:{port}/hook-{number}")
    hook(bob, receiver.url("bob"))
    for number in range(4):
        service.fire(dead, good)
        wait_for(lambda many=number + 1: len(closes(receiver, "bob")) >= many, "bob's delivery", PATIENCE_S)  # type: ignore[misc]

    def states() -> set[str]:
        return {one["state"] for one in oscar.get("/webhooks").json()["items"]}

    wait_for(lambda: states() == {"paused"}, "the webhooks with too much to send to be paused", PATIENCE_S)
    written = sum(file.stat().st_size for file in service.folder.glob("webhooks.ledger*"))
    assert written < 60 << 20
    service.fire(good)
    wait_for(lambda: len(closes(receiver, "bob")) >= 5, "bob's delivery", PATIENCE_S)
    for webhook in oscar.get("/webhooks").json()["items"]:
        assert oscar.delete(f"/webhooks/{webhook['webhook_id']}").status_code == 200


def test_what_is_true_is_posted_when_a_bot_subscribes_and_when_it_is_ready_again(
    service: Service, receiver: Receiver
) -> None:
    kim = service.user("kim")
    hook(kim, receiver.url("kim"))
    wants = {"fire_if_true": True, "while_true": True}
    true = subscribe(kim, ["k"], "BTCUSDT 1h: close > 41", **wants)
    subscribe(kim, ["k"], "BTCUSDT 1h: close < 41", **wants)
    wait_for(lambda: receiver.got, "the delivery at the subscription", PATIENCE_S)
    answer = kim.post("/conditions/rearm", json={"bot_id": "k", "condition_id": true}).json()
    assert answer["deliver"]
    wait_for(lambda: len(receiver.got) >= 2, "the delivery after rearming", PATIENCE_S)
    bodies = [json.loads(body) for _, _, body in receiver.got]
    assert [(body["occasion"], body["event"]["condition_id"], body["event"]["seq"]) for body in bodies] == [
        ("subscription", true, 0),
        ("rearm", true, 0),
    ]
    assert {body["event"]["trigger_id"] for body in bodies} == {answer["trigger_id"]}


@pytest.mark.parametrize("host", ["a..b", "x-.example.com", f"{'a' * 64}.com", "10.0.0.1", "100.100.100.200"])
def test_a_host_that_leads_nowhere_good_is_refused_at_the_door(service: Service, host: str) -> None:
    answer = service.user(f"door {host}").post("/webhooks", json={"url": f"https://{host}/"})
    assert (answer.status_code, answer.json()["type"].endswith("webhook-refused")) == (403, True)
    assert host not in answer.text


def test_a_revoked_key_ends_its_streams(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    lee, ended, ready = service.user("lee"), threading.Event(), threading.Event()
    subscribe(lee, ["l"], "BTCUSDT 1h: close > 51")

    def read() -> None:
        with lee.stream("GET", "/events", timeout=120) as answer:
            for _ in answer.iter_lines():
                ready.set()
        ended.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S)
    monkeypatch.setenv("HUB_DATA_DIR", str(service.folder))
    assert app_cli.run(["keys", "revoke", service.key_id("lee")]) == 0
    assert ended.wait(PATIENCE_S), "the stream goes on"
    assert lee.get("/events").status_code == 401


def test_an_operator_pauses_resumes_and_ends_webhooks_without_seeing_secrets(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", str(service.folder))
    zoe = service.user("zoe")
    made = hook(zoe, "https://hooks.example.com/t0ken-in-the-path?key=s3cr3t")

    def hub(*words: str, code: int = 0) -> str:
        assert app_cli.run(["webhooks", *words]) == code
        shown = capsys.readouterr()
        for private in (made["secret"], "t0ken", "s3cr3t"):
            assert private not in shown.out + shown.err
        return shown.out + shown.err

    listed = json.loads(hub("list", "--user", "zoe", "--json"))
    assert [(one["webhook_id"], one["host"], one["state"]) for one in listed] == [
        (made["webhook_id"], "hooks.example.com", "active")
    ]
    assert "hooks.example.com" in hub("list")
    assert "is paused" in hub("pause", made["webhook_id"])
    assert zoe.get("/webhooks").json()["items"][0]["state"] == "paused"
    assert "is active" in hub("resume", made["webhook_id"])
    assert "was active before" in hub("resume", made["webhook_id"])
    assert zoe.get("/webhooks").json()["items"][0]["state"] == "active"
    assert "is ended" in hub("end", made["webhook_id"])
    assert zoe.get("/webhooks").json()["items"] == []
    assert "has ended" in hub("pause", made["webhook_id"], code=1)
    assert "cannot be resumed" in hub("resume", made["webhook_id"], code=1)
    assert "no webhook" in hub("end", "0" * 32, code=1)
    assert json.loads(hub("list", "--user", "zoe", "--all", "--json"))[0]["state"] == "ended"
    assert made["secret"] not in service.log()
