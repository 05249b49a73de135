"""Candles from an exchange: ccxt itself against a local server that speaks an exchange's dialect, faults included."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import app_cli
from candles.exchange import Exchange
from candles.fetching import Exchanges, FetchReport, fetch_candles, first_fetched
from candles.wanted import SeriesNeed, wanted_series
from common.clock import ReplayClock
from common.errors import ExchangeError
from common.slots import slots_of
from common.timeframes import to_ms
from engine.calendars import Calendars
from hub.demo.simulated_exchange import Fault, SimulatedExchange
from hub.demo.simulated_market import Pair
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import Listing, normalise_instrument
from registry.store.files.file_store import FileStore
from registry.store.parts.bots import NewBot
from registry.subscriptions import DeliveryPolicy
from tests.candles.simulators import served

NOW = to_ms(datetime(2024, 8, 5, 12, 34, 30, tzinfo=UTC))
HOUR = 3_600_000
BTC = Series.parse("BINANCE:BTCUSDT 1h")
PAIRS = (Pair("BTC"), Pair("ETH"), Pair("NEW", listed_ms=NOW - 5 * HOUR))

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def exchange() -> SimulatedExchange:
    return SimulatedExchange(PAIRS, lambda: NOW)


@pytest.fixture
def url(exchange: SimulatedExchange) -> Iterator[str]:
    with served(exchange) as address:
        yield address


class Waits(list[float]):
    """Remembers how long somebody wanted to wait, and does not."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


async def fetched(
    name: str, url: str, series: Series, since_ms: int, *, waits: Waits | None = None
) -> tuple[pl.DataFrame, int]:
    """What an exchange gives, and how many requests that took."""
    async with Exchange(name, url=url, sleep=Waits() if waits is None else waits) as asked:
        frames = [frame async for frame in asked.candles(series, since_ms)]
        return pl.concat(frames), asked.requests


@pytest.mark.parametrize("name", ["BINANCE", "OKX", "BYBIT"])
@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h", "1d", "1w", "1mo"])
async def test_every_closed_candle_comes_once_and_no_open_one(
    exchange: SimulatedExchange, url: str, name: str, timeframe: str
) -> None:
    series = Series.parse(f"{name}:BTCUSDT {timeframe}")
    slots = slots_of(timeframe)
    last = slots.last_closed(NOW)
    first = last - (2_500 if timeframe == "1m" else 700 if timeframe in ("5m", "1h") else 12)
    frame, _ = await fetched(name, url, series, slots.open(first))
    wanted = exchange.candles(PAIRS[0], timeframe, slots.open(first), NOW)
    assert wanted[-1].closed is False
    assert frame["open_time"].dt.epoch("ms").to_list() == [candle.open_ms for candle in wanted[:-1]]
    assert frame.select("open", "high", "low", "close", "volume").rows() == [candle.values for candle in wanted[:-1]]


async def test_an_exchange_that_wants_rest_gets_it(exchange: SimulatedExchange, url: str) -> None:
    exchange.faults.extend([Fault(429, retry_after_s=3), Fault(418, retry_after_s=90), Fault(503), Fault(None)])
    waits = Waits()
    frame, _ = await fetched("BINANCE", url, BTC, NOW - 50 * HOUR, waits=waits)
    assert frame.height == 49
    assert waits[:2] == pytest.approx([3.0, 90.0], abs=1)
    assert all(0 < seconds <= 120 for seconds in waits)
    assert len(waits) == 4


@pytest.mark.parametrize("name", ["BINANCE", "OKX", "BYBIT"])
async def test_maintenance_is_no_refusal(exchange: SimulatedExchange, url: str, name: str) -> None:
    exchange.is_down = True
    waits = Waits()
    with pytest.raises(ExchangeError, match=f"{name} did not answer 7 times in a row: .* 503"):
        await fetched(name, url, Series.parse(f"{name}:BTCUSDT 1h"), NOW - 50 * HOUR, waits=waits)
    assert len(waits) >= 6
    exchange.is_down = False
    frame, _ = await fetched(name, url, Series.parse(f"{name}:BTCUSDT 1h"), NOW - 50 * HOUR)
    assert frame.height == 49


async def test_an_exchange_that_stays_away_is_given_up_in_words(exchange: SimulatedExchange, url: str) -> None:
    exchange.faults.extend([Fault(503)] * 50)
    with pytest.raises(ExchangeError, match="BINANCE did not answer 7 times in a row"):
        await fetched("BINANCE", url, BTC, NOW - 50 * HOUR)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("BINANCE", "BINANCE:BTCUSD 1h", "no such market at binance: BINANCE:BTCUSD .did you mean BINANCE:BTCUSDT"),
        ("OKX", "OKX:BTCUSDT 8h", "OKX has no candles of 8h, only of .* fetch a timeframe that divides 8h"),
        ("BINANSE", "BINANSE:BTCUSDT 1h", "exchange BINANSE is not known to ccxt .did you mean binance"),
    ],
)
async def test_what_cannot_be_fetched_says_why(url: str, name: str, text: str, words: str) -> None:
    with pytest.raises(ExchangeError, match=words):
        await fetched(name, url, Series.parse(text), NOW - 50 * HOUR)


