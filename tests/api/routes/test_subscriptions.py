"""Subscribing: idempotent, with the truth of now; paging that misses nothing while others write."""

import threading

import pytest

from tests.api.served_hub import CONFIG, RSI, Hub

ALWAYS = "BTCUSDT 1h: close > 1"
BOT = {"bot_id": "dca_bot_123", "bot_type": "dca", "bot_config": CONFIG}


def register(hub: Hub, user: str, condition: object) -> str:
    body = condition if isinstance(condition, dict) else {"condition": condition}
    return str(hub.as_user(user).post("/conditions/register", json=body).json()["condition_id"])


def test_subscribing_twice_is_subscribing_once(hub: Hub) -> None:
    ann = hub.as_user("sub-ann")
    body = {**BOT, "condition_id": register(hub, "sub-ann", RSI), "policy": {"cooldown_s": 60, "max_fires": 3}}
    first, again = ann.post("/conditions/subscribe", json=body), ann.post("/conditions/subscribe", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.text == again.text
    assert first.json()["policy"]["cooldown_s"] == 60
    # A year, until the end of the day.
    assert 0 <= first.json()["policy"]["expires_at"] - first.json()["active_from"] - 365 * 86_400_000 < 86_400_000
    (listed,) = ann.get("/conditions/user/subscriptions").json()["items"]
    assert listed == {name: value for name, value in first.json().items() if name in listed}


def test_the_answer_says_what_the_condition_is_now(hub: Hub) -> None:
    ann = hub.as_user("sub-now")
    # One that nobody else registers: an explanation shows a condition as its first user wrote it.
    condition_id = register(hub, "sub-now", "BTCUSDT 1h: rsi(14) crosses_below 31.25")
    now = ann.post("/conditions/subscribe", json={**BOT, "condition_id": condition_id}).json()["now"]
    explained = ann.get(f"/conditions/{condition_id}/explain").json()
    assert (now["truth"], now["close_time"], now["price"], now["settled"]) == tuple(
        explained[name] for name in ("truth", "close_time", "price", "settled")
    )
    assert now["values"]["rsi(14, close)"] == explained["tree"]["readings"][0]["now"]
    before = ann.get(f"/conditions/{condition_id}/explain", params={"at": now["since"]}).json()
    assert (before["truth"], before["before"] == before["truth"]) == (now["truth"], False)


def test_fire_if_true_and_while_true_ask_to_act_at_once(hub: Hub) -> None:
    hub.clock.move_to(1_725_600_000_000)  # after the newest candle
    ann = hub.as_user("sub-fire")
    always = {**BOT, "condition_id": register(hub, "sub-fire", ALWAYS)}
    never = {**BOT, "condition_id": register(hub, "sub-fire", "BTCUSDT 1h: close < 1")}
    policy = {"policy": {"fire_if_true": True, "while_true": True}}
    answer = ann.post("/conditions/subscribe", json={**always, **policy}).json()
    assert answer["deliver"]
    assert answer["trigger_id"] == f"{always['condition_id']}:{answer['now']['close_time']}"
    assert not ann.post("/conditions/subscribe", json={**never, **policy}).json()["deliver"]
    which = {name: always[name] for name in ("bot_id", "condition_id")}
    assert ann.post("/conditions/rearm", json=which).json()["trigger_id"] == answer["trigger_id"]
    ann.post("/conditions/pause", json=which)
    assert not ann.post("/conditions/rearm", json=which).json()["deliver"]
    plain = {**BOT, "bot_id": "plain", "condition_id": always["condition_id"]}
    assert not ann.post("/conditions/subscribe", json=plain).json()["deliver"]
    refused = ann.post("/conditions/rearm", json={**which, "bot_id": "plain"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:condition-hub:problem:not-while-true")


def test_a_life_of_a_subscription(hub: Hub) -> None:
    ann = hub.as_user("sub-life")
    which = {"bot_id": "b", "condition_id": register(hub, "sub-life", RSI)}
    assert ann.post("/conditions/pause", json=which).status_code == 404
    assert ann.post("/conditions/subscribe", json={**which, "bot_type": "grid"}).status_code == 201
    assert [ann.post("/conditions/pause", json=which).json()["state"] for _ in range(2)] == ["paused", "paused"]
    assert [ann.post("/conditions/resume", json=which).json()["state"] for _ in range(2)] == ["active", "active"]
    ended = ann.post("/conditions/unsubscribe", json=which)
    assert (ended.status_code, ended.json()["state"]) == (200, "ended")
    assert ann.post("/conditions/unsubscribe", json=which).status_code == 404
    assert ann.post("/conditions/resume", json=which).status_code == 404
    assert ann.get("/conditions/user/subscriptions").json() == {"items": [], "next_cursor": None}
    assert ann.post("/conditions/subscribe", json={**which, "bot_type": "grid"}).status_code == 201


def test_only_registered_conditions(hub: Hub) -> None:
    answer = hub.as_user("sub-ann").post("/conditions/subscribe", json={**BOT, "condition_id": "0" * 32})
    assert answer.status_code == 404
    assert "register" in answer.json()["detail"]


@pytest.mark.parametrize("limit", [1, 7])
def test_pages_have_everything_once_while_others_come_and_go(hub: Hub, limit: int) -> None:
    user = f"sub-pages-{limit}"
    ann, condition_id = hub.as_user(user), register(hub, user, RSI)
    stays = [f"bot-{number:02}" for number in range(0, 30, 2)]
    for bot in stays:
        ann.post("/conditions/subscribe", json={"bot_id": bot, "condition_id": condition_id, "bot_type": "dca"})
    stop = threading.Event()

    def come_and_go() -> None:
        client, number = hub.as_user(user), 1
        while not stop.is_set():
            which = {"bot_id": f"bot-{number:02}", "condition_id": condition_id}
            client.post("/conditions/subscribe", json={**which, "bot_type": "dca"})
            client.post("/conditions/unsubscribe", json=which)
            number = (number + 2) % 30

    thread = threading.Thread(target=come_and_go)
    thread.start()
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = ann.get("/conditions/user/subscriptions", params=query).json()
        assert len(page["items"]) <= limit
        seen += [item["bot_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    stop.set()
    thread.join()
    assert seen == sorted(set(seen))
    assert set(stays) <= set(seen)


def test_a_listing_of_one_bot_or_condition(hub: Hub) -> None:
    ann = hub.as_user("sub-filter")
    first, second = register(hub, "sub-filter", RSI), register(hub, "sub-filter", ALWAYS)
    for bot, condition_id in (("a", first), ("a", second), ("b", first)):
        ann.post("/conditions/subscribe", json={"bot_id": bot, "condition_id": condition_id, "bot_type": "dca"})

    def listed(**query: str) -> list[tuple[str, str]]:
        items = ann.get("/conditions/user/subscriptions", params=query).json()["items"]
        return [(item["bot_id"], item["condition_id"]) for item in items]

    assert set(listed(bot_id="a")) == {("a", first), ("a", second)}
    assert set(listed(condition_id=first)) == {("a", first), ("b", first)}
    assert listed(bot_id="c") == []


def test_without_a_configuration_that_of_the_subscription_stays(hub: Hub) -> None:
    sue = hub.as_user("config-sue")
    condition = sue.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 2"}).json()["condition_id"]
    body = {"bot_id": "b", "condition_id": condition, "bot_type": "dca"}
    sue.post("/conditions/subscribe", json={**body, "bot_config": {"mine": 1}})
    sue.post("/conditions/subscribe", json={**body, "bot_config": None, "policy": {"max_fires": 2}})
    assert hub.store.registry.bot_config("config-sue", "b", condition) == {"mine": 1}
    sue.post("/conditions/subscribe", json=body)
    assert hub.store.registry.bot_config("config-sue", "b", condition) == {}


def test_many_are_subscribed_all_or_none(hub: Hub) -> None:
    tom = hub.as_user("bulk-tom")
    texts = [f"BTCUSDT 1h: close > {number}" for number in range(100, 110)]
    ids = [tom.post("/conditions/register", json={"condition": text}).json()["condition_id"] for text in texts]
    bodies = [{"bot_id": "b", "condition_id": one, "bot_type": "dca", "policy": {"max_fires": 2}} for one in ids]
    broken = [*bodies, {**bodies[0], "condition_id": "0" * 32}]
    assert tom.post("/conditions/subscribe/bulk", json={"subscriptions": broken}).status_code == 404
    assert hub.store.registry.subscriptions_of("bulk-tom") == []
    made = tom.post("/conditions/subscribe/bulk", json={"subscriptions": bodies}).json()
    assert ([one["condition_id"] for one in made["items"]], made["created"]) == (ids, 10)
    assert {one["policy"]["max_fires"] for one in made["items"]} == {2}
    change = hub.store.registry.last_change()
    assert tom.post("/conditions/subscribe/bulk", json={"subscriptions": bodies}).json()["created"] == 0
    assert hub.store.registry.last_change() == change, "the same once more changes nothing"
