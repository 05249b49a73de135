"""What one user has, no other can see or change: not by any route, with any id, or anywhere in an answer."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.logs import JsonLines
from registry.store.parts.accounts import Role
from tests.api.served_hub import Hub, a_hub
from tests.waiting import wait_for

SECRET = "c0nf1g-of-ann"
BOT = "bot-of-ann"
PRIVATE = (SECRET, BOT, "ann-the-user")


def private(text: str) -> list[str]:
    return [word for word in PRIVATE if word in text]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The log lines of the service; the client of the tests logs in the same process."""
    return [JsonLines().format(record) for record in caplog.records if record.name.startswith(("hub", "uvicorn.error"))]


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[tuple[Hub, str]]:
    """A hub in which ann has a bot, and the condition that the bot subscribes to."""
    with a_hub(tmp_path) as hub:
        ann = hub.as_user("ann-the-user")
        condition = ann.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).json()["condition_id"]
        ann.post(
            "/conditions/subscribe",
            json={"bot_id": BOT, "condition_id": condition, "bot_type": "dca", "bot_config": {"apiSecret": SECRET}},
        )
        hub.fire(condition, count=2)
        ann.post("/webhooks", json={"url": "https://hooks.example.com/ann-the-user", "bot_id": BOT})
        yield hub, condition


