"""Connections of the service: request heads may be neither slow nor large, and every refusal is a problem.

uvicorn waits forever for the end of a head and buffers everything that arrives until then, before any key is checked.
"""

from asyncio import BaseTransport, TimerHandle
from http import HTTPStatus

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.edge import new_request_id
from api.http.problems import ProblemError, problem

HEAD_PATIENCE_S = 10.0
"""From the opening of the connection, or the first byte of a later request, to the end of the request's headers."""
LARGEST_HEAD = 64 * 1024
"""Bytes of the request line and headers."""


def http_config(app: FastAPI, *, grace_s: int) -> uvicorn.Config:
    """uvicorn's configuration; ``grace_s`` is how long requests in progress may take when the service stops."""
    return uvicorn.Config(
        app,
        http=Connection,
        loop="uvloop",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=grace_s,
    )


class Connection(HttpToolsProtocol):
    """One connection. ``_deadline`` is set while it waits for the head of a request."""

    _deadline: TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._deadline is not None and self._head_bytes > LARGEST_HEAD:
            self._refuse(ProblemError(431, "head-too-large", "the request's headers are too large; 64 KiB are allowed"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's message is for its own answer
        self._refuse(ProblemError(400, "not-http", "this is not a valid HTTP request"))

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_PATIENCE_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        detail = f"the request's headers did not arrive within {HEAD_PATIENCE_S:g} s"
        self._refuse(ProblemError(408, "slow-head", detail))

    def _refuse(self, error: ProblemError) -> None:
        self._stop_waiting()
        if self.transport.is_closing():
            return
        request_id = new_request_id()
        response = problem(request_id, error)
        headers = [*response.raw_headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        phrase = HTTPStatus(error.status_code).phrase.encode()
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (error.status_code, phrase, lines, bytes(response.body)))
        self.transport.close()
