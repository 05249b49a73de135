"""Candles as an exchange pushes them, over a websocket that is opened again when it breaks."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from candles.exchange import Exchange
from candles.finals import Dialect, dialect_of
from registry.groups import Series

_log = logging.getLogger(__name__)

_BETWEEN_MESSAGES_S = 0.25
"""Exchanges take a few messages a second."""
_MOST_SERIES = 1_000
"""Series of one exchange that are subscribed to; Binance takes 1,024 on a connection. The others come by REST."""
_CALM_S = 60.0
"""A connection that has lasted this long is opened again after the first pause."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0

OnCandle = Callable[[Series, Sequence[float]], object]
"""Gets a series and one candle of it: open time, open, high, low, close, volume."""


class Socket:
    """The subscriptions of one exchange, one for each series, for use in its event loop.

    What it brings is a help, never the truth: it may miss candles, bring them twice, or fall silent. Whoever uses it
    says so with :meth:`distrust`, and then it connects anew.
    """

    def __init__(self, exchange: Exchange, dialect: Dialect, on_final: OnCandle, on_forming: OnCandle) -> None:
        self.connections = 0
        """Connections that were opened so far."""
        self.final_s = 0.0
        """When the last final candle came, by the event loop's clock."""
        self._exchange, self._dialect = exchange, dialect
        self._on_final, self._on_forming = on_final, on_forming
        self._wanted: dict[Series, tuple[str, str]] = {}
        """Series -> its symbol and timeframe as ccxt writes them."""
        self._named: dict[tuple[str, str], Series] = {}
        self._subscribed: dict[Series, float] = {}
        """Series -> since when, by the event loop's clock."""
        self._news, self._lost = asyncio.Event(), asyncio.Event()
        self._is_trusted = True
        api = exchange.api
        api.handle_ohlcv = self._heard(api.handle_ohlcv)
        for name in ("on_close", "on_error"):
            setattr(api, name, self._noticed(getattr(api, name)))

    @classmethod
    def of(cls, exchange: Exchange, on_final: OnCandle, on_forming: OnCandle) -> "Socket | None":
        """The socket of an exchange that was opened with ``with_sockets``; ``None`` if the exchange has none that says
        which candles are final."""
        dialect = dialect_of(exchange.api)
        return None if dialect is None else cls(exchange, dialect, on_final, on_forming)

    async def want(self, series: Sequence[Series]) -> None:
        """Be subscribed to these series, as far as there is room; the exchange has to have them."""
        wanted = {one: await self._exchange.named(one) for one in series[:_MOST_SERIES]}
        if wanted.keys() != self._wanted.keys():
            self._wanted = wanted
            self._named = {name: one for one, name in wanted.items()}
            self._news.set()

    def brings(self, series: Series, closed_s: float) -> bool:
        """Whether a series' candle that closed at a time of the event loop should come, or have come, from here."""
        if not self._is_trusted or self._lost.is_set() or series not in self._wanted:
            return False
        return self._subscribed.get(series, math.inf) < closed_s

    def distrust(self) -> None:
        """Nothing came although it should have: connect anew, and count on it only once a final candle has come."""
        if self._is_trusted:
            _log.warning("%s pushes no final candles; they come by REST meanwhile", self._exchange.name)
        self._is_trusted = False
        self._lost.set()

    async def run(self) -> None:
        """Stay connected for as long as there is something to subscribe to, until it is cancelled."""
        loop, pause_s = asyncio.get_running_loop(), 0.0
        while True:
            while not self._wanted:
                self._news.clear()
                await self._news.wait()
            began_s = loop.time()
            self._lost.clear()
            self.connections += 1
            try:
                await self._stay_connected()
            finally:
                self._subscribed.clear()
                await self._exchange.api.close_ws_clients()
            lasted = loop.time() - began_s >= _CALM_S
            pause_s = _FIRST_PAUSE_S if lasted or not pause_s else min(2 * pause_s, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _stay_connected(self) -> None:
        """Subscribe to what is wanted and whatever comes to be wanted, until the connection is lost."""
        calls: set[asyncio.Task[object]] = set()
        try:
            while not self._lost.is_set():
                self._news.clear()
                for some in self._messages([one for one in self._wanted if one not in self._subscribed]):
                    names = [list(self._wanted[one]) for one in some]
                    # It returns with the first candle, which may take a while; from then on `_heard` gets them all.
                    call = asyncio.create_task(self._exchange.api.watch_ohlcv_for_symbols(names))
                    call.add_done_callback(self._ended)
                    calls.add(call)
                    self._subscribed |= dict.fromkeys(some, asyncio.get_running_loop().time())
                    await asyncio.sleep(_BETWEEN_MESSAGES_S)
                await _first_of(self._news.wait(), self._lost.wait())
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    def _messages(self, fresh: Sequence[Series]) -> Iterator[Sequence[Series]]:
        """Which series are subscribed to with one message: ccxt sends each to the address of its first market."""
        kinds: dict[object, list[Series]] = {}
        for series in fresh:
            market = self._exchange.api.market(self._wanted[series][0])
            kinds.setdefault(tuple(market[name] for name in ("type", "linear", "inverse")), []).append(series)
        for alike in kinds.values():
            for begin in range(0, len(alike), self._dialect.most_at_once):
                yield alike[begin : begin + self._dialect.most_at_once]

    def _ended(self, call: "asyncio.Task[object]") -> None:
        if not call.cancelled() and call.exception() is not None:
            self._lost.set()

    def _heard(self, handle: Callable[[Any, Mapping[str, Any]], object]) -> Callable[[Any, Mapping[str, Any]], None]:
        """ccxt's handler of candles, which keeps them, and then ours."""

        def heard(client: Any, message: Mapping[str, Any]) -> None:
            handle(client, message)
            api, is_spot = self._exchange.api, self._dialect.is_spot
            kind = None if is_spot is None else "spot" if is_spot(client.url) else "contract"
            for market_id, word, candle, is_final in self._dialect.pushed(message):
                symbol = api.safe_symbol(market_id, None, None, kind)
                series = self._named.get((symbol, api.find_timeframe(word)))
                if series is not None and not is_final:
                    self._on_forming(series, candle)
                elif series is not None:
                    self._is_trusted, self.final_s = True, asyncio.get_running_loop().time()
                    self._on_final(series, candle)

        return heard

    def _noticed(self, handle: Callable[[Any, object], object]) -> Callable[[Any, object], None]:
        """ccxt's handler of the end of a connection, and then ours."""

        def noticed(client: Any, why: object) -> None:
            handle(client, why)
            self._lost.set()

        return noticed


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