def calls(hub: Hub, condition: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Every documented route, with every id of ann's in every place where an id can be."""
    which = {"bot_id": BOT, "condition_id": condition}
    bodies: dict[str, list[Any]] = {
        "/conditions/register": [{"condition": "BTCUSDT 1h: close > 1"}],
        "/conditions/register/bulk": [{"conditions": ["BTCUSDT 1h: close > 1"]}],
        "/webhooks": [{"url": "https://hooks.example.com/b", "user_id": "ann-the-user"}],
        "/webhook-preview": [{"url": "https://hooks.example.com/b"}],
        "/bot-preview": [{"bot_config": {"bot_id": BOT}, "bot_type": "dca"}],
        "/conditions/check": [{"conditions": ["BTCUSDT 1h: close > 1"]}],
        "/conditions/backtest": [{"condition": "BTCUSDT 1h: close > 1"}],
        "/conditions/preview": [{"condition": "BTCUSDT 1h: close > 1"}],
        "/conditions/preview/bulk": [{"conditions": ["BTCUSDT 1h: close > 1"], "start": 0, "end": 1_722_945_600_000}],
        "/conditions/subscribe/bulk": [{"subscriptions": [{**which, "bot_type": "dca", "user_id": "ann-the-user"}]}],
        "/conditions/subscribe": [
            {**which, "bot_type": "dca", "user_id": "ann-the-user"},
            {**which, "bot_type": "dca", "bot_config": {}, "owner": "ann-the-user"},
        ],
    }
    requests: list[tuple[str, str, dict[str, Any]]] = []
    for path, operations in hub.app.openapi()["paths"].items():
        for method in operations:
            if path == "/events":
                continue
            (webhook,) = hub.store.delivery.webhooks("ann-the-user")
            url = path.replace("{condition_id}", condition).replace("{webhook_id}", webhook.webhook_id)
            if method == "post":
                requests += [(method, url, {"json": body}) for body in bodies.get(path, [which])]
            else:
                requests += [(method, url, {}), (method, url, {"params": {"bot_id": BOT, "user_id": "ann-the-user"}})]
    assert len(requests) > 20
    return requests


def test_every_route_with_every_id(crowd: tuple[Hub, str], caplog: pytest.LogCaptureFixture) -> None:
    hub, condition = crowd
    bob = hub.as_user("bob")
    ann_before = hub.as_user("ann-the-user").get("/conditions/user/subscriptions").text
    requests = calls(hub, condition)
    with caplog.at_level(logging.DEBUG):
        for method, url, request in requests:
            answer = bob.request(method, url, **request)
            assert answer.status_code < 500, (method, url)
            # What bob sent himself may come back, as the name of a field that does not exist.
            shown = (
                answer.text.replace(BOT, "")
                if BOT in json.dumps(request) and answer.status_code == 404
                else answer.text
            )
            assert not private(shown), (method, url, answer.text)
            assert not private(str(answer.headers)), (method, url)
            is_about_a_subscription = url.startswith("/conditions/") and method == "post"
            if is_about_a_subscription and request["json"] == {"bot_id": BOT, "condition_id": condition}:
                assert answer.status_code == 404, (method, url)
        wait_for(lambda: len([line for line in logged(caplog) if '"route"' in line]) >= len(requests), "the access log")
    assert [line for line in logged(caplog) if SECRET in line or BOT in line] == []
    assert hub.as_user("ann-the-user").get("/conditions/user/subscriptions").text == ann_before


def test_an_owner_never_gets_a_configuration_back(crowd: tuple[Hub, str]) -> None:
    hub, condition = crowd
    callers: tuple[tuple[str, Role], ...] = (("ann-the-user", "user"), ("root", "operator"))
    for user, role in callers:
        client = hub.as_user(user, role)
        texts = [client.request(method, url, **request).text for method, url, request in calls(hub, condition)]
        assert any(BOT in text for text in texts) == (role == "user")
        assert [text for text in texts if SECRET in text] == []


@pytest.mark.parametrize(
    "body",
    [
        {"bot_id": 7, "condition_id": "x", "bot_type": "dca", "bot_config": {"apiSecret": SECRET}},
        {"bot_id": "b", "condition_id": "0" * 32, "bot_type": "dca", "bot_config": [SECRET]},
        {"bot_id": "b", "condition_id": "0" * 32, "bot_type": SECRET, "bot_config": {"apiSecret": SECRET}},
        {"bot_id": "b", "condition_id": "0" * 32, "bot_type": "dca", "bot_config": SECRET, "policy": SECRET},
        {"bot_id": SECRET + "\n", "condition_id": SECRET, "bot_type": "dca"},
    ],
)
def test_errors_do_not_quote_what_was_sent(hub: Hub, body: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = hub.as_user("isolation").post("/conditions/subscribe", json=body)
        wait_for(lambda: answer.headers["X-Request-ID"] in "".join(logged(caplog)), "the request to be logged")
    assert answer.status_code in (404, 422)
    assert SECRET not in answer.text
    assert SECRET not in "".join(logged(caplog))


def test_broken_json_is_not_quoted(hub: Hub) -> None:
    raw = json.dumps({"bot_config": {"apiSecret": SECRET}}).encode()
    for broken in (raw[:-1], raw + b"x", raw.replace(b'"bot_config"', b'"a":1,"a"'), raw.replace(b"{", b"{NaN", 1)):
        headers = {"Content-Type": "application/json"}
        answer = hub.as_user("isolation").post("/conditions/subscribe", content=broken, headers=headers)
        assert answer.status_code == 400
        assert SECRET not in answer.text


def test_an_unforeseen_error_says_nothing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"could not store {SECRET}")

    ann = hub.as_user("isolation")
    condition = ann.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).json()["condition_id"]
    monkeypatch.setattr(hub.store.registry, "subscribe", fail)
    with caplog.at_level(logging.DEBUG):
        body = {"bot_id": "b", "condition_id": condition, "bot_type": "dca", "bot_config": {"s": SECRET}}
        answer = ann.post("/conditions/subscribe", json=body)
        # The request is logged once its answer is out.
        wait_for(lambda: logged(caplog), "the request to be logged")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:condition-hub:problem:internal")
    assert answer.headers["Content-Type"] == "application/problem+json"
    lines = "".join(logged(caplog))
    assert SECRET not in answer.text + lines
    assert "RuntimeError" in lines
    assert answer.headers["X-Request-ID"] in lines


