"""The spot markets of the exchange whose place the hub takes, as the exchange itself lists them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from api.exchange.dialect import NO_SYMBOL, UNAVAILABLE, DialectError
from api.service import Service
from common.errors import HubError
from registry.instruments import Instrument
from registry.store.parts.live import Demands

_LOOKED_S = 0.2
_PATIENCE_S = 15.0
_DEMANDED_AGAIN_S = 600.0


class Markets:
    """For use in one event loop. Ingest asks the exchange, once an hour, and keeps its answer in the data folder."""

    def __init__(self, service: Service, exchange: str) -> None:
        self._service, self._exchange = service, exchange
        self._read: tuple[float, Mapping[str, Mapping[str, Any]]] | None = None
        """When the list changed last, and symbol -> what the exchange says of it."""
        self._waiting: asyncio.Task[None] | None = None
        self._demanded_s = float("-inf")

    async def listings(self, symbols: Sequence[str] | None) -> list[Mapping[str, Any]]:
        """What the exchange says of some markets, by default of all. Raises :class:`DialectError`."""
        markets = await self._markets()
        if symbols is None:
            return list(markets.values())
        for symbol in symbols:
            if symbol not in markets:
                raise _invalid()
        return [markets[symbol] for symbol in symbols]

    async def instrument(self, symbol: str) -> Instrument:
        """The instrument of a symbol as the exchange writes it. Raises :class:`DialectError` for any other."""
        if symbol not in await self._markets():
            raise _invalid()
        try:
            return self._service.store.candles.directory().read(f"{self._exchange}:{symbol}", self._exchange)
        except HubError as error:
            raise DialectError(400, NO_SYMBOL, f"Invalid symbol: {error}") from None

    async def _markets(self) -> Mapping[str, Mapping[str, Any]]:
        if time.monotonic() - self._demanded_s > _DEMANDED_AGAIN_S:
            self._demanded_s = time.monotonic()
            await self._service.in_store(self._service.store.live.demand, Demands((self._exchange,)))
        lists = self._service.market_lists
        changed = lists.spot_listings_changed(self._exchange)
        if self._read is None or changed != self._read[0]:
            if self._waiting is None or self._waiting.done():
                self._waiting = asyncio.create_task(self._wait())
            await asyncio.shield(self._waiting)
        assert self._read is not None
        return self._read[1]

    async def _wait(self) -> None:
        """Read the list, once it is there."""
        end_s = time.monotonic() + _PATIENCE_S
        while True:
            listed = await asyncio.to_thread(self._service.market_lists.spot_listings, self._exchange)
            if listed is not None:
                self._read = listed[0], {str(each["symbol"]): each for each in listed[1]}
                return
            if time.monotonic() > end_s:
                why = (
                    "are being asked for; ask again in a moment"
                    if self._service.store.live.is_followed()
                    else "are not known, and the hub's ingest does not run (`hub up` starts it)"
                )
                raise DialectError(503, UNAVAILABLE, f"the markets of {self._exchange} {why}", {"Retry-After": "2"})
            await asyncio.sleep(_LOOKED_S)


def _invalid() -> DialectError:
    return DialectError(400, NO_SYMBOL, "Invalid symbol.")
