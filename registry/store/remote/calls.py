"""Calls to the process that owns a store: persistent connections, and patience while the owner restarts.

Every operation is safe to repeat, so a call whose answer is lost is made again under the same name. It uses
``http.client``, because flow runs make many small calls. Connections belong to no thread: flow runs come with threads
of their own, which end with them.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit
from uuid import uuid4

from common.errors import StoreDenied, StoreError, StoreUnreachable
from registry.store.remote.wire import CALL_HEADER, CONTENT_TYPE, PROTOCOL, PROTOCOL_HEADER, decode_error

_SOCKET_TIMEOUT_S = 120.0
_LONGEST_PAUSE_S = 1.0

_OK, _NOT_ALLOWED, _UNAVAILABLE = 200, 401, 503


class Calls:
    """One owner's address. Safe to use from several threads."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/")
        place = urlsplit(self._url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise StoreError(f"unknown store URL {url!r}; use http://HOST:PORT")
        kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
        self._connect: Callable[[], HTTPConnection] = lambda: kind(
            place.hostname or "", place.port, timeout=_SOCKET_TIMEOUT_S
        )
        self._path = f"{place.path}/store/"
        self._headers: dict[str, str | bytes] = {"content-type": CONTENT_TYPE, PROTOCOL_HEADER: PROTOCOL}
        if token is not None:
            self._headers["authorization"] = f"Bearer {token}".encode()
        self._idle: deque[HTTPConnection] = deque()
        self._is_closed = False

    def call(self, operation: str, body: bytes, patience_s: float) -> bytes:
        """The answer's bytes. Raises what the owner raised, or :class:`StoreUnreachable` if it stays away."""
        headers = self._headers | {CALL_HEADER: uuid4().hex}
        deadline, pause_s = None, 0.0
        while True:
            try:
                status, answer = self._ask(operation, body, headers)
                if status != _UNAVAILABLE:
                    break
            except (OSError, HTTPException) as error:
                # What the owner did to one, it did to those that were idle as long.
                self._close_idle()
                problem: object = error
            else:
                problem = "it is starting or stopping"
            # The first retry is immediate: an owner closes connections that were idle for a while.
            deadline = deadline or time.monotonic() + patience_s
            if time.monotonic() + pause_s > deadline:
                raise StoreUnreachable(
                    f"the store's owner at {self._url} does not answer ({problem}); start it with `hub up`, or set "
                    "HUB_STORE_URL to its address"
                )
            time.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(max(2 * pause_s, 0.02), _LONGEST_PAUSE_S)
        if status == _OK:
            return answer
        if status == _NOT_ALLOWED:
            raise StoreDenied(
                f"the store's owner at {self._url} rejects this token; set HUB_STORE_TOKEN to the owner's, or "
                "HUB_DATA_DIR to its data folder"
            )
        raise self._refusal(status, answer)

    def close(self) -> None:
        """Close all connections, those in use as soon as their calls are over."""
        self._is_closed = True
        self._close_idle()

    def _ask(self, operation: str, body: bytes, headers: dict[str, str | bytes]) -> tuple[int, bytes]:
        """Ask on an idle connection, or on a new one: there are as many as calls at the same time."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            connection.request("POST", self._path + operation, body, headers)
            with connection.getresponse() as response:
                answered = response.status, response.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if self._is_closed:
            self._close_idle()
        return answered

    def _close_idle(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _refusal(self, status: int, answer: bytes) -> Exception:
        try:
            return decode_error(answer)
        except Exception:
            return StoreError(f"{self._url} answers with status {status} and is not a store of the hub")
