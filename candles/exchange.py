"""Closed candles of one exchange: its public REST API, asked through ccxt at the rate that the exchange allows."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import polars as pl

from candles.answers import is_unavailable, wants_rest_s
from candles.files.raw import CANDLE_SCHEMA
from candles.pace import LONGEST_REST_S, Pace, Sleep
from common.errors import ExchangeError, InstrumentError, NoSuchMarket
from common.grids import UTC_GRID, Grid
from common.slots import slots_of
from common.spelling import did_you_mean
from registry.groups import Series
from registry.instruments import Instrument, normalise_instrument

_log = logging.getLogger(__name__)

_MOST_ATTEMPTS = 7
_PAGE = 1_000
"""Candles asked for at once; exchanges that give fewer say so."""
_MOST_EMPTY_PAGES = 500
CandleRow = Sequence[float]
"""Open time in milliseconds, open, high, low, close, volume."""

_CCXT_TIMEFRAMES = {"1mo": "1M"}
_SINCE = {"BYBIT": "start"}
"""What an exchange calls the time from which candles are asked for, where ccxt would ask for a later one: that of Bybit
is rounded up to multiples of a timeframe since 1970, but weeks begin on Mondays, and months have no length."""


class Exchange:
    """One exchange, for use in one event loop. Counts its requests in ``requests``.

        async with Exchange("BINANCE") as exchange:
            async for candles in exchange.candles(series, since_ms):
                ...

    Whatever passes by itself (a rate limit, maintenance, a cut connection) is tried again, after the time that the
    exchange asks for or a growing one.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str | None = None,
        most_a_minute: int | None = None,
        with_sockets: bool = False,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """``url`` is asked in place of the exchange's own addresses, ``most_a_minute`` times at most.

        ``with_sockets`` loads what :class:`candles.sockets.Socket` needs, which takes longer and more memory. Raises
        :class:`common.errors.ExchangeError` if ccxt does not know the exchange.
        """
        import aiohttp
        import ccxt.async_support as ccxt

        if name.lower() not in ccxt.exchanges:
            hint = did_you_mean(name, ccxt.exchanges)
            raise ExchangeError(
                f"exchange {name} is not known to ccxt{hint}; its candles can only be imported from files"
            )
        self.name = name
        self.requests = 0
        self._ccxt = ccxt
        self._cut: type[Exception] = aiohttp.ClientError
        self._pace = Pace(name, most_a_minute, sleep)
        self.api: Any = getattr(_with_sockets(name) if with_sockets else ccxt, name.lower())({"enableRateLimit": True})
        """ccxt's own object."""
        if url is not None:
            self.api.urls["api"] = moved(self.api.urls["api"], url.rstrip("/"))
        # A call may make several requests: those to load the markets of futures, for one.
        self.api.fetch = self._counted(self.api.fetch)
        self.api.handle_errors = self._unavailable_first(self.api.handle_errors)
        self._symbols: dict[Instrument, str] = {}
        self._connecting = asyncio.Lock()
        self._status = 0
        """HTTP status of the last answer."""
        self._behind_ms = 0
        """How far this machine's clock is behind that of the exchange."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.api.close()

    async def candles(
        self, series: Series, since_ms: int, until_ms: int | None = None, *, grid: Grid = UTC_GRID
    ) -> AsyncIterator[pl.DataFrame]:
        """:meth:`pages` as frames with the columns of ``CANDLE_SCHEMA``."""
        async for rows in self.pages(series, since_ms, until_ms, grid=grid):
            yield frame_of([(series, row) for row in rows])

    async def pages(
        self, series: Series, since_ms: int, until_ms: int | None = None, *, grid: Grid = UTC_GRID
    ) -> AsyncIterator[list[CandleRow]]:
        """Closed candles that open from ``since_ms`` on and before ``until_ms``, oldest first, those of a request at a
        time.

        ``grid`` says where the exchange's slots begin. Slots for which it has no candle are left out. Raises
        :class:`common.errors.ExchangeError` if it does not have the series or does not answer.
        """
        symbol, timeframe = await self.named(series)
        slots = slots_of(series.timeframe, grid)
        newest = slots.last_closed(self.api.milliseconds() + self._behind_ms)
        number, last = slots.number(since_ms - 1) + 1, newest
        if until_ms is not None:
            last = min(last, slots.number(until_ms - 1))
        empty = 0
        while number <= last:
            since = slots.open(number)
            exactly = {_SINCE[self.name]: since} if self.name in _SINCE else {}
            rows = await self._asked(
                partial(self.api.fetch_ohlcv, symbol, timeframe, since=since, limit=_PAGE, params=exactly)
            )
            page = {row[0]: row for row in rows if since <= row[0] <= slots.open(last)}
            if page:
                yield [page[open_ms] for open_ms in sorted(page)]
                number, empty = slots.number(max(page)) + 1, 0
                continue
            if rows and min(row[0] for row in rows) > slots.open(last):
                return
            # Some exchanges answer with a span of time, which is empty before a listing and in an outage.
            number, empty = number + self._page_length(symbol), empty + 1
            if empty > _MOST_EMPTY_PAGES:
                raise ExchangeError(
                    f"{self.name} has no candles of {series} for {empty} requests in a row; begin at a later time"
                )

    async def named(self, series: Series) -> tuple[str, str]:
        """The symbol and the timeframe of a series as ccxt writes them.

        Raises :class:`common.errors.ExchangeError` as :meth:`candles`.
        """
        await self._connect()
        return self._symbol(series), self._timeframe(series)

    async def markets(self, *, afresh: bool = False) -> Mapping[Instrument, str]:
        """The instruments that the exchange lists -> their symbols as ccxt writes them; asked again if ``afresh``."""
        await self._connect(afresh=afresh)
        return dict(self._symbols)

    def spot_listings(self) -> list[Mapping[str, Any]]:
        """What the exchange itself says of its spot markets, once it has been asked for its markets."""
        return [market["info"] for market in (self.api.markets or {}).values() if market.get("spot")]

    async def _connect(self, *, afresh: bool = False) -> None:
        if self._symbols and not afresh:
            return
        async with self._connecting:
            if self._symbols and not afresh:
                return
            markets = await self._asked(partial(self.api.load_markets, afresh))
            symbols: dict[Instrument, str] = {}
            for market in markets.values():
                try:
                    instrument = normalise_instrument(market["symbol"], self.name)
                except InstrumentError:
                    continue
                symbols.setdefault(instrument, market["symbol"])
            if self.api.has.get("fetchTime"):
                self._behind_ms = await self._asked(self.api.fetch_time) - self.api.milliseconds()
            self._symbols = symbols

    def _symbol(self, series: Series) -> str:
        symbol = self._symbols.get(series.instrument)
        if symbol is None:
            hint = did_you_mean(str(series.instrument), map(str, self._symbols), cutoff=0.7)
            raise NoSuchMarket(f"no such market at {self.name.lower()}: {series.instrument}{hint}")
        return symbol

    def _timeframe(self, series: Series) -> str:
        timeframe = _CCXT_TIMEFRAMES.get(series.timeframe, series.timeframe)
        offered: dict[str, Any] = self.api.timeframes or {}
        if timeframe not in offered:
            raise ExchangeError(
                f"{self.name} has no candles of {series.timeframe}, only of {' '.join(offered)}; fetch a timeframe that"
                f" divides {series.timeframe}, and {series} is built from it"
            )
        return timeframe

    def _page_length(self, symbol: str) -> int:
        """How many candles the exchange gives at once."""
        most = self.api.feature_value(symbol, "fetchOHLCV", "limit")
        return min(_PAGE, int(most)) if most else 100

    async def _asked(self, request: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to a request, which is repeated while the exchange cannot answer."""
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            try:
                return await request()
            except self._ccxt.BaseError as error:
                problem = _first_line(error)
                # ccxt takes an answer that breaks off for a refusal.
                if not isinstance(error, self._ccxt.NetworkError) and not isinstance(error.__cause__, self._cut):
                    raise ExchangeError(f"{self.name} refuses: {problem}") from error
                if attempt == _MOST_ATTEMPTS:
                    raise ExchangeError(f"{self.name} did not answer {attempt} times in a row: {problem}") from error
                wait_s = self._wait_s(attempt)
                _log.warning("%s: %s; asked again in %.0f s", self.name, problem, wait_s)
                # Whoever else wants something from the exchange waits, too: asking on would make it worse.
                self._pace.rest(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _counted(self, fetch: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """ccxt's way to make one request, in turn."""

        async def counted(*arguments: Any, **named: Any) -> Any:
            await self._pace.turn()
            self.requests += 1
            return await fetch(*arguments, **named)

        return counted

    def _unavailable_first(self, handle: Callable[..., Any]) -> Callable[..., Any]:
        """ccxt's way to find the error in an answer, except for that which passes by itself."""

        def handled(
            status: int, reason: str, url: str, method: str, headers: Any, body: str, answer: Any, *others: Any
        ) -> Any:
            self._status = status
            if is_unavailable(self.name, status, answer):
                raise self._ccxt.ExchangeNotAvailable(f"{self.name.lower()} answers {status} {reason} {body[:80]}")
            return handle(status, reason, url, method, headers, body, answer, *others)

        return handled

    def _wait_s(self, attempt: int) -> float:
        headers = self.api.last_response_headers or {}
        asked_for = wants_rest_s(self.name, self._status, headers, self.api.milliseconds() + self._behind_ms)
        # They are of the last answer, which a cut connection does not have.
        self.api.last_response_headers, self._status = None, 0
        if asked_for is not None:
            return asked_for
        return min(LONGEST_REST_S, float(2**attempt) * random.uniform(0.5, 1.0))


def frame_of(candles: Sequence[tuple[Series, CandleRow]]) -> pl.DataFrame:
    """Candles of any series, at least one, as a frame with the columns of ``CANDLE_SCHEMA``."""
    names = [(one.instrument.exchange, one.instrument.symbol, one.timeframe) for one, _ in candles]
    columns = [*zip(*names, strict=True), *zip(*(row for _, row in candles), strict=True)]
    frame = pl.DataFrame(dict(zip(CANDLE_SCHEMA, map(list, columns), strict=True)), strict=False)
    frame = frame.with_columns(pl.from_epoch("open_time", "ms"))
    return frame.select(pl.col(name).cast(dtype) for name, dtype in CANDLE_SCHEMA.items())


def moved(addresses: Any, url: str) -> Any:
    """Addresses of ccxt, at any depth, at another host. Those of websockets keep the first word of their own host in
    front of their path, as one exchange has several of them: ``wss://stream.binance.com/ws`` is at ``/stream/ws``."""
    if isinstance(addresses, dict):
        return {name: moved(address, url) for name, address in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    parts = urlsplit(addresses)
    if parts.scheme not in ("ws", "wss"):
        return url + parts.path
    return f"{url.replace('http', 'ws', 1)}/{parts.netloc.partition('.')[0]}{parts.path}"


def _with_sockets(name: str) -> Any:
    """The module of ccxt with websockets, or the plain one for an exchange without any."""
    import ccxt.async_support
    import ccxt.pro

    return ccxt.pro if hasattr(ccxt.pro, name.lower()) else ccxt.async_support


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
