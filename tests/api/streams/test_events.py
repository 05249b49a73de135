"""Server-sent events: what a reader missed and what comes, each once, in order, for its user only."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.streams import event_stream
from events.log.publisher import drain
from registry.store.parts.registry import SubscriptionRequest
from tests.api.served_hub import Hub, a_hub
from tests.waiting import wait_for


class Reader:
    """Reads a stream in a thread until the block or the stream ends."""

    def __init__(self, client: httpx.Client, **query: object) -> None:
        self.seqs: list[int] = []
        self.last_id: str | None = None
        self.ended = threading.Event()
        self._client = client
        self._query = query
        self._stop = threading.Event()
        self._ready = threading.Event()

    @contextmanager
    def reading(self, last_event_id: str | None = None) -> Iterator["Reader"]:
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        thread = threading.Thread(target=self._read, args=(headers,))
        thread.start()
        assert self._ready.wait(10)
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def until(self, count: int) -> list[int]:
        """The events, once there are so many or the stream has ended."""
        wait_for(lambda: len(self.seqs) >= count or self.ended.is_set(), f"{count} events")
        return self.seqs

    def _read(self, headers: dict[str, str]) -> None:
        try:
            with self._client.stream("GET", "/events", params=self._query, headers=headers, timeout=10) as answer:  # type: ignore[arg-type]
                assert answer.status_code == 200
                assert answer.headers["Content-Type"].startswith("text/event-stream")
                self._ready.set()
                self._lines(answer)
        except httpx.RemoteProtocolError:
            pass
        self.ended.set()

    def _lines(self, answer: httpx.Response) -> None:
        lines = answer.iter_lines()
        fields: dict[str, str] = {}
        while not self._stop.is_set():
            try:
                line = next(lines)
            except StopIteration:
                return
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
                continue
            # An empty line completes an event; an incomplete one does not count, and neither does its id.
            self.last_id = fields.get("id", self.last_id)
            if "data" in fields:
                assert str(json.loads(fields["data"])["seq"]) == fields["id"]
                self.seqs.append(int(fields["id"]))
            fields = {}


def subscribed(hub: Hub, user: str, bot: str, level: int) -> str:
    client = hub.as_user(user)
    condition = client.post("/conditions/register", json={"condition": f"BTCUSDT 1h: close > {level}"}).json()[
        "condition_id"
    ]
    client.post("/conditions/subscribe", json={"bot_id": bot, "condition_id": condition, "bot_type": "dca"})
    return str(condition)


@pytest.fixture(autouse=True)
def quick_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.1)


def test_live_events_reach_those_who_subscribed(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        first, second = subscribed(hub, "ann", "a", 1), subscribed(hub, "ann", "b", 2)
        other = subscribed(hub, "bob", "c", 3)
        with (
            Reader(hub.as_user("ann")).reading() as ann,
            Reader(hub.as_user("ann"), bot_id="b").reading() as only_b,
            Reader(hub.as_user("bob")).reading() as bob,
            Reader(hub.as_user("root", "operator"), all="true").reading() as everything,
        ):
            seqs = hub.fire(first, second, other, count=4)
            drain(hub.store, hub.log)
            assert ann.until(8) == [seq for place, seq in enumerate(seqs) if place % 3 != 2]
            assert only_b.until(4) == seqs[1::3]
            assert bob.until(4) == seqs[2::3]
            assert everything.until(12) == seqs


def test_a_revoked_key_ends_its_streams_and_no_others(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        condition = subscribed(hub, "ann", "a", 1)
        other = hub.as_user("ann", "operator")
        with Reader(hub.as_user("ann")).reading() as revoked, Reader(other).reading() as valid:
            key = next(key for key in hub.store.accounts.keys("ann") if key.role == "user")
            hub.store.accounts.revoke_key(key.key_id, at_ms=0)
            seqs = hub.fire(condition)
            drain(hub.store, hub.log)
            assert valid.until(1) == seqs
            assert revoked.ended.wait(20)
            assert not valid.ended.is_set()
    assert revoked.seqs == []


def test_what_is_not_published_comes_too(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        condition = subscribed(hub, "ann", "a", 1)
        with Reader(hub.as_user("ann")).reading() as ann:
            assert ann.seqs == []
            assert ann.until(len(seqs := hub.fire(condition, count=3))) == seqs


def test_a_reader_that_comes_and_goes_gets_each_event_once(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        mine, other = subscribed(hub, "ann", "a", 1), subscribed(hub, "bob", "b", 2)
        stop = threading.Event()
        fired: list[int] = []

        def fire() -> None:
            while not stop.is_set():
                fired.extend(hub.fire(mine, other)[:1])
                drain(hub.store, hub.log)

        thread = threading.Thread(target=fire)
        with Reader(hub.as_user("ann")).reading() as begin:
            seqs, last_id = begin.seqs, begin.last_id
        thread.start()
        for _ in range(8):
            reader = Reader(hub.as_user("ann"))
            with reader.reading(last_id):
                reader.until(3)
            seqs, last_id = seqs + reader.seqs, reader.last_id
        stop.set()
        thread.join()
        last = Reader(hub.as_user("ann"))
        with last.reading(last_id):
            seqs += last.until(len(fired) - len(seqs))
        assert len(fired) >= 8
        assert seqs == fired


def test_from_a_seq_and_from_the_beginning(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        condition = subscribed(hub, "ann", "a", 1)
        seqs = hub.fire(condition, count=5)
        with Reader(hub.as_user("ann"), after_seq=seqs[1]).reading() as later:
            assert later.until(3) == seqs[2:]
        with Reader(hub.as_user("ann"), after_seq=0).reading() as all_of_them:
            assert all_of_them.until(5) == seqs
        with Reader(hub.as_user("ann"), after_seq=0).reading(str(seqs[3])) as header_wins:
            assert header_wins.until(1) == seqs[4:]


def test_a_subscription_counts_while_the_stream_is_open(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub, Reader(hub.as_user("ann")).reading() as ann:
        first = subscribed(hub, "ann", "a", 1)
        seqs = hub.fire(first)
        assert ann.until(1) == seqs
        which = {"bot_id": "a", "condition_id": first}
        hub.as_user("ann").post("/conditions/pause", json=which)
        missed = hub.fire(first)
        hub.as_user("ann").post("/conditions/resume", json=which)
        seqs += hub.fire(first)
        assert ann.until(2) == seqs
        assert not set(missed) & set(ann.seqs)


def test_heartbeats_move_the_place_to_come_back_to(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        other = subscribed(hub, "bob", "b", 1)
        with Reader(hub.as_user("ann")).reading() as ann:
            newest = str(hub.fire(other, count=3)[-1])
            wait_for(lambda: ann.last_id == newest, "a heartbeat with the newest seq")
            assert ann.seqs == []


def test_a_reader_that_does_not_read_is_cut_off_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "STALL_S", 1.0)
    with a_hub(tmp_path) as hub:
        ann = hub.as_user("ann")
        texts = [f"BTCUSDT 1h: close > {level}" for level in range(1, 1001)]
        results = ann.post("/conditions/register/bulk", json={"conditions": texts}).json()["results"]
        conditions = [result["condition_id"] for result in results]
        hub.store.registry.subscribe(
            [SubscriptionRequest("ann", "a", condition, "dca", {}) for condition in conditions],
            active_from_ms=hub.clock.now_ms(),
        )
        with socket.socket() as slow, Reader(ann).reading() as quick:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", hub.port))
            slow.sendall(f"GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hub.key('ann')}\r\n\r\n".encode())
            seqs: list[int] = []
            feed = hub.service.user_feed
            wait_for(lambda: feed.streams_of("ann") == 2, "both streams to be open")

            def is_cut_off() -> bool:
                seqs.extend(hub.fire(*conditions))
                drain(hub.store, hub.log)
                return feed.streams_of("ann") == 1

            wait_for(is_cut_off, "the slow reader to be cut off")
            assert "hub_event_streams_cut_total 1.0" in metrics(hub)
            assert quick.until(len(seqs)) == seqs


def metrics(hub: Hub) -> str:
    return hub.as_user("root", "operator").get("/metrics").text


def test_streams_end_when_the_service_stops(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        reader = Reader(hub.as_user("ann"))
        with reader.reading():
            hub.service.user_feed.end_streams()
            assert reader.ended.wait(10)
