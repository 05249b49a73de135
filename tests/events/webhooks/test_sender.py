"""Webhooks: signed, in order, retried until accepted, and one's trouble does not affect the others."""

import json
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.clock import Clock, ReplayClock, SystemClock
from common.supervision import Loops, Pauses
from common.webhook_signature import verify
from events.consuming.delivery import Delivery
from events.consuming.ledger import Ledger
from events.log.payload import Event
from events.webhooks.outbox import NewParcel, Parcel
from events.webhooks.sender import MOST_DEAD_IN_A_ROW, Webhooks
from registry.store.files.file_store import FileStore
from registry.store.parts.delivery import Webhook
from registry.store.parts.registry import StoredSubscription
from registry.subscriptions import DeliveryPolicy
from tests.events.webhooks.receiver import Receiver
from tests.waiting import wait_for

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
def sending(
    store: FileStore, path: Path, clock: Clock, *, allow_loopback: bool = True, pauses: int = 7
) -> Iterator[Webhooks]:
    """A running sender, which retries a number of times without pausing."""
    stop = threading.Event()
    with Ledger(path / "ledger", now_ms=clock.now_ms) as ledger:
        webhooks = Webhooks(store, ledger, clock, allow_loopback=allow_loopback, pauses_s=[0.0] * pauses)
        loops = Loops(Pauses(first_s=0.01, longest_s=0.1))
        thread = loops.start("webhooks-send", lambda: webhooks.run(stop), stop)
        try:
            yield webhooks
        finally:
            stop.set()
            thread.join()


def is_put_off(webhooks: Webhooks, clock: Clock) -> bool:
    """Whether the sender has seen the waiting deliveries of the only webhook, and put them off."""
    return [due_ms > clock.now_ms() for _, due_ms in webhooks.outbox.firsts()] == [True]


