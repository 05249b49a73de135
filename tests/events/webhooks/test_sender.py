"""Webhooks: signed, in order, again until they are taken, and one's trouble is its own."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.clock import SystemClock
from common.webhook_signature import verify
from events.consuming.delivery import Delivery
from events.consuming.ledger import Ledger
from events.log.payload import Event
from events.webhooks.outbox import Parcel
from events.webhooks.sender import MOST_DEAD_IN_A_ROW, Webhooks
from registry.store.files.file_store import FileStore
from registry.store.parts.delivery import Webhook
from registry.store.parts.registry import StoredSubscription
from registry.subscriptions import DeliveryPolicy
from tests.events.webhooks.receiver import Receiver

SUBSCRIPTION = StoredSubscription("ann", "bot-1", "c" * 32, "dca", DeliveryPolicy(), "active", 0, 0, 1, 1)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


def hook(receiver: Receiver, path: str, **changes: Any) -> Webhook:
    made = Webhook(path, "ann", receiver.url(path), f"secret of {path}", None, "active", 0, 0, 1)
    return replace(made, **changes)


def delivery(seq: int, subscription: StoredSubscription = SUBSCRIPTION) -> Delivery:
    event = Event("t" + str(seq), seq, "c" * 32, "BINANCE", "BTCUSDT", "1h", 0, seq, {}, 1.5, True, False, "", 0)
    return Delivery(event, subscription)


@contextmanager
def sending(store: FileStore, path: Path, *, allow_loopback: bool = True, pauses: int = 7) -> Iterator[Webhooks]:
    stop = threading.Event()
    with Ledger(path / "ledger") as ledger:
        webhooks = Webhooks(store, ledger, SystemClock(), allow_loopback=allow_loopback, pauses_s=[0.02] * pauses)
        thread = threading.Thread(target=webhooks.run, args=(stop,))
        thread.start()
        yield webhooks
        stop.set()
        thread.join()


def test_deliveries_are_signed_and_in_order(store: FileStore, receiver: Receiver, tmp_path: Path) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    with sending(store, tmp_path) as webhooks:
        for seq in range(1, 31):
            webhooks(delivery(seq))
            webhooks(delivery(seq))
        wait_for(lambda: len(receiver.got) >= 30)
    assert receiver.seqs("a") == list(range(1, 31)), "each once, in order"
    for _, headers, body in receiver.got:
        assert verify("secret of a", headers, body)
        assert not verify("secret of b", headers, body)
        said = json.loads(body)
        assert headers["Hub-Delivery"] == said["delivery_id"]
        assert set(said) == {"delivery_id", "occasion", "bot_id", "event"}


def test_only_what_is_wanted_is_sent(store: FileStore, receiver: Receiver, tmp_path: Path) -> None:
    for made in (
        hook(receiver, "all"),
        hook(receiver, "late", from_seq=1),
        hook(receiver, "other", bot_id="bot-2"),
        hook(receiver, "paused", state="paused"),
        hook(receiver, "ended", state="ended"),
        hook(receiver, "foreign", user_id="bob"),
    ):
        store.delivery.add_webhook(made)
    with sending(store, tmp_path) as webhooks:
        webhooks(delivery(1))
        webhooks(delivery(2))
        webhooks(delivery(2, replace(SUBSCRIPTION, bot_id="bot-2")))
        wait_for(lambda: len(receiver.got) >= 6)
    assert receiver.seqs("all") == [1, 2, 2]
    assert receiver.seqs("late") == [2, 2]
    assert receiver.seqs("other") == [2]
    assert len(receiver.got) == 6


def test_a_failing_one_is_tried_again_in_order_and_holds_up_nobody(
    store: FileStore, receiver: Receiver, tmp_path: Path
) -> None:
    refused = iter([500, 302, 404])
    receiver.answer = lambda path, seq: next(refused, 200) if (path, seq) == ("/bad", 2) else 200
    store.delivery.add_webhook(hook(receiver, "bad"))
    store.delivery.add_webhook(hook(receiver, "good"))
    with sending(store, tmp_path) as webhooks:
        for seq in (1, 2, 3):
            webhooks(delivery(seq))
        wait_for(lambda: len(receiver.seqs("bad")) >= 6 and len(receiver.seqs("good")) >= 3)
    assert receiver.seqs("bad") == [1, 2, 2, 2, 2, 3]
    assert receiver.seqs("good") == [1, 2, 3]


def test_what_is_refused_for_good_is_put_aside_and_the_webhook_paused(
    store: FileStore, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answer = lambda *_: 500
    store.delivery.add_webhook(hook(receiver, "a"))
    with sending(store, tmp_path, pauses=1) as webhooks:
        for seq in range(1, MOST_DEAD_IN_A_ROW + 2):
            webhooks(delivery(seq))
        wait_for(lambda: store.delivery.webhooks("ann")[0].state == "paused")
        time.sleep(0.1)
        dead = [parcel.delivery_id for parcel in webhooks.outbox.dead("a", 100)]
        assert dead == [delivery(seq).delivery_id for seq in range(1, MOST_DEAD_IN_A_ROW + 1)]
        assert len(webhooks.outbox.waiting("a", 100)) == 1
    assert receiver.seqs("a") == [1, 1, 2, 2, 3, 3]


def test_one_that_is_gone_is_paused_at_once(store: FileStore, receiver: Receiver, tmp_path: Path) -> None:
    receiver.answer = lambda *_: 410
    store.delivery.add_webhook(hook(receiver, "a"))
    with sending(store, tmp_path) as webhooks:
        webhooks(delivery(1))
        wait_for(lambda: store.delivery.webhooks("ann")[0].state == "paused")
    assert receiver.seqs("a") == [1]


def test_what_was_not_sent_is_sent_after_a_restart(store: FileStore, receiver: Receiver, tmp_path: Path) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    with Ledger(tmp_path / "ledger") as ledger:
        stopped = Webhooks(store, ledger, SystemClock(), allow_loopback=True)
        stopped(delivery(1))
        stopped(delivery(2))
    with sending(store, tmp_path) as webhooks:
        webhooks(delivery(1))
        wait_for(lambda: len(receiver.got) >= 2)
    assert receiver.seqs("a") == [1, 2]


def test_what_cannot_be_noted_is_not_sent_without_a_pause(
    store: FileStore, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))

    class Stop(threading.Event):
        """Ends the sender when it pauses, or when it has gone on for too long without that."""

        pauses = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.pauses += 1
            self.set()
            return True

        def is_set(self) -> bool:
            return super().is_set() or len(receiver.got) > 20

    def full(_: Parcel) -> None:
        raise OSError("no space left on device")

    stop = Stop()
    with Ledger(tmp_path / "ledger") as ledger:
        webhooks = Webhooks(store, ledger, SystemClock(), allow_loopback=True)
        monkeypatch.setattr(webhooks.outbox, "settle", full)
        webhooks(delivery(1))
        webhooks.run(stop)
    assert (len(receiver.got), stop.pauses) == (1, 1)


def test_this_machine_is_not_sent_to_unless_that_is_allowed(
    store: FileStore, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    with sending(store, tmp_path, allow_loopback=False, pauses=0) as webhooks:
        webhooks(delivery(1))
        wait_for(lambda: bool(webhooks.outbox.dead("a", 1)))
    assert receiver.got == []
    assert receiver.url("a") not in caplog.text


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
