"""Connections: sizes at their boundary, however the bytes are cut, and deadlines of whatever is slow or unread."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.http import connection
from api.http.connection import LARGEST_FRAMING, LARGEST_HEAD, LARGEST_REST, MOST_PIPELINED
from tests.api.served_hub import Hub

LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /health/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextmanager
def dialled(hub: Hub) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", hub.port), timeout=20) as sender:
        yield sender


def everything(receiver: socket.socket) -> bytes:
    """What comes until the service closes; fails if it does not."""
    parts: list[bytes] = []
    try:
        while part := receiver.recv(65_536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def is_cut(sender: socket.socket, data: bytes, times: int) -> bool:
    """Whether the service ends the connection of a client that sends on and reads nothing."""
    try:
        for _ in range(times):
            sender.sendall(data)
            time.sleep(0.02)
    except ConnectionError:
        return True
    return False


def answer_to(receiver: socket.socket) -> bytes:
    """One whole answer with a length."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        part = receiver.recv(65_536)
        assert part, raw
        raw += part
    head, _, body = raw.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += receiver.recv(65_536)
    return head + b"\r\n\r\n" + body


def head_of(size: int, line: bytes = b"GET /health/live HTTP/1.1") -> bytes:
    """A whole head of exactly this many bytes."""
    begun = line + b"\r\nHost: x\r\nX-Filling: "
    return begun + b"x" * (size - len(begun) - 4) + b"\r\n\r\n"


@pytest.mark.parametrize(
    "cut", [0, 1, LARGEST_HEAD - 3, LARGEST_HEAD - 1], ids=["whole", "first", "in the end", "last"]
)
def test_the_largest_head_is_exact(hub: Hub, cut: int) -> None:
    for size, status in ((LARGEST_HEAD, b"200"), (LARGEST_HEAD + 1, b"431")):
        raw = head_of(size)
        assert len(raw) == size
        with dialled(hub) as sender:
            if cut:
                sender.sendall(raw[:cut])
                time.sleep(0.05)
            sender.sendall(raw[cut:])
            assert answer_to(sender).split()[1] == status, size


