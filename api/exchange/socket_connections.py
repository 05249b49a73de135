"""Websockets of readers: what they subscribe to, and what they may not do."""

import asyncio
import re
import time
from collections import Counter, deque
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.types import Receive, Scope, Send

from api.exchange.dialect import INTERVALS, DialectError
from api.exchange.markets import Markets
from api.exchange.streams import CandleReader, CandleStreams, TooSlow
from api.http.admission import Caller
from api.http.problems import ProblemError
from registry.groups import Series

MOST_STREAMS = 1_024
"""Streams of one connection."""
_MOST_MESSAGES = 10
"""Messages that a reader may send in a second."""
_STREAM = re.compile(r"(?P<symbol>[^@]{1,40})@kline_(?P<interval>[0-9A-Za-z]{2,3})")
_CONNECTION = re.compile(r"/ws(?:/(?P<name>[^/]{1,60}))?|/stream")
_VIOLATION = 1008
_NO_STREAM = "only streams of candles are here, such as btcusdt@kline_1m; the exchange itself has all others"


class SocketConnections:
    """All connections of a service."""

    def __init__(self, streams: CandleStreams, markets: Markets, most_per_user: int) -> None:
        self._streams, self._markets, self._most = streams, markets, most_per_user
        self._open: Counter[str] = Counter()

    async def serve(self, path: str, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """One connection, from its handshake to its end. Raises :class:`DialectError` or a problem instead of
        accepting it."""
        match = _CONNECTION.fullmatch(path)
        if match is None:
            raise DialectError(404, -1, f"no such stream; {_NO_STREAM}")
        names = [match["name"]] if match["name"] and not match["name"].isdigit() else []
        if path == "/stream":
            queried = parse_qs(scope["query_string"].decode("latin-1")).get("streams", [])
            names = [name for part in queried for name in part.split("/") if name]
        wanted = await self._read(names)
        if self._open[caller.user_id] >= self._most:
            detail = f"{self._most} websockets of this user are open, which is the most; close one"
            raise ProblemError(429, "too-many-sockets", detail, headers={"Retry-After": "10"})
        self._open[caller.user_id] += 1
        reader = CandleReader(is_combined=path == "/stream")
        try:
            await receive()
            await send({"type": "websocket.accept"})
            await self._streams.subscribe(reader, wanted)
            await self._run(reader, receive, send)
        finally:
            self._streams.unsubscribe(reader, list(reader.names))
            self._open[caller.user_id] -= 1

    async def _run(self, reader: CandleReader, receive: Receive, send: Send) -> None:
        reading = asyncio.create_task(self._obey(reader, receive))
        writing = asyncio.create_task(_write(reader, send))
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, writing):
                task.cancel()
            ends = await asyncio.gather(reading, writing, return_exceptions=True)
        why = next((str(end) for end in ends if isinstance(end, DialectError | TooSlow)), None)
        if why is not None:
            await send({"type": "websocket.close", "code": _VIOLATION, "reason": why[:120]})

    async def _obey(self, reader: CandleReader, receive: Receive) -> None:
        """Do what a reader's messages say, until it leaves."""
        times: deque[float] = deque(maxlen=_MOST_MESSAGES)
        while (message := await receive())["type"] == "websocket.receive":
            now_s = time.monotonic()
            if len(times) == _MOST_MESSAGES and now_s - times[0] < 1:
                raise DialectError(429, -1, f"more than {_MOST_MESSAGES} messages in a second")
            times.append(now_s)
            reader.put(msgspec.json.encode(await self._answer(reader, message.get("text") or "")))

    async def _answer(self, reader: CandleReader, text: str) -> dict[str, Any]:
        asked_id: object = None
        try:
            asked = msgspec.json.decode(text, type=dict[str, Any])
            asked_id = asked.get("id") if isinstance(asked.get("id"), int | str) else None
            return {"result": await self._done(reader, asked), "id": asked_id}
        except msgspec.MsgspecError:
            why = "Invalid JSON"
        except DialectError as error:
            why = str(error)
        return {"error": {"code": 2, "msg": why}, "id": asked_id}

    async def _done(self, reader: CandleReader, asked: dict[str, Any]) -> list[str] | None:
        """Do what a message says; its result. Raises :class:`DialectError`."""
        names = asked.get("params") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DialectError(400, -1, "params is no list of streams")
        match asked.get("method"):
            case "SUBSCRIBE":
                if len(reader.names.keys() | set(names)) > MOST_STREAMS:
                    raise DialectError(400, -1, f"{MOST_STREAMS} streams are the most of one connection")
                await self._streams.subscribe(reader, await self._read(names))
            case "UNSUBSCRIBE":
                self._streams.unsubscribe(reader, names)
            case "LIST_SUBSCRIPTIONS":
                return list(reader.names)
            case _:
                raise DialectError(400, -1, "method is none of SUBSCRIBE UNSUBSCRIBE LIST_SUBSCRIPTIONS")
        return None

    async def _read(self, names: list[str]) -> dict[str, tuple[str, Series]]:
        """Stream -> its symbol and series. Raises :class:`DialectError`."""
        if len(names) > MOST_STREAMS:
            raise DialectError(400, -1, f"{MOST_STREAMS} streams are the most of one connection")
        wanted: dict[str, tuple[str, Series]] = {}
        for name in names:
            match = _STREAM.fullmatch(name)
            if match is None or match["interval"] not in INTERVALS:
                raise DialectError(404, -1, f"no such stream; {_NO_STREAM}")
            symbol = match["symbol"].upper()
            wanted[name] = symbol, Series(await self._markets.instrument(symbol), INTERVALS[match["interval"]])
        return wanted


async def _write(reader: CandleReader, send: Send) -> None:
    while True:
        await send({"type": "websocket.send", "text": (await reader.next()).decode()})
