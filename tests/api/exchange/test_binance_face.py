"""The hub in an exchange's place: ccxt itself reads candles through it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import httpx
import pytest

from tests.api.exchange.reading import BUSY_S, MINUTE, SLOTS, ReadHub, candles_of, read_hub, spot_client
from tests.waiting import wait_for, wait_for_async

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadHub]:
    with read_hub(tmp_path, monkeypatch, "BTC", "ETH") as made:
        yield made


@pytest.fixture
def resting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadHub]:
    """A hub that asks no exchange."""
    with read_hub(tmp_path, monkeypatch, "BTC", ingests=False) as made:
        yield made


def get(read: ReadHub, path: str, user_id: str = "bots", **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {read.hub.key(user_id)}"}
    return httpx.get(f"{read.url}/api/v3/{path}", params=query, headers=headers, timeout=BUSY_S)


def rows_at(read: ReadHub, **query: Any) -> list[list[Any]]:
    """What the exchange itself answers."""
    rows: list[list[Any]] = httpx.get(f"{read.exchange_url}/api/v3/klines", params=query).json()
    return rows


def values(rows: list[list[Any]]) -> list[list[float]]:
    """Open time, open, high, low, close, volume and end."""
    return [[float(cell) for cell in row[:7]] for row in rows]


async def test_ccxt_reads_the_same_candles_with_another_address_only(read: ReadHub) -> None:
    alone, through = spot_client(read.exchange_url), spot_client(read.address())
    try:
        expected = await candles_of(alone, ["BTC/USDT", "ETH/USDT"])
        got = await candles_of(through, ["BTC/USDT", "ETH/USDT"])
        assert through.markets["BTC/USDT"]["precision"] == alone.markets["BTC/USDT"]["precision"]
        for symbol, candles in expected.items():
            assert got[symbol][:-1] == candles[:-1]
            assert got[symbol][-1][0] == candles[-1][0], "the candle that forms is the last one"
        before = read.exchange.asked.total()
        read.clock.close()
        await wait_for_async(lambda: read.exchange.sockets.subscribed, "the subscriptions")
        again = await candles_of(through, ["BTC/USDT"])
        assert again["BTC/USDT"][-2][0] == got["BTC/USDT"][-1][0], "it is closed and there at the next request"
        assert read.exchange.asked["/api/v3/klines"] - before <= 2
    finally:
        await alone.close()
        await through.close()


def test_a_page_is_what_the_exchange_would_answer(read: ReadHub) -> None:
    now = read.clock.now_ms()
    begin = int(SLOTS.open(SLOTS.number(now))) - 900 * MINUTE
    for query in (
        {"limit": 3},
        {},
        {"limit": 1000},
        {"startTime": begin, "limit": 5},
        {"startTime": begin + 1, "limit": 5},
        {"startTime": begin, "endTime": begin + 3 * MINUTE},
        {"endTime": begin + 3 * MINUTE, "limit": 2},
        {"startTime": begin + MINUTE, "endTime": begin},
    ):
        asked: dict[str, Any] = {"symbol": "BTCUSDT", "interval": "1m", **query}
        got, expected = values(get(read, "klines", **asked).json()), values(rows_at(read, **asked))
        if expected and expected[-1][6] > now:
            assert got.pop()[0] == expected.pop()[0]
        assert got == expected, query
    hour: dict[str, Any] = {"symbol": "ETHUSDT", "interval": "1h", "limit": 3}
    assert values(get(read, "klines", **hour).json())[:-1] == values(rows_at(read, **hour))[:-1]


def test_older_candles_are_fetched_once_and_very_old_ones_by_whoever_wants_them(read: ReadHub) -> None:
    newest = int(SLOTS.open(SLOTS.number(read.clock.now_ms())))
    asked: dict[str, Any] = {"symbol": "BTCUSDT", "interval": "1m", "startTime": newest - 3_000 * MINUTE, "limit": 500}
    assert values(get(read, "klines", **asked).json()) == values(rows_at(read, **asked))
    # The newest candles come last.
    assert get(read, "klines", **{**asked, "startTime": newest, "limit": 1}).status_code == 200
    before = read.exchange.asked.total()
    for _ in range(3):
        assert get(read, "klines", **asked).status_code == 200
    assert read.exchange.asked.total() == before
    old = get(read, "klines", **{**asked, "startTime": newest - 30_000 * MINUTE})
    assert old.status_code == 307
    assert old.headers["location"].startswith(f"{read.exchange_url}/api/v3/klines?")


def test_many_who_want_one_series_at_once_make_one_request(read: ReadHub) -> None:
    async def all_at_once() -> list[int]:
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {read.hub.key('bots')}"}, timeout=BUSY_S
        ) as client:
            query: dict[str, Any] = {"symbol": "ETHUSDT", "interval": "5m", "limit": 100}
            answers = await asyncio.gather(*(client.get(f"{read.url}/api/v3/klines", params=query) for _ in range(40)))
        return [len(answer.json()) for answer in answers]

    assert asyncio.run(all_at_once()) == [100] * 40
    assert read.exchange.asked["/api/v3/klines"] == 1


async def test_streams_push_what_forms_and_what_is_final(read: ReadHub) -> None:
    client = spot_client(read.address(), with_sockets=True)
    try:
        first = await client.watch_ohlcv("BTC/USDT", "1m")
        assert first[-1][0] == SLOTS.open(SLOTS.number(read.clock.now_ms()))
        read.clock.close()
        candles = client.ohlcvs["BTC/USDT"]["1m"]
        await wait_for_async(lambda: len(candles) > 1, "the next candle")
        closed = rows_at(read, symbol="BTCUSDT", interval="1m", startTime=first[-1][0], limit=1)
        assert candles[0] == values(closed)[0][:6]
        assert candles[1][0] == candles[0][0] + MINUTE
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v3/order"),
        ("GET", "/api/v3/openOrders"),
        ("GET", "/api/v3/account"),
        ("DELETE", "/api/v3/order"),
        ("POST", "/api/v3/order/test"),
        ("GET", "/api/v3/klines?symbol=BTCUSDT&interval=1m&signature=ab"),
        ("POST", "/api/v3/userDataStream"),
        ("POST", "/sapi/v1/capital/withdraw/apply"),
        ("POST", "/fapi/v1/order"),
    ],
)
def test_no_order_and_no_account_goes_to_a_hub_by_mistake(resting: ReadHub, method: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {resting.hub.key('bots')}", "X-MBX-APIKEY": "key-of-an-account"}
    answer = httpx.request(method, f"{resting.url}{path}", headers=headers)
    assert answer.status_code == 403
    assert "takes no orders" in answer.json()["msg"]
    assert not resting.exchange.asked


async def test_ccxt_is_told_so_in_its_own_errors(read: ReadHub) -> None:
    client = spot_client(read.address())
    client.urls["api"]["private"] = f"{read.address()}/api/v3"
    try:
        await client.load_markets()
        client.apiKey, client.secret = "key-of-an-account", "secret"
        with pytest.raises(ccxt.AuthenticationError, match="takes no orders"):
            await client.create_order("BTC/USDT", "limit", "buy", 1, 100)
        with pytest.raises(ccxt.BadSymbol):
            await client.publicGetKlines({"symbol": "NOSUCH", "interval": "1m"})
    finally:
        await client.close()


def test_what_a_hub_does_not_have_the_exchange_itself_is_asked_for(resting: ReadHub) -> None:
    answer = get(resting, "depth", symbol="BTCUSDT")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{resting.exchange_url}/api/v3/depth?symbol=BTCUSDT"


def test_keys_of_readers_alone_open_it(resting: ReadHub) -> None:
    assert httpx.get(f"{resting.url}/api/v3/ping").status_code == 401
    stranger = get(resting, "ping", "stranger")
    assert stranger.status_code == 403
    assert "HUB_EXCHANGE_READERS" in stranger.json()["msg"]
    assert get(resting, "ping").json() == {}
    assert httpx.get(f"{resting.address()}/api/v3/ping").json() == {}, "the key as the password of the address"
    operator = {"Authorization": f"Bearer {resting.hub.key('boss', 'operator')}"}
    assert httpx.get(f"{resting.url}/api/v3/ping", headers=operator).status_code == 200


def test_weights_are_counted_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with read_hub(tmp_path, monkeypatch, "BTC", ingests=False, api_rate_exchange="5/minute") as read:
        first = get(read, "time")
        assert first.json()["serverTime"] == pytest.approx(read.clock.now_ms(), abs=60_000)
        assert first.headers["X-MBX-USED-WEIGHT-1M"] == "1"
        assert [get(read, "ping").headers["X-MBX-USED-WEIGHT-1M"] for _ in range(4)] == list("2345")
        refused = get(read, "ping")
        assert refused.status_code == 429
        assert refused.json()["code"] == -1003
        assert int(refused.headers["Retry-After"]) > 0


def test_without_ingest_it_says_what_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.exchange.markets._PATIENCE_S", 0.0)
    with read_hub(tmp_path, monkeypatch, "BTC", ingests=False) as read:
        answer = get(read, "klines", symbol="BTCUSDT", interval="1m")
    assert answer.status_code == 503
    assert "hub up" in answer.json()["msg"]
    assert "Retry-After" in answer.headers


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"symbol": "NOSUCH", "interval": "1m"}, -1121),
        ({"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ({"symbol": "BTCUSDT"}, -1102),
        ({"interval": "1m"}, -1102),
        ({"symbol": "BTCUSDT", "interval": "1m", "startTime": "-5"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": "0"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1m", "timeZone": "8"}, -1100),
    ],
    ids=lambda value: ",".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_wrong_request_is_told_in_the_words_of_the_exchange(read: ReadHub, query: dict[str, str], code: int) -> None:
    answer = get(read, "klines", **query)
    assert answer.status_code == 400
    assert answer.json()["code"] == code


def test_prices_are_those_of_the_candle_that_forms(read: ReadHub) -> None:
    get(read, "klines", symbol="BTCUSDT", interval="1m", limit=2)
    wait_for(lambda: any(state.forming for state in read.hub.store.live.states()), "a forming candle")
    price = float(get(read, "ticker/price", symbol="BTCUSDT").json()["price"])
    assert price == pytest.approx(float(rows_at(read, symbol="BTCUSDT", interval="1m", limit=1)[0][4]), rel=0.01)
    both = get(read, "ticker/price", symbols='["BTCUSDT","ETHUSDT"]').json()
    assert [each["symbol"] for each in both] == ["BTCUSDT", "ETHUSDT"]
    assert get(read, "ticker/price").status_code == 307


def test_markets_are_those_of_the_exchange(read: ReadHub) -> None:
    info = get(read, "exchangeInfo").json()
    own = httpx.get(f"{read.exchange_url}/api/v3/exchangeInfo").json()
    assert info["symbols"] == own["symbols"]
    assert info["rateLimits"][0]["limit"] == 60_000
    one = get(read, "exchangeInfo", symbol="ETHUSDT").json()
    assert [each["symbol"] for each in one["symbols"]] == ["ETHUSDT"]


def test_what_was_answered_is_counted_beside_what_the_exchange_was_asked(read: ReadHub) -> None:
    for _ in range(5):
        get(read, "klines", symbol="BTCUSDT", interval="1m", limit=2)
    operator = read.hub.as_user("boss", "operator")
    wait_for(lambda: "hub_exchange_answers_total 5.0" in operator.get("/metrics").text, "the sums", 30)
    assert 'hub_exchange_requests_total{exchange="BINANCE"}' in operator.get("/metrics").text
