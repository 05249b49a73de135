"""Closed candles of one exchange: its public REST API, asked through ccxt at the rate that the exchange allows."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import polars as pl

from candles.files.raw import CANDLE_SCHEMA
from common.candle_columns import VALUES
from common.errors import ExchangeError, InstrumentError
from common.grids import UTC_GRID, Grid
from common.slots import slots_of
from common.spelling import did_you_mean
from registry.groups import Series
from registry.instruments import Instrument, normalise_instrument

_log = logging.getLogger(__name__)

_MOST_ATTEMPTS = 7
_LONGEST_WAIT_S = 120.0
_PAGE = 1_000
"""Candles asked for at once; exchanges that give fewer say so."""
_MOST_EMPTY_PAGES = 500
_CCXT_TIMEFRAMES = {"1mo": "1M"}

Sleep = Callable[[float], Awaitable[None]]


class Exchange:
    """One exchange, for use in one event loop. Counts its requests in ``requests``.

        async with Exchange("BINANCE") as exchange:
            async for candles in exchange.candles(series, since_ms):
                ...

    Whatever passes by itself (a rate limit, maintenance, a cut connection) is tried again, after the time that the
    exchange asks for or a growing one.
    """

    def __init__(self, name: str, *, url: str | None = None, sleep: Sleep = asyncio.sleep) -> None:
        """``url`` is asked in place of the exchange's own addresses. Raises :class:`common.errors.ExchangeError` if
        ccxt does not know the exchange."""
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
        self._sleep = sleep
        self._api: Any = getattr(ccxt, name.lower())({"enableRateLimit": True})
        if url is not None:
            self._api.urls["api"] = _moved(self._api.urls["api"], url.rstrip("/"))
        self._symbols: dict[Instrument, str] = {}
        self._behind_ms = 0
        """How far this machine's clock is behind that of the exchange."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._api.close()

    async def candles(
        self, series: Series, since_ms: int, until_ms: int | None = None, *, grid: Grid = UTC_GRID
    ) -> AsyncIterator[pl.DataFrame]:
        """Closed candles that open from ``since_ms`` on and before ``until_ms``, oldest first, a frame a request.

        ``grid`` says where the exchange's slots begin. Slots for which it has no candle are left out. Raises
        :class:`common.errors.ExchangeError` if it does not have the series or does not answer.
        """
        await self._connect()
        symbol, slots = self._symbol(series), slots_of(series.timeframe, grid)
        timeframe = self._timeframe(series)
        newest = slots.last_closed(self._api.milliseconds() + self._behind_ms)
        number, last = slots.number(since_ms - 1) + 1, newest
        if until_ms is not None:
            last = min(last, slots.number(until_ms - 1))
        empty = 0
        while number <= last:
            since = slots.open(number)
            rows = await self._asked(partial(self._api.fetch_ohlcv, symbol, timeframe, since=since, limit=_PAGE))
            page = {row[0]: row for row in rows if since <= row[0] <= slots.open(last)}
            if page:
                yield _frame(series, [page[open_ms] for open_ms in sorted(page)])
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

    async def _connect(self) -> None:
        if self._symbols:
            return
        markets = await self._asked(self._api.load_markets)
        for market in markets.values():
            try:
                instrument = normalise_instrument(market["symbol"], self.name)
            except InstrumentError:
                continue
            self._symbols.setdefault(instrument, market["symbol"])
        if self._api.has.get("fetchTime"):
            self._behind_ms = await self._asked(self._api.fetch_time) - self._api.milliseconds()

    def _symbol(self, series: Series) -> str:
        symbol = self._symbols.get(series.instrument)
        if symbol is None:
            hint = did_you_mean(str(series.instrument), map(str, self._symbols), cutoff=0.7)
            raise ExchangeError(f"{self.name} does not list {series.instrument}{hint}")
        return symbol

    def _timeframe(self, series: Series) -> str:
        timeframe = _CCXT_TIMEFRAMES.get(series.timeframe, series.timeframe)
        offered: dict[str, Any] = self._api.timeframes or {}
        if timeframe not in offered:
            raise ExchangeError(
                f"{self.name} has no candles of {series.timeframe}, only of {' '.join(offered)}; fetch a timeframe that"
                f" divides {series.timeframe}, and {series} is built from it"
            )
        return timeframe

    def _page_length(self, symbol: str) -> int:
        """How many candles the exchange gives at once."""
        most = self._api.feature_value(symbol, "fetchOHLCV", "limit")
        return min(_PAGE, int(most)) if most else 100

    async def _asked(self, request: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to a request, which is repeated while the exchange cannot answer."""
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            self.requests += 1
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
                await self._sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _wait_s(self, attempt: int) -> float:
        headers = {name.lower(): value for name, value in (self._api.last_response_headers or {}).items()}
        asked_for = headers.get("retry-after", "")
        if asked_for.isdigit():
            return min(float(asked_for), _LONGEST_WAIT_S)
        return min(_LONGEST_WAIT_S, float(2**attempt) * random.uniform(0.5, 1.0))


def _frame(series: Series, rows: list[list[float]]) -> pl.DataFrame:
    columns = dict(zip(("open_time", *VALUES), zip(*rows, strict=True), strict=True))
    names = {
        "exchange": series.instrument.exchange, "symbol": series.instrument.symbol, "timeframe": series.timeframe,
    }  # fmt: skip
    frame = pl.DataFrame(columns, strict=False).with_columns(
        pl.from_epoch("open_time", "ms"), *(pl.lit(value).alias(name) for name, value in names.items())
    )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in CANDLE_SCHEMA.items())


def _moved(addresses: Any, url: str) -> Any:
    """Addresses of ccxt, at any depth, at another host."""
    if isinstance(addresses, dict):
        return {name: _moved(address, url) for name, address in addresses.items()}
    return url + urlsplit(addresses).path if isinstance(addresses, str) else addresses


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
