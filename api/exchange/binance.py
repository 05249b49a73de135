"""The face that speaks Binance's public spot API, v3: candles, prices and markets, and streams of candles. Mounted at
``/exchange/binance``, so that clients reach it with another address and nothing else.

What other public data is asked for, the exchange itself answers: its clients are redirected. Whatever is signed, writes
or is about an account is refused, so that no order goes to a hub by mistake.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.exchange.dialect import (
    ADDRESS,
    BAD_REQUEST,
    NAME,
    TOO_MANY,
    UNAUTHORIZED,
    UNAVAILABLE,
    AskedElsewhere,
    DialectError,
    exchange_info,
    interval_of,
    missing,
    number,
    wanted_symbols,
    whole_number,
)
from api.exchange.market_candles import MarketCandles
from api.exchange.markets import Markets
from api.exchange.socket_connections import SocketConnections
from api.exchange.streams import CandleStreams
from api.http.admission import Caller
from api.http.problems import ProblemError
from api.service import Service
from registry.groups import Series

PATH = "/exchange/binance"
_WEIGHTS = {"ping": 1, "time": 1, "exchangeInfo": 20, "klines": 2, "ticker/price": 2}
"""What the hub answers, and its weight at Binance."""
_ELSEWHERE = frozenset(
    {
        "aggTrades", "avgPrice", "depth", "ticker", "ticker/24hr", "ticker/bookTicker", "ticker/tradingDay", "trades",
        "uiKlines",
    }
)  # fmt: skip
"""Public data that the exchange itself is asked for."""
_DEFAULT_CANDLES, _MOST_CANDLES = 500, 1_000
_MOST_SYMBOLS = 100
_NO_ORDERS = (
    "this is a Condition Hub, not the exchange: it only gives candles, prices and markets, and takes no orders and no"
    " account's requests; leave the private addresses of your client at the exchange itself"
)


class BinanceFace:
    """An ASGI application; starts and stops with the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._candles = MarketCandles(service.store, service.clock, service.in_store)
        self._streams = CandleStreams(self._candles, service.clock)
        self._markets = Markets(service, NAME)
        most = service.settings.exchange_sockets_per_user
        self._sockets = SocketConnections(self._streams, self._markets, most)
        self._elsewhere = {name.upper(): url for name, url in service.settings.exchange_urls.items()}.get(NAME, ADDRESS)

    async def stop(self) -> None:
        """End the streams."""
        await self._streams.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(PATH)
        try:
            if scope["type"] == "websocket":
                caller = await self._admit(scope, 1)
                await self._sockets.serve(path, scope, receive, send, caller)
                return
            response = await self._answer(path, scope)
        except (DialectError, ProblemError) as error:
            refusal = error if isinstance(error, DialectError) else _in_dialect(error)
            response = Response(refusal.body, refusal.status, refusal.headers, media_type="application/json")
        await _denied(scope, response)(scope, receive, send)

    async def _answer(self, path: str, scope: Scope) -> Response:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        name = path.removeprefix("/api/v3/") if path.startswith("/api/v3/") else ""
        is_read = scope["method"] == "GET" and "signature" not in query
        if not is_read or (name not in _WEIGHTS and name not in _ELSEWHERE):
            raise DialectError(403, UNAUTHORIZED, _NO_ORDERS)
        scope["route"] = SimpleNamespace(path=f"{PATH}/api/v3/{name}")
        symbols = wanted_symbols(query) if name == "ticker/price" else None
        await self._admit(scope, _WEIGHTS.get(name, 1) * (2 if symbols is not None and len(symbols) > 1 else 1))
        if name in _ELSEWHERE:
            return self._sent_on(name, scope)
        try:
            body = await self._body(name, query, symbols)
        except AskedElsewhere:
            return self._sent_on(name, scope)
        self._service.answered += 1
        return Response(body, media_type="application/json")

    async def _body(self, name: str, query: Mapping[str, str], symbols: list[str] | None) -> bytes:
        match name:
            case "ping":
                return b"{}"
            case "time":
                return msgspec.json.encode({"serverTime": self._service.clock.now_ms()})
            case "exchangeInfo":
                listings = await self._markets.listings(wanted_symbols(query))
                limit = self._service.admission.limit("exchange")
                return exchange_info(listings, self._service.clock.now_ms(), limit.amount, limit.seconds)
            case "ticker/price":
                return await self._prices(symbols, is_list="symbol" not in query)
        return await self._klines(query)

    async def _klines(self, query: Mapping[str, str]) -> bytes:
        if "symbol" not in query:
            raise missing("symbol")
        if query.get("timeZone", "0") not in ("0", "0:00", "00:00", "+00:00"):
            raise DialectError(400, BAD_REQUEST, "timeZone is not UTC; the hub's candles are in UTC, leave it out.")
        timeframe = interval_of(query)
        limit = whole_number(query, "limit")
        limit = min(_DEFAULT_CANDLES if limit is None else limit, _MOST_CANDLES)
        if limit == 0:
            raise DialectError(400, BAD_REQUEST, "limit is 0; write 1 to 1000.")
        series = Series(await self._markets.instrument(query["symbol"]), timeframe)
        rows = await self._candles.page(series, whole_number(query, "startTime"), whole_number(query, "endTime"), limit)
        return b"[%b]" % b",".join(rows)

    async def _prices(self, symbols: list[str] | None, *, is_list: bool) -> bytes:
        if symbols is None:
            raise AskedElsewhere("prices of all markets")
        if len(symbols) > _MOST_SYMBOLS:
            raise DialectError(400, BAD_REQUEST, f"{len(symbols)} symbols are too many; ask for {_MOST_SYMBOLS}.")
        prices = [
            {"symbol": symbol, "price": number(await self._candles.price(await self._markets.instrument(symbol)))}
            for symbol in symbols
        ]
        return msgspec.json.encode(prices if is_list else prices[0])

    def _sent_on(self, name: str, scope: Scope) -> Response:
        query = scope["query_string"].decode("latin-1")
        address = f"{self._elsewhere.rstrip('/')}/api/v3/{name}{'?' if query else ''}{query}"
        return Response(status_code=307, headers={"Location": address})

    async def _admit(self, scope: Scope, weight: int) -> Caller:
        """Check the key and count a request. Raises a problem."""
        admission, settings = self._service.admission, self._service.settings
        view = self._service.view
        async with nullcontext() if view is None else view.current():
            caller, headers = await admission.admit(scope, "exchange", operators_only=False, allow_basic=True)
        readers = settings.exchange_readers
        if not caller.is_operator and "*" not in readers and caller.user_id not in readers:
            raise ProblemError(
                403, "not-a-reader", "this user may not read candles here; the operator names readers in"
                " HUB_EXCHANGE_READERS",
            )  # fmt: skip
        scope["hub.headers"] = headers
        await admission.take_more(scope, weight - 1)
        headers = scope["hub.headers"]
        used = int(headers["RateLimit-Limit"]) - int(headers["RateLimit-Remaining"])
        scope["hub.headers"] = {**headers, "X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
        return caller


def _in_dialect(problem: ProblemError) -> DialectError:
    code = {429: TOO_MANY, 503: UNAVAILABLE}.get(problem.status_code, UNAUTHORIZED)
    return DialectError(problem.status_code, code, problem.detail, problem.headers)


def _denied(scope: Scope, response: Response) -> ASGIApp:
    """The response to a request, or to the handshake of a websocket, as the protocol wants it."""
    if scope["type"] == "http":
        return response

    async def deny(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        start = {
            "type": "websocket.http.response.start", "status": response.status_code, "headers": response.raw_headers,
        }  # fmt: skip
        await send(start)
        await send({"type": "websocket.http.response.body", "body": bytes(response.body)})

    return deny
