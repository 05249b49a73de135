"""An exchange on this machine that speaks the public dialects of Binance, OKX and Bybit, REST and websockets; it fails.

Its prices are synthetic and depend only on the symbol and the minute, so a second simulator shows the same candles. Its
clock is passed in: a clock that runs faster makes a day of trading short.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from common.slots import slots_of
from common.timeframes import DURATION_MS
from hub.demo.simulated_account import SimulatedAccount
from hub.demo.simulated_bybit import (
    BYBIT_INTERVALS,
    BYBIT_MOST_CANDLES,
    bybit_answer,
    bybit_candles,
    bybit_markets,
)
from hub.demo.simulated_market import Candle, Pair, values_between
from hub.demo.simulated_sockets import OKX_BARS, Receive, Send, SimulatedSockets, SocketFaults

_DAY = DURATION_MS["1d"]

BINANCE_MOST_CANDLES, OKX_MOST_CANDLES = 1_000, 300


@dataclass(frozen=True)
class Fault:
    """An answer in place of the right one: ``status`` with a ``Retry-After`` header, or no answer at all."""

    status: int | None
    """``None`` cuts the connection."""
    retry_after_s: int | None = None
    """Bybit says in a header of its own when to ask again."""
    code: int | None = None
    """Bybit's code of what is wrong, if it is not that it was asked too often; it may come with a ``status`` of 200."""