def test_few_subscribers_are_shown_to_operators_only(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        operator, bob = hub.as_user("root", "operator"), hub.as_user("bob")
        text = {"condition": "BTCUSDT 1h: close > 1"}
        condition = bob.post("/conditions/register", json=text).json()["condition_id"]

        def seen(client: httpx.Client) -> tuple[int | None, int | None]:
            status = client.get(f"/conditions/{condition}/status").json()
            return status["subscribers"], client.post("/conditions/preview", json=text).json()["subscribers"]

        nobody_yet = hub.as_user("carl").get(f"/conditions/{condition}/status").json()
        notes = hub.as_user("carl").get(f"/conditions/{condition}/explain").json()["notes"]
        for number in range(1, 6):
            user = hub.as_user(f"user-{number}")
            user.post("/conditions/subscribe", json={"bot_id": "b", "condition_id": condition, "bot_type": "dca"})
            assert seen(operator) == (number, number)
            assert seen(bob) == ((number, number) if number == 5 else (None, None))
            if number == 1:
                # Nothing tells one subscriber from none.
                assert hub.as_user("carl").get(f"/conditions/{condition}/status").json() == nobody_yet
                assert hub.as_user("carl").get(f"/conditions/{condition}/explain").json()["notes"] == notes


def test_own_bots_do_not_make_a_condition_popular(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        ann = hub.as_user("ann")
        text = {"condition": "BTCUSDT 1h: close > 1"}
        condition = ann.post("/conditions/register", json=text).json()["condition_id"]

        def subscribe(user: str, *bots: str) -> None:
            for bot in bots:
                body = {"bot_id": bot, "condition_id": condition, "bot_type": "dca"}
                assert hub.as_user(user).post("/conditions/subscribe", json=body).status_code == 201

        def seen() -> tuple[int | None, int | None]:
            status = ann.get(f"/conditions/{condition}/status").json()
            return status["subscribers"], ann.post("/conditions/preview", json=text).json()["subscribers"]

        subscribe("ann", "a", "b", "c", "d")
        subscribe("stranger-1", "a")
        assert seen() == (None, None)
        subscribe("stranger-1", "b", "c", "d", "e")
        assert seen() == (None, None)
        for number in range(2, 6):
            subscribe(f"stranger-{number}", "a")
            assert seen() == ((5, 5) if number == 5 else (None, None))
        operator = hub.as_user("root", "operator").get(f"/conditions/{condition}/status").json()
        assert operator["subscribers"] == 13


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer hub_000000000000_" + "A" * 43,
        "Basic aHVi",
        "Bearer hub_é",
        "Bearer " + "x" * 10_000,
    ],
)
def test_a_wrong_or_missing_key(hub: Hub, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode()}
    for path in ("/conditions/user/subscriptions", "/indicators", "/metrics", "/events", "/triggers"):
        answer = hub.nobody().get(path, headers=headers)  # type: ignore[arg-type]
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "hub keys create" in answer.json()["detail"]


def test_a_revoked_key_and_another_secret(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        ann = hub.as_user("ann")
        assert ann.get("/indicators").status_code == 200
        text = hub.key("ann")
        other = text[:-1] + ("A" if text[-1] != "A" else "B")
        assert hub.nobody().get("/indicators", headers={"Authorization": f"Bearer {other}"}).status_code == 401
        hub.store.accounts.revoke_key(text.split("_")[1], at_ms=1)
        assert ann.get("/indicators").status_code == 401


def test_only_operators_read_the_platform(crowd: tuple[Hub, str]) -> None:
    hub, condition = crowd
    for path in ("/metrics", "/triggers?all=true", "/events?all=true"):
        assert hub.as_user("bob").get(path).status_code == 403
    text = hub.as_user("root", "operator").get("/metrics").text
    assert not private(text)
    for name in (
        "hub_unique_conditions 1.0",
        'hub_conditions_per_series{symbol="BINANCE:BTCUSDT",timeframe="1h"} 1.0',
        f'hub_popular_condition_subscribers{{condition_id="{condition}"}} 1.0',
        "hub_active_subscriptions 1.0",
        "hub_subscribers_per_condition 1.0",
        "hub_conditions_per_user 1.0",
        "hub_evaluations_per_second",
        "hub_cache_hit_rate",
        "hub_evaluation_seconds_average",
        "hub_redundant_evaluations_avoided_total",
        'hub_compute_seconds_saved{basis="modelled"}',
        'hub_cost_reduction_percent{basis="modelled"}',
        "hub_event_queue_depth 2.0",
        'hub_http_requests_total{method="POST",route="/conditions/subscribe",status="201"} 1.0',
    ):
        assert name in text
