"""Rates and quotas hold exactly at their boundary, separately for each user, and the headers say so."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.api.served_hub import NOON_MS, Hub, a_hub
from tests.api.still_clock import StillClock
from tests.waiting import wait_for


def left(answer: httpx.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]


def test_a_rate_lets_through_exactly_its_number(tmp_path: Path) -> None:
    with a_hub(tmp_path, StillClock(), api_rate_read="5/hour") as hub:
        ann = hub.as_user("ann")
        assert [left(ann.get("/instruments")) for _ in range(5)] == [(200, "5", str(n)) for n in (4, 3, 2, 1, 0)]
        refused = ann.get("/instruments")
        assert left(refused) == (429, "5", "0")
        assert refused.headers["RateLimit-Policy"] == '"read";q=5;w=3600'
        assert refused.headers["Retry-After"] == "3600"
        assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
        assert refused.json()["type"] == "urn:condition-hub:problem:too-many-requests"
        # Another class, and another user, have a rate of their own.
        assert ann.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).status_code == 201
        assert left(hub.as_user("bob").get("/instruments")) == (200, "5", "4")


def test_a_refused_body_counts_and_a_second_key_does_not_help(tmp_path: Path) -> None:
    with a_hub(tmp_path, api_rate_write="3/hour") as hub:
        ann, again = hub.as_user("ann"), hub.as_user("ann", "operator")
        assert (
            ann.post("/conditions/register", content=b"{", headers={"Content-Type": "application/json"}).status_code
            == 400
        )
        assert ann.post("/conditions/register", json={"condition": "?"}).status_code == 422
        assert again.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).status_code == 201
        assert ann.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).status_code == 429


def test_a_client_that_waits_as_told_is_let_in(tmp_path: Path) -> None:
    clock = StillClock()
    with a_hub(tmp_path, clock, api_rate_read="2/10 second") as hub:
        ann = hub.as_user("ann")
        assert ann.get("/instruments").status_code == 200
        clock.now += 2.5
        assert ann.get("/instruments").status_code == 200
        refused = ann.get("/instruments")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "8")
        clock.now += 7
        assert ann.get("/instruments").status_code == 429
        clock.now += 1
        assert left(ann.get("/instruments")) == (200, "2", "0")
        clock.now += 10
        assert left(ann.get("/instruments")) == (200, "2", "1")


def test_many_at_once_get_no_more(tmp_path: Path) -> None:
    with a_hub(tmp_path, api_rate_read="20/hour") as hub:
        clients = [hub.as_user("ann") for _ in range(8)]
        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(lambda number: clients[number % 8].get("/instruments").status_code, range(48)))
        assert sorted(statuses) == [200] * 20 + [429] * 28


def test_wrong_keys_of_one_address(tmp_path: Path) -> None:
    with a_hub(tmp_path, api_rate_refused="3/hour") as hub:
        nobody = hub.nobody()
        assert [nobody.get("/indicators").status_code for _ in range(4)] == [401, 401, 401, 429]
        # Whoever has a key is not kept out by others behind the same address.
        assert hub.as_user("ann").get("/indicators").status_code == 200


def remaining(answer: httpx.Response) -> int:
    return int(answer.headers["RateLimit-Remaining"])


def test_a_write_counts_by_the_bytes_of_its_body_and_a_long_refusal_more(tmp_path: Path) -> None:
    with a_hub(tmp_path, StillClock(), api_rate_write="100/hour") as hub:
        ann = hub.as_user("ann")

        def register(text: str) -> httpx.Response:
            return ann.post("/conditions/register", json={"condition": text})

        assert remaining(register("BTCUSDT 1h: close > 1")) == 99
        assert remaining(register("BTCUSDT 1h: close > 1" + " " * 2_000)) == 97, "two KiB, and a bit less"
        refused = register("BTCUSDT 1h: close >" + " " * 2_000)
        assert (refused.status_code, remaining(refused)) == (422, 97 - 2 - 7)
        unfolded = register("BTCUSDT 1h: close rises_by 1% within 100 bars")
        size = len(unfolded.json()["canonical"])
        assert (unfolded.status_code, remaining(unfolded)) == (201, 88 - 1 - size // 1_000)
        left = remaining(unfolded)
        beyond = register("BTCUSDT 1h: rsi(14)@4h + rsi(15)@4h + ema(3) rises_by 1% within 490 bars")
        assert (beyond.status_code, remaining(beyond), left > 0) == (429, left - 1, True)
        assert beyond.headers["Retry-After"] == beyond.headers["RateLimit-Reset"] == "3600"
        assert "send less at once" in beyond.json()["detail"]
        assert remaining(register("BTCUSDT 1h: close > 1")) == left - 2


def test_a_bulk_registration_counts_by_its_conditions_bytes_and_refusals(tmp_path: Path) -> None:
    with a_hub(tmp_path, StillClock(), api_rate_bulk="100/hour") as hub:
        ann = hub.as_user("ann")

        def register(*texts: str) -> httpx.Response:
            return ann.post("/conditions/register/bulk", json={"conditions": texts})

        assert remaining(register("BTCUSDT 1h: close > 1")) == 99
        assert remaining(register(*["BTCUSDT 1h: close > 1"] * 120)) == 96
        assert remaining(register(*["BTCUSDT 1h: close > 1" + " " * 4_000] * 10)) == 96 - 5
        assert remaining(register("BTCUSDT 1h: close > 2", "?", "XYZ 1h: close > 1")) == 91 - 3
        beyond = register(*["?"] * 90)
        assert beyond.status_code == 429
        assert beyond.headers["RateLimit-Limit"] == "100"
        before = len(hub.store.registry.conditions())
        refused = register(*[f"BTCUSDT 1h: close rises_by {number}% within 400 bars" for number in range(1, 30)])
        assert refused.status_code == 429
        assert len(hub.store.registry.conditions()) == before, "a refused request registers nothing"


def subscribe(client: httpx.Client, bot: str, condition: str) -> httpx.Response:
    return client.post("/conditions/subscribe", json={"bot_id": bot, "condition_id": condition, "bot_type": "dca"})


def registered(hub: Hub, count: int) -> list[str]:
    texts = [f"BTCUSDT 1h: close > {number}" for number in range(1, count + 1)]
    answer = hub.as_user("quota-setup").post("/conditions/register/bulk", json={"conditions": texts})
    return [result["condition_id"] for result in answer.json()["results"]]


def test_a_quota_of_subscriptions(tmp_path: Path) -> None:
    with a_hub(tmp_path, quota_subscriptions=3) as hub:
        ann, conditions = hub.as_user("ann"), registered(hub, 4)
        assert [subscribe(ann, "b", name).status_code for name in conditions] == [201, 201, 201, 403]
        refused = subscribe(ann, "b", conditions[3])
        assert refused.json()["type"] == "urn:condition-hub:problem:quota-exceeded"
        assert "3 subscriptions" in refused.json()["detail"]
        assert subscribe(ann, "b", conditions[0]).status_code == 200
        assert subscribe(hub.as_user("bob"), "b", conditions[3]).status_code == 201
        ann.post("/conditions/unsubscribe", json={"bot_id": "b", "condition_id": conditions[1]})
        assert subscribe(ann, "b", conditions[3]).status_code == 201


def test_a_quota_holds_when_all_come_at_once(tmp_path: Path) -> None:
    with a_hub(tmp_path, quota_subscriptions=10) as hub:
        conditions = registered(hub, 30)
        clients = [hub.as_user("ann") for _ in range(8)]
        with ThreadPoolExecutor(8) as threads:
            answers = threads.map(
                lambda at: subscribe(clients[at[0] % 8], "b", at[1]).status_code, enumerate(conditions)
            )
            assert sorted(answers) == [201] * 10 + [403] * 20
        assert len(hub.store.registry.subscriptions_of("ann")) == 10


def test_a_quota_of_bots(tmp_path: Path) -> None:
    with a_hub(tmp_path, quota_bots=2) as hub:
        ann, (first, second) = hub.as_user("ann"), registered(hub, 2)
        statuses = [subscribe(ann, bot, name).status_code for bot, name in (("a", first), ("b", first), ("a", second))]
        assert statuses == [201, 201, 201]
        assert subscribe(ann, "c", first).status_code == 403


def test_a_quota_of_new_conditions_in_a_day(tmp_path: Path) -> None:
    with a_hub(tmp_path, quota_conditions=3) as hub:
        ann, bob = hub.as_user("ann"), hub.as_user("bob")

        def register(client: httpx.Client, number: int) -> httpx.Response:
            return client.post("/conditions/register", json={"condition": f"BTCUSDT 1h: close > {number}"})

        assert register(bob, 9).status_code == 201
        # What is known, or cannot be registered, takes nothing.
        assert [register(ann, number).status_code for number in (9, 1, 1)] == [200, 201, 200]
        assert ann.post("/conditions/register", json={"condition": "XYZ 1h: close > 1"}).status_code == 422
        many = {"conditions": ["BTCUSDT 1h: close > 2", "BTCUSDT 1h: close > 3", "XYZ 1h: close > 1", "?"]}
        refused = ann.post(
            "/conditions/register/bulk", json={"conditions": [*many["conditions"], "BTCUSDT 1h: close > 4"]}
        )
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) == (86_400_000 - NOON_MS % 86_400_000) // 1000
        assert "2 are left" in refused.json()["detail"]
        assert ann.post("/conditions/register/bulk", json=many).json()["created"] == 2
        assert register(ann, 5).status_code == 429
        assert register(ann, 9).status_code == 200
        hub.clock.move_to(NOON_MS + 86_400_000)
        assert register(ann, 5).status_code == 201


def configure(client: httpx.Client, bot: str, condition: str, size: int) -> httpx.Response:
    """Subscribe with a configuration of that many bytes as JSON."""
    body = {"bot_id": bot, "condition_id": condition, "bot_type": "dca", "bot_config": {"a": "x" * (size - 8)}}
    return client.post("/conditions/subscribe", json=body)


def test_a_quota_of_bytes_of_configurations_survives_a_restart(tmp_path: Path) -> None:
    with a_hub(tmp_path, quota_config_bytes=10_000) as hub:
        (condition,) = registered(hub, 1)
        ann = hub.as_user("ann")
        assert [configure(ann, bot, condition, 4_000).status_code for bot in "abc"] == [201, 201, 403]
        assert configure(ann, "a", condition, 6_000).status_code == 200
        # Exactly as many as allowed; and what is there may be sent again.
        assert [configure(ann, bot, condition, size).status_code for bot, size in (("a", 6_000), ("b", 4_000))] == [
            200
        ] * 2
        refused = configure(ann, "b", condition, 4_001)
        assert refused.json()["type"] == "urn:condition-hub:problem:quota-exceeded"
        assert "10,000 bytes; 0 are left, and this needs 1 more" in refused.json()["detail"]
        assert configure(hub.as_user("bob"), "a", condition, 10_000).status_code == 201
    with Hub(tmp_path, quota_config_bytes=10_000) as hub:
        ann = hub.as_user("ann")
        assert configure(ann, "c", condition, 100).status_code == 403
        assert configure(ann, "b", condition, 3_000).status_code == 200
        assert configure(ann, "c", condition, 1_000).status_code == 201
        ann.post("/conditions/unsubscribe", json={"bot_id": "a", "condition_id": condition})
        assert configure(ann, "c", condition, 7_000).status_code == 200


def test_a_quota_of_bytes_of_configurations_holds_when_all_come_at_once(tmp_path: Path) -> None:
    with a_hub(tmp_path, quota_config_bytes=10_000) as hub:
        (condition,) = registered(hub, 1)
        clients = [hub.as_user("ann") for _ in range(8)]
        with ThreadPoolExecutor(8) as threads:
            answers = list(
                threads.map(lambda at: configure(clients[at % 8], f"b{at}", condition, 1_000).status_code, range(30))
            )
        assert sorted(answers) == [201] * 10 + [403] * 20
        assert hub.store.registry.config_bytes("ann") == 10_000


def test_quotas_of_a_day_survive_a_restart_and_count_bytes(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"quota_conditions": 3, "quota_condition_bytes": 40_000}

    def register(client: httpx.Client, text: str) -> httpx.Response:
        return client.post("/conditions/register", json={"condition": f"BTCUSDT 1h: {text}"})

    with a_hub(tmp_path, **limits) as hub:
        ann = hub.as_user("ann")
        assert register(ann, "close rises_by 1% within 400 bars").status_code == 201
        refused = register(ann, "close rises_by 2% within 400 bars")
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:condition-hub:problem:quota-exceeded")
        assert "40,000 bytes in canonical form" in refused.json()["detail"]
        assert register(ann, "close > 1").status_code == 201
        now_ms = hub.clock.now_ms()
    with Hub(tmp_path, **limits) as hub:
        ann = hub.as_user("ann")
        hub.clock.move_to(now_ms)
        assert register(ann, "close rises_by 2% within 400 bars").status_code == 429
        assert register(ann, "close > 2").status_code == 201
        assert register(ann, "close > 3").status_code == 429
        assert register(hub.as_user("bob"), "close > 3").status_code == 201


def test_open_streams_of_a_user(tmp_path: Path) -> None:
    with a_hub(tmp_path, api_streams_per_user=1) as hub:
        ann = hub.as_user("ann")
        with ann.stream("GET", "/events") as stream:
            assert stream.status_code == 200
            assert ann.get("/events").status_code == 429
            with hub.as_user("bob").stream("GET", "/events") as other:
                assert other.status_code == 200
        wait_for(lambda: hub.service.user_feed.streams_of("ann") == 0, "the stream to be closed")
        with ann.stream("GET", "/events") as again:
            assert again.status_code == 200
