"""Where webhooks may go: nowhere inside, whatever an address is embedded in or a name resolves to."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import pytest

from common.errors import WebhookError
from events.webhooks import public_post
from events.webhooks.public_post import check_url, is_public, post


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1"),
        *("192.0.0.1", "192.0.0.9", "192.88.99.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "192.175.48.1"),
        *("::8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::808:808", "2002:808:808::", "2001::1", "2001:4:112::1"),
        *("100::1", "2001:20::1", "2620:4f:8000::1", "3fff::1", "5f00::1", "fec0::1", "feff::1", "fdff::1", "4000::1"),
        *("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "::ffff:168.63.129.16"),
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_outside_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://bots.example.com/x", "https only"),
        ("ftp://bots.example.com/x", "https only"),
        ("https://ann:pw@bots.example.com/x", "must not contain a user, password"),
        ("https:///x", "needs a host"),
        ("https://bots.example.com/#x", "fragment"),
        ("https://bots.example.com:22/", "port 22"),
        ("https://bots.example.com:x/", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https://bots.example.com/a b", "printable"),
        ("https://bücher.example.com/", "printable"),
        ("https://a..b/", "not a valid name"),
        ("https://.b/", "not a valid name"),
        ("https://-a.b/", "not a valid name"),
        (f"https://{'a' * 64}.b/", "not a valid name"),
        (f"https://{'a.' * 130}b/", "not a valid name"),
        ("https://127.0.0.1/", "not public"),
        ("https://[::ffff:10.0.0.1]/", "not public"),
        ("https://x.example.com/" + "a" * 2_000, "2000"),
    ],
)
def test_urls_that_may_not_be_sent_to_are_refused(url: str, said: str) -> None:
    with pytest.raises(WebhookError, match=said) as refused:
        check_url(url)
    assert "pw" not in str(refused.value)


def test_a_name_that_leads_inside_is_refused_when_it_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """One private address among public ones is enough, and nothing is connected to."""
    places = [("8.8.8.8", 443), ("10.0.0.1", 443)]
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("connected"))
    with pytest.raises(WebhookError, match="not public"):
        post("https://rebinding.example.com/x", {}, b"")


def test_loopback_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(WebhookError, match="https only"):
        post("http://localhost:1/", {}, b"")
    with pytest.raises(WebhookError, match="not public"):
        post("https://localhost:4443/", {}, b"")


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost."])
def test_other_spellings_of_an_address_inside_lead_nowhere(host: str) -> None:
    with pytest.raises(WebhookError, match=r"not public|no answer"):
        post(f"https://{host}:4443/", {}, b"")


@pytest.mark.parametrize("failure", [UnicodeError("label empty"), ValueError("x"), RuntimeError("x"), KeyError("x")])
def test_whatever_goes_wrong_is_an_attempt_without_an_answer(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(WebhookError, match=f"no answer \\({type(failure).__name__}\\)"):
        post("https://bots.example.com/", {}, b"")


def test_the_next_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one takes no connection, and the second one has a backlog that is full."""
    monkeypatch.setattr(public_post, "DEADLINE_S", 6.0)
    with (
        socket.create_server(("127.0.0.1", 0)) as closed,
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        answering(b"HTTP/1.1 204 x\r\n\r\n") as (port, _),
    ):
        busy = [socket.socket() for _ in range(3)]
        for channel in busy:
            channel.setblocking(False)
            channel.connect_ex(full.getsockname())
        ports = [closed.getsockname()[1], full.getsockname()[1], port]
        closed.close()
        answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
        assert post("http://bots.example.com/", {}, b"", allow_loopback=True).status == 204
        for channel in busy:
            channel.close()


def test_a_resolver_that_never_answers_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_post, "DEADLINE_S", 0.3)
    over = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30))
    with pytest.raises(WebhookError, match="no answer within"):
        post("https://bots.example.com/", {}, b"")
    over.set()


def test_a_server_that_is_silent_during_the_handshake_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_post, "DEADLINE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(WebhookError, match="no answer within"):
        post(f"https://127.0.0.1:{listener.getsockname()[1]}/", {}, b"", allow_loopback=True)


def test_an_attempt_can_be_aborted() -> None:
    looks = iter([False] * 5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(WebhookError, match="aborted"):
            post(url, {}, b"", allow_loopback=True, aborted=lambda: next(looks, True))


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that reads one request and answers with these bytes; yields its port and the requests received."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            channel, _ = listener.accept()
            with channel:
                got.append(channel.recv(65_536))
                with suppress(OSError):
                    channel.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], got
        thread.join()


def test_a_redirect_is_an_answer_and_nothing_else() -> None:
    location = b"HTTP/1.1 307 x\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    with answering(location) as (port, got):
        assert post(f"http://127.0.0.1:{port}/a?b=c", {"X": "y"}, b"body", allow_loopback=True).status == 307
    assert got[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    with answering(b"HTTP/1.1 200 x\r\nContent-Length: 1000000000\r\n\r\n" + bytes(100_000)) as (port, _):
        assert post(f"http://127.0.0.1:{port}/", {}, b"", allow_loopback=True).status == 200


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 202 x\r\n\r\n", 202),
        (b"HTTP/1.0 200\n\n", 200),
        (b"HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nhello", 200),
    ],
)
def test_the_status_of_an_answer_is_read(answer: bytes, status: int) -> None:
    with answering(answer) as (port, _):
        assert post(f"http://127.0.0.1:{port}/", {}, b"", allow_loopback=True).status == status


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "no answer"),
        (b"SSH-2.0-x\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 x\r\n", "no answer"),
        (b"HTTP/1.1 200 x\r\n" + b"a: b\r\n" * 20_000, "larger than"),
        (b"HTTP/1.1 100 x\r\n\r\n" * 10_000, "larger than"),
    ],
)
def test_what_is_no_answer_is_refused(answer: bytes, said: str) -> None:
    with answering(answer) as (port, _), pytest.raises(WebhookError, match=said):
        post(f"http://127.0.0.1:{port}/", {}, b"", allow_loopback=True)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (b"Retry-After: 7\r\n", 7.0),
        (b"retry-after:0.25\r\n", 0.25),
        (b"Retry-After: soon\r\n", None),
        (b"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 0.0),
        (b"X-Retry-After: 7\r\n", None),
        (b"", None),
    ],
)
def test_when_to_come_again_is_read(header: bytes, wait_s: float | None) -> None:
    with answering(b"HTTP/1.1 429 x\r\n" + header + b"Content-Length: 0\r\n\r\n") as (port, _):
        answer = post(f"http://127.0.0.1:{port}/", {}, b"", allow_loopback=True)
    assert (answer.status, answer.retry_after_s) == (429, wait_s)


def test_an_answer_that_drips_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_post, "DEADLINE_S", 0.3)
    ended: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            channel, _ = listener.accept()
            with channel:
                try:
                    while True:
                        channel.sendall(b"H")
                        if not ended:
                            ended.append(channel.recv(65_536))
                        ended.append(channel.recv(1))
                        if not ended[-1]:
                            return
                except OSError:
                    return

        thread = Thread(target=drip)
        thread.start()
        with pytest.raises(WebhookError, match="no answer"):
            post(f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, b"", allow_loopback=True)
        thread.join(20)
        assert not thread.is_alive()
