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


OWN = {
    "name": "alerts",
    "url": "https://hooks.example.com/{{secret.path}}",
    "secrets": {"path": "s3cret-path", "token": "s3cret-token"},
    "headers": {"Authorization": "Bearer {{ secret.token }}"},
    "body": {"price": "{{ event.price }}", "key": "{{ secret.token }}"},
}


def test_a_template_is_previewed_and_its_secrets_are_never_shown_again(hub: Hub) -> None:
    may = hub.as_user("webhook-may")
    before = may.post("/webhook-preview", json=OWN)
    assert before.json() == {
        "webhook_id": None,
        "changes": [],
        "url": "https://hooks.example.com/***",
        "headers": {"Authorization": "Bearer ***"},
        "media_type": "application/json",
        "body": '{"price": 49770.1, "key": "***"}',
    }
    assert may.get("/webhooks").json()["items"] == [], "a preview stores nothing"
    made = may.post("/webhooks", json=OWN)
    assert made.status_code == 201
    after = may.post("/webhook-preview", json=OWN).json()
    assert (after["webhook_id"], after["changes"]) == (made.json()["webhook_id"], [])
    listed = may.get("/webhooks")
    (shown,) = listed.json()["items"]
    assert (shown["headers"], shown["secrets"]) == (["Authorization"], ["path", "token"])
    assert (shown["url"], shown["body"]) == (OWN["url"], OWN["body"])
    assert not any("s3cret" in answer.text for answer in (before, made, listed))
    other = hub.as_user("webhook-stranger").post("/webhook-preview", json=OWN).json()
    assert (other["webhook_id"], other["changes"]) == (None, []), "another user's webhook of that name is not there"


def test_a_webhook_is_changed_by_its_name(hub: Hub) -> None:
    lee = hub.as_user("webhook-lee")
    made = lee.post("/webhooks", json=OWN).json()
    other = OWN | {"secrets": {"path": "p", "token": "other"}, "body": "{{ secret.token }}"}
    assert lee.post("/webhook-preview", json=other).json()["changes"] == ["secrets", "body"]
    changed = lee.post("/webhooks", json=other)
    assert (changed.status_code, changed.json()["webhook_id"]) == (200, made["webhook_id"])
    assert (changed.json()["body"], changed.json()["secret"]) == ("{{ secret.token }}", None)
    moved = lee.post("/webhooks", json={"name": "alerts", "url": URL})
    assert (moved.json()["webhook_id"], moved.json()["url"], moved.json()["body"]) == (made["webhook_id"], URL, None)
    assert len(lee.get("/webhooks").json()["items"]) == 1
    assert lee.post("/webhooks", json=OWN | {"name": "second"}).status_code == 201


def test_two_of_one_address_are_told_apart_by_their_names(hub: Hub) -> None:
    uma = hub.as_user("webhook-uma")
    for chat in ("1", "2"):
        body = {"name": f"chat-{chat}", "preset": "telegram", "options": {"chat_id": chat}, "secrets": {"token": "1:A"}}
        assert uma.post("/webhooks", json=body).status_code == 201
    shown = uma.get("/webhooks").json()["items"]
    assert {(one["name"], one["preset"], one["body"]["chat_id"]) for one in shown} == {
        ("chat-1", "telegram", "1"), ("chat-2", "telegram", "2"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"body": "{{ config }}"}, 422, "a template can name"),
        ({"body": "x", "headers": {}}, 422, "secrets/token is not used"),
        ({"preset": "telegram"}, 422, "a preset has its own url"),
        ({"url": "https://{{secret.path}}/x"}, 422, "an address such as"),
        ({"url": "https://127.0.0.1/{{secret.path}}"}, 403, "not public"),
        ({"headers": {"Host": "{{ secret.token }}"}}, 422, "the hub sets itself"),
        ({"secrets": {"path": "p", "token": "t\r\nHost: x"}}, 422, "printable ASCII"),
    ],
)
def test_what_cannot_be_posted_is_refused_without_being_repeated(
    hub: Hub, change: dict[str, object], status: int, said: str
) -> None:
    ivy = hub.as_user("webhook-ivy")
    for path in ("/webhooks", "/webhook-preview"):
        refused = ivy.post(path, json=OWN | change)
        assert (refused.status_code, said in refused.text) == (status, True), refused.text
        assert "s3cret" not in refused.text
    assert ivy.get("/webhooks").json()["items"] == []


def test_presets_say_what_they_need(hub: Hub) -> None:
    answer = hub.as_user("webhook-joe").get("/webhook-presets").json()
    telegram = next(one for one in answer["presets"] if one["name"] == "telegram")
    assert (list(telegram["options"]), list(telegram["secrets"])) == (["chat_id", "text"], ["token"])
    assert "event.price" in answer["names"]
    assert "iso" in answer["filters"]
