"""The API after an upgrade that gave conditions other ids: whoever knows an old id gets on with it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.streams import event_stream
from condition_hub.results import Notice
from registry.client import HubClient
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from tests.api.served_hub import CONFIG, NOON_MS, RSI, Hub, a_hub, id_of
from tests.registry.store.files.yesterday import RSI_VERSION, formulas, write_as

LEVEL = "BTCUSDT 1h: close > 1"
NOW_MS = NOON_MS + 2 * 3_600_000
"""The close of the second candle on which something fired."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A hub of yesterday: ann's bot wants RSI, which has fired twice; bob's wants a level, which has fired once."""
    with a_hub(tmp_path) as hub:
        for user, condition in (("ann", RSI), ("bob", {"condition": LEVEL})):
            client = hub.as_user(user)
            condition_id = client.post("/conditions/register", json=condition).json()["condition_id"]
            body = {"bot_id": "b", "condition_id": condition_id, "bot_type": "dca", "bot_config": CONFIG}
            assert client.post("/conditions/subscribe", json=body).status_code == 201
        hub.fire(id_of(RSI), id_of(LEVEL))
        hub.fire(id_of(RSI))
    return tmp_path


@pytest.fixture
def old() -> str:
    """The id that RSI had."""
    return id_of(RSI)


@pytest.fixture
def hub(folder: Path, old: str) -> Iterator[Hub]:
    """The hub after the upgrade."""
    assert old
    with formulas(rsi=7), a_hub(folder) as hub:
        hub.clock.move_to(NOW_MS)
        yield hub


def test_an_old_id_answers_with_what_stands_for_it(hub: Hub, old: str) -> None:
    new, ann = id_of(RSI), hub.as_user("ann")
    assert new != old
    status = ann.get(f"/conditions/{old}/status").json()
    assert (status["condition_id"], status["superseded_by"], status["state"]) == (old, new, "superseded")
    assert (status["active"], status["triggers"], status["definition_versions"]) == (False, 2, f"rsi={RSI_VERSION}")
    assert status["reason"] == f"the formula of rsi changed from version {RSI_VERSION} to 7"
    status = ann.get(f"/conditions/{new}/status").json()
    assert (status["superseded_by"], status["state"], status["active"], status["triggers"]) == (None, "judged", True, 0)

    explained = ann.get(f"/conditions/{old}/explain").json()
    assert (explained["condition_id"], explained["superseded_by"]) == (new, new)
    assert ann.get(f"/conditions/{new}/explain").json()["superseded_by"] is None

    page = ann.get(f"/conditions/{old}/triggers").json()
    assert ([item["condition_id"] for item in page["items"]], page["superseded_by"]) == ([old, old], new)
    assert ann.get(f"/conditions/{'0' * 32}/triggers").status_code == 404


def test_a_bot_goes_on_with_the_id_that_it_knows(hub: Hub, old: str) -> None:
    new, ann = id_of(RSI), hub.as_user("ann")

    def post(what: str, bot: str, **more: Any) -> httpx.Response:
        return ann.post(f"/conditions/{what}", json={"bot_id": bot, "condition_id": old, **more})

    (mine,) = ann.get("/conditions/user/subscriptions", params={"condition_id": old}).json()["items"]
    assert (mine["bot_id"], mine["condition_id"], mine["replaces"]) == ("b", new, [old])
    again = post("subscribe", "b", bot_type="dca", bot_config=CONFIG)
    assert (again.status_code, again.json()["revision"]) == (200, mine["revision"]), "as if it had asked before"
    other = post("subscribe", "c", bot_type="dca")
    assert (other.status_code, other.json()["condition_id"], other.json()["superseded_by"]) == (201, new, new)
    assert (other.json()["replaces"], other.headers["Location"]) == ([], f"/conditions/{new}/status")
    assert [post(what, "b").json()["state"] for what in ("pause", "resume")] == ["paused", "active"]
    assert post("rearm", "b").status_code == 409, "it is there, but has no while_true"
    assert (post("unsubscribe", "b").status_code, post("unsubscribe", "b").status_code) == (200, 404)
    registered = ann.post("/conditions/register", json=RSI)
    assert (registered.status_code, registered.json()["condition_id"]) == (200, new)


def test_what_a_bot_has_not_read_yet_is_still_there(hub: Hub, old: str) -> None:
    new, ann, bob = id_of(RSI), hub.as_user("ann"), hub.as_user("bob")
    hub.fire(new)
    page = ann.get("/triggers", params={"after_seq": 1}).json()
    assert [(item["condition_id"], item["seq"]) for item in page["items"]] == [(old, 3), (new, 5)], "4 is the upgrade"
    assert [item["seq"] for item in bob.get("/triggers").json()["items"]] == [2]
    assert ann.get("/triggers", params={"after_seq": 1, "bot_id": "c"}).json()["items"] == []


