"""The websockets of the simulated exchange: candles as Binance, OKX and Bybit push them, and what goes wrong with them.

A candle is pushed while it forms, and once more when it is final, which all of them say: Binance as ``x``, the others
as ``confirm``. The addresses are those to which ``HUB_EXCHANGE_URLS`` moves an exchange: ``/stream/ws/0``,
``/ws/ws/v5/business`` and ``/stream/v5/public/spot``.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from common.slots import slots_of
from hub.demo.simulated_bybit import BYBIT_INTERVALS, bybit_push, bybit_reply
from hub.demo.simulated_market import Candle, Pair

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

OKX_BARS = {"1H": "1h", "2H": "2h", "4H": "4h", "6Hutc": "6h", "12Hutc": "12h", "1Dutc": "1d", "1Wutc": "1w",
            "1Mutc": "1mo"}  # fmt: skip
"""Timeframes as OKX writes them, where it writes them in another way."""

_LOOKED_S = 0.02
"""How often a connection looks whether a candle has become final."""
_FORMING_S = 1.0
"""How often a forming candle is pushed."""


CandlesOf = Callable[[Pair, str, int, int], list[Candle]]
"""(pair, timeframe, first open time, end) -> candles."""

CandleStream = tuple[Pair, str]
"""What is subscribed to: a pair and a timeframe."""

_Asked = tuple[str, CandleStream, Callable[[Candle], object], object | None]
"""A stream by the exchange's name for it, what it is, what is said about a candle, and what confirms it by itself."""


@dataclass
class _Subscription:
    """A stream by the name that the exchange has for it; its candles before slot ``reached`` have been pushed."""

    name: str
    message: Callable[[Candle], object]
    """What is said about a candle."""
    reached: int


@dataclass
class SocketFaults:
    """What is wrong with the websockets; may change while they are open."""

    refuses: bool = False
    """New connections are refused."""
    is_silent: bool = False
    """Subscriptions are confirmed, and no candle is pushed."""
    only_forming: bool = False
    """No candle is ever said to be final."""
    repeats: bool = False
    """Final candles are pushed twice."""
    late_ms: int = 0
    """How long after its end a final candle is pushed."""