@dataclass
class SimulatedExchange:
    """An ASGI application; serve it on loopback with any ASGI server."""

    pairs: Sequence[Pair]
    now_ms: Callable[[], int]
    faults: deque[Fault] = field(default_factory=deque)
    """Answers of the next requests for candles, one each."""
    missing: set[tuple[str, str, int]] = field(default_factory=set)
    """(base and quote, timeframe, open time) of candles that the exchange does not have."""
    corrections: dict[tuple[str, str, int], float] = field(default_factory=dict)
    """(base and quote, timeframe, open time) -> what that candle's close is multiplied by."""
    is_down: bool = False
    """Maintenance: every request is answered with 503, and no websocket is accepted."""
    requests: int = 0
    """Requests for candles so far."""
    socket_faults: SocketFaults = field(default_factory=SocketFaults)
    orders: SimulatedAccount | None = None
    """The account that trades here, by a signed API; ``None``: nobody can."""

    def __post_init__(self) -> None:
        self.sockets = SimulatedSockets(self.pairs, self.candles, self._now_ms, self.socket_faults)

    def candles(self, pair: Pair, timeframe: str, start_ms: int, stop_ms: int) -> list[Candle]:
        """Candles with ``start <= open_time < stop``, oldest first, the open one included."""
        slots, now = slots_of(timeframe), self.now_ms()
        start = max(start_ms, pair.listed_ms)
        stop = min(stop_ms, now if pair.delisted_ms is None else min(now, pair.delisted_ms))
        symbol = pair.base + pair.quote
        made = []
        for open_ms in slots.between(start, stop).tolist() if stop > start else []:
            key = symbol, timeframe, open_ms
            if key in self.missing:
                continue
            close_ms = slots.close(slots.number(open_ms))
            opened, high, low, close, volume = values_between(symbol, open_ms, min(close_ms, now))
            if (factor := self.corrections.get(key)) is not None:
                close *= factor
                high, low = max(high, close), min(low, close)
            made.append(Candle(open_ms, close_ms, (opened, high, low, close, volume), close_ms <= now))
        return made

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request of an ASGI server."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] == "websocket":
            await self.sockets.serve(receive, send, is_down=self.is_down)
            return
        route = self._routes().get(scope["path"])
        query = dict(parse_qsl(scope["query_string"].decode()))
        if self.is_down:
            await _answer(send, 503, {"code": -1001, "msg": "The system is under maintenance."})
        elif self.orders is not None and scope["path"] in self.orders.paths:
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            body = scope["query_string"].decode() + await _body(receive)
            status, answer, more = self.orders.answer(scope["method"], scope["path"], body, headers)
            await (_cut(send) if status == 0 else _answer(send, status, answer, more))
        elif route is None:
            await _answer(send, 404, {"code": -1, "msg": f"no such path: {scope['path']}"})
        elif scope["path"] in _CANDLE_PATHS and (fault := self._next_fault()) is not None:
            await self._fail(send, fault, scope["path"])
        else:
            status, body = route(query)
            await _answer(send, status, body)

    def _now_ms(self) -> int:
        """The time by the clock that it has now; another may be set later."""
        return self.now_ms()

    def _next_fault(self) -> Fault | None:
        self.requests += 1
        return self.faults.popleft() if self.faults else None

    def _routes(self) -> Mapping[str, Callable[[Mapping[str, str]], tuple[int, Any]]]:
        return {
            "/api/v3/time": lambda _: (200, {"serverTime": self.now_ms()}),
            "/api/v3/exchangeInfo": lambda _: (200, {"symbols": [self._binance_market(pair) for pair in self.pairs]}),
            # The markets of futures, of which there are none.
            "/fapi/v1/exchangeInfo": lambda _: (200, {"symbols": []}),
            "/dapi/v1/exchangeInfo": lambda _: (200, {"symbols": []}),
            "/api/v3/klines": self._binance_candles,
            "/api/v3/depth": self._binance_book,
            "/api/v5/public/time": lambda _: (200, _okx([{"ts": str(self.now_ms())}])),
            "/api/v5/public/instruments": self._okx_markets,
            "/api/v5/market/candles": self._okx_candles,
            "/api/v5/market/history-candles": self._okx_candles,
            "/v5/market/time": lambda _: (200, bybit_answer({"timeSecond": str(self.now_ms() // 1000)}, self.now_ms())),
            "/v5/market/instruments-info": self._bybit_markets,
            "/v5/market/kline": self._bybit_candles,
        }

    def _is_listed(self, pair: Pair) -> bool:
        return pair.listed_ms <= self.now_ms() and (pair.delisted_ms is None or self.now_ms() < pair.delisted_ms)

    def _binance_market(self, pair: Pair) -> dict[str, object]:
        return {
            "symbol": pair.base + pair.quote,
            "status": "TRADING" if self._is_listed(pair) else "BREAK",
            "baseAsset": pair.base,
            "quoteAsset": pair.quote,
            "baseAssetPrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": True,
            "permissions": ["SPOT"],
            "permissionSets": [["SPOT"]],
            "filters": [
                {
                    "filterType": "PRICE_FILTER", "minPrice": pair.tick_size, "maxPrice": "1000000",
                    "tickSize": pair.tick_size,
                },
                {
                    "filterType": "LOT_SIZE", "minQty": pair.min_size or pair.lot_size, "maxQty": "9000",
                    "stepSize": pair.lot_size,
                },
                {"filterType": "NOTIONAL", "minNotional": pair.min_notional, "applyMinToMarket": True},
            ],
        }  # fmt: skip

    def _binance_candles(self, query: Mapping[str, str]) -> tuple[int, Any]:
        pair = next((pair for pair in self.pairs if pair.base + pair.quote == query.get("symbol")), None)
        if pair is None:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        timeframe = {"1M": "1mo"}.get(query["interval"], query["interval"])
        limit = min(int(query.get("limit", "500")), BINANCE_MOST_CANDLES)
        stop = int(query.get("endTime", self.now_ms())) + 1
        if "startTime" in query:
            candles = self.candles(pair, timeframe, int(query["startTime"]), stop)[:limit]
        else:
            candles = self.candles(pair, timeframe, stop - limit * DURATION_MS.get(timeframe, 31 * _DAY), stop)[-limit:]
        return 200, [
            [candle.open_ms, *map(str, candle.values), candle.close_ms - 1, "0", 10, "0", "0", "0"]
            for candle in candles
        ]

    def _binance_book(self, query: Mapping[str, str]) -> tuple[int, Any]:
        """An order book around the newest price, a hundredth of a percent apart, of five levels with a coin each."""
        pair = next((pair for pair in self.pairs if pair.base + pair.quote == query.get("symbol")), None)
        if pair is None:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        price, now_ms = (
            self.candles(pair, "1m", self.now_ms() - DURATION_MS["1m"], self.now_ms())[-1].values[3],
            self.now_ms(),
        )
        sides = {
            name: [[f"{price * (1 + side * level / 10_000):.2f}", "1.0"] for level in range(1, 6)]
            for name, side in (("bids", -1), ("asks", 1))
        }
        return 200, {"lastUpdateId": now_ms, **sides}

    def _okx_markets(self, query: Mapping[str, str]) -> tuple[int, Any]:
        if query.get("instType") != "SPOT":
            return 200, _okx([])
        return 200, _okx(
            [
                {
                    "instType": "SPOT", "instId": f"{pair.base}-{pair.quote}", "baseCcy": pair.base,
                    "quoteCcy": pair.quote, "tickSz": pair.tick_size, "lotSz": pair.lot_size,
                    "minSz": pair.min_size or pair.lot_size,
                    "state": "live", "listTime": str(pair.listed_ms),
                }
                for pair in self.pairs
                if self._is_listed(pair)
            ]
        )  # fmt: skip

    def _okx_candles(self, query: Mapping[str, str]) -> tuple[int, Any]:
        pair = next((pair for pair in self.pairs if f"{pair.base}-{pair.quote}" == query.get("instId")), None)
        if pair is None:
            return 200, {"code": "51001", "msg": "Instrument ID does not exist", "data": []}
        timeframe = OKX_BARS.get(query.get("bar", "1m"), query.get("bar", "1m"))
        limit = min(int(query.get("limit", "100")), OKX_MOST_CANDLES)
        # "after" asks for older candles than that time, "before" for newer ones; answers begin with the newest.
        stop = int(query.get("after", self.now_ms() + 1))
        start = int(query["before"]) + 1 if "before" in query else stop - (limit + 1) * DURATION_MS[timeframe]
        candles = self.candles(pair, timeframe, start, stop)[-limit:]
        return 200, _okx(
            [
                [str(candle.open_ms), *map(str, candle.values), "0", "0", str(int(candle.closed))]
                for candle in reversed(candles)
            ]
        )

    def _bybit_markets(self, query: Mapping[str, str]) -> tuple[int, Any]:
        listed = [pair for pair in self.pairs if self._is_listed(pair)]
        return 200, bybit_answer(bybit_markets(query["category"], listed), self.now_ms())

    def _bybit_candles(self, query: Mapping[str, str]) -> tuple[int, Any]:
        pair = next((pair for pair in self.pairs if pair.base + pair.quote == query.get("symbol")), None)
        if pair is None:
            return 200, bybit_answer({}, self.now_ms(), 10001, "Not supported symbols")
        limit = min(int(query.get("limit", "200")), BYBIT_MOST_CANDLES)
        timeframe = BYBIT_INTERVALS[query["interval"]]
        slots = slots_of(timeframe)
        # From a start on they are the oldest ones, and the first is the one in which that time is.
        start = slots.open(slots.number(int(query["start"])))
        candles = self.candles(pair, timeframe, start, self.now_ms() + 1)[:limit]
        return 200, bybit_answer(bybit_candles(pair, candles), self.now_ms())

    async def _fail(self, send: Send, fault: Fault, path: str) -> None:
        if fault.status is None:
            await _cut(send)
            return
        headers = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
        body: dict[str, object] = {"code": -1003, "msg": "Too many requests."}
        if path.startswith("/api/v5/"):
            body = {"code": "50011", "msg": "Too Many Requests"}
        elif path.startswith("/v5/"):
            reset_ms = self.now_ms() + 1000 * (fault.retry_after_s or 0)
            headers = {"x-bapi-limit-reset-timestamp": str(reset_ms)}
            body = bybit_answer({}, self.now_ms(), fault.code or 10006, "Too many visits!")
        await _answer(send, fault.status, body, headers)


_CANDLE_PATHS = ("/api/v3/klines", "/api/v5/market/candles", "/api/v5/market/history-candles", "/v5/market/kline")


def _okx(rows: list[Any]) -> dict[str, object]:
    return {"code": "0", "msg": "", "data": rows}


async def _lifespan(receive: Receive, send: Send) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


async def _body(receive: Receive) -> str:
    parts, is_more = [], True
    while is_more:
        message = await receive()
        parts.append(message.get("body", b""))
        is_more = message.get("more_body", False)
    return b"".join(parts).decode()


async def _cut(send: Send) -> None:
    # The server closes a connection whose answer is shorter than was announced.
    await _answer(send, 200, [], {"content-length": "100"})


async def _answer(send: Send, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
    pairs = {"content-type": "application/json", **(headers or {})}
    start = [(name.encode(), value.encode()) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
