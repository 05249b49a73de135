"""Posts to an address that a user chose, but never to one inside a private network.

A name is resolved once, all of its addresses are checked, and the connection is made to one of those, so a name that
resolves differently a moment later changes nothing. Redirects are not followed. One deadline covers everything from
resolving the name to the head of the answer: the socket never blocks, so a server that drips bytes gains no time.
"""

import ipaddress
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from common.errors import WebhookError

DEADLINE_S = 10.0
"""From resolving the name to the end of the answer's head."""

_MOST_RESOLVING = 128
"""Names being resolved at once. A resolver cannot be interrupted, so its thread may outlive the attempt."""
_LARGEST_HEAD = 64 * 1024
_LARGEST_BODY = 64 * 1024
_BODY_S = 1.0
"""How long the body of an answer is read. It changes nothing; a server that still writes is not cut off at once."""
_LOOK_S = 0.2
"""Seconds between two looks at whether the attempt is to be aborted."""
_LONGEST_URL = 2_000
_LONGEST_HOST = 253
_HTTPS_PORT = 443
_FIRST_FREE_PORT = 1024
_MOST_ADDRESSES = 8
"""Addresses of one name that are tried."""

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_RETRY_AFTER = re.compile(rb"\r?\nretry-after:[ \t]*([!-~ ]{1,60}?)[ \t]*\r?\n", re.IGNORECASE)
_CONTENT_LENGTH = re.compile(rb"\r?\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r?\n", re.IGNORECASE)
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")

_Result = TypeVar("_Result")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_SocketAddress = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True)
class PostAnswer:
    """What a receiver answered."""

    status: int
    retry_after_s: float | None = None
    """Seconds after which it wants to be asked again, at least 0."""


_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_DENIED = tuple(
    ipaddress.ip_network(network)
    for network in (
        # IANA's special-purpose registry, IPv4
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # the same for IPv6: loopback, unspecified and IPv4-compatible; IPv4 embedded by NAT64; discard only
        *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
        # protocol assignments with Teredo, benchmarking and ORCHID; documentation; 6to4; direct delegation; segments
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16"),
        # unique local, link-local, site-local, multicast
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
        # metadata and platform services of cloud providers that lie in none of the above
        *("168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::254/128", "fd20:ce::254/128"),
    )
)


def check_url(url: str, *, allow_loopback: bool = False) -> SplitResult:
    """The parts of a URL that may be posted to, as far as its text can tell. Raises :class:`WebhookError` otherwise.

    ``allow_loopback`` is for tests: it permits plain HTTP and this machine.
    """
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise WebhookError(
            f"the url is not valid: it takes up to {_LONGEST_URL} printable ASCII characters without spaces"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WebhookError("the url cannot be read; write it like https://bots.example.com/hub") from None
    if parts.scheme != "https" and not (allow_loopback and parts.scheme == "http"):
        raise WebhookError("webhooks are sent over https only; write the url like https://bots.example.com/hub")
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookError("the url needs a host, and must not contain a user, password or fragment")
    if port is not None and port != _HTTPS_PORT and port < _FIRST_FREE_PORT:
        raise WebhookError(f"port {port} is not allowed for webhooks; use 443, or a port from 1024 up")
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        _check_name(parts.hostname)
    else:
        _refuse_inside(address, allow_loopback)
    return parts


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    allow_loopback: bool = False,
    aborted: Callable[[], bool] = lambda: False,
) -> PostAnswer:
    """Post a body and return what was answered. Raises :class:`WebhookError` if there is none in time.

    ``aborted`` is looked at several times a second; once it returns true, the attempt ends.
    """
    deadline = _Deadline(DEADLINE_S, aborted)
    try:
        parts = check_url(url, allow_loopback=allow_loopback)
        host, port = parts.hostname or "", parts.port or (_HTTPS_PORT if parts.scheme == "https" else 80)
        addresses = _resolve(host, port, allow_loopback, deadline)
        channel = _connect(addresses, deadline)
        try:
            if parts.scheme == "https":
                channel = _start_tls(channel, host, deadline)
            _send(channel, _request(parts, headers, body), deadline)
            return _answer(channel, deadline)
        finally:
            channel.close()
    except WebhookError:
        raise
    except Exception as error:
        # Whatever it is, it is an attempt that failed. Only the type: the text of an error may contain the address.
        raise WebhookError(f"no answer ({type(error).__name__})") from None


