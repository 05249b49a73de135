"""What the client without asyncio stands on; it may be shared by threads."""

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar

import httpx

from condition_hub.address import find_address
from condition_hub.attempts import Attempts
from condition_hub.bodies import as_json
from condition_hub.calls import Call, ResultPage
from condition_hub.connection import failed, for_a_stream, for_requests, request_of
from condition_hub.results import Trigger
from condition_hub.trigger_feed import TriggerFeed

T = TypeVar("T")


class BlockingConnection:
    """A connection to the hub's HTTP API; leaving its ``with`` block closes it. The arguments are
    those of :class:`condition_hub.async_connection.AsyncConnection`."""

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
        self._http = httpx.Client(**for_requests(self.address, timeout_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(
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
        return self._answer(method, path, None if json is None else as_json(json), params)

    def get(self, path: str, *, params: Mapping[str, str | int | None] | None = None) -> httpx.Response:
        """``request("GET", ...)``."""
        return self.request("GET", path, params=params)

    def post(self, path: str, *, json: object = None) -> httpx.Response:
        """``request("POST", ...)``."""
        return self.request("POST", path, json=json)

    def _run(self, call: Call[T]) -> T:
        return call.result(self._answer(call.method, call.path, call.body, call.query))

    def _pages(self, page_of: Callable[[str | None], Call[ResultPage[T]]]) -> Iterator[T]:
        """The items of all pages; ``page_of`` takes the cursor of a page."""
        cursor: str | None = None
        while True:
            page = self._run(page_of(cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def _stream(self, feed: TriggerFeed) -> Iterator[Trigger]:
        while True:
            ended: httpx.Response | httpx.TransportError | None = None
            try:
                with (
                    httpx.Client(**for_a_stream(self.address, self._timeout_s)) as http,
                    http.stream("GET", "/events", params=feed.query, headers=feed.headers) as response,
                ):
                    if not response.is_success:
                        response.read()
                        ended = response
                    else:
                        for received in response.iter_bytes():
                            yield from feed.feed(received)
            except httpx.TransportError as error:
                ended = error
            time.sleep(feed.wait_after(ended))

    def _answer(
        self, method: str, path: str, body: bytes | None, query: Mapping[str, str | int | None] | None
    ) -> httpx.Response:
        attempts = Attempts(self._patience_s)
        while True:
            ended: httpx.Response | httpx.TransportError
            try:
                ended = self._http.send(request_of(self._http, method, path, body, query))
            except httpx.TransportError as error:
                ended = error
            wait = attempts.wait_after(ended)
            if wait is not None:
                time.sleep(wait)
            elif isinstance(ended, httpx.Response):
                return ended
            else:
                raise failed(self.address, ended) from ended
