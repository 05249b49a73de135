"""Connections of the service: whatever a client sends or leaves unread has a size and a deadline.

uvicorn waits forever for the end of a head, of a body and of its own answer, and reads what nobody wants. Here a
connection is ended when

- the head of a request is larger than ``LARGEST_HEAD`` or takes longer than ``HEAD_PATIENCE_S``; so is one on which
  nothing is ever sent
- a whole request takes longer than ``REQUEST_PATIENCE_S``, or consists of trailers and chunk sizes more than of a body
- it was answered before its body had arrived: the rest is not wanted, so nothing can follow it
- nobody reads the answer for ``ANSWER_PATIENCE_S``, or it is idle for ``IDLE_PATIENCE_S``

Where an answer can still be understood, it is a problem like every other one.
"""

from asyncio import BaseTransport, TimerHandle
from enum import Enum
from functools import partial
from http import HTTPStatus

import httptools
import uvicorn
from fastapi import FastAPI
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http.edge import SOCKET_PATH, new_request_id
from api.http.problems import ProblemError, problem

HEAD_PATIENCE_S = 10.0
"""From the opening of the connection, or the first byte of a later request, to the end of the request's headers."""
LARGEST_HEAD = 64 * 1024
"""Bytes of the request line and headers, with the empty line that ends them."""
REQUEST_PATIENCE_S = 60.0
"""From the end of a head to the end of its body. Routes that read JSON wait less; the store's own calls may be long."""
LARGEST_FRAMING = 16 * 1024
"""Bytes of a chunked body that are not body: sizes and extensions of chunks, and trailers. Eight more for each byte of
body, for those who send it in tiny chunks."""
ANSWER_PATIENCE_S = 30.0
"""How long a client may leave an answer unread; of a large one it has to take ``LEAST_READ`` bytes in that time."""
LEAST_READ = 64 * 1024
IDLE_PATIENCE_S = 30
"""How long a connection is kept for the next request."""
LINGER_S = 2.0
"""After an answer that came before the end of its request: how long the rest is read and dropped. A connection that is
closed with unread bytes loses the answer too."""
LARGEST_REST = 4 * 1024 * 1024
"""How many bytes are dropped in that time."""
MOST_PIPELINED = 64
"""Requests that a client may send ahead of the answers."""

LARGEST_MESSAGE = 64 * 1024
"""Bytes of a message that comes by websocket."""
SOCKET_PATIENCE_S = 20.0
"""How often the other end of a websocket is asked whether it is there, and how long it may take to answer."""

_END = b"\r\n\r\n"


def http_config(app: FastAPI, *, grace_s: int) -> uvicorn.Config:
    """uvicorn's configuration; ``grace_s`` is how long requests in progress may take when the service stops."""
    return uvicorn.Config(
        app,
        http=Connection,
        # Only where `Connection` lets a connection become a websocket. What it may send is little: subscriptions.
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE,
        ws_ping_interval=SOCKET_PATIENCE_S,
        ws_ping_timeout=SOCKET_PATIENCE_S,
        # Few bytes could unfold to many.
        ws_per_message_deflate=False,
        loop="uvloop",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        # uvicorn would believe whoever connects from this machine; `api.http.proxies` believes the configured ones.
        proxy_headers=False,
        timeout_keep_alive=IDLE_PATIENCE_S,
        timeout_graceful_shutdown=grace_s,
    )


class Phase(Enum):
    """What the next byte of a connection belongs to."""

    BETWEEN = 0
    """The next request, which has not begun."""
    HEAD = 1
    BODY = 2
    """The body, or the trailers that follow it."""
    DROPPED = 3
    """Nothing: it is read only so that the client gets to see the answer."""


