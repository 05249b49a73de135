"""Websockets of readers: what they may say, and how they are bounded."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from api.exchange.streams import MOST_UNSENT, CandleReader, TooSlow
from tests.api.exchange.reading import BUSY_S, ReadHub, read_hub

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadHub]:
    with read_hub(tmp_path, monkeypatch, "BTC", "ETH", exchange_sockets_per_user=2) as made:
        yield made


def opened(read: ReadHub, path: str, user_id: str = "bots") -> connect:
    headers = {"Authorization": f"Bearer {read.hub.key(user_id)}"}
    address = f"{read.url.replace('http', 'ws', 1)}{path}"
    return connect(address, additional_headers=headers, open_timeout=BUSY_S)


async def said(socket: ClientConnection, message: object) -> Any:
    """What is answered to a message; candles that come meanwhile are passed over."""
    await socket.send(message if isinstance(message, str) else json.dumps(message))
    while True:
        answer = json.loads(await asyncio.wait_for(socket.recv(), BUSY_S))
        if "id" in answer:
            return answer


async def test_a_reader_subscribes_asks_and_leaves(read: ReadHub) -> None:
    async with opened(read, "/ws") as socket:
        stream = "btcusdt@kline_1m"
        assert await said(socket, {"method": "SUBSCRIBE", "params": [stream], "id": 1}) == {"result": None, "id": 1}
        assert (await said(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 2}))["result"] == [stream]
        candle = json.loads(await asyncio.wait_for(socket.recv(), BUSY_S))
        assert (candle["e"], candle["s"], candle["k"]["i"], candle["k"]["x"]) == ("kline", "BTCUSDT", "1m", False)
        assert (await said(socket, {"method": "UNSUBSCRIBE", "params": [stream], "id": "x"}))["id"] == "x"
        assert (await said(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 3}))["result"] == []


async def test_streams_of_an_address_are_wrapped_or_not_as_at_the_exchange(read: ReadHub) -> None:
    async with opened(read, "/stream?streams=btcusdt@kline_1m/ethusdt@kline_5m") as socket:
        names = {json.loads(await asyncio.wait_for(socket.recv(), BUSY_S))["stream"] for _ in range(2)}
    assert names == {"btcusdt@kline_1m", "ethusdt@kline_5m"}
    async with opened(read, "/ws/ethusdt@kline_5m") as socket:
        assert json.loads(await asyncio.wait_for(socket.recv(), BUSY_S))["s"] == "ETHUSDT"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("no json", "Invalid JSON"),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}, "only streams of candles"),
        ({"method": "SUBSCRIBE", "params": ["nosuch@kline_1m"], "id": 1}, "Invalid symbol"),
        ({"method": "SUBSCRIBE", "params": "btcusdt@kline_1m", "id": 1}, "no list"),
        ({"method": "userDataStream.start", "params": [], "id": 1}, "none of SUBSCRIBE"),
    ],
    ids=["no json", "trades", "no such symbol", "no list", "an account's stream"],
)
async def test_what_is_not_here_is_said(read: ReadHub, message: object, why: str) -> None:
    async with opened(read, "/ws/0") as socket:
        assert why in (await said(socket, message))["error"]["msg"]


async def test_no_connection_without_a_key_and_not_too_many_with_one(read: ReadHub) -> None:
    address = read.url.replace("http", "ws", 1)
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(f"{address}/ws")
    assert refused.value.response.status_code == 401
    for path in ("/ws/listenKeyOfAnAccount", "/ws-api/v3", "/ws/btcusdt@trade"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await opened(read, path)
        assert refused.value.response.status_code == 404
    async with opened(read, "/ws"), opened(read, "/ws"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await opened(read, "/ws")
        assert refused.value.response.status_code == 429
    async with opened(read, "/ws"):
        pass


async def talk(socket: ClientConnection) -> None:
    """Send far too many messages, and read what comes."""
    for number in range(50):
        await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
    while True:
        await asyncio.wait_for(socket.recv(), BUSY_S)


async def test_who_talks_too_much_is_cut_off(read: ReadHub) -> None:
    async with opened(read, "/ws") as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await talk(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_who_does_not_read_is_cut_off() -> None:
    reader = CandleReader(is_combined=False)
    for _ in range(MOST_UNSENT):
        reader.put(b"{}")
    assert await reader.next() == b"{}"
    for _ in range(2):
        reader.put(b"{}")
    with pytest.raises(TooSlow):
        await reader.next()


def test_everything_else_goes_on_speaking_http(read: ReadHub) -> None:
    headers = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    assert httpx.get(f"{read.hub.url}/health/live", headers=headers).status_code == 200
