"""Series kept up to date: ccxt itself against a local exchange, by websocket and REST, with an exchange's faults."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from candles.arrivals import arrivals
from candles.feed import Feed
from candles.fetching import Exchanges
from candles.followed import Followed
from candles.holes import holes_among
from candles.late_arrivals import LateArrivals
from candles.series import SeriesReader
from candles.wanted import SeriesNeed
from common.errors import NoSuchMarket
from common.slots import slots_of
from engine.calendars import Calendars
from hub.demo.simulated_exchange import Fault, SimulatedExchange
from hub.demo.simulated_market import Pair
from registry.groups import Series
from registry.store.files.file_store import FileStore
from tests.candles.simulators import served
from tests.waiting import wait_for_async

MINUTE = 60_000
SLOTS = slots_of("1m")
PAIRS = (Pair("BTC"), Pair("ETH"), Pair("SOL"))

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Fast:
    """A clock that runs as the system's does until a test moves it, and never back.

    It begins shortly after the end of a minute: none ends in the middle of a test by itself.
    """

    def __init__(self) -> None:
        self._moved_ms = 0
        self.close()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._moved_ms

    async def sleep_until(self, time_ms: int) -> None:
        raise NotImplementedError

    def close(self) -> int:
        """Go to shortly after the end of the current minute; returns that end."""
        close_ms = SLOTS.close(SLOTS.number(self.now_ms()))
        self._moved_ms += close_ms - self.now_ms() + 50
        return close_ms


@pytest.fixture
def clock() -> Fast:
    return Fast()


@pytest.fixture
def exchange(clock: Fast) -> SimulatedExchange:
    return SimulatedExchange(PAIRS, clock.now_ms)


class Following:
    """A feed with its store."""

    def __init__(
        self, feed: Feed, exchange: SimulatedExchange, store: FileStore, clock: Fast, late: LateArrivals
    ) -> None:
        self.feed, self.store, self.clock, self.late = feed, store, clock, late
        self.refused: list[tuple[Series, str]] = []
        self.exchange = exchange

    def follow(self, *names: str, since_ms: int) -> list[Series]:
        """Follow series from a time on for conditions on 1m."""
        series = [Series.parse(name) for name in names]
        self.feed.follow(
            dict.fromkeys(series, SeriesNeed(since_ms, frozenset({"1m"}), ("a condition",), is_new=True)), Calendars()
        )
        return series

    async def subscribed(self, *series: Series) -> None:
        """Return once the next candles of some series should come by websocket."""
        followed = [one for one in self.feed.following() if one.series in series]
        now_s = asyncio.get_running_loop().time
        # A close that follows at once is after the subscription.
        await wait_for_async(lambda: all(self.feed.is_pushed(one, now_s() - 0.1) for one in followed), "the websocket")
        await wait_for_async(lambda: len(set(self.exchange.sockets.subscribed)) >= len(series), "the subscriptions")

    def opens(self, series: Series) -> list[int]:
        """Open times of the stored candles of a series."""
        frame = self.store.candles.between(series, 0, 1 << 50)
        return list(frame["open_time"].dt.epoch("ms"))

    async def closed(self, close_ms: int) -> list[int]:
        """How many candles came at a close, step by step."""
        return [came async for came in arrivals(self.feed, self.clock, "1m", close_ms)]


@asynccontextmanager
async def following(
    exchange: SimulatedExchange, store: FileStore, clock: Fast, name: str = "BINANCE"
) -> AsyncIterator[Following]:
    """A feed on the simulated exchange, as long as the block lasts."""
    with served(exchange) as url:
        async with Exchanges({name: url}, with_sockets=True) as exchanges:
            # ccxt's clock goes on as the exchange's does.
            exchanges.named(name).api.milliseconds = clock.now_ms
            async with _running(exchange, exchanges, store, clock) as made:
                yield made


@asynccontextmanager
async def _running(
    exchange: SimulatedExchange, exchanges: Exchanges, store: FileStore, clock: Fast
) -> AsyncIterator[Following]:
    refused: list[tuple[Series, str]] = []

    def refuse(one: Followed, error: NoSuchMarket) -> None:
        refused.append((one.series, str(error)))

    late = LateArrivals()
    feed = Feed(store.candles, exchanges, refused=refuse, late=late)
    running = asyncio.create_task(feed.run())
    made = Following(feed, exchange, store, clock, late)
    made.refused = refused
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await feed.close()


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("name", ["BINANCE", "OKX", "BYBIT"])
async def test_final_candles_come_by_websocket_without_a_request(
    exchange: SimulatedExchange, store: FileStore, clock: Fast, name: str
) -> None:
    async with following(exchange, store, clock, name) as hub:
        series = hub.follow(f"{name}:BTCUSDT 1m", f"{name}:ETHUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await hub.subscribed(*series)
        asked = exchange.requests
        exchange.socket_faults.repeats = True
        for _ in range(3):
            close_ms = clock.close()
            assert sum(await hub.closed(close_ms)) == 2
            assert [hub.opens(one)[-1] for one in series] == [close_ms - MINUTE] * 2
        assert exchange.requests == asked
        assert hub.feed.counts()[name].pushed == 6
        assert len(exchange.sockets.subscribed) == len(set(exchange.sockets.subscribed)) == 2
        assert exchange.candles(PAIRS[0], "1m", close_ms - MINUTE, close_ms)[0].values == tuple(
            hub.store.candles.last(series[0], close_ms, 1).select("open", "high", "low", "close", "volume").row(0)
        )


@pytest.mark.usefixtures("unhurried")
async def test_rest_gives_what_a_cut_socket_missed_and_the_socket_comes_back(
    exchange: SimulatedExchange, store: FileStore, clock: Fast
) -> None:
    async with following(exchange, store, clock) as hub:
        since_ms = clock.now_ms() - 5 * MINUTE
        (btc,) = hub.follow("BINANCE:BTCUSDT 1m", since_ms=since_ms)
        await hub.subscribed(btc)
        assert sum(await hub.closed(clock.close())) == 1
        exchange.socket_faults.refuses = True
        exchange.sockets.cut()
        await wait_for_async(lambda: not any(map(hub.feed.is_pushed, hub.feed.following())), "the cut")
        for _ in range(2):
            assert sum(await hub.closed(clock.close())) == 1
        exchange.socket_faults.refuses = False
        connections = exchange.sockets.connections
        await wait_for_async(lambda: exchange.sockets.connections > connections, "another connection")
        await hub.subscribed(btc)
        pushed = hub.feed.counts()["BINANCE"].pushed
        close_ms = clock.close()
        assert sum(await hub.closed(close_ms)) == 1
        assert hub.feed.counts()["BINANCE"].pushed == pushed + 1
        opens = hub.opens(btc)
        assert opens == list(range(opens[0], close_ms, MINUTE))


@pytest.mark.parametrize("fault", ["is_silent", "only_forming"])
async def test_a_socket_without_final_candles_is_not_counted_on(
    exchange: SimulatedExchange, store: FileStore, clock: Fast, fault: str
) -> None:
    async with following(exchange, store, clock) as hub:
        (btc,) = hub.follow("BINANCE:BTCUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await hub.subscribed(btc)
        setattr(exchange.socket_faults, fault, True)
        assert sum(await hub.closed(clock.close())) == 1
        assert not any(map(hub.feed.is_pushed, hub.feed.following()))
        assert hub.feed.counts()["BINANCE"].pushed == 0
        assert sum(await hub.closed(clock.close())) == 1
        setattr(exchange.socket_faults, fault, False)
        await wait_for_async(lambda: exchange.sockets.connections > 1, "another connection")
        await wait_for_async(lambda: len(exchange.sockets.subscribed) > 1, "another subscription")
        close_ms = clock.close()
        await wait_for_async(lambda: hub.opens(btc)[-1] == close_ms - MINUTE, "the candle of the new connection")
        assert any(map(hub.feed.is_pushed, hub.feed.following()))


async def test_a_final_candle_that_comes_after_rest_gave_it_changes_nothing(
    exchange: SimulatedExchange, store: FileStore, clock: Fast
) -> None:
    async with following(exchange, store, clock) as hub:
        (btc,) = hub.follow("BINANCE:BTCUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await hub.subscribed(btc)
        exchange.socket_faults.late_ms, asked = 3_000, exchange.requests
        assert sum(await hub.closed(clock.close())) == 1
        assert exchange.requests > asked
        opens = hub.opens(btc)
        await wait_for_async(lambda: hub.feed.counts()["BINANCE"].pushed, "the late candle")
        assert hub.opens(btc) == opens
        assert hub.feed.corrected == 0


async def test_a_candle_that_a_socket_left_out_is_asked_for(
    exchange: SimulatedExchange, store: FileStore, clock: Fast
) -> None:
    async with following(exchange, store, clock) as hub:
        (btc,) = hub.follow("BINANCE:BTCUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await hub.subscribed(btc)
        exchange.socket_faults.only_forming = True
        lost = clock.close()
        await wait_for_async(lambda: exchange.sockets.final_ms == lost - MINUTE, "the candle that is not pushed")
        exchange.socket_faults.only_forming = False
        close_ms = clock.close()
        await wait_for_async(lambda: {lost - MINUTE, close_ms - MINUTE} <= set(hub.opens(btc)), "both candles")
        assert hub.feed.holes() == set()


async def test_what_is_on_its_way_is_not_a_hole(exchange: SimulatedExchange, store: FileStore, clock: Fast) -> None:
    async with following(exchange, store, clock) as hub:
        (btc,) = hub.follow("BINANCE:BTCUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await hub.subscribed(btc)
        exchange.socket_faults.only_forming, exchange.is_down = True, True
        lost = clock.close() - MINUTE
        await wait_for_async(lambda: exchange.sockets.final_ms == lost, "the candle that is not pushed")
        exchange.socket_faults.only_forming = False
        close_ms = clock.close()
        await wait_for_async(lambda: hub.opens(btc)[-1] == close_ms - MINUTE, "the candle after it")
        awaited = hub.feed.awaited(asyncio.get_running_loop().time())
        assert awaited == {btc: lost}
        reader, missing, hold_over = SeriesReader.of(store), [(btc, lost, False)], lost + 60 * MINUTE
        assert holes_among(missing, reader, hold_over) == {(btc, lost)}
        assert holes_among(missing, reader, hold_over, awaited=awaited) is None
        assert holes_among(missing, reader, hold_over, awaited={btc: close_ms}) == {(btc, lost)}
        # Nobody is held up for good by an exchange that does not answer.
        assert hub.feed.awaited(asyncio.get_running_loop().time() + 600) == {}
        exchange.is_down = False
        await wait_for_async(lambda: lost in hub.opens(btc), "the candle by REST")
        await wait_for_async(lambda: not hub.feed.awaited(asyncio.get_running_loop().time()), "the end of the request")


async def test_what_the_exchange_does_not_have_is_a_hole_at_once(
    exchange: SimulatedExchange, store: FileStore, clock: Fast
) -> None:
    first = SLOTS.open(SLOTS.number(clock.now_ms() - 6 * MINUTE))
    exchange.missing.add(("BTCUSDT", "1m", first + 3 * MINUTE))
    async with following(exchange, store, clock) as hub:
        (btc,) = hub.follow("BINANCE:BTCUSDT 1m", since_ms=first)
        await wait_for_async(lambda: len(hub.opens(btc)) >= 5, "the candles")
        await wait_for_async(hub.feed.holes, "the hole")
        assert hub.feed.holes() == {(btc, first + 3 * MINUTE)}
        reader, missing = SeriesReader.of(store), [(btc, first + 3 * MINUTE, False)]
        just_closed = first + 4 * MINUTE + 1
        assert holes_among(missing, reader, just_closed) is None
        assert holes_among(missing, reader, just_closed, hub.feed.holes()) == {(btc, first + 3 * MINUTE)}
        # It is not asked for again.
        await wait_for_async(lambda: not hub.feed.lacking("1m", clock.now_ms()), "all candles")
        assert [came async for came in arrivals(hub.feed, hub.clock, "1m", clock.now_ms())] == [0]


async def test_a_correction_before_the_next_request_is_taken(
    exchange: SimulatedExchange, store: FileStore, clock: Fast
) -> None:
    async with following(exchange, store, clock) as hub:
        (btc,) = hub.follow("BINANCE:BTCUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await hub.subscribed(btc)
        close_ms = clock.close()
        assert sum(await hub.closed(close_ms)) == 1
        exchange.corrections["BTCUSDT", "1m", close_ms - MINUTE] = 1.01
        (followed,) = hub.feed.following()
        hub.feed.ask(followed)
        await wait_for_async(lambda: hub.feed.corrected == 1, "the correction")
        right = exchange.candles(PAIRS[0], "1m", close_ms - MINUTE, close_ms)[0].values
        assert store.candles.last(btc, close_ms, 1).select("open", "high", "low", "close", "volume").row(0) == right


async def test_a_market_that_does_not_exist_stops_nobody(
    exchange: SimulatedExchange, store: FileStore, clock: Fast
) -> None:
    async with following(exchange, store, clock) as hub:
        nope, btc = hub.follow("BINANCE:NOPEUSDT 1m", "BINANCE:BTCUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await wait_for_async(lambda: hub.opens(btc) and hub.refused, "both answers")
        assert hub.refused == [(nope, "no such market at binance: BINANCE:NOPEUSDT (did you mean BINANCE:SOLUSDT?)")]


async def test_an_exchange_that_is_away_is_asked_again(
    exchange: SimulatedExchange, store: FileStore, clock: Fast
) -> None:
    async with following(exchange, store, clock) as hub:
        exchange.faults.extend([Fault(None), Fault(503)])
        (btc,) = hub.follow("BINANCE:BTCUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await wait_for_async(lambda: hub.opens(btc), "the candles after two failures")


@pytest.mark.usefixtures("unhurried")
async def test_a_ban_holds_up_nothing_that_comes_by_websocket(
    exchange: SimulatedExchange, store: FileStore, clock: Fast
) -> None:
    async with following(exchange, store, clock) as hub:
        (btc,) = hub.follow("BINANCE:BTCUSDT 1m", since_ms=clock.now_ms() - 5 * MINUTE)
        await hub.subscribed(btc)
        exchange.socket_faults.only_forming = True
        exchange.faults.append(Fault(418, retry_after_s=600))
        lost = clock.close()
        await wait_for_async(lambda: exchange.sockets.final_ms == lost - MINUTE, "the candle that is not pushed")
        (followed,) = hub.feed.following()
        hub.feed.ask(followed)
        await wait_for_async(lambda: followed.problem, "the ban")
        exchange.socket_faults.only_forming, asked = False, exchange.requests
        close_ms = clock.close()
        await wait_for_async(lambda: hub.opens(btc)[-1] == close_ms - MINUTE, "the candle after it")
        await wait_for_async(lambda: followed.awaits_nothing(close_ms), "the end of waiting")
        assert await hub.closed(close_ms) == [0]
        assert exchange.requests == asked
        assert lost - MINUTE not in hub.opens(btc)


async def test_markets_come_and_go(exchange: SimulatedExchange, store: FileStore, clock: Fast) -> None:
    close_ms = clock.close()
    gone, new = Pair("GONE", delisted_ms=close_ms - 2 * MINUTE), Pair("NEW", listed_ms=close_ms - 3 * MINUTE)
    exchange.pairs = (*PAIRS, gone, new)
    async with following(exchange, store, clock) as hub:
        old, fresh, _ = hub.follow(
            "BINANCE:GONEUSDT 1m", "BINANCE:NEWUSDT 1m", "BINANCE:BTCUSDT 1m", since_ms=close_ms - 9 * MINUTE
        )
        await wait_for_async(lambda: hub.opens(old) and hub.opens(fresh), "the candles")
        assert hub.opens(old)[-1] == close_ms - 3 * MINUTE
        assert hub.opens(fresh) == [close_ms - 3 * MINUTE, close_ms - 2 * MINUTE, close_ms - MINUTE]
        # The one that is gone is waited for once; after that it holds up no tick.
        for one in hub.feed.following():
            if one.series == old:
                one.given_up["1m"] = close_ms
        assert sum(await hub.closed(clock.close())) == 2
