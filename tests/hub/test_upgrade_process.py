"""Real processes of a later version on a folder of today: killed at each step of the upgrade, and serving after it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.clock import ReplayClock
from registry.conditions import Condition
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.files.offline_upgrade import upgrade_offline
from registry.store.parts.delivery import Webhook
from registry.store.parts.registry import SubscriptionRequest
from tests.api.served_hub import NOON_MS, RSI, few_candles, id_of, record_tick
from tests.events.webhooks.receiver import Receiver
from tests.registry.store.files.yesterday import RSI_VERSION, contents, formulas
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_" + "c2VjcmV0" * 4


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


@pytest.fixture
def folder(tmp_path: Path, receiver: Receiver) -> Path:
    """A data folder in which ann's bot wants RSI, which has fired twice, by a webhook."""
    clock = ReplayClock(NOON_MS)
    with FileStore(tmp_path / "data" / "store", clock=clock) as store:
        store.candles.upsert(few_candles())
        condition = Condition.parse(RSI)
        store.registry.register([condition], active_from_ms=NOON_MS)
        store.registry.subscribe([SubscriptionRequest("ann", "b", condition.id, "dca", {})], active_from_ms=NOON_MS)
        store.delivery.add_webhook(Webhook("a" * 32, "ann", receiver.url("ann"), SECRET, None, "active", NOON_MS, 0, 1))
        record_tick(store, clock, (condition.id,))
        record_tick(store, clock, (condition.id,))
    return tmp_path / "data"


def environment(folder: Path, **more: str) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_URL"))}
    own = {"HUB_DATA_DIR": str(folder), "HUB_API_PORT": "0", "HUB_WEBHOOKS_ALLOW_LOOPBACK": "true"}
    return {**others, "PYTHONPATH": str(ROOT), **own, **more}


def later_hub(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command of the later version."""
    return subprocess.run(
        [sys.executable, "-m", "tests.hub.upgraded", *arguments],
        cwd=folder.parent,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def upgrade_here(folder: Path) -> None:
    """What the later version's `hub store migrate` does, in this process."""
    with formulas(rsi=7):
        upgrade_offline(folder / "store", lambda *_: None)


def test_an_upgrade_that_is_killed_goes_on_as_if_nothing_had_happened(folder: Path, tmp_path: Path) -> None:
    untouched = tmp_path / "untouched"
    shutil.copytree(folder, untouched)
    upgrade_here(untouched)
    expected = contents(untouched / "store")
    assert expected["upgraded_conditions"]
    for step in ("mid_upgrade", "before_upgrade_commit", "after_upgrade_commit"):
        victim = tmp_path / step
        shutil.copytree(folder, victim)
        before = contents(victim / "store")
        killed = later_hub(victim, "store", "migrate", HUB_FAILPOINT=f"{step}:1")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert contents(victim / "store") == (expected if step == "after_upgrade_commit" else before), step
        upgrade_here(victim)
        assert contents(victim / "store") == expected, step


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    """The later version serves the folder; its URL."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.hub.upgraded", "up"],
            cwd=folder.parent,
            env=environment(folder),
            stdout=log,
            stderr=log,
        )

    def serves() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        return b"Condition Hub serves" in (folder / "log").read_bytes()

    try:
        wait_for(serves, "the service to answer", 120)
        yield str(json.loads((folder / "service.json").read_text())["url"])
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def key(folder: Path) -> str:
    """A key of ann's from before the upgrade."""
    made, text = new_key("ann", "user", "test", NOON_MS)
    with FileStore(folder / "store") as store:
        store.accounts.add_key(made)
    return text


def test_owners_are_told_by_stream_and_by_webhook(folder: Path, key: str, served: str, receiver: Receiver) -> None:
    old = id_of(RSI)
    with formulas(rsi=7):
        new = id_of(RSI)
    told = {
        "notice_id": f"superseded:{old}:ann:b",
        "bot_id": "b",
        "condition_id": old,
        "superseded_by": new,
        "reason": f"the formula of rsi changed from version {RSI_VERSION} to 7",
    }
    streamed: list[dict[str, Any]] = []
    with httpx.Client(base_url=served, headers={"Authorization": f"Bearer {key}"}, timeout=60) as ann:

        def read() -> None:
            with ann.stream("GET", "/events", headers={"Last-Event-ID": "2"}) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        streamed.append(json.loads(line.removeprefix("data: ")))
                        return

        reader = threading.Thread(target=read)
        reader.start()
        wait_for(lambda: len(receiver.got) >= 3, "the webhook to be told", 60)
        reader.join(60)
        assert streamed == [told]
        notice = next(body for body in receiver.bodies("ann") if body["occasion"] == "notice")
        assert (notice["notice"], notice["bot_id"]) == (told, "b")
        assert notice["delivery_id"] == f"notice:{told['notice_id']}"
        fired = [body["event"]["condition_id"] for body in receiver.bodies("ann") if body["occasion"] == "trigger"]
        assert fired == [old, old], "what it had not been sent before"
        status = ann.get(f"/conditions/{old}/status").json()
        assert (status["state"], status["superseded_by"]) == ("superseded", new)
    log = (folder / "log").read_text()
    assert "reads 1 of 1 conditions in another way" in log
