"""Streams of candles: each candle is written once, and passed on to everybody who subscribed to its series."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from api.exchange.dialect import INTERVAL_OF, candle_message
from api.exchange.market_candles import MarketCandles
from common.clock import Clock
from common.errors import HubError
from registry.groups import Series

_log = logging.getLogger(__name__)

_LOOKED_S = 0.1
_AFTER_AN_ERROR_S = 1.0
_DEMANDED_AGAIN_S = 600.0
MOST_UNSENT = 2_000
"""Messages that wait for a reader; one that falls further behind is cut off."""


class TooSlow(HubError):
    """A reader does not take what it has subscribed to."""


@dataclass
class CandleReader:
    """One reader: what it gets next, and the names under which it subscribed."""

    is_combined: bool
    """Whether each message is wrapped with the name of its stream."""
    names: dict[str, Series] = field(default_factory=dict)
    """Stream (``btcusdt@kline_1m``) -> its series."""
    unsent: deque[bytes] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    is_cut: bool = False

    def put(self, message: bytes) -> None:
        """Have a message sent."""
        if len(self.unsent) >= MOST_UNSENT:
            self.is_cut = True
        else:
            self.unsent.append(message)
        self.news.set()

    async def next(self) -> bytes:
        """The next message, once there is one. Raises :class:`TooSlow`."""
        while not self.unsent or self.is_cut:
            if self.is_cut:
                raise TooSlow(f"{MOST_UNSENT} messages wait to be read")
            self.news.clear()
            await self.news.wait()
        return self.unsent.popleft()


@dataclass
class _Followed:
    """A series to which somebody has subscribed."""

    symbol: str
    readers: dict[int, tuple[CandleReader, str]] = field(default_factory=dict)
    version: int | None = None
    newest_open_ms: int = 0
    """The newest final candle that everybody has."""
    forming: tuple[float, ...] = ()
    demanded_s: float = 0.0


class CandleStreams:
    """All streams of a service, for use in its event loop."""

    def __init__(self, candles: MarketCandles, clock: Clock) -> None:
        self._candles, self._clock = candles, clock
        self._followed: dict[Series, _Followed] = {}
        self._running: asyncio.Task[None] | None = None

    async def subscribe(self, reader: CandleReader, streams: Mapping[str, tuple[str, Series]]) -> None:
        """Pass on the candles of some streams, stream -> (symbol, series), from now on.

        Raises :class:`api.exchange.dialect.DialectError` if there are too many series; then nothing is subscribed to.
        """
        now_s = asyncio.get_running_loop().time()
        for _, series in streams.values():
            if series not in self._followed:
                await self._candles.demand(series)
        for name, (symbol, series) in streams.items():
            followed = self._followed.setdefault(series, _Followed(symbol, demanded_s=now_s))
            followed.readers[id(reader)] = reader, name
            reader.names[name] = series
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())

    def unsubscribe(self, reader: CandleReader, names: list[str]) -> None:
        """Pass on no more candles of some streams."""
        for name in names:
            series = reader.names.pop(name, None)
            followed = None if series is None else self._followed.get(series)
            if series is not None and followed is not None:
                followed.readers.pop(id(reader), None)
                if not followed.readers:
                    del self._followed[series]

    async def stop(self) -> None:
        """End passing on."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        while self._followed:
            for series, followed in list(self._followed.items()):
                try:
                    await self._pass_on(series, followed)
                except HubError as error:
                    _log.warning("candles of %s are not passed on: %s", series, error)
                    await asyncio.sleep(_AFTER_AN_ERROR_S)
            await asyncio.sleep(_LOOKED_S)

    async def _pass_on(self, series: Series, followed: _Followed) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - followed.demanded_s > _DEMANDED_AGAIN_S:
            followed.demanded_s = now_s
            await self._candles.demand(series)
        kept = await self._candles.kept(series)
        if kept.version != followed.version and kept.opens:
            if followed.version is not None:
                for candle in kept.newest:
                    if candle[0] > followed.newest_open_ms:
                        self._send(series, followed, candle, is_final=True)
            followed.version, followed.newest_open_ms = kept.version, kept.opens[-1]
        forming = self._candles.pushed(series)
        # The final candle before it comes first.
        if forming and forming != followed.forming and self._candles.is_known_until(series, kept, int(forming[0])):
            followed.forming = forming
            self._send(series, followed, forming, is_final=False)

    def _send(self, series: Series, followed: _Followed, candle: Sequence[float], *, is_final: bool) -> None:
        slots, open_ms = self._candles.slots(series), int(candle[0])
        close_ms = int(slots.close(slots.number(open_ms)))
        interval = INTERVAL_OF[series.timeframe]
        message = candle_message(
            followed.symbol, interval, self._clock.now_ms(), open_ms, close_ms, candle[1:], is_final=is_final
        )
        for reader, name in followed.readers.values():
            reader.put(b'{"stream":"%b","data":%b}' % (name.encode(), message) if reader.is_combined else message)
