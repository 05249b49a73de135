"""The websockets of the simulated exchange: candles as Binance and OKX push them, and what goes wrong with them.

A candle is pushed while it forms, and once more when it is final, which both exchanges say: Binance as ``x``, OKX as
``confirm``. The addresses are those to which ``HUB_EXCHANGE_URLS`` moves an exchange: ``/stream/ws/0`` and
``/ws/ws/v5/business``.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.slots import slots_of
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


@dataclass
class _Subscription:
    """A stream by the name that the exchange has for it; its candles before slot ``reached`` have been pushed."""

    name: str
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
        self._binance = {(pair.base + pair.quote).lower(): pair for pair in pairs}
        self._okx = {f"{pair.base}-{pair.quote}": pair for pair in pairs}
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

    async def serve(self, path: str, receive: Receive, send: Send, *, is_down: bool = False) -> None:
        """One connection, from its handshake until one of the two ends it."""
        await receive()
        if is_down or self._faults.refuses:
            await send({"type": "websocket.close", "code": 1013})
            return
        await send({"type": "websocket.accept"})
        self.connections += 1
        streams: dict[CandleStream, _Subscription] = {}
        pushing = asyncio.create_task(self._push(streams, self._cuts, send, is_okx="/v5/" in path))
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
            for name, stream, answer in self._asked_for(asked):
                streams[stream] = _Subscription(name, slots_of(stream[1]).number(self._now_ms()))
                self.subscribed.append(name)
                if answer is not None:
                    await _say(send, answer)
            if "method" in asked:
                await _say(send, {"result": None, "id": asked["id"]})

    def _asked_for(self, asked: dict[str, Any]) -> Iterator[tuple[str, CandleStream, object | None]]:
        """Each stream that a message subscribes to: its name, what it is, and what confirms it by itself."""
        if asked.get("method") == "SUBSCRIBE":
            for name in asked["params"]:
                symbol, _, interval = name.partition("@kline_")
                yield name, (self._binance[symbol], {"1M": "1mo"}.get(interval, interval)), None
        elif asked.get("op") == "subscribe":
            for wanted in asked["args"]:
                bar = wanted["channel"].removeprefix("candle")
                stream = self._okx[wanted["instId"]], OKX_BARS.get(bar, bar)
                yield f"{wanted['instId']}@{bar}", stream, {"event": "subscribe", "arg": wanted, "connId": "1"}

    async def _push(self, streams: dict[CandleStream, _Subscription], cuts: int, send: Send, *, is_okx: bool) -> None:
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
                        await self._push_one(candle, stream, subscription.name, send, is_okx=is_okx)
            if is_time:
                forming_ms = now_ms
            await asyncio.sleep(_LOOKED_S)

    async def _push_one(self, candle: Candle, stream: CandleStream, name: str, send: Send, *, is_okx: bool) -> None:
        if candle.closed:
            self.final_ms = max(self.final_ms, candle.open_ms)
        if self._faults.is_silent or (candle.closed and self._faults.only_forming):
            return
        values, (pair, _) = [str(value) for value in candle.values], stream
        if is_okx:
            instrument, _, bar = name.partition("@")
            row = [str(candle.open_ms), *values, "0", "0", str(int(candle.closed))]
            await _say(send, {"arg": {"channel": f"candle{bar}", "instId": instrument}, "data": [row]})
            return
        symbol, interval = pair.base + pair.quote, name.partition("@kline_")[2]
        kline = {
            "t": candle.open_ms, "T": candle.close_ms - 1, "s": symbol, "i": interval, "x": candle.closed,
            **dict(zip("ohlcv", values, strict=True)), "n": 10, "q": "0", "V": "0", "Q": "0", "B": "0",
        }  # fmt: skip
        await _say(send, {"e": "kline", "E": self._now_ms(), "s": symbol, "k": kline})


async def _say(send: Send, message: object) -> None:
    await send({"type": "websocket.send", "text": json.dumps(message)})
