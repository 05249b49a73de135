"""A hub in front of a simulated exchange that counts, with ingest, service and a clock that can be moved."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ccxt.async_support
import pytest

from common.slots import slots_of
from flows.ingest import Ingest
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from hub.demo.simulated_sockets import Receive, Send
from tests.api.served_hub import Hub
from tests.candles.simulators import served

MINUTE = 60_000
BUSY_S = 300.0
SLOTS = slots_of("1m")


class MovedClock:
    """Runs a quarter as fast as time does, so that no minute ends by itself, until a test moves it, and never back."""

    def __init__(self) -> None:
        self._began_ms, self._began_s = time.time_ns() // 1_000_000, time.monotonic()
        self._moved_ms = 0

    def now_ms(self) -> int:
        return self._began_ms + int((time.monotonic() - self._began_s) * 250) + self._moved_ms

    async def sleep_until(self, time_ms: int) -> None:
        raise NotImplementedError

    def close(self) -> int:
        """Go to shortly after the end of the current minute; returns that end."""
        close_ms = int(SLOTS.close(SLOTS.number(self.now_ms())))
        self._moved_ms += close_ms - self.now_ms() + 50
        return close_ms

    def begin(self) -> None:
        """Go to the beginning of a minute, so that it does not end by itself in a short test."""
        self.close()


class CountingExchange(SimulatedExchange):
    """Counts every request, by its path."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked: Counter[str] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked[scope["path"]] += 1
        await super().__call__(scope, receive, send)


class ReadHub:
    """What a test has: the exchange and its address, the hub, and the clock of all of them."""

    def __init__(self, exchange: CountingExchange, exchange_url: str, hub: Hub, clock: MovedClock) -> None:
        self.exchange, self.exchange_url, self.hub, self.clock = exchange, exchange_url, hub, clock
        self.url = f"{hub.url}/exchange/binance"

    def address(self, user_id: str = "bots") -> str:
        """The address with a user's key in it."""
        return self.url.replace("http://", f"http://hub:{self.hub.key(user_id)}@")


@contextmanager
def read_hub(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *bases: str, ingests: bool = True, **settings: Any
) -> Iterator[ReadHub]:
    """A hub in front of an exchange that lists some coins."""
    clock = MovedClock()
    clock.begin()
    if ingests:
        # However busy the machine is: no test is about how long it takes.
        monkeypatch.setattr("api.exchange.market_candles._PATIENCE_S", BUSY_S)
        monkeypatch.setattr("api.exchange.markets._PATIENCE_S", BUSY_S)
    # ccxt's clock goes on as the exchange's does.
    monkeypatch.setattr(ccxt.async_support.Exchange, "milliseconds", lambda _: clock.now_ms())
    monkeypatch.setattr(ccxt.async_support.Exchange, "seconds", lambda _: clock.now_ms() // 1000)
    exchange = CountingExchange([Pair(base) for base in bases], clock.now_ms)
    with served(exchange) as exchange_url:
        options: dict[str, Any] = {
            "exchange_urls": {"binance": exchange_url},
            "exchange_readers": ("bots",),
            **settings,
        }
        hub = Hub(folder, clock=clock, **options)
        with hub:
            if not ingests:
                yield ReadHub(exchange, exchange_url, hub, clock)
                return
            with Ingest(hub.store, clock, hub.settings):
                yield ReadHub(exchange, exchange_url, hub, clock)


def spot_client(address: str, *, with_sockets: bool = False) -> Any:
    """ccxt's client of Binance with its public addresses at another place, as docs/exchange.md says."""
    import ccxt.pro

    kind = ccxt.pro.binance if with_sockets else ccxt.async_support.binance
    client = kind({"enableRateLimit": False, "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}})
    client.timeout = BUSY_S * 1000
    client.urls["api"]["public"] = f"{address}/api/v3"
    if with_sockets:
        client.urls["api"]["ws"]["spot"] = f"{address.replace('http', 'ws', 1)}/ws"
    return client


async def candles_of(client: Any, symbols: list[str], limit: int = 200) -> dict[str, list[list[float]]]:
    """The newest candles of some markets, as a bot refreshes them."""
    pages = await asyncio.gather(*(client.fetch_ohlcv(symbol, "1m", limit=limit) for symbol in symbols))
    return dict(zip(symbols, pages, strict=True))