def test_the_client_knows_both_ids(hub: Hub, old: str) -> None:
    new = id_of(RSI)
    with HubClient(hub.url, hub.key("ann")) as client:
        status = client.status(old)
        assert (status.state, status.superseded_by) == ("superseded", new)
        assert [one.replaces for one in client.subscriptions()] == [[old]]
        subscribed = client.subscribe_bot("c", old, "dca")
        assert (subscribed.condition_id, subscribed.superseded_by) == (new, new)
        assert client.explain(old).superseded_by == new
        assert [trigger.condition_id for trigger in client.triggers_of(old)] == [old, old]


def stream_of(client: httpx.Client, last_id: int | None, chunks: int = 3) -> list[dict[str, str]]:
    """The first blocks of a stream as their fields: where it starts, then its events, without heartbeats."""
    blocks: list[dict[str, str]] = [{}]
    headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
    with client.stream("GET", "/events", headers=headers) as answer:
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                blocks[-1][name] = value
            elif "data" not in blocks[-1] and "retry" not in blocks[-1]:
                blocks[-1] = {}
            elif len(blocks) == chunks:
                return blocks
            else:
                blocks.append({})
    return blocks


def test_a_stream_tells_of_the_upgrade_once_and_ahead_of_what_fires(
    hub: Hub, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.1)
    new, ann = id_of(RSI), hub.as_user("ann")
    hub.fire(new)
    told = {
        "notice_id": f"superseded:{old}:ann:b",
        "bot_id": "b",
        "condition_id": old,
        "superseded_by": new,
        "reason": f"the formula of rsi changed from version {RSI_VERSION} to 7",
    }
    # Has seen everything up to the upgrade, which has number 4.
    start, notice, trigger = stream_of(ann, 3)
    assert start["id"] == "3"
    assert (notice["event"], notice["id"], json.loads(notice["data"])) == ("notice", "4", told)
    assert (trigger["event"], trigger["id"], json.loads(trigger["data"])["condition_id"]) == ("trigger", "5", new)
    # Has missed triggers from before it: the notice has no id, or those would be lost if the connection broke.
    _, notice, trigger = stream_of(ann, 1)
    assert (json.loads(notice["data"]), "id" in notice) == (told, False)
    assert (trigger["id"], json.loads(trigger["data"])["condition_id"]) == ("3", old)
    # Has been told, is new, or is somebody else.
    assert stream_of(ann, 4, 2)[1]["id"] == "5"
    assert stream_of(hub.as_user("bob"), 1, 2)[1]["id"] == "2"


def test_the_client_is_told_once(hub: Hub, old: str) -> None:
    new = id_of(RSI)
    hub.fire(new)
    notices: list[Notice] = []
    with HubClient(hub.url, hub.key("ann")) as client:
        triggers = client.triggers(after_seq=1, on_notice=notices.append)
        assert [next(triggers).condition_id for _ in range(2)] == [old, new]
    assert [(notice.condition_id, notice.superseded_by, notice.bot_id) for notice in notices] == [(old, new, "b")]


def test_one_that_cannot_be_read_any_more_says_so(folder: Path) -> None:
    lost = write_as(folder / "store", id_of(LEVEL), "BINANCE:BTCUSDT 1h: nonsense > 1")
    with a_hub(folder) as hub:
        hub.clock.move_to(NOW_MS)
        bob = hub.as_user("bob")
        status = bob.get(f"/conditions/{lost}/status").json()
        assert (status["state"], status["superseded_by"], status["active"]) == ("err", None, False)
        assert "cannot be read any more" in status["reason"]
        assert [one["condition_id"] for one in bob.get("/conditions/user/subscriptions").json()["items"]] == [lost]
        (_, notice) = stream_of(bob, 3, 2)
        assert json.loads(notice["data"])["notice_id"] == f"unreadable:{lost}:bob:b"
        assert json.loads(notice["data"])["superseded_by"] is None


def test_an_upgrade_is_announced_once(folder: Path) -> None:
    with FileStore(folder / "store") as store:
        assert store.registry.notices_of("ann") == []
    with formulas(rsi=7), FileStore(folder / "store") as store:
        assert store.registry.notices_of("ann") == [], "not told before it is announced"
        assert (store.announce_upgrades(), store.announce_upgrades()) == (1, 0)
        (notice,) = store.registry.notices_of("ann")
        assert (notice.seq, store.triggers.last_seq()) == (4, 4)
        assert store.registry.notices_of("ann", 4) == store.registry.notices_of("bob") == []
        store.registry.register([Condition.parse(RSI)], active_from_ms=0)
    with formulas(rsi=7), FileStore(folder / "store") as store:
        assert store.announce_upgrades() == 0
        assert store.registry.notices_of("ann") == [notice]
