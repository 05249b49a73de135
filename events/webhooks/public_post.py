"""Posts to an address that a user chose, but never to one inside the hub's own network.

A name is resolved once, all of its addresses are checked, and the connection is made to one of those, so a name that
resolves differently a moment later changes nothing. Redirects are not followed; size and time are bounded.
"""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from common.errors import WebhookError

_TIMEOUT_S = 10.0
_LONGEST_S = 20.0
_LARGEST_ANSWER = 64 * 1024
_LONGEST_URL = 2_000
_HTTPS_PORT = 443
_FIRST_FREE_PORT = 1024

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


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
    with suppress(ValueError):
        _refuse_inside(ipaddress.ip_address(parts.hostname), allow_loopback)
    return parts


def post(url: str, headers: Mapping[str, str], body: bytes, *, allow_loopback: bool = False) -> int:
    """Post a body and return the status of the answer. Raises :class:`WebhookError` if there is no answer."""
    parts = check_url(url, allow_loopback=allow_loopback)
    connection = _connection(parts, allow_loopback)
    watch = threading.Timer(_LONGEST_S, _break_off, [connection])
    watch.daemon = True
    watch.start()
    try:
        with closing(connection):
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            answer.read(_LARGEST_ANSWER)
            return answer.status
    except (OSError, HTTPException) as error:
        # Only the type: the text of an error may contain the address.
        raise WebhookError(f"no answer ({type(error).__name__})") from None
    finally:
        watch.cancel()


def is_public(address: _Address) -> bool:
    """Whether an address belongs to the public internet, even if it is embedded in another address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.sixtofour is not None or address.teredo is not None or any(address in net for net in _TRANSLATED):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _refuse_inside(address: _Address, allow_loopback: bool) -> None:
    if not (is_public(address) or (allow_loopback and address.is_loopback)):
        raise WebhookError("the url leads to an address that is not public; webhooks go to the public internet only")


def _connect(host: str, port: int, allow_loopback: bool) -> socket.socket:
    """A connection to one of a name's addresses, all of which have to be public."""
    places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in places:
        _refuse_inside(ipaddress.ip_address(str(address[0]).partition("%")[0]), allow_loopback)
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, address in places:
        channel = socket.socket(family, kind, protocol)
        channel.settimeout(_TIMEOUT_S)
        try:
            channel.connect(address)
        except OSError as error:
            channel.close()
            failure = error
        else:
            return channel
    raise failure


def _connection(parts: SplitResult, allow_loopback: bool) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        plain = HTTPConnection(host, parts.port or 80, timeout=_TIMEOUT_S)
        _connect_by(plain, lambda: _connect(host, plain.port, allow_loopback))
        return plain
    context = ssl.create_default_context()
    secure = HTTPSConnection(host, parts.port or _HTTPS_PORT, timeout=_TIMEOUT_S, context=context)
    _connect_by(secure, lambda: context.wrap_socket(_connect(host, secure.port, allow_loopback), server_hostname=host))
    return secure


def _connect_by(connection: HTTPConnection, connect: Callable[[], socket.socket]) -> None:
    def connect_checked() -> None:
        connection.sock = connect()

    connection.connect = connect_checked  # type: ignore[method-assign]


def _break_off(connection: HTTPConnection) -> None:
    """Cut off an answer that trickles in: each byte is in time, yet the whole would never end."""
    channel: socket.socket | None = connection.sock
    if channel is not None:
        with suppress(OSError):
            channel.shutdown(socket.SHUT_RDWR)