class Connection(HttpToolsProtocol):
    """One connection. The parser gets a head and a body of known length one by one, so that each is counted exactly."""

    _phase = Phase.BETWEEN
    _deadline: TimerHandle | None = None
    """Set while it waits for the end of a head or a request, or drops the rest of one."""
    _heads = 0
    _head_bytes = 0
    _head_tail = b""
    _received = 0
    """Bytes since the end of the head."""
    _body_bytes = 0
    _body_length: int | None = None
    _length_is_known = False
    _unread_deadline: TimerHandle | None = None
    _unread = (0, 0)
    """Bytes that waited for the client, and the number of answers, when the deadline was set."""
    _answers = 0

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait(HEAD_PATIENCE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.DROPPED:
            self._received += len(data)
            if self._received > LARGEST_REST:
                self.transport.abort()
            return
        view = memoryview(data)
        start = 0
        while start < len(data):
            end = self._end_of_piece(data, start)
            if end == start:
                self._refuse(
                    ProblemError(
                        431,
                        "head-too-large",
                        f"the request's headers are larger than {LARGEST_HEAD:,} bytes; send less",
                    )
                )
            elif not self._parse(view[start:end], data[max(start, end - 3) : end]):
                return
            if self._is_over():
                return
            start = end
        if self._deadline is None and self._phase is not Phase.BETWEEN:
            self._wait(HEAD_PATIENCE_S if self._phase is Phase.HEAD else REQUEST_PATIENCE_S)

    def _end_of_piece(self, data: bytes, start: int) -> int:
        """Where the head or body that begins or goes on at ``start`` ends; ``start`` if there is no room for it."""
        if self._phase is Phase.BODY:
            if not self._length_is_known:
                self._body_length, self._length_is_known = self._announced_length(), True
            return len(data) if self._body_length is None else start + self._body_length - self._received
        allowed = start + LARGEST_HEAD - self._head_bytes
        if self._head_tail:
            # The empty line at the end of a head may arrive in two parts.
            across = (self._head_tail + data[start : start + 3]).find(_END)
            if across >= 0:
                return min(start + across + len(_END) - len(self._head_tail), allowed)
        end = data.find(_END, start)
        return min(end + len(_END) if end >= 0 else len(data), allowed)

    def _announced_length(self) -> int | None:
        """Bytes of the body, ``None`` if it comes in chunks."""
        length: int | None = 0
        for name, value in self.headers:
            if name == b"transfer-encoding":
                return None
            if name == b"content-length":
                length = int(value)
        return length

    def _parse(self, piece: memoryview, tail: bytes) -> bool:
        """Whether the connection goes on after this piece of a request."""
        heads, in_body = self._heads, self._phase is Phase.BODY
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self._stop_waiting()
                self._stop_watching()
                self.handle_websocket_upgrade()
                return False
            # Nothing else is spoken here: the request is answered as it is, and what follows is not HTTP.
            self.cycle.keep_alive = False
            self._stop_waiting()
            self._drop()
            return False
        except httptools.HttpParserError:
            self.send_400_response("")
            return False
        if in_body:
            self._received += len(piece)
            if self._phase is Phase.BODY and self._received > LARGEST_FRAMING + 9 * self._body_bytes:
                detail = f"the body's chunk sizes and trailers are larger than {LARGEST_FRAMING:,} bytes; send less"
                self._refuse(ProblemError(431, "framing-too-large", detail))
                return False
        elif self._heads == heads:
            self._head_bytes += len(piece)
            self._head_tail = (self._head_tail + tail)[-3:]
        return True

    def _should_upgrade_to_ws(self) -> bool:
        """Whether the request may become a websocket: under one path only, and behind no other request."""
        return self.url.startswith(SOCKET_PATH) and not self._is_answering() and self.parser.get_method() == b"GET"

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._phase = Phase.HEAD

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers are not headers: they come after the key has been checked, and would be kept for nothing.
        if self._phase is not Phase.BODY:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._unset_keepalive_if_required()
        self._heads += 1
        self._head_bytes = self._received = self._body_bytes = 0
        self._head_tail = b""
        self._length_is_known = False
        self._phase = Phase.BODY
        super().on_headers_complete()
        if len(self.pipeline) > MOST_PIPELINED:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._phase = Phase.BETWEEN
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(cycle, partial(self._answer, app, cycle))

    async def _answer(
        self,
        app: ASGI3Application,
        cycle: RequestResponseCycle,
        scope: Scope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
    ) -> None:
        is_early = False

        async def send_and_end(message: ASGISendEvent) -> None:
            nonlocal is_early
            if message["type"] == "http.response.start" and cycle.more_body:
                is_early = True
                cycle.keep_alive = False
            if is_early and message["type"] == "http.response.body" and not message.get("more_body", False):
                # Otherwise uvicorn would close now, and the client lose the answer while it still sends.
                cycle.keep_alive = True
                await send(message)
                self._linger()
            else:
                await send(message)

        await app(scope, receive, send_and_end)

    def on_response_complete(self) -> None:
        self._answers += 1
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's message is for its own answer
        self._refuse(ProblemError(400, "not-http", "this is not a valid HTTP request"))

    def _wait(self, patience_s: float) -> None:
        self._deadline = self.loop.call_later(patience_s, self._give_up, patience_s)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self, patience_s: float) -> None:
        self._deadline = None
        if self.flow.read_paused or self.pipeline or (self._phase is not Phase.BODY and self._is_answering()):
            # The client waits for the service, not the other way round.
            self._wait(patience_s)
        elif self._phase is Phase.BODY:
            self._refuse(
                ProblemError(
                    408, "slow-body", f"the request's body did not arrive within {patience_s:g} s; send it faster"
                )
            )
        else:
            self._refuse(
                ProblemError(408, "slow-head", f"the request's headers did not arrive within {patience_s:g} s")
            )

    def _is_over(self) -> bool:
        return self._phase is Phase.DROPPED or self.transport.is_closing()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self) -> None:
        """End the connection unless the client goes on reading."""
        if self._unread_deadline is None:
            self._unread = self.transport.get_write_buffer_size(), self._answers
            self._unread_deadline = self.loop.call_later(ANSWER_PATIENCE_S, self._check_reader)

    def _stop_watching(self) -> None:
        if self._unread_deadline is not None:
            self._unread_deadline.cancel()
            self._unread_deadline = None

    def _check_reader(self) -> None:
        self._unread_deadline = None
        waiting = self.transport.get_write_buffer_size()
        before, answers = self._unread
        if waiting and answers == self._answers and waiting > before - LEAST_READ:
            # Closing would wait for the client to read.
            self.transport.abort()
        elif waiting:
            self._watch()

    def _refuse(self, error: ProblemError) -> None:
        self._stop_waiting()
        if self.transport.is_closing():
            return
        is_its_turn = not self._is_answering()
        if self._phase is Phase.BODY and not self.cycle.response_complete:
            is_its_turn = not self.cycle.response_started and not self.pipeline
            # As if the client had left: the handler that waits for the body ends.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not is_its_turn:
            # Another answer is under way, and would be mistaken for this one.
            self.transport.abort()
            return
        request_id = new_request_id()
        response = problem(request_id, error)
        headers = [*response.raw_headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        phrase = HTTPStatus(error.status_code).phrase.encode()
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (error.status_code, phrase, lines, bytes(response.body)))
        self._linger()

    def _linger(self) -> None:
        """End the connection after an answer while the client may still be sending."""
        if self.transport.is_closing():
            return
        self._drop()
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.transport.write_eof()
        self._stop_waiting()
        self._deadline = self.loop.call_later(LINGER_S, self.transport.abort)

    def _drop(self) -> None:
        self._phase = Phase.DROPPED
        self._received = 0
