"""`hub users` without a running hub: what is exported, asked for, removed, and said."""

import json
import os
from pathlib import Path

import pytest

import app_cli
from events.consuming.consumer_state import ConsumerState
from events.consuming.ledger import Ledger
from events.webhooks.outbox import NewParcel, Outbox
from events.webhooks.sender import CONSUMER
from hub.users import STAYS
from registry.conditions import Condition
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.parts.delivery import Webhook
from registry.store.parts.registry import SubscriptionRequest
from tests.api.served_hub import few_candles

CONDITION = Condition.parse("BTCUSDT 1h: close > 1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder in which ann and bob have a key, a bot and a webhook with a delivery that waits."""
    for name in [name for name in os.environ if name.startswith(("HUB_", "REDIS_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with FileStore(tmp_path / "store") as store, Ledger(tmp_path / "webhooks.ledger") as ledger:
        store.candles.upsert(few_candles())
        store.registry.register([CONDITION], active_from_ms=0)
        ConsumerState(ledger, CONSUMER, store.identity())
        outbox = Outbox(ledger)
        for user in ("ann", "bob"):
            store.accounts.add_key(new_key(user, "user", "laptop", 5)[0])
            store.delivery.add_webhook(
                Webhook(f"w-{user}", user, "https://a.example", "whsec_x", None, "active", 5, 0, 1)
            )
            request = SubscriptionRequest(user, "bot", CONDITION.id, "dca", {"apiSecret": f"of {user}"})
            store.registry.subscribe([request], active_from_ms=0)
            outbox.put([NewParcel(f"w-{user}", f"{CONDITION.id}:5:{user}:bot", b"{}")], 5)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = app_cli.run(["users", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.mark.usefixtures("folder")
def test_everything_of_a_user_is_exported_but_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "export", "ann")
    assert code == 0
    assert "event log is not running" in err
    export = json.loads(out)
    assert [key["label"] for key in export["keys"]] == ["laptop"]
    assert export["subscriptions"][0]["bot_config"] == {"apiSecret": "of ann"}
    assert export["webhooks"][0]["url"] == "https://a.example"
    assert export["deliveries"]["waiting"] == [
        {"webhook_id": "w-ann", "delivery_id": f"{CONDITION.id}:5:ann:bot", "attempts": 0, "state": "waiting"}
    ]
    assert not any(secret in out for secret in ("whsec", "sha256", "bob"))


@pytest.mark.usefixtures("folder")
def test_a_user_without_anything_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "export", "eve")
    assert (code, "nothing of a user 'eve'" in err, "hub keys list" in err) == (1, True, True)


def test_deleting_asks_first_and_says_what_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run(capsys, "export", "bob")[1]
    code, _, err = run(capsys, "delete", "ann")
    assert (code, "--yes" in err, "hub users export ann" in err) == (1, True, True)
    assert json.loads(run(capsys, "export", "ann")[1])["keys"]

    code, out, err = run(capsys, "delete", "ann", "--yes")
    assert (code, out) == (0, "1 subscriptions ended; 1 keys, 1 webhooks and 0 bots removed\n")
    assert all(what in err for what in STAYS)
    assert run(capsys, "export", "bob")[1] == before
    left = json.loads(run(capsys, "export", "ann")[1])
    assert (left["keys"], left["webhooks"], left["deliveries"]) == ([], [], {"made": [], "waiting": []})
    assert [(each["state"], each["bot_config"]) for each in left["subscriptions"]] == [("ended", None)]
    with Ledger(folder / "webhooks.ledger") as ledger, ledger.transaction() as transaction:
        waiting = [delivery for (delivery,) in transaction.execute("SELECT delivery_id FROM webhook_outbox")]
    assert waiting == [f"{CONDITION.id}:5:bob:bot"]

    again = json.loads(run(capsys, "delete", "ann", "--yes", "--json")[1])
    assert (again["keys"], again["webhooks"], again["subscriptions"], again["consumers"]) == (0, 0, 0, None)


def test_a_name_that_looks_like_a_time_is_no_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every delivery of this close time has the name in its id."""
    assert run(capsys, "delete", "5", "--yes")[0] == 0
    with Ledger(folder / "webhooks.ledger") as ledger, ledger.transaction() as transaction:
        assert len(transaction.execute("SELECT delivery_id FROM webhook_outbox").fetchall()) == 2