def test_deliveries_are_signed_and_in_order(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    with sending(store, tmp_path, clock) as webhooks:
        for seq in range(1, 31):
            webhooks(delivery(seq))
            webhooks(delivery(seq))
        wait_for(lambda: len(receiver.got) >= 30, "30 deliveries")
    assert receiver.seqs("a") == list(range(1, 31)), "each once, in order"
    for _, headers, body in receiver.got:
        assert verify("secret of a", headers, body, now_s=clock.now_ms() / 1000)
        assert not verify("secret of b", headers, body, now_s=clock.now_ms() / 1000)
        content = json.loads(body)
        assert headers["webhook-id"] == content["delivery_id"]
        assert set(content) == {"delivery_id", "occasion", "bot_id", "event"}


def test_only_what_is_wanted_is_sent(store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock) -> None:
    for made in (
        hook(receiver, "all"),
        hook(receiver, "late", from_seq=1),
        hook(receiver, "other", bot_id="bot-2"),
        hook(receiver, "paused", state="paused"),
        hook(receiver, "ended", state="ended"),
        hook(receiver, "foreign", user_id="bob"),
    ):
        store.delivery.add_webhook(made)
    with sending(store, tmp_path, clock) as webhooks:
        webhooks(delivery(1))
        webhooks(delivery(2))
        webhooks(delivery(2, replace(SUBSCRIPTION, bot_id="bot-2")))
        wait_for(lambda: len(receiver.got) >= 6 and not webhooks.outbox.firsts(), "all to be sent")
    assert receiver.seqs("all") == [1, 2, 2]
    assert receiver.seqs("late") == [2, 2]
    assert receiver.seqs("other") == [2]
    assert len(receiver.got) == 6


def test_a_failing_one_is_tried_again_in_order_and_holds_up_nobody(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    refused = iter([500, 302, 404])
    receiver.answer = lambda path, seq: next(refused, 200) if (path, seq) == ("/bad", 2) else 200
    store.delivery.add_webhook(hook(receiver, "bad"))
    store.delivery.add_webhook(hook(receiver, "good"))
    with sending(store, tmp_path, clock) as webhooks:
        for seq in (1, 2, 3):
            webhooks(delivery(seq))
        wait_for(lambda: len(receiver.seqs("bad")) >= 6 and len(receiver.seqs("good")) >= 3, "both to have all")
    assert receiver.seqs("bad") == [1, 2, 2, 2, 2, 3]
    assert receiver.seqs("good") == [1, 2, 3]


def test_what_is_refused_for_good_is_given_up_and_the_webhook_paused_until_it_is_resumed(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    receiver.answer = lambda *_: 500
    store.delivery.add_webhook(hook(receiver, "a"))
    with sending(store, tmp_path, clock, pauses=1) as webhooks:
        for seq in range(1, MOST_DEAD_IN_A_ROW + 2):
            webhooks(delivery(seq))
        wait_for(lambda: store.delivery.webhooks("ann")[0].state == "paused", "the webhook to be paused")
        wait_for(lambda: is_put_off(webhooks, clock), "the sender to pass over the paused webhook")
        dead = [parcel.delivery_id for parcel in webhooks.outbox.dead("a", 100)]
        assert dead == [delivery(seq).delivery_id for seq in range(1, MOST_DEAD_IN_A_ROW + 1)]
        assert len(webhooks.outbox.waiting("a", 100)) == 1
        assert receiver.seqs("a") == [1, 1, 2, 2, 3, 3]
        receiver.answer = lambda *_: 200
        store.delivery.set_webhook_state("a", "active", at_ms=clock.now_ms())
        clock.move_to(clock.now_ms() + 60_000)
        wait_for(lambda: not webhooks.outbox.firsts(), "what waited to be sent")
    assert receiver.seqs("a") == [1, 1, 2, 2, 3, 3, 4]


def test_forty_receivers_with_limits_of_their_own_lose_nothing_and_get_it_in_order(
    store: FileStore, receiver: Receiver, tmp_path: Path
) -> None:
    asked: Counter[str] = Counter()
    accepted: dict[str, list[int]] = {}

    def limited(path: str, seq: int) -> int:
        """Three posts are taken, the next two are refused."""
        asked[path] += 1
        if asked[path] % 5 in (4, 0):
            return 429
        accepted.setdefault(path, []).append(seq)
        return 200

    receiver.answer, receiver.retry_after = limited, "0.05"
    names = [f"r{number}" for number in range(40)]
    for number, name in enumerate(names):
        store.delivery.add_webhook(hook(receiver, name, user_id=f"user-{number % 10}"))
    with sending(store, tmp_path, SystemClock(), pauses=0) as webhooks:
        for seq in range(1, 13):
            for number in range(10):
                webhooks(delivery(seq, replace(SUBSCRIPTION, user_id=f"user-{number}")))
        wait_for(lambda: sum(map(len, accepted.values())) >= 40 * 12, "all to be accepted", 120)
        wait_for(lambda: not webhooks.outbox.firsts(), "the outbox to be empty")
        assert not any(webhooks.outbox.dead(name, 1) for name in names), "a limit is no failed attempt"
    assert accepted == {f"/{name}": list(range(1, 13)) for name in names}
    assert set(asked.values()) == {18}, "each has refused six posts"
    assert {one.state for one in store.delivery.webhooks()} == {"active"}


def test_one_that_takes_no_more_is_asked_again_when_it_says(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    receiver.answer, receiver.retry_after = (lambda *_: 429), "90"
    store.delivery.add_webhook(hook(receiver, "a"))
    with sending(store, tmp_path, clock, pauses=0) as webhooks:
        webhooks(delivery(1))
        wait_for(lambda: is_put_off(webhooks, clock), "the webhook to be put off")
        ((_, due_ms),) = webhooks.outbox.firsts()
        assert due_ms == clock.now_ms() + 90_000
        receiver.answer = lambda *_: 200
        clock.move_to(due_ms)
        wait_for(lambda: not webhooks.outbox.firsts(), "it to be sent")
    assert receiver.seqs("a") == [1, 1]


def test_without_a_time_to_come_again_the_waits_double(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    receiver.answer = lambda *_: 429
    store.delivery.add_webhook(hook(receiver, "a"))
    waits = []
    with sending(store, tmp_path, clock, pauses=0) as webhooks:
        webhooks(delivery(1))
        for _ in range(8):
            wait_for(lambda: is_put_off(webhooks, clock), "the webhook to be put off")
            ((_, due_ms),) = webhooks.outbox.firsts()
            waits.append((due_ms - clock.now_ms()) / 1000)
            clock.move_to(due_ms)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_template_is_posted_in_place_of_the_standard_body(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    own = hook(
        receiver,
        "{{secret.path}}",
        webhook_id="own",
        template='{"price":"{{ event.price }}","bot":"{{ bot_id }}","key":"{{ secret.path }}"}',
        headers={"X-Key": "{{ secret.path | upper }}"},
        secrets={"path": "s3cret"},
    )
    store.delivery.add_webhook(own)
    with sending(store, tmp_path, clock) as webhooks:
        webhooks(delivery(7))
        wait_for(lambda: not webhooks.outbox.firsts(), "it to be sent")
        webhooks.outbox.put([NewParcel("own", "notice:x", b"{}")], clock.now_ms())
        webhooks(delivery(8))
        wait_for(lambda: len(receiver.got) >= 2 and not webhooks.outbox.firsts(), "the next one to be sent")
    (path, headers, body), (_, _, second) = receiver.got
    assert path == "/s3cret"
    assert json.loads(body) == {"price": 1.5, "bot": "bot-1", "key": "s3cret"}
    assert headers["X-Key"] == "S3CRET"
    assert verify(own.secret, headers, body, now_s=clock.now_ms() / 1000), "signed as it is sent"
    assert json.loads(second)["price"] == 1.5, "a notice does not fit into a template, and holds nothing up"
    assert b"s3cret" not in (tmp_path / "ledger").read_bytes(), "secrets are not kept with deliveries"


def test_one_that_is_gone_is_paused_at_once(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    receiver.answer = lambda *_: 410
    store.delivery.add_webhook(hook(receiver, "a"))
    with sending(store, tmp_path, clock) as webhooks:
        webhooks(delivery(1))
        wait_for(lambda: is_put_off(webhooks, clock), "the sender to pass over the paused webhook")
        assert store.delivery.webhooks("ann")[0].state == "paused"
    assert receiver.seqs("a") == [1]


def test_what_was_not_sent_is_sent_after_a_restart(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    with Ledger(tmp_path / "ledger") as ledger:
        stopped = Webhooks(store, ledger, clock, allow_loopback=True)
        stopped(delivery(1))
        stopped(delivery(2))
        stopped.flush()
    with sending(store, tmp_path, clock) as webhooks:
        webhooks(delivery(1))
        wait_for(lambda: not webhooks.outbox.firsts(), "all to be sent")
    assert receiver.seqs("a") == [1, 2]


def test_what_cannot_be_noted_is_not_sent_without_a_pause(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))

    def full(_: Parcel) -> None:
        raise OSError("no space left on device")

    with sending(store, tmp_path, clock) as webhooks:
        monkeypatch.setattr(webhooks.outbox, "settle", full)
        webhooks(delivery(1))
        wait_for(lambda: receiver.got and is_put_off(webhooks, clock), "the webhook to be put off")
        webhooks(delivery(2))
        wait_for(lambda: len(webhooks.outbox.waiting("a", 10)) == 2, "another one to wait behind it")
        assert receiver.seqs("a") == [1]
        monkeypatch.undo()
        clock.move_to(clock.now_ms() + 60_000)
        wait_for(lambda: not webhooks.outbox.firsts(), "both to be sent")
    assert receiver.seqs("a") == [1, 1, 2]


def test_a_disk_that_was_full_loses_nothing(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    tries: list[int] = []

    def full(*_: object) -> None:
        tries.append(1)
        raise OSError("no space left on device")

    with sending(store, tmp_path, clock) as webhooks:
        with monkeypatch.context() as patched:
            patched.setattr(webhooks.outbox, "put", full)
            webhooks(delivery(1))
            wait_for(lambda: tries, "the sender to try")
            with pytest.raises(OSError, match="no space"):
                webhooks.flush()
        wait_for(lambda: receiver.got, "the delivery to be sent")
    assert receiver.seqs("a") == [1]


def test_what_was_gathered_is_one_transaction(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        store.delivery.add_webhook(hook(receiver, f"hook-{number}"))
    with Ledger(tmp_path / "ledger") as ledger:
        webhooks = Webhooks(store, ledger, clock, allow_loopback=True)
        batches: list[int] = []
        put = webhooks.outbox.put

        def count(parcels: Sequence[NewParcel], now_ms: int) -> None:
            batches.append(len(parcels))
            put(parcels, now_ms)

        monkeypatch.setattr(webhooks.outbox, "put", count)
        for seq in range(1, 46):
            webhooks(delivery(seq))
        assert len(webhooks.outbox.firsts()) == 0
        webhooks.flush()
        assert batches == [900]
        assert [webhooks.outbox.backlog(f"hook-{number}").deliveries for number in range(20)] == [45] * 20
        again = Webhooks(store, ledger, clock)
        assert [again.outbox.backlog(f"hook-{number}") for number in range(20)] == [
            webhooks.outbox.backlog(f"hook-{number}") for number in range(20)
        ]


def test_a_webhook_for_which_too_much_waits_is_paused_and_the_others_of_its_user_are_not(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    store.delivery.add_webhook(hook(receiver, "busy"))
    store.delivery.add_webhook(hook(receiver, "quiet", bot_id="bot-2"))
    with Ledger(tmp_path / "ledger") as ledger:
        webhooks = Webhooks(store, ledger, clock, allow_loopback=True, backlog_bytes=20_000)
        for seq in range(1, 101):
            webhooks(delivery(seq))
            webhooks.flush()
        webhooks(delivery(101, replace(SUBSCRIPTION, bot_id="bot-2")))
        webhooks.flush()
        busy, quiet = (webhooks.outbox.backlog(name) for name in ("busy", "quiet"))
    assert 20_000 <= busy.bytes < 21_000
    assert quiet.deliveries == 1
    assert [one.state for one in store.delivery.webhooks("ann")] == ["paused", "active"]


def test_whatever_a_post_raises_is_an_attempt(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    """A url that no check has seen, and a secret that cannot be read."""
    store.delivery.add_webhook(hook(receiver, "a", url="https://a..b/"))
    store.delivery.add_webhook(hook(receiver, "b", secret="whsec_a"))
    with sending(store, tmp_path, clock, pauses=0) as webhooks:
        for seq in range(1, MOST_DEAD_IN_A_ROW + 1):
            webhooks(delivery(seq))
        wait_for(lambda: {one.state for one in store.delivery.webhooks("ann")} == {"paused"}, "both to be paused")
        assert [len(webhooks.outbox.dead(name, 10)) for name in "ab"] == [MOST_DEAD_IN_A_ROW] * 2


def test_the_sender_stops_in_the_middle_of_an_attempt_and_makes_it_again(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store.delivery.add_webhook(hook(receiver, "a", url=f"http://127.0.0.1:{silent.getsockname()[1]}/"))
        with sending(store, tmp_path, clock) as webhooks:
            webhooks(delivery(1))
            channel, _ = silent.accept()
        channel.close()
    with Ledger(tmp_path / "ledger") as ledger:
        (parcel,) = Webhooks(store, ledger, clock).outbox.waiting("a", 10)
    assert parcel.attempts == 0, "an attempt that the hub broke off does not count"


def test_a_stop_waits_for_no_receiver(store: FileStore, tmp_path: Path, clock: ReplayClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        store.delivery.add_webhook(Webhook("a", "ann", url, "secret", None, "active", 0, 0, 1))
        stop = threading.Event()
        with Ledger(tmp_path / "ledger", now_ms=clock.now_ms) as ledger:
            webhooks = Webhooks(store, ledger, clock, allow_loopback=True)
            webhooks(delivery(1))
            thread = threading.Thread(target=webhooks.run, args=(stop,))
            thread.start()
            channel, _ = silent.accept()
            with channel:
                assert channel.recv(4), "the request is under way, and nobody will answer it"
                stop.set()
                thread.join(5)
                assert not thread.is_alive(), "it would have waited for the answer"
            (parcel,) = webhooks.outbox.waiting("a", 10)
            assert parcel.attempts == 0


def test_a_sender_whose_outbox_failed_goes_on(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    loops, stop = Loops(Pauses(first_s=0.01)), threading.Event()
    with Ledger(tmp_path / "ledger", now_ms=clock.now_ms) as ledger:
        webhooks = Webhooks(store, ledger, clock, allow_loopback=True)
        with monkeypatch.context() as patched:

            def full(*_: object) -> None:
                raise sqlite3.OperationalError("database or disk is full")

            patched.setattr(webhooks.outbox, "put", full)
            webhooks(delivery(1))
            thread = loops.start("webhooks-send", lambda: webhooks.run(stop), stop)
            wait_for(loops.problems, "the failure to be seen")
        wait_for(lambda: receiver.seqs("a") == [1], "the delivery")
        stop.set()
        thread.join()
    assert loops.loop("webhooks-send").restarts >= 1


def test_this_machine_is_not_sent_to_unless_that_is_allowed(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock, caplog: pytest.LogCaptureFixture
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    with sending(store, tmp_path, clock, allow_loopback=False, pauses=0) as webhooks:
        for seq in range(1, MOST_DEAD_IN_A_ROW + 1):
            webhooks(delivery(seq))
        wait_for(lambda: len(webhooks.outbox.dead("a", 10)) == MOST_DEAD_IN_A_ROW, "all to be given up")
    assert receiver.got == []
    assert "webhook a was paused: webhooks are sent over https only" in caplog.text
    assert receiver.url("a") not in caplog.text


def test_a_mark_is_forgotten_after_a_day_of_the_clock(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    before_ms: list[int] = []
    with Ledger(tmp_path / "ledger", now_ms=clock.now_ms) as ledger:
        webhooks = Webhooks(store, ledger, clock, allow_loopback=True)
        monkeypatch.setattr(webhooks.outbox, "forget_before", before_ms.append)
        stop = threading.Event()
        thread = threading.Thread(target=webhooks.run, args=(stop,))
        thread.start()
        wait_for(lambda: before_ms, "the sender to tidy up")
        stop.set()
        thread.join()
    assert before_ms == [clock.now_ms() - 24 * 3_600_000]


def test_a_notice_that_is_refused_holds_nothing_up(
    store: FileStore, receiver: Receiver, tmp_path: Path, clock: ReplayClock
) -> None:
    store.delivery.add_webhook(hook(receiver, "a"))
    # A receiver from before there were notices fails on a body without an event.
    receiver.answer = lambda _, seq: 200 if seq else 500
    with sending(store, tmp_path, clock) as webhooks:
        webhooks.outbox.put([NewParcel("a", f"notice:superseded:{number}:ann:b", b"{}") for number in range(9)], 0)
        webhooks(delivery(1))
        webhooks.flush()
        wait_for(lambda: len(receiver.got) >= 10 and not webhooks.outbox.firsts(), "all to be sent")
        assert receiver.bodies("a")[:9] == [{}] * 9, "once each"
        assert receiver.bodies("a")[9]["event"]["seq"] == 1
        webhook = store.delivery.webhook("a")
        assert webhook is not None
        assert webhook.state == "active"