@pytest.mark.parametrize(
    "before", [LIVE, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n" + b" " * 40_000]
)
def test_the_largest_head_is_exact_after_another_request(hub: Hub, before: bytes) -> None:
    for size, status in ((LARGEST_HEAD, b"200"), (LARGEST_HEAD + 1, b"431")):
        with dialled(hub) as sender:
            sender.sendall(before)
            answer_to(sender)
            sender.sendall(head_of(size))
            assert answer_to(sender).split()[1] == status, size
            sender.sendall(LIVE)


def test_a_later_head_in_the_same_packet_is_counted_from_its_own_beginning(hub: Hub) -> None:
    with dialled(hub) as sender:
        sender.sendall(head_of(40_000) + head_of(40_000) + head_of(40_000))
        assert [answer.split(b" ")[0] for answer in _several(sender, 3)] == [b"200"] * 3


def _several(receiver: socket.socket, count: int) -> list[bytes]:
    raw = b""
    while raw.count(b"HTTP/1.1 ") < count or not raw.endswith(b"}"):
        part = receiver.recv(65_536)
        assert part, raw
        raw += part
    return raw.split(b"HTTP/1.1 ")[1:]


@pytest.mark.parametrize(
    "parts",
    [
        b"0\r\n" + b"X-Trailer: y\r\n" * 8_000,
        b"0\r\nX-Trailer: " + b"y" * 80_000,
        b"1;" + b"e" * 80_000,
        b"1;e=1\r\n \r\n" * 3 + b"1;" + b"e" * 80_000,
    ],
    ids=["many trailers", "a long trailer", "a long extension", "later"],
)
def test_trailers_and_extensions_are_bounded(hub: Hub, parts: bytes) -> None:
    path = b"POST /conditions/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    key = f"Authorization: Bearer {hub.key('hostile')}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert len(parts) > LARGEST_FRAMING
    with dialled(hub) as sender:
        sender.sendall(path + key + parts)
        answer = everything(sender)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"framing-too-large" in answer


def test_a_body_in_tiny_chunks_with_a_few_trailers_is_read(hub: Hub) -> None:
    body = json.dumps({"condition": "BTCUSDT 1h: close > 1" + " " * 20_000}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\nAuthorization: Bearer nobody\r\nX-A: b\r\n\r\n"
    head = b"POST /conditions/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    key = f"Authorization: Bearer {hub.key('hostile')}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with dialled(hub) as sender:
        sender.sendall(head + key + chunks)
        assert answer_to(sender).split()[1] in (b"200", b"201", b"422")
        sender.sendall(LIVE)
        assert answer_to(sender).split()[1] == b"200"


@pytest.mark.parametrize(
    "head",
    [
        b"POST /conditions/register HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",
        b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",
        b"DELETE /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",
        CHUNKED,
        b"POST /store/registry.version HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",
    ],
    ids=["no key", "no path", "no method", "no body wanted", "chunked", "store"],
)
def test_an_answer_before_the_body_is_the_last_one(hub: Hub, head: bytes) -> None:
    with dialled(hub) as sender:
        sender.sendall(head + b"1\r\n \r\n")
        answer = everything(sender)
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_refusal_after_a_whole_body_keeps_the_connection(hub: Hub) -> None:
    with dialled(hub) as sender:
        sender.sendall(b"POST /conditions/register HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert answer_to(sender).split()[1] == b"401"
        sender.sendall(LIVE)
        assert answer_to(sender).split()[1] == b"200"


def test_who_still_sends_sees_the_refusal_and_is_not_read_for_ever(hub: Hub) -> None:
    head = b"POST /conditions/register HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
    with dialled(hub) as sender:
        sender.sendall(head + b" " * (LARGEST_REST // 2))
        assert answer_to(sender).split()[1] == b"401"
    with dialled(hub) as sender:
        sender.sendall(head)
        assert is_cut(sender, b" " * LARGEST_REST, 64)


def test_the_rest_of_a_refused_request_has_a_deadline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LINGER_S", 0.2)
    with dialled(hub) as sender:
        sender.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        everything(sender)
        assert is_cut(sender, b" ", 200)


def test_a_body_that_nobody_waits_for_has_a_deadline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_PATIENCE_S", 0.2)
    head = b"POST /conditions/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    key = f"Authorization: Bearer {hub.key('hostile')}\r\nContent-Length: 9\r\n\r\n".encode()
    with dialled(hub) as sender:
        sender.sendall(head + key + b"{")
        answer = everything(sender)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_blank_lines_do_not_keep_an_idle_connection(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_PATIENCE_S", 0.3)
    with dialled(hub) as sender:
        assert is_cut(sender, b"\r\n", 500)


def test_an_unread_answer_has_a_deadline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_PIPELINED", 100_000)
    monkeypatch.setattr(connection, "ANSWER_PATIENCE_S", 0.3)
    with socket.socket() as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sender.settimeout(20)
        sender.connect(("127.0.0.1", hub.port))
        # The answers fill what the system keeps for the client, then what the service does.
        assert is_cut(sender, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 500)
    assert hub.nobody().get("/health/live").status_code == 200


def test_a_slow_reader_is_not_cut(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_PATIENCE_S", 0.5)
    monkeypatch.setattr(connection, "LEAST_READ", 1_000)
    with socket.socket() as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sender.settimeout(20)
        sender.connect(("127.0.0.1", hub.port))
        sender.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        size = 0
        started = time.monotonic()
        while time.monotonic() < started + 2:
            size += len(sender.recv(20_000))
            time.sleep(0.01)
        assert size > 100_000


def test_requests_ahead_of_their_answers_are_bounded(hub: Hub) -> None:
    key = f"Authorization: Bearer {hub.key('hostile')}\r\n\r\n".encode()
    with dialled(hub) as sender:
        sender.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n" + key + LIVE * (MOST_PIPELINED + 2))
        everything(sender)
    with dialled(hub) as sender:
        sender.sendall(LIVE * (MOST_PIPELINED // 2))
        assert len(_several(sender, MOST_PIPELINED // 2)) == MOST_PIPELINED // 2


def test_a_slow_head_waits_for_the_answer_before_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_PATIENCE_S", 0.2)
    key = f"Authorization: Bearer {hub.key('hostile')}\r\n\r\n".encode()
    with dialled(hub) as sender:
        sender.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n" + key + LIVE[:5])
        time.sleep(1)
        read = sender.recv(65_536)
        assert read.startswith(b"HTTP/1.1 200 ")
        assert b"408" not in read


def test_nothing_but_http_is_spoken(hub: Hub) -> None:
    upgrade = LIVE[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with dialled(hub) as sender:
        sender.sendall(upgrade + b"\x00" * 100)
        answer = everything(sender)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