@pytest.mark.parametrize("name", ["BINANCE", "OKX", "BYBIT"])
async def test_neither_an_outage_nor_a_late_listing_is_an_end(exchange: SimulatedExchange, url: str, name: str) -> None:
    first = slots_of("1h").number(NOW) - 2_000
    opens = [slots_of("1h").open(first + number) for number in range(2_000)]
    exchange.missing |= {("BTCUSDT", "1h", open_ms) for open_ms in opens[300:1_500]}
    outage, _ = await fetched(name, url, Series.parse(f"{name}:BTCUSDT 1h"), opens[0])
    assert outage["open_time"].dt.epoch("ms").to_list() == opens[:300] + opens[1_500:]
    listed, _ = await fetched(name, url, Series.parse(f"{name}:NEWUSDT 1h"), opens[0])
    assert listed.height == 4


class Kept:
    """A store, and fetching into it as the command does."""

    def __init__(self, store: FileStore, url: str, clock: ReplayClock) -> None:
        self.store = store
        self._url, self._clock = url, clock

    def fetch(self, *series: Series, since_ms: int | None = None) -> list[FetchReport]:
        """Fetch series from their newest stored candles on, or from a time on."""
        newest = {each: extent[1] for each, extent in self.store.candles.extent("1h").items()}
        now_ms = self._clock.now_ms()
        wanted = {each: first_fetched(each, newest.get(each), now_ms, Calendars()) for each in series}
        return self.fetch_from(wanted if since_ms is None else dict.fromkeys(series, since_ms))

    def fetch_from(self, wanted: Mapping[Series, int]) -> list[FetchReport]:
        """Fetch each series from its time on."""

        async def fetched() -> list[FetchReport]:
            async with Exchanges({"binance": self._url}) as exchanges:
                return await fetch_candles(
                    wanted, self.store.candles, exchanges, clock=self._clock, calendars=Calendars()
                )

        return asyncio.run(fetched())


@pytest.fixture
def kept(store: FileStore, url: str, clock: ReplayClock) -> Kept:
    clock.move_to(NOW)
    return Kept(store, url, clock)


def test_a_second_fetch_asks_only_for_what_is_missing(exchange: SimulatedExchange, kept: Kept) -> None:
    (report,) = kept.fetch(BTC)
    assert (report.inserted, report.error) == (1_000, None)
    assert exchange.requests == 1
    (again,) = kept.fetch(BTC)
    assert (again.inserted, again.unchanged) == (0, 1)
    assert exchange.requests == 2
    (earlier,) = kept.fetch(BTC, since_ms=NOW - 1_200 * HOUR)
    assert (earlier.inserted, earlier.unchanged) == (199, 1_000)


def test_a_correction_of_the_newest_candle_is_noticed(exchange: SimulatedExchange, kept: Kept) -> None:
    kept.fetch(BTC)
    newest = kept.store.candles.extent("1h")[BTC][1]
    exchange.corrections["BTCUSDT", "1h", newest] = 1.01
    (report,) = kept.fetch(BTC)
    assert report.replaced == 1


def test_one_bad_series_does_not_stop_the_others(kept: Kept) -> None:
    unknown, eth = Series.parse("BINANCE:NOPEUSDT 1h"), Series.parse("BINANCE:ETHUSDT 1h")
    reports = kept.fetch(BTC, unknown, eth)
    assert [report.series for report in reports] == [BTC, unknown, eth]
    assert [report.inserted for report in reports] == [1_000, 0, 1_000]
    assert reports[1].error is not None


