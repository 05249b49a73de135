"""API keys, webhooks and cursors are kept, and never shown."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import HubError, UserNameError
from registry.keys import matches, new_key, read_key_text
from registry.store.parts.delivery import Webhook
from tests.registry.store.serving import OpenAt


def test_a_key_is_known_by_its_text_alone() -> None:
    key, text = new_key("ann", "user", "laptop", 5)
    parts = read_key_text(text)
    assert parts is not None
    key_id, secret = parts
    assert (key_id, len(key_id), len(secret)) == (key.key_id, 12, 43)
    assert matches(key, secret)
    assert not matches(key, secret[:-1] + ("A" if secret[-1] != "A" else "B"))
    assert not matches(replace(key, revoked_ms=6), secret)
    assert secret not in repr(key)
    assert key.secret_sha256 not in repr(key)
    assert new_key("ann", "user", "laptop", 5)[1] != text


@pytest.mark.parametrize("text", ["", "hub_", "hub_0123456789ab_short", "HUB_0123456789ab_" + "a" * 43])
def test_other_texts_are_no_keys(text: str) -> None:
    assert read_key_text(text) is None


def test_keys_are_kept_and_revoked_for_good(open_at: OpenAt, tmp_path: Path) -> None:
    ann, _ = new_key("ann", "user", "laptop", 5)
    bob, _ = new_key("bob", "operator", "", 6)
    with open_at(tmp_path / "s") as store:
        for key in (ann, bob, ann):
            store.accounts.add_key(key)
        assert store.accounts.keys() == [ann, bob]
        assert store.accounts.keys("bob") == [bob]
        assert store.accounts.key(ann.key_id) == ann
        assert store.accounts.key("none") is None
        assert store.accounts.revoke_key(ann.key_id, at_ms=9)
        assert not store.accounts.revoke_key(ann.key_id, at_ms=10)
        assert not store.accounts.revoke_key("none", at_ms=10)
    with open_at(tmp_path / "s") as store:
        assert store.accounts.keys() == [replace(ann, revoked_ms=9), bob]


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "ann ",
        "\tann",
        "ann\n",
        "ann\nbob",
        "a\x00b",
        "\x7f",
        "\u202eann",
        "a\u2028b",
        "\ud800",
        "n" * 129,
        "Jo\u0308rg",
    ],
    ids=ascii,
)
def test_a_name_that_cannot_be_shown_is_no_user(open_at: OpenAt, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserNameError):
        new_key(name, "user", "", 5)
    key, _ = new_key("ann", "user", "", 5)
    # Whoever has the token of the store makes no such user either.
    with open_at(tmp_path / "s") as store:
        with pytest.raises(HubError):
            store.accounts.add_key(replace(key, user_id=name))
        if name:
            with pytest.raises(HubError):
                store.accounts.add_key(replace(key, label=name))
        assert store.accounts.keys() == []


@pytest.mark.parametrize("name", ["a", "ann@example.org", "Jörg", "bot farm 7", "n" * 128, "日本"])
def test_names_of_people_are_users(open_at: OpenAt, tmp_path: Path, name: str) -> None:
    key, _ = new_key(name, "user", "", 5)
    with open_at(tmp_path / "s") as store:
        store.accounts.add_key(key)
        assert store.accounts.keys(name) == [key]


def test_what_a_webhook_posts_is_kept_and_replaced(open_at: OpenAt, tmp_path: Path) -> None:
    hook = Webhook("w1", "ann", "https://example.com/x", "s3cret", None, "active", 5, 7, 1, name="alerts")
    wanted = replace(
        hook,
        url="https://example.com/{{secret.t}}",
        secret="another",
        state="paused",
        bot_id="b",
        preset="telegram",
        template='{"a":"{{ event.price }}"}',
        headers={"X": "{{ secret.t }}"},
        secrets={"t": "t0k3n"},
    )
    assert "t0k3n" not in repr(wanted)
    with open_at(tmp_path / "s") as store:
        store.delivery.add_webhook(hook)
        changed = store.delivery.replace_webhook(wanted, at_ms=9)
        assert changed == replace(wanted, secret="s3cret", state="active", revision=2), "what is not said anew stays"
        assert store.delivery.replace_webhook(wanted, at_ms=9) == changed, "the same once more changes nothing"
        assert store.delivery.replace_webhook(replace(wanted, webhook_id="none"), at_ms=9) is None
    with open_at(tmp_path / "s") as store:
        assert store.delivery.webhook("w1") == changed
        store.delivery.set_webhook_state("w1", "ended", at_ms=9)
        assert store.delivery.replace_webhook(wanted, at_ms=9) is None


def test_webhooks_and_cursors_are_kept(open_at: OpenAt, tmp_path: Path) -> None:
    hook = Webhook("w1", "ann", "https://example.com/x?token=t", "s3cret", None, "active", 5, 7, 1)
    other = replace(hook, webhook_id="w2", user_id="bob", bot_id="b")
    assert "s3cret" not in repr(hook)
    assert "token" not in repr(hook)
    with open_at(tmp_path / "s") as store:
        store.delivery.add_webhook(hook)
        store.delivery.add_webhook(other)
        assert store.delivery.webhooks() == [hook, other]
        assert store.delivery.webhooks("bob") == [other]
        paused = store.delivery.set_webhook_state("w1", "paused", at_ms=9)
        assert paused == replace(hook, state="paused", revision=2)
        assert store.delivery.set_webhook_state("none", "paused", at_ms=9) is None
        for seq in (3, 8, 8, 5):
            store.delivery.move_cursor("stream", seq)
        store.delivery.move_cursor("hooks", 2)
    with open_at(tmp_path / "s") as store:
        assert store.delivery.webhook("w1") == paused
        ended = store.delivery.set_webhook_state("w1", "ended", at_ms=9)
        assert store.delivery.set_webhook_state("w1", "active", at_ms=9) == ended
        assert store.delivery.cursors() == {"stream": 5, "hooks": 2}
