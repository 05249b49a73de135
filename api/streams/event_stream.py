"""The response of ``GET /events``: the triggers since the reader's last event, then new ones as they come."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http.request_metrics import RequestMetrics
from api.streams.user_feed import Stream, UserFeed
from events.webhooks.notices import body_of

HEARTBEAT_S = 15.0
"""Seconds; proxies and clients take a silent connection for dead."""
STALL_S = 30.0
"""A reader that takes nothing for this long is disconnected; it can come back with its last event id."""
_RETRY_MS = 2000


class EventStreamResponse(Response):
    """Server-sent events of one stream. It ends when the reader leaves or stalls, or when the service stops."""

    media_type = "text/event-stream"

    def __init__(self, feed: UserFeed, stream: Stream, metrics: RequestMetrics) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._stream = stream
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        writing = asyncio.create_task(self._write(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            writing.cancel()
            leaving.cancel()
            await asyncio.gather(writing, leaving, return_exceptions=True)
            self._feed.close(self._stream)
        if not writing.cancelled():
            writing.result()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for chunk in self._chunks():
                async with asyncio.timeout(STALL_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError:
            self._metrics.streams_cut.inc()
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self) -> AsyncIterator[bytes]:
        stream = self._stream
        # The starting point, for a reader that is disconnected before its first event.
        position = stream.following.position
        yield b"retry: %d\nid: %d\n\n" % (_RETRY_MS, position)
        if stream.notices:
            # Ahead of all triggers. The last one has its place as its id, unless triggers from before it are to come.
            lines = [b"event: notice\ndata: %b\n" % msgspec.json.encode(body_of(one)) for one in stream.notices]
            last = stream.notices[-1].seq
            yield b"\n".join(lines) + (b"id: %d\n\n" % last if last <= position + 1 else b"\n")
        while not stream.over.is_set():
            entries = await stream.following.take(HEARTBEAT_S)
            wanted = self._feed.wanted(stream, entries)
            if wanted:
                yield b"".join(b"id: %d\nevent: trigger\ndata: %b\n\n" % (entry.seq, entry.payload) for entry in wanted)
            elif not stream.over.is_set():
                # A reader that comes back need not search the triggers of others again.
                yield b": heartbeat\nid: %d\n\n" % stream.following.position


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
