"""Webhooks over the API: made once however often they are asked for, seen and changed by their user alone."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.served_hub import Hub

URL = "https://hooks.example.com/hub"


def test_a_webhook_is_made_once_and_its_secret_shown_to_its_maker_alone(hub: Hub) -> None:
    ann = hub.as_user("webhook-ann")
    made = ann.post("/webhooks", json={"url": URL})
    assert made.status_code == 201
    again = ann.post("/webhooks", json={"url": URL, "bot_id": None})
    assert again.status_code == 200
    assert again.json() == made.json() | {"secret": None}, "shown once"
    assert made.json()["secret"].startswith("whsec_")
    listed = ann.get("/webhooks")
    assert [one["webhook_id"] for one in listed.json()["items"]] == [made.json()["webhook_id"]]
    assert made.json()["secret"] not in listed.text
    assert hub.as_user("webhook-bob").get("/webhooks").json()["items"] == []


def test_a_webhook_is_for_a_bot_of_its_user(hub: Hub) -> None:
    pat, other = hub.as_user("webhook-pat"), hub.as_user("webhook-other")
    condition = pat.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).json()["condition_id"]
    subscription = {"bot_id": "grid", "condition_id": condition, "bot_type": "grid"}
    wanted = {"url": URL, "bot_id": "grid"}
    refused = pat.post("/webhooks", json=wanted)
    assert (refused.status_code, "subscribe it to a condition first" in refused.json()["detail"]) == (404, True)
    pat.post("/conditions/subscribe", json=subscription)
    assert pat.post("/webhooks", json=wanted).status_code == 201
    assert other.post("/webhooks", json=wanted).status_code == 404
    pat.post("/conditions/unsubscribe", json={"bot_id": "grid", "condition_id": condition})
    assert pat.post("/webhooks", json={"url": f"{URL}/2", "bot_id": "grid"}).status_code == 404


def test_webhooks_cannot_be_made_and_deleted_without_end(hub: Hub) -> None:
    ned = hub.as_user("webhook-ned")
    most = 10 * hub.settings.quota_webhooks
    for _ in range(most):
        made = ned.post("/webhooks", json={"url": URL})
        assert made.status_code == 201
        ned.delete(f"/webhooks/{made.json()['webhook_id']}")
    refused = ned.post("/webhooks", json={"url": URL})
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3600")


def test_one_that_is_deleted_is_gone(hub: Hub) -> None:
    eve = hub.as_user("webhook-eve")
    webhook_id = eve.post("/webhooks", json={"url": URL}).json()["webhook_id"]
    for method in ("post", "delete"):
        url = f"/webhooks/{webhook_id}" + ("/resume" if method == "post" else "")
        stranger = hub.as_user("webhook-stranger")
        answer = stranger.post(url, json={}) if method == "post" else stranger.delete(url)
        assert answer.status_code == 404
    assert eve.delete(f"/webhooks/{webhook_id}").json()["state"] == "ended"
    assert eve.delete(f"/webhooks/{webhook_id}").status_code == 404
    assert eve.get("/webhooks").json()["items"] == []
    assert eve.post("/webhooks", json={"url": URL}).status_code == 201


def test_one_that_was_paused_is_resumed(hub: Hub) -> None:
    kim = hub.as_user("webhook-kim")
    webhook_id = kim.post("/webhooks", json={"url": URL}).json()["webhook_id"]
    hub.store.delivery.set_webhook_state(webhook_id, "paused", at_ms=0)
    assert kim.get("/webhooks").json()["items"][0]["state"] == "paused"
    assert kim.post(f"/webhooks/{webhook_id}/resume", json={}).json()["state"] == "active"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://hooks.example.com/", 403),
        ("https://10.0.0.1/", 403),
        ("https://hooks.example.com:22/", 403),
        ("https://hooks..example.com/", 403),
        ("https://ann:pw@example.com/", 422),
        ("https://[::1]/", 422),
        ("ftp://hooks.example.com/", 422),
    ],
)
def test_addresses_inside_are_refused_and_not_quoted(hub: Hub, url: str, status: int) -> None:
    answer = hub.as_user("webhook-mallory").post("/webhooks", json={"url": url})
    assert answer.status_code == status
    assert url not in answer.text


def test_there_is_a_most(hub: Hub) -> None:
    max_ = hub.as_user("webhook-max")
    for number in range(hub.settings.quota_webhooks):
        assert max_.post("/webhooks", json={"url": f"{URL}/{number}"}).status_code == 201
    assert max_.post("/webhooks", json={"url": f"{URL}/more"}).status_code == 403


def test_requests_at_once_make_no_more_than_one_after_another(hub: Hub) -> None:
    twin, many = hub.as_user("webhook-twin"), hub.as_user("webhook-many")
    most = hub.settings.quota_webhooks
    with ThreadPoolExecutor(16) as threads:
        same = list(threads.map(lambda _: twin.post("/webhooks", json={"url": URL}), range(16)))
        others = list(threads.map(lambda n: many.post("/webhooks", json={"url": f"{URL}/{n}"}), range(most + 8)))
    assert sorted(answer.status_code for answer in same) == [200] * 15 + [201]
    assert len({answer.json()["webhook_id"] for answer in same}) == 1
    assert sorted(answer.status_code for answer in others) == [201] * most + [403] * 8
