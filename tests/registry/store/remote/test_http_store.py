"""The way to a store's owner: who gets in, what becomes of answers that get lost, and of an owner that is away."""

import http.client
import inspect
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

from common import errors
from common.errors import HubError, StoreDenied, StoreError, StoreNotWritable, StoreUnreachable
from registry.conditions import Condition
from registry.groups import Series
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.parts.candles import UpsertCounts
from registry.store.parts.ticks import RunRecord
from registry.store.protocol import WRITES
from registry.store.remote import http_store
from registry.store.remote.calls import Calls
from registry.store.remote.wire import PROTOCOL, PROTOCOL_HEADER, decode_error, encode_error, operations
from tests.registry.store.serving import TOKEN, serving
from tests.registry.store.ticks import BTC, HOUR, tick


@pytest.fixture
def owned(tmp_path: Path, sample: pl.DataFrame) -> Iterator[FileStore]:
    with FileStore(tmp_path / "store") as store:
        store.candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3))
        yield store


@contextmanager
def losing_answers(url: str, *lost: bool) -> Iterator[str]:
    """Another address of an owner, on the way to which some of its first answers get lost: it has done the work."""
    fates = list(lost)
    place = urlsplit(url)

    def forward(client: socket.socket) -> None:
        with client, client.makefile("rb") as incoming:
            while line := incoming.readline():
                head = [line]
                while head[-1] != b"\r\n":
                    head.append(incoming.readline())
                sizes = [int(field.split(b":")[1]) for field in head if field.lower().startswith(b"content-length")]
                body = incoming.read(sum(sizes))
                upstream = http.client.HTTPConnection(place.hostname or "", place.port)
                method, path, _ = line.decode().split()
                fields = dict(field.decode().strip().split(": ", 1) for field in head[1:-1])
                upstream.request(method, path, body, fields)
                response = upstream.getresponse()
                answer = response.read()
                upstream.close()
                if fates and fates.pop(0):
                    return
                client.sendall(
                    f"HTTP/1.1 {response.status} x\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer
                )

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=forward, args=(client,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", "\u00fc"])
def test_nobody_gets_in_without_the_token(owned: FileStore, token: str | None) -> None:
    with serving(owned) as url, pytest.raises(StoreDenied, match="HUB_STORE_TOKEN") as refused:
        open_store(url, token=token)
    assert TOKEN not in str(refused.value)


def test_every_operation_is_guarded(owned: FileStore) -> None:
    with serving(owned) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        for name in (*operations(), "none", "close", "registry.__class__"):
            connection.request("POST", f"/store/{name}", b"\x80", {PROTOCOL_HEADER: PROTOCOL})
            response = connection.getresponse()
            assert (response.status, response.read()) == (401, b""), name
        connection.close()


def test_all_methods_of_the_store_are_operations_and_all_writes_are_known() -> None:
    assert set(operations()) >= WRITES
    for part in ("accounts", "cache", "candles", "delivery", "registry", "ticks"):
        names = {name.split(".")[1] for name in operations() if name.startswith(f"{part}.")}
        assert names, part
    assert {"rebase", "candles.upsert", "ticks.record_tick"} <= set(operations())


def test_a_lost_answer_is_asked_for_again_and_is_the_first_one(owned: FileStore) -> None:
    first = tick(HOUR, (BTC, None), triggers=2)
    condition = Condition.parse("BTCUSDT 1h: rsi(14) < 30")
    candles = owned.candles.between(BTC.base, 0, 10**15).with_columns(pl.col("volume") + 1)
    # The first answer is to the greeting.
    with (
        serving(owned) as url,
        losing_answers(url, True, False, *[True, True, False] * 3) as unsure,
        open_store(unsure, token=TOKEN) as store,
    ):
        assert store.ticks.record_tick(first) == range(1, 3)
        assert store.registry.register([condition], active_from_ms=0)[0].created
        assert store.candles.upsert(candles) == UpsertCounts(replaced=3)
    assert owned.triggers.last_seq() == 2


def test_a_run_is_recorded_once_whatever_is_lost(owned: FileStore) -> None:
    with (
        serving(owned) as url,
        losing_answers(url, *[False, True] * 5) as unsure,
        open_store(unsure, token=TOKEN) as store,
    ):
        for number in range(5):
            store.ticks.record_run(RunRecord(f"run {number}", "1h", 0, 1, 0, 0, 0, 0))
    assert owned.ticks.runs()["run_id"].to_list() == [f"run {number}" for number in range(5)]


def test_a_client_goes_on_when_the_owner_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with FileStore(tmp_path) as owned, serving(owned, port) as url:
        client = open_store(url, token=TOKEN)
        assert client.triggers.last_seq() == 0
    missed = threading.Event()
    close_idle = Calls._close_idle

    def close_and_tell(calls: Calls) -> None:
        close_idle(calls)
        missed.set()

    monkeypatch.setattr(Calls, "_close_idle", close_and_tell)
    answers: list[range] = []
    waiting = threading.Thread(
        target=lambda: answers.append(client.ticks.record_tick(tick(HOUR, (BTC, None), triggers=1)))
    )
    waiting.start()
    assert missed.wait(30), "the call was not made while the owner was away"
    with FileStore(tmp_path) as owned, serving(owned, port):
        waiting.join()
        assert answers == [range(1, 2)]
        assert owned.triggers.last_seq() == 1
        client.close()


def test_threads_that_end_leave_no_connections(owned: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each flow run comes with threads of its own, and a worker runs for months."""
    with serving(owned) as url, http_store.HttpStore(url, token=TOKEN) as store:
        connect, made = store._calls._connect, []

        def counted() -> http.client.HTTPConnection:
            made.append(connect())
            return made[-1]

        monkeypatch.setattr(store._calls, "_connect", counted)
        for _ in range(20):
            thread = threading.Thread(target=store.registry.version)
            thread.start()
            thread.join()
        # The one that the store was opened with is enough for calls one after the other.
        assert not made


def test_an_owner_that_stays_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_store, "_PATIENCE_AT_FIRST_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(StoreUnreachable, match=rf"{url}.*hub up.*HUB_STORE_URL"):
        open_store(url, token=TOKEN)


def test_what_is_no_hub_is_said(owned: FileStore) -> None:
    with serving(owned) as url, pytest.raises(StoreError, match="not a store of the hub"):
        open_store(f"{url}/elsewhere", token=TOKEN)
    for wrong in ("http:", "http://", "https:///store"):
        with pytest.raises(StoreError, match="http://HOST:PORT"):
            open_store(wrong)


def test_a_reader_cannot_write(owned: FileStore) -> None:
    with serving(owned) as url, open_store(url, token=TOKEN, read_only=True) as store:
        assert store.candles.instruments() == owned.candles.instruments()
        with pytest.raises(StoreNotWritable, match="read-only"):
            store.triggers.raise_floor(5)


def test_another_version_of_the_hub_is_refused(owned: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from registry.store.remote import calls

    monkeypatch.setattr(calls, "PROTOCOL", "other")
    with serving(owned) as url, pytest.raises(StoreError, match="different versions"):
        open_store(url, token=TOKEN)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", b"\x81\xa4none\x01", b"x" * 1_000])
@pytest.mark.parametrize("name", ["candles.upsert", "registry.register", "ticks.record_tick"])
def test_bytes_that_are_no_call_are_refused(owned: FileStore, name: str, body: bytes) -> None:
    with pytest.raises(StoreError, match=f"not a call of {name}"):
        operations()[name].run(owned, body)


def test_a_condition_that_means_something_else_here_is_refused(owned: FileStore) -> None:
    condition = Condition.parse("BTCUSDT 1h: rsi(14) < 30")
    register = operations()["registry.register"]
    body = register.encode_call(([condition],), {"active_from_ms": 0}).replace(condition.id.encode(), b"0" * 32)
    with pytest.raises(StoreError, match="different versions"):
        register.run(owned, body)
    assert owned.registry.conditions() == []


@pytest.mark.parametrize(
    "kind", [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HubError)]
)
def test_errors_come_back_as_they_were(kind: type[HubError]) -> None:
    made = kind.__new__(kind)
    made.args = ("what was wrong, with ünusual text",)
    vars(made)["position"] = 3
    back = decode_error(encode_error(made))
    assert type(back) is kind
    assert (str(back), vars(back)) == (str(made), vars(made))


def test_a_failure_of_the_owner_is_told_without_its_inside(owned: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(owned.triggers, "raise_floor", fail)
    with serving(owned) as url, open_store(url, token=TOKEN) as store:
        with pytest.raises(StoreError, match="its log says why") as told:
            store.triggers.raise_floor(5)
        assert "secret" not in str(told.value)


def test_a_large_frame_comes_through(owned: FileStore, sample: pl.DataFrame) -> None:
    hours = sample.filter(pl.col("timeframe") == "1h")
    with serving(owned) as url, open_store(url, token=TOKEN) as store:
        store.candles.upsert(hours)
        assert store.candles.series().equals(owned.candles.series())
        series = Series.parse(store.candles.series()["series"][0])
        assert store.candles.between(series, 0, 10**15).equals(owned.candles.between(series, 0, 10**15))
