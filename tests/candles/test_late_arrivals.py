"""What comes after the tick of its close has given it up is told, once for each tick that has to judge it."""

import asyncio

import pytest

from candles.late_arrivals import LateArrivals
from hub.demo.simulated_exchange import SimulatedExchange
from registry.store.files.file_store import FileStore
from tests.candles.test_feed import MINUTE, PAIRS, Fast, following
from tests.waiting import PATIENCE_S, wait_for_async

NOON = 480_000 * 60 * MINUTE

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


async def told(late: LateArrivals) -> dict[str, int]:
    """What is told at once."""
    return dict(await asyncio.wait_for(late.next(), 0.01))


async def test_a_timeframe_is_told_once_until_its_next_tick_begins() -> None:
    late = LateArrivals()
    for close_ms in (NOON, NOON - MINUTE, NOON):
        late.note("1m", close_ms)
    late.note("5m", NOON)
    assert await told(late) == {"1m": NOON, "5m": NOON}
    late.note("1m", NOON)
    with pytest.raises(TimeoutError):
        await told(late)
    late.note_tick("1m", NOON - MINUTE)
    late.note("1m", NOON)
    with pytest.raises(TimeoutError):
        await told(late)
    late.note_tick("1m", NOON)
    late.note("1m", NOON)
    assert await told(late) == {"1m": NOON}


async def test_what_a_tick_judges_anyway_is_not_told() -> None:
    late = LateArrivals()
    late.note("1m", NOON)
    late.note_tick("1m", NOON + MINUTE)
    with pytest.raises(TimeoutError):
        await told(late)


async def test_whoever_waits_already_is_told() -> None:
    late = LateArrivals()
    waiting = asyncio.create_task(late.next())
    await asyncio.sleep(0)
    late.note("1h", NOON)
    assert await waiting == {"1h": NOON}


async def test_a_candle_that_comes_after_it_was_given_up_is_told(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candles.arrivals._GIVEN_UP_S", 3.0)
    clock = Fast()
    exchange = SimulatedExchange(PAIRS, clock.now_ms)
    async with following(exchange, store, clock) as hub:
        btc, eth = hub.follow("BINANCE:BTCUSDT 1m", "BINANCE:ETHUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await hub.subscribed(btc, eth)
        exchange.is_down = exchange.socket_faults.only_forming = True
        close_ms = clock.close()
        assert await hub.closed(close_ms) == [0]
        assert [one.given_up for one in hub.feed.following()] == [{"1m": close_ms}] * 2
        exchange.is_down = False
        assert await asyncio.wait_for(hub.late.next(), PATIENCE_S) == {"1m": close_ms}
        await wait_for_async(lambda: not any(one.is_overdue for one in hub.feed.following()), "both candles")
        assert [hub.opens(one)[-1] for one in (btc, eth)] == [close_ms - MINUTE] * 2
        with pytest.raises(TimeoutError):
            await told(hub.late)
