"""Secrets are looked for in the logs of a session; then one user leaves, and nothing of the other's changes."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.clock import ReplayClock
from common.settings import Settings
from events.consuming.dead_letters import dead_letters, dead_stream
from events.opening import connect_log
from events.webhooks.sender import CONSUMER
from hub.logs import PACKAGES
from hub.users import export_user
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from tests.api.served_hub import NOON_MS, few_candles, id_of, record_tick
from tests.attacks.hub_process import HubProcess, hub_process, run_hub
from tests.events.webhooks.receiver import Receiver
from tests.waiting import wait_for

TEXT = "BTCUSDT 1h: close > 1"
CONDITION = id_of(TEXT)
USERS = ("ann", "bob")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


def config_secret(user: str) -> str:
    return f"exchange-secret-of-{user}"


def path_secret(user: str) -> str:
    return f"token-in-the-address-of-{user}"


def settle_in(hub: HubProcess, receiver: Receiver, user: str) -> tuple[str, str]:
    """A user with a bot and a webhook; the user's key and the webhook's signing secret."""
    with hub.client(user) as client:
        client.post("/conditions/register", json={"condition": TEXT})
        with hub.store() as store:
            config = {"apiSecret": config_secret(user)}
            request = SubscriptionRequest(user, "bot", CONDITION, "dca", config)
            store.registry.subscribe([request], active_from_ms=NOON_MS)
        body = {"url": receiver.url(path_secret(user)), "bot_id": "bot"}
        secret = str(client.post("/webhooks", json=body).json()["secret"])
        # What goes wrong is logged too.
        for wrong in ({"bot_id": "b", "bot_config": config_secret(user)}, config_secret(user)):
            assert client.post("/conditions/subscribe", json=wrong).status_code == 422
        assert client.get(f"/conditions/{path_secret(user)}/status", params={"k": path_secret(user)}).status_code >= 400
        return client.headers["authorization"].removeprefix("Bearer "), secret


def fire(store: Store) -> None:
    record_tick(store, ReplayClock(NOON_MS), (CONDITION,))


def exported(hub: HubProcess, user: str) -> dict[str, Any]:
    shown = run_hub(hub.data_dir, "users", "export", user)
    assert shown.returncode == 0, shown.stderr
    export: dict[str, Any] = json.loads(shown.stdout)
    return export


def test_no_secret_is_logged_and_a_user_who_leaves_takes_nothing_of_others(tmp_path: Path, receiver: Receiver) -> None:
    data = tmp_path / "data"
    with FileStore(data / "store") as store:
        store.candles.upsert(few_candles())
    # Ann's server is broken: her deliveries wait.
    receiver.answer = lambda path, _: 500 if path.endswith("ann") else 200
    with hub_process(data, HUB_WEBHOOKS_ALLOW_LOOPBACK="true") as hub:
        secrets = [(*settle_in(hub, receiver, user), config_secret(user), path_secret(user)) for user in USERS]
        httpx.get(f"{hub.url}/indicators", headers={"Authorization": f"Bearer {secrets[0][0][:-1]}"})
        bad_call = httpx.post(
            f"{hub.url}/store/registry.subscribe",
            headers={"Authorization": f"Bearer {(data / 'store_token').read_text()}"},
            content=config_secret("ann").encode(),
        )
        assert bad_call.status_code == 409
        with hub.store() as store:
            fire(store)
            wait_for(lambda: all(receiver.seqs(path_secret(user)) for user in USERS), "both to get the trigger")
            letter: Any = {
                "user_id": "ann",
                "bot_id": "bot",
                "condition_id": CONDITION,
                "delivery_id": "d",
                "reason": "r",
            }
            settings = Settings(data_dir=data, store_url=None, store_token=None)
            with connect_log(settings) as log:
                log.client.xadd(
                    dead_stream(CONSUMER), {**letter, "event": "{}", "occasion": "trigger", "attempts": "5"}
                )

            before = export_user(store, settings, "bob")
            ann = exported(hub, "ann")
            text = json.dumps(ann)
            assert ann["subscriptions"][0]["bot_config"] == {"apiSecret": config_secret("ann")}
            assert ann["subscriptions"][0]["condition"] == "BINANCE:BTCUSDT 1h: close > 1"
            assert path_secret("ann") in ann["webhooks"][0]["url"]
            assert [each["delivery_id"] for each in ann["dead_letters"]] == ["d"]
            assert "bob" not in text
            assert secrets[0][0].rsplit("_", 1)[1] not in text
            assert secrets[0][1] not in text
            assert "sha256" not in text

            done = json.loads(run_hub(data, "users", "delete", "ann", "--yes", "--json").stdout)
            assert (done["keys"], done["webhooks"], done["subscriptions"]) == (1, 1, 1)
            assert CONSUMER in done["consumers"]

            with httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {secrets[0][0]}"}) as gone:
                assert gone.get("/conditions/user/subscriptions").status_code == 401
            assert export_user(store, settings, "bob") == before
            got = len(receiver.seqs(path_secret("ann")))
            fire(store)
            wait_for(lambda: len(receiver.seqs(path_secret("bob"))) == 2, "bob to get the next trigger")
            assert len(receiver.seqs(path_secret("ann"))) == got
            with connect_log(settings) as log:
                assert dead_letters(log, CONSUMER, 10) == []
                wait_for(
                    lambda: not log.client.xlen(f"triggers:orders:{CONSUMER}"), "the consumer to forget the deliveries"
                )
            remains = store.registry.subscription_records("ann")
            assert [(each.subscription.state, each.bot_config) for each in remains] == [("ended", None)]
        valkey = (data / "events" / "password").read_text()
        token = (data / "store_token").read_text()

    lines = hub.log().splitlines()
    for secret in [valkey, token, *(text for texts in secrets for text in texts)]:
        assert not [line for line in lines if secret in line]
    parsed = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(parsed) > 10
    assert {line["logger"].split(".")[0] for line in parsed} <= {*PACKAGES, "uvicorn"}

    with closing(sqlite3.connect(data / "webhooks.ledger")) as ledger:
        left = "".join(ledger.iterdump())
    assert ":ann:" not in left
    assert "'ann'" not in left
    # Deliveries that were taken are digests: of nobody by name, and Bob's are among them.
    assert 'INSERT INTO "webhook_taken"' in left
    # Bob's deliveries can be exported now that nobody has the ledger; Ann's are gone.
    with FileStore(data / "store") as stopped:
        assert export_user(stopped, settings, "bob")["deliveries"] is not None
        assert export_user(stopped, settings, "bob")["dead_letters"] is None