class SimulatedSockets:
    """All connections of one simulated exchange."""

    def __init__(
        self, pairs: Sequence[Pair], candles: CandlesOf, now_ms: Callable[[], int], faults: SocketFaults
    ) -> None:
        self._candles, self._now_ms, self._faults = candles, now_ms, faults
        self._pairs = {spelling: pair for pair in pairs for spelling in _spellings(pair)}
        self._cuts = 0
        self.connections = 0
        """Connections that were accepted so far."""
        self.subscribed: list[str] = []
        """Streams that were subscribed to so far, by the names that the exchange has for them."""
        self.final_ms = 0
        """Open time of the newest candle that was final, whether or not a fault kept it from being pushed."""

    def cut(self) -> None:
        """Cut all open connections; new ones are accepted."""
        self._cuts += 1

    async def serve(self, receive: Receive, send: Send, *, is_down: bool = False) -> None:
        """One connection, from its handshake until one of the two ends it."""
        await receive()
        if is_down or self._faults.refuses:
            await send({"type": "websocket.close", "code": 1013})
            return
        await send({"type": "websocket.accept"})
        self.connections += 1
        streams: dict[CandleStream, _Subscription] = {}
        pushing = asyncio.create_task(self._push(streams, self._cuts, send))
        reading = asyncio.create_task(self._read(streams, receive, send))
        await asyncio.wait({pushing, reading}, return_when=asyncio.FIRST_COMPLETED)
        for task in (pushing, reading):
            task.cancel()
        # The other end may have gone while something was pushed to it.
        await asyncio.gather(pushing, reading, return_exceptions=True)

    async def _read(self, streams: dict[CandleStream, _Subscription], receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text") or ""
            if text == "ping":
                await send({"type": "websocket.send", "text": "pong"})
                continue
            asked = json.loads(text)
            is_bybit = "req_id" in asked
            if is_bybit:
                reply = bybit_reply(asked)
                await _say(send, reply)
                if asked["op"] != "subscribe" or not reply["success"]:
                    continue
            for name, stream, message_of, answer in self._bybit(asked) if is_bybit else self._asked_for(asked):
                number = slots_of(stream[1]).number(self._now_ms())
                streams[stream] = _Subscription(name, message_of, number)
                self.subscribed.append(name)
                if answer is not None:
                    await _say(send, answer)
            if "method" in asked:
                await _say(send, {"result": None, "id": asked["id"]})

    def _asked_for(self, asked: dict[str, Any]) -> Iterator[_Asked]:
        """Each stream that a message subscribes to."""
        if asked.get("method") == "SUBSCRIBE":
            for name in asked["params"]:
                symbol, _, interval = name.partition("@kline_")
                pair, timeframe = self._pairs[symbol], {"1M": "1mo"}.get(interval, interval)
                yield name, (pair, timeframe), partial(self._binance_message, pair, interval), None
        elif asked.get("op") == "subscribe":
            for wanted in asked["args"]:
                bar = wanted["channel"].removeprefix("candle")
                stream = self._pairs[wanted["instId"]], OKX_BARS.get(bar, bar)
                answer = {"event": "subscribe", "arg": wanted, "connId": "1"}
                yield f"{wanted['instId']}@{bar}", stream, partial(_okx_message, wanted), answer

    def _bybit(self, asked: dict[str, Any]) -> Iterator[_Asked]:
        for topic in asked["args"]:
            _, interval, symbol = topic.split(".")
            message = partial(self._bybit_message, topic)
            yield topic, (self._pairs[symbol], BYBIT_INTERVALS[interval]), message, None

    async def _push(self, streams: dict[CandleStream, _Subscription], cuts: int, send: Send) -> None:
        """Push candles until the connections are cut."""
        forming_ms = 0
        while self._cuts == cuts:
            now_ms = self._now_ms()
            is_time = abs(now_ms - forming_ms) >= _FORMING_S * 1000
            for stream, subscription in list(streams.items()):
                pair, timeframe = stream
                slots = slots_of(timeframe)
                number = slots.number(now_ms - self._faults.late_ms)
                first, subscription.reached = subscription.reached, number
                # The candles that ended since it was last looked at, and now and then the one that forms.
                start_ms = slots.open(first if is_time or number > first else number + 1)
                for candle in self._candles(pair, timeframe, start_ms, now_ms):
                    if candle.closed and candle.open_ms >= slots.open(number):
                        continue
                    for _ in range(2 if candle.closed and self._faults.repeats else 1):
                        await self._push_one(candle, subscription, send)
            if is_time:
                forming_ms = now_ms
            await asyncio.sleep(_LOOKED_S)

    async def _push_one(self, candle: Candle, subscription: _Subscription, send: Send) -> None:
        if candle.closed:
            self.final_ms = max(self.final_ms, candle.open_ms)
        if not (self._faults.is_silent or (candle.closed and self._faults.only_forming)):
            await _say(send, subscription.message(candle))

    def _binance_message(self, pair: Pair, interval: str, candle: Candle) -> object:
        symbol = pair.base + pair.quote
        kline = {
            "t": candle.open_ms, "T": candle.close_ms - 1, "s": symbol, "i": interval, "x": candle.closed,
            **dict(zip("ohlcv", map(str, candle.values), strict=True)), "n": 10, "q": "0", "V": "0", "Q": "0", "B": "0",
        }  # fmt: skip
        return {"e": "kline", "E": self._now_ms(), "s": symbol, "k": kline}

    def _bybit_message(self, topic: str, candle: Candle) -> object:
        return bybit_push(topic, candle, self._now_ms())


def _okx_message(wanted: Mapping[str, str], candle: Candle) -> object:
    row = [str(candle.open_ms), *map(str, candle.values), "0", "0", str(int(candle.closed))]
    return {"arg": {"channel": wanted["channel"], "instId": wanted["instId"]}, "data": [row]}


def _spellings(pair: Pair) -> tuple[str, ...]:
    """What exchanges call a pair when it is subscribed to."""
    symbol = pair.base + pair.quote
    return symbol.lower(), f"{pair.base}-{pair.quote}", symbol


async def _say(send: Send, message: object) -> None:
    await send({"type": "websocket.send", "text": json.dumps(message)})