def is_public(address: _Address) -> bool:
    """Whether an address belongs to the public internet, even if it is embedded in another address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _GLOBAL_V6:
            return False
    if any(address in network for network in _DENIED):
        return False
    # Python's own idea as well: it may know a network that was assigned after this list was written.
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


class _Deadline:
    """The end of an attempt. Every wait for a socket is a wait until then at most."""

    def __init__(self, seconds: float, aborted: Callable[[], bool]) -> None:
        self._end = time.monotonic() + seconds
        self._aborted = aborted

    def left_s(self) -> float:
        """Seconds left. Raises if there are none, or if the attempt is aborted."""
        if self._aborted():
            raise WebhookError("the attempt was aborted because the hub stops")
        left = self._end - time.monotonic()
        if left <= 0:
            raise WebhookError(f"no answer within {DEADLINE_S:g} seconds")
        return left

    def within(self, seconds: float) -> "_Deadline":
        """An earlier deadline, for a part of the attempt."""
        return _Deadline(min(seconds, self.left_s()), self._aborted)

    def wait(self, channel: socket.socket, event: int) -> None:
        """Wait until a socket can be read or written."""
        poll = select.poll()
        poll.register(channel, event)
        while not poll.poll(min(self.left_s(), _LOOK_S) * 1000):
            pass


def _check_name(host: str) -> None:
    labels = host.removesuffix(".").split(".")
    if len(host) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise WebhookError(
            "the url's host is not a valid name: labels of 1 to 63 letters, digits and hyphens, separated by single "
            "dots; write the url like https://bots.example.com/hub"
        )


def _refuse_inside(address: _Address, allow_loopback: bool) -> None:
    if not (is_public(address) or (allow_loopback and address.is_loopback)):
        raise WebhookError("the url leads to an address that is not public; webhooks go to the public internet only")


_resolving = threading.BoundedSemaphore(_MOST_RESOLVING)


def _resolve(host: str, port: int, allow_loopback: bool, deadline: _Deadline) -> list[tuple[int, _SocketAddress]]:
    """Family and address of the places that a name leads to, all of which have to be public."""
    if not _resolving.acquire(timeout=min(1.0, deadline.left_s())):
        raise WebhookError("too many names are being resolved; this one is tried again later")
    places: Future[list[tuple[int, _SocketAddress]]] = Future()

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            places.set_result([(family, address) for family, _, _, _, address in answers])  # type: ignore[misc]
        except Exception as error:
            places.set_exception(error)
        finally:
            _resolving.release()

    threading.Thread(target=look_up, name="webhook-resolve", daemon=True).start()
    while True:
        with suppress(FutureTimeout):
            resolved = places.result(min(deadline.left_s(), _LOOK_S))
            break
    for _, address in resolved:
        _refuse_inside(ipaddress.ip_address(str(address[0]).partition("%")[0]), allow_loopback)
    return list(dict.fromkeys(resolved))[:_MOST_ADDRESSES]


def _connect(addresses: list[tuple[int, _SocketAddress]], deadline: _Deadline) -> socket.socket:
    """A connection to the first address that takes it; each has an equal part of the time that is left."""
    failure: Exception = OSError("no address")
    for number, (family, address) in enumerate(addresses):
        part = deadline.within(deadline.left_s() / (len(addresses) - number))
        channel = socket.socket(family, socket.SOCK_STREAM)
        try:
            channel.setblocking(False)
            with suppress(BlockingIOError):
                channel.connect(address)
            part.wait(channel, select.POLLOUT)
            code = channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                return channel
            failure = OSError(code, "no connection")
        except (OSError, WebhookError) as error:
            failure = error
        except BaseException:
            channel.close()
            raise
        channel.close()
    deadline.left_s()
    if isinstance(failure, OSError):
        raise ConnectionError("no address takes a connection")
    raise failure


@cache
def _context() -> ssl.SSLContext:
    # Loading the certificates takes longer than many a post.
    return ssl.create_default_context()


def _start_tls(channel: socket.socket, host: str, deadline: _Deadline) -> ssl.SSLSocket:
    try:
        secure = _context().wrap_socket(channel, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        channel.close()
        raise
    try:
        _patiently(secure, secure.do_handshake, deadline)
    except BaseException:
        secure.close()
        raise
    return secure


def _patiently(channel: socket.socket, step: Callable[[], _Result], deadline: _Deadline) -> _Result:
    """Repeat a step that does not block, waiting for the socket in between."""
    while True:
        deadline.left_s()
        try:
            return step()
        except (BlockingIOError, ssl.SSLWantReadError):
            deadline.wait(channel, select.POLLIN)
        except ssl.SSLWantWriteError:
            deadline.wait(channel, select.POLLOUT)


def _send(channel: socket.socket, request: bytes, deadline: _Deadline) -> None:
    left = memoryview(request)
    while left:
        deadline.left_s()
        try:
            left = left[channel.send(left) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            deadline.wait(channel, select.POLLOUT)
        except ssl.SSLWantReadError:
            deadline.wait(channel, select.POLLIN)


def _request(parts: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise ValueError("a header has a character that is not printable ASCII")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _answer(channel: socket.socket, deadline: _Deadline) -> PostAnswer:
    """The answer, after interim ones (1xx)."""
    head, received, searched = b"", 0, 0
    while True:
        end = _END_OF_HEAD.search(head, max(0, searched - 3))
        if end is None:
            if received > _LARGEST_HEAD:
                raise WebhookError(f"the head of the answer is larger than {_LARGEST_HEAD // 1024} KiB")
            searched = len(head)
            chunk = _patiently(channel, lambda: channel.recv(16_384), deadline)
            if not chunk:
                raise ConnectionError("closed before an answer")
            head, received = head + chunk, received + len(chunk)
            continue
        status = _STATUS.match(head)
        if status is None:
            raise WebhookError("the answer is not HTTP")
        if status[1][:1] == b"1":
            head, searched = head[end.end() :], 0
            continue
        _take_body(channel, head[: end.end()], len(head) - end.end(), deadline)
        return PostAnswer(int(status[1]), _retry_after_s(head[: end.end()]))


def _retry_after_s(head: bytes) -> float | None:
    """``Retry-After`` of an answer's head, which is a number of seconds or a date."""
    header = _RETRY_AFTER.search(head)
    if header is None:
        return None
    text = header[1].decode()
    with suppress(ValueError):
        wait_s = float(text) if text[0].isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
        return max(0.0, wait_s)
    return None


def _take_body(channel: socket.socket, head: bytes, length: int, deadline: _Deadline) -> None:
    """Read what follows for a moment, as a courtesy: the answer stands, whatever comes."""
    announced = _CONTENT_LENGTH.search(head)
    most = _LARGEST_BODY if announced is None else min(_LARGEST_BODY, int(announced[1]))
    with suppress(Exception):
        moment = deadline.within(_BODY_S)
        while length < most:
            chunk = _patiently(channel, lambda: channel.recv(65_536), moment)
            if not chunk:
                return
            length += len(chunk)