def test_conditions_decide_what_is_fetched_each_series_once(exchange: SimulatedExchange, kept: Kept) -> None:
    texts = ["BTCUSDT 1h: rsi(14) < 30", "BTCUSDT 1h: ema(50) > close", "ETHUSDT 15m: close > sma(20)@BTCUSDT@4h",
             "NOPEUSDT 1d: close > 1"]  # fmt: skip
    kept.store.candles.list_instruments(
        [Listing(normalise_instrument(symbol, "BINANCE")) for symbol in ("BTCUSDT", "ETHUSDT", "NOPEUSDT")]
    )
    conditions = [Condition.parse(text) for text in texts]
    kept.store.registry.register(conditions, active_from_ms=NOW - HOUR)
    wanted = wanted_series(kept.store, NOW)
    assert list(wanted) == [
        "BINANCE:BTCUSDT 1h", "BINANCE:BTCUSDT 4h", "BINANCE:ETHUSDT 15m", "BINANCE:NOPEUSDT 1d"
    ]  # fmt: skip
    settle = max(conditions[0].needed[BTC].settle, conditions[1].needed[BTC].settle)
    assert wanted[BTC].since_ms <= NOW - settle * HOUR
    assert wanted[BTC].timeframes == {"1h"}
    assert wanted[BTC].waiting == tuple(condition.id for condition in conditions[:2])
    reports = kept.fetch_from({series: what.since_ms for series, what in wanted.items()})
    assert [report.error is None for report in reports] == [True, True, True, False]
    assert exchange.requests == 3
    later = wanted_series(kept.store, NOW)
    assert later[BTC] == SeriesNeed(kept.store.candles.extent("1h")[BTC][1], frozenset({"1h"}))
    assert later[Series.parse("BINANCE:NOPEUSDT 1d")] == wanted[Series.parse("BINANCE:NOPEUSDT 1d")]
    again = kept.fetch_from({series: what.since_ms for series, what in later.items()})
    assert [report.inserted for report in again] == [0, 0, 0, 0]


def test_a_condition_that_nobody_wants_fetches_nothing(kept: Kept) -> None:
    kept.store.candles.list_instruments([Listing(BTC.instrument)])
    (registered,) = kept.store.registry.register([Condition.parse("BTCUSDT 1h: close > 1")], active_from_ms=NOW)
    kept.store.registry.retire(registered.condition_id, "a test", at_ms=NOW)
    assert wanted_series(kept.store, NOW) == {}


def test_bots_without_conditions_have_candles_fetched(exchange: SimulatedExchange, kept: Kept) -> None:
    def create(bot_id: str, *symbols: str) -> int:
        names = tuple(str(normalise_instrument(symbol, "BINANCE")) for symbol in symbols)
        made, _ = kept.store.bots.create(
            NewBot("ann", bot_id, "grid", "paper", names, (), {}), DeliveryPolicy(), active_from_ms=NOW
        )
        return made.number

    kept.store.candles.list_instruments(
        [Listing(normalise_instrument(name, "BINANCE")) for name in ("BTCUSDT", "ETHUSDT")]
    )
    number, _ = create("grid", "BTCUSDT"), create("other", "BTCUSDT", "ETHUSDT")
    kept.store.registry.register([Condition.parse("ETHUSDT 15m: close > 1")], active_from_ms=NOW - HOUR)
    minutes, quarters = Series.parse("BINANCE:BTCUSDT 1m"), Series.parse("BINANCE:ETHUSDT 15m")
    wanted = wanted_series(kept.store, NOW)
    assert list(wanted) == [minutes, quarters]
    reports = kept.fetch_from({series: what.since_ms for series, what in wanted.items()})
    assert [report.inserted for report in reports] == [1_000, 1_000]
    newest = slots_of("1m").open(slots_of("1m").last_closed(NOW))
    assert wanted_series(kept.store, NOW)[minutes] == SeriesNeed(newest, frozenset())
    kept.store.bots.end(number, at_ms=NOW)
    assert list(wanted_series(kept.store, NOW)) == [minutes, quarters]
    kept.store.bots.end(number + 1, at_ms=NOW)
    assert list(wanted_series(kept.store, NOW)) == [quarters]


def test_a_bot_lives_on_the_smallest_timeframe_that_is_stored(kept: Kept) -> None:
    kept.store.candles.list_instruments([Listing(BTC.instrument)])
    kept.fetch(BTC, BTC.at("4h"), since_ms=NOW - 100 * HOUR)
    bot = NewBot("ann", "grid", "grid", "paper", (str(BTC.instrument),), (), {})
    kept.store.bots.create(bot, DeliveryPolicy(), active_from_ms=NOW)
    # What a condition reads of a smaller timeframe is fetched for the condition.
    kept.store.registry.register([Condition.parse("BTCUSDT 15m: close > 1")], active_from_ms=NOW - HOUR)
    assert list(wanted_series(kept.store, NOW)) == [BTC.at("15m"), BTC]


def test_the_command(
    url: str, exchange: SimulatedExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    exchange.now_ms = lambda: to_ms(datetime.now(UTC))
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HUB_EXCHANGE_URLS", f'{{"binance": "{url}"}}')
    since = (datetime.now(UTC) - timedelta(hours=30)).strftime("%Y-%m-%d %H:00")
    assert app_cli.run(["candles", "fetch", "BTCUSDT 1h", "ethusdt 1h", "--since", since]) == 0
    assert "BINANCE:ETHUSDT 1h" in capsys.readouterr().out
    assert app_cli.run(["candles", "fetch", "BTCUSDT 1h", "NOPEUSDT 1h", "--json"]) == 1
    answer = capsys.readouterr()
    assert '"inserted": 0' in answer.out
    assert "1 of 2 series could not be fetched: no such market at binance: BINANCE:NOPEUSDT" in answer.err
