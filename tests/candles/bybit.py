"""Bybit's public dialect of spot markets over the candles of a simulated exchange: REST, and websockets with topics.

The addresses are those to which ``HUB_EXCHANGE_URLS`` moves Bybit: ``/v5/market/...`` and ``/stream/v5/public/spot``.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from common.slots import slots_of
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Candle, Pair
from hub.demo.simulated_sockets import Receive, Send

TIMEFRAMES = {"1": "1m", "5": "5m", "60": "1h", "D": "1d"}
_MOST_CANDLES = 1_000
_LOOKED_S = 0.02


class Bybit:
    """An ASGI application. A forming candle is pushed when somebody subscribes and when it begins; requests and
    subscriptions are counted as those of the exchange are."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._pairs = {pair.base + pair.quote: pair for pair in exchange.pairs}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
        elif scope["type"] == "websocket":
            assert scope["path"] == "/stream/v5/public/spot"
            await self._socket(receive, send)
        else:
            result = self._answer(scope["path"], dict(parse_qsl(scope["query_string"].decode())))
            body = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": self._exchange.now_ms()}
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def _answer(self, path: str, query: Mapping[str, str]) -> dict[str, object]:
        if path == "/v5/market/instruments-info":
            pairs = self._exchange.pairs if query["category"] == "spot" else ()
            return {"category": query["category"], "list": [_market(pair) for pair in pairs]}
        if path == "/v5/market/kline":
            self._exchange.requests += 1
            pair, timeframe = self._pairs[query["symbol"]], TIMEFRAMES[query["interval"]]
            limit = min(int(query["limit"]), _MOST_CANDLES)
            candles = self._exchange.candles(pair, timeframe, int(query["start"]), self._exchange.now_ms())[:limit]
            # Answers begin with the newest.
            rows = [[str(candle.open_ms), *map(str, candle.values), "0"] for candle in reversed(candles)]
            return {"symbol": query["symbol"], "category": "spot", "list": rows}
        assert path == "/v5/market/time", path
        now_ms = self._exchange.now_ms()
        return {"timeSecond": str(now_ms // 1000), "timeNano": f"{now_ms}000000"}

    async def _socket(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        reached: dict[str, int] = {}
        pushing = asyncio.create_task(self._push(reached, send))
        try:
            while (message := await receive())["type"] == "websocket.receive":
                asked = json.loads(message["text"])
                answer = {"success": True, "conn_id": "1", "req_id": asked["req_id"], "op": asked["op"]}
                await send(_text(answer | {"ret_msg": "pong" if asked["op"] == "ping" else asked["op"]}))
                if asked["op"] == "subscribe":
                    self._exchange.sockets.subscribed += asked["args"]
                    reached |= {topic: self._slot(topic) for topic in asked["args"]}
        finally:
            pushing.cancel()
            await asyncio.gather(pushing, return_exceptions=True)

    async def _push(self, reached: dict[str, int], send: Send) -> None:
        begun: set[str] = set()
        while True:
            for topic in list(reached):
                _, interval, symbol = topic.split(".")
                first, reached[topic], timeframe = reached[topic], self._slot(topic), TIMEFRAMES[interval]
                if reached[topic] == first and topic in begun:
                    continue
                begun.add(topic)
                begin_ms, now_ms = slots_of(timeframe).open(first), self._exchange.now_ms()
                for candle in self._exchange.candles(self._pairs[symbol], timeframe, begin_ms, now_ms):
                    kline = {"interval": interval, **_kline(candle), "timestamp": now_ms}
                    message = _text({"topic": topic, "data": [kline], "ts": now_ms, "type": "snapshot"})
                    for _ in range(2 if candle.closed and self._exchange.socket_faults.repeats else 1):
                        await send(message)
            await asyncio.sleep(_LOOKED_S)

    def _slot(self, topic: str) -> int:
        return slots_of(TIMEFRAMES[topic.split(".")[1]]).number(self._exchange.now_ms())


def _market(pair: Pair) -> dict[str, object]:
    lots = {
        "basePrecision": pair.lot_size, "quotePrecision": "0.00000001", "minOrderQty": pair.lot_size,
        "maxOrderQty": "9000", "minOrderAmt": "1", "maxOrderAmt": "100000",
    }  # fmt: skip
    return {
        "symbol": pair.base + pair.quote, "baseCoin": pair.base, "quoteCoin": pair.quote, "innovation": "0",
        "status": "Trading", "marginTrading": "none", "lotSizeFilter": lots,
        "priceFilter": {"tickSize": pair.tick_size},
    }  # fmt: skip


def _kline(candle: Candle) -> dict[str, object]:
    values = dict(zip(("open", "high", "low", "close", "volume"), map(str, candle.values), strict=True))
    return {"start": candle.open_ms, "end": candle.close_ms - 1, **values, "turnover": "0", "confirm": candle.closed}


def _text(message: object) -> dict[str, object]:
    return {"type": "websocket.send", "text": json.dumps(message)}
