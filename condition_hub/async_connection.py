"""What the client for asyncio stands on: it sends calls, waits, and reads page by page and event by event."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Self, TypeVar

import httpx

from condition_hub.address import find_address
from condition_hub.attempts import Attempts
from condition_hub.bodies import as_json
from condition_hub.calls import Call, ResultPage
from condition_hub.connection import MOST_CONNECTIONS, failed, for_a_stream, for_requests, request_of
from condition_hub.results import Trigger
from condition_hub.trigger_feed import TriggerFeed

T = TypeVar("T")
_CURRENT: ContextVar["AsyncConnection | None"] = ContextVar("hub_connection", default=None)


class AsyncConnection:
    """A connection to the hub's HTTP API; leaving its ``async with`` block closes it.

    ``url`` and ``api_key`` default to ``HUB_API_URL`` and ``HUB_API_KEY``. One attempt may take ``timeout_s`` seconds,
    all attempts at an operation together ``patience_s``.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 10.0,
        patience_s: float = 30.0,
    ) -> None:
        self.address = find_address(url, api_key)
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._http = httpx.AsyncClient(**for_requests(self.address, timeout_s))
        # Thousands may be under way at once. They wait for a connection here, because httpx goes through all requests
        # that wait whenever a connection becomes free.
        self._turns = asyncio.Semaphore(MOST_CONNECTIONS)
        self._outer: AsyncConnection | None = None

    async def __aenter__(self) -> Self:
        self._outer = _CURRENT.get()
        _CURRENT.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _CURRENT.set(self._outer)
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int | None] | None = None,
    ) -> httpx.Response:
        """Call any route of the API; the httpx response, whatever its status.

        Raises :class:`condition_hub.errors.ApiUnreachable` if there is no answer,
        :class:`condition_hub.errors.BodyNotJson` for a body that JSON cannot hold.
        """
        return await self._answer(method, path, None if json is None else as_json(json), params)

    async def get(self, path: str, *, params: Mapping[str, str | int | None] | None = None) -> httpx.Response:
        """``request("GET", ...)``."""
        return await self.request("GET", path, params=params)

    async def post(self, path: str, *, json: object = None) -> httpx.Response:
        """``request("POST", ...)``."""
        return await self.request("POST", path, json=json)

    async def _run(self, call: Call[T]) -> T:
        return call.result(await self._answer(call.method, call.path, call.body, call.query))

    async def _pages(self, page_of: Callable[[str | None], Call[ResultPage[T]]]) -> AsyncIterator[T]:
        """The items of all pages; ``page_of`` takes the cursor of a page."""
        cursor: str | None = None
        while True:
            page = await self._run(page_of(cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _stream(self, feed: TriggerFeed) -> AsyncIterator[Trigger]:
        while True:
            ended: httpx.Response | httpx.TransportError | None = None
            try:
                async with (
                    httpx.AsyncClient(**for_a_stream(self.address, self._timeout_s)) as http,
                    http.stream("GET", "/events", params=feed.query, headers=feed.headers) as response,
                ):
                    if not response.is_success:
                        await response.aread()
                        ended = response
                    else:
                        async for received in response.aiter_bytes():
                            for trigger in feed.feed(received):
                                yield trigger
            except httpx.TransportError as error:
                ended = error
            await asyncio.sleep(feed.wait_after(ended))

    async def _answer(
        self, method: str, path: str, body: bytes | None, query: Mapping[str, str | int | None] | None
    ) -> httpx.Response:
        attempts = Attempts(self._patience_s)
        while True:
            ended: httpx.Response | httpx.TransportError
            try:
                async with self._turns:
                    ended = await self._http.send(request_of(self._http, method, path, body, query))
            except httpx.TransportError as error:
                ended = error
            wait = attempts.wait_after(ended)
            if wait is not None:
                await asyncio.sleep(wait)
            elif isinstance(ended, httpx.Response):
                return ended
            else:
                raise failed(self.address, ended) from ended


def current_connection() -> AsyncConnection | None:
    """The connection of the innermost enclosing ``async with`` block."""
    return _CURRENT.get()
