"""Calls to the process that owns a store: persistent connections, and patience while the owner restarts.

Every operation is safe to repeat, so a call whose answer is lost is made again under the same name. It uses
``http.client``, with one connection per thread, because flow runs make many small calls.
"""

import random
import threading
import time
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
        self._own = threading.local()
        self._open: list[HTTPConnection] = []

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
                self._drop()
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
        """Close the connections of all threads."""
        while self._open:
            self._open.pop().close()

    def _ask(self, operation: str, body: bytes, headers: dict[str, str | bytes]) -> tuple[int, bytes]:
        connection: HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
            self._open.append(connection)
        connection.request("POST", self._path + operation, body, headers)
        with connection.getresponse() as response:
            return response.status, response.read()

    def _drop(self) -> None:
        connection: HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is not None:
            connection.close()
            self._open.remove(connection)
            self._own.connection = None

    def _refusal(self, status: int, answer: bytes) -> Exception:
        try:
            return decode_error(answer)
        except Exception:
            return StoreError(f"{self._url} answers with status {status} and is not a store of the hub")
