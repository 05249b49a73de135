"""What is Bybit's own in its dialect: what it refuses, and when it wants to be left alone."""

import pytest

from candles.exchange import Exchange
from common.errors import ExchangeError
from hub.demo.simulated_exchange import Fault, SimulatedExchange
from hub.demo.simulated_market import Pair
from registry.groups import Series
from registry.store.files.file_store import FileStore
from tests.candles.simulators import served
from tests.candles.test_feed import MINUTE, Fast, following

BTC = Series.parse("BYBIT:BTCUSDT 1m")
PAIRS = tuple(Pair(base) for base in ("BTC", *(f"C{number:02}" for number in range(23))))

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Waits(list[float]):
    """A sleep that only notes for how long."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def clock() -> Fast:
    return Fast()


@pytest.fixture
def exchange(clock: Fast) -> SimulatedExchange:
    return SimulatedExchange(PAIRS, clock.now_ms)


async def fetched(exchange: SimulatedExchange, clock: Fast) -> tuple[int, Waits]:
    """How many candles came in the end, and what was waited for."""
    waits = Waits()
    with served(exchange) as url:
        async with Exchange("BYBIT", url=url, sleep=waits) as asked:
            pages = [page async for page in asked.pages(BTC, clock.now_ms() - 5 * MINUTE)]
    return sum(map(len, pages)), waits


@pytest.mark.parametrize(
    "fault",
    [Fault(200), Fault(200, code=10018), Fault(200, code=10016), Fault(200, code=10000), Fault(429, code=10429),
     Fault(503), Fault(None)],
    ids=["too many visits", "too many of the address", "server error", "server time-out", "429", "503", "cut"],
)  # fmt: skip
async def test_what_passes_by_itself_is_waited_for(exchange: SimulatedExchange, clock: Fast, fault: Fault) -> None:
    exchange.faults.append(fault)
    candles, waits = await fetched(exchange, clock)
    assert candles >= 4
    assert len(waits) == 1


async def test_it_says_when_its_limit_ends(exchange: SimulatedExchange, clock: Fast) -> None:
    exchange.faults.append(Fault(200, retry_after_s=40))
    _, waits = await fetched(exchange, clock)
    assert waits == pytest.approx([40], abs=5)


async def test_an_address_that_it_bans_leaves_it_alone(exchange: SimulatedExchange, clock: Fast) -> None:
    exchange.faults.append(Fault(403))
    with pytest.raises(ExchangeError, match="BYBIT wants to be left alone for 10 minutes"):
        await fetched(exchange, clock)
    assert exchange.requests == 1


async def test_what_it_refuses_is_not_asked_again(exchange: SimulatedExchange, clock: Fast) -> None:
    exchange.faults.append(Fault(200, code=10001))
    with pytest.raises(ExchangeError, match="BYBIT refuses"):
        await fetched(exchange, clock)
    assert exchange.requests == 1


@pytest.mark.usefixtures("unhurried")
async def test_more_series_than_a_message_may_subscribe_to(
    exchange: SimulatedExchange, clock: Fast, store: FileStore
) -> None:
    async with following(exchange, store, clock, "BYBIT") as hub:
        names = [f"BYBIT:{pair.base}USDT 1m" for pair in PAIRS]
        series = hub.follow(*names, since_ms=clock.now_ms() - 5 * MINUTE)
        await hub.subscribed(*series)
        asked = exchange.requests
        assert sum(await hub.closed(clock.close())) == len(PAIRS)
        assert exchange.requests == asked
        assert sorted(exchange.sockets.subscribed) == sorted(f"kline.1.{pair.base}USDT" for pair in PAIRS)
