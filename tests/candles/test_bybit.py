"""Bybit's candles: ccxt itself against a local server that speaks Bybit's public dialect."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from candles.exchange import Exchange
from candles.sockets import Socket
from common.slots import slots_of
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from registry.groups import Series
from tests.candles.bybit import Bybit
from tests.candles.simulators import served
from tests.waiting import wait_for_async

MINUTE = 60_000
SLOTS = slots_of("1m")
PAIRS = (Pair("BTC"), Pair("ETH"))
SERIES = [Series.parse("BYBIT:BTCUSDT 1m"), Series.parse("BYBIT:ETHUSDT 1m")]

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


async def test_only_candles_that_bybit_calls_final_are_taken_from_its_websocket() -> None:
    now_ms = time.time_ns() // 1_000_000
    finals: list[tuple[Series, tuple[float, ...]]] = []

    def take(series: Series, candle: Sequence[float]) -> None:
        finals.append((series, tuple(candle)))

    simulated = SimulatedExchange(PAIRS, lambda: now_ms)
    with served(Bybit(simulated)) as url:
        async with Exchange("BYBIT", url=url, with_sockets=True) as exchange:
            closed = [row async for page in exchange.pages(SERIES[0], now_ms - 5 * MINUTE) for row in page]
            newest_ms = SLOTS.open(SLOTS.number(now_ms)) - MINUTE
            # The machine's clock, which ccxt asks, may be in the next minute by now.
            opens = [int(row[0]) for row in closed][:4]
            assert opens == list(range(newest_ms - 3 * MINUTE, newest_ms + 1, MINUTE))
            socket = Socket.of(exchange, take)
            assert socket is not None
            await socket.want(SERIES)
            running = asyncio.create_task(socket.run())
            try:
                await wait_for_async(lambda: len(simulated.sockets.subscribed) == 2, "the subscriptions")
                await wait_for_async(lambda: exchange.api.ohlcvs, "a forming candle")
                assert not finals
                now_ms += MINUTE
                await wait_for_async(lambda: len(finals) == 2, "the final candles")
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
    formed = [simulated.candles(pair, "1m", newest_ms + MINUTE, newest_ms + 2 * MINUTE)[0] for pair in PAIRS]
    assert dict(finals) == {
        series: (candle.open_ms, *candle.values) for series, candle in zip(SERIES, formed, strict=True)
    }
    assert simulated.sockets.subscribed == ["kline.1.BTCUSDT", "kline.1.ETHUSDT"]
