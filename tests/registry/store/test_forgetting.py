"""A user is forgotten as a whole, and nobody else loses anything."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from common.clock import ReplayClock
from registry.conditions import Condition
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.parts.delivery import Webhook
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from tests.api.served_hub import few_candles
from tests.registry.store.serving import OpenAt

FIRST, SECOND = (Condition.parse(f"BTCUSDT 1h: close > {value}") for value in (1, 2))


def request(user: str, bot: str, condition: Condition, secret: str) -> SubscriptionRequest:
    return SubscriptionRequest(user, bot, condition.id, "dca", {"secret": secret})


def fill(store: Store) -> None:
    """Ann and Bob have the same: a key, a webhook, a running, a paused and an ended subscription."""
    store.candles.upsert(few_candles())
    store.registry.register([FIRST, SECOND], active_from_ms=0)
    for user in ("ann", "bob"):
        store.accounts.add_key(new_key(user, "user", "", 5)[0])
        store.delivery.add_webhook(Webhook(f"w-{user}", user, "https://a.example", "whsec", None, "active", 5, 0, 1))
        requests = [
            request(user, "b1", FIRST, "one"),
            request(user, "b2", FIRST, "two"),
            request(user, "b3", SECOND, "3"),
        ]
        store.registry.subscribe(requests, active_from_ms=0)
        store.registry.subscribe([request(user, "b1", FIRST, "newer")], active_from_ms=0)
        store.registry.set_paused(user, "b2", FIRST.id, True, at_ms=10)
        store.registry.unsubscribe(user, "b3", SECOND.id, at_ms=10)


def configs(store: Store, user: str) -> dict[str, object]:
    return {each.subscription.bot_id: each.bot_config for each in store.registry.subscription_records(user)}


def test_a_user_is_forgotten_and_others_keep_everything(open_at: OpenAt, tmp_path: Path) -> None:
    with open_at(tmp_path / "s") as store:
        fill(store)
        assert configs(store, "ann") == {"b1": {"secret": "newer"}, "b2": {"secret": "two"}, "b3": None}
        assert store.registry.subscription_records("nobody") == []
        bob = store.registry.subscriptions_of("bob")
        before = store.registry.last_change()

        assert store.accounts.forget_user("ann") == 1
        assert store.registry.forget_user("ann", at_ms=50, grace_ms=10) == 2
        assert store.delivery.forget_user("ann") == 1
        # Once more changes nothing.
        assert store.accounts.forget_user("ann") == 0
        assert store.registry.forget_user("ann", at_ms=60, grace_ms=10) == 0
        assert store.delivery.forget_user("ann") == 0

        ended = store.registry.subscription_changes(before, 10)
        assert [(each.user_id, each.bot_id, each.state) for each in ended] == [
            ("ann", "b1", "ended"),
            ("ann", "b2", "ended"),
        ]
        assert store.registry.activity_of(FIRST.id)[-1].until_ms is None  # Bob still wants it.
    with open_at(tmp_path / "s") as store:
        assert store.accounts.keys("ann") == []
        assert store.delivery.webhooks("ann") == []
        assert store.delivery.webhook("w-ann") is None
        assert store.registry.subscriptions_of("ann") == []
        assert configs(store, "ann") == {"b1": None, "b2": None, "b3": None}
        assert len(store.accounts.keys("bob")) == len(store.delivery.webhooks("bob")) == 1
        assert store.registry.subscriptions_of("bob") == bob
        assert configs(store, "bob") == {"b1": {"secret": "newer"}, "b2": {"secret": "two"}, "b3": None}
        # Ann may come back.
        again = store.registry.subscribe([request("ann", "b1", FIRST, "back")], active_from_ms=99)
        assert again[0].created
        assert store.registry.bot_config("ann", "b1", FIRST.id) == {"secret": "back"}


def test_the_last_subscribers_end_begins_the_grace_time(store: Store) -> None:
    store.candles.upsert(few_candles())
    store.registry.register([FIRST], active_from_ms=0)
    store.registry.subscribe([request("ann", bot, FIRST, "x") for bot in ("a", "b", "c")], active_from_ms=0)
    assert store.registry.forget_user("ann", at_ms=5_000, grace_ms=1_000) == 3
    assert store.registry.activity_of(FIRST.id)[-1].until_ms == 6_000
    assert store.registry.totals()["users"] == 0


def test_configurations_that_nobody_has_any_more_are_gone_after_a_start(tmp_path: Path, clock: ReplayClock) -> None:
    def stored() -> list[object]:
        with FileStore(tmp_path / "s", read_only=True, clock=clock) as store:
            rows = store._database.rows(
                "SELECT bot_config->>'secret' FROM registry.user_condition_subscriptions "
                "WHERE bot_config IS NOT NULL AND user_id = 'ann' ORDER BY 1"
            )
        return [secret for (secret,) in rows]

    with FileStore(tmp_path / "s", clock=clock) as store:
        fill(store)
    assert stored() == ["3", "newer", "one", "two"]
    for _ in range(2):
        FileStore(tmp_path / "s", clock=clock).close()
        assert stored() == ["newer", "two"]
    with FileStore(tmp_path / "s", clock=clock) as store:
        assert store.registry.bot_config("ann", "b2", FIRST.id) == {"secret": "two"}


def test_a_kill_in_the_middle_is_mended_by_doing_it_again(tmp_path: Path) -> None:
    with FileStore(tmp_path / "s") as store:
        fill(store)
    dying = """
        import os, sys
        from pathlib import Path
        from registry.store.files.file_store import FileStore

        store = FileStore(Path(sys.argv[1]))
        store.registry.forget_user("ann", at_ms=50)
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", dedent(dying), str(tmp_path / "s")], check=True)
    with FileStore(tmp_path / "s") as store:
        assert len(store.accounts.keys("ann")) == 1
        assert store.registry.subscriptions_of("ann") == []
        assert set(configs(store, "ann").values()) == {None}
        assert store.accounts.forget_user("ann") == 1
