"""Broken connections and a hub that is away: a request happens once, no trigger is missed or comes twice."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from common.errors import ApiRefused, KeyRefused
from registry.client import AsyncHubClient, HubClient, Trigger
from tests.condition_hub.faulty_proxy import faulty_proxy
from tests.condition_hub.served_hub import ServedHub
from tests.waiting import wait_for_async

DAY = datetime(2024, 8, 5, tzinfo=UTC)
EVERY = "BTCUSDT 1h: every(close > 0)"
LATER = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def candles(hourly: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """BTC candles that open from ``first`` until before ``last`` hours after ``DAY``."""
    span = (DAY + timedelta(hours=first), DAY + timedelta(hours=last))
    return hourly.filter(pl.col("open_time").is_between(*span, closed="left") & (pl.col("symbol") == "BTCUSDT"))


def subscribed(hub: ServedHub, user_id: str = "alice") -> str:
    """A key of a user who has a subscription."""
    key = hub.key(user_id)
    with HubClient(hub.url, key) as client:
        client.subscribe_bot("bot", client.register_condition(EVERY), "dca")
    return key


def test_a_request_survives_broken_connections(hub: ServedHub) -> None:
    with faulty_proxy(hub.port, [0, 10, LATER, 200]) as proxy, HubClient(proxy.url, hub.key()) as client:
        condition_id = client.register_condition(EVERY)
        assert proxy.connections == 5
    assert [condition.condition_id for condition in hub.store.registry.conditions()] == [condition_id]


def test_a_refusal_is_not_sent_again(hub: ServedHub) -> None:
    with faulty_proxy(hub.port, []) as proxy, HubClient(proxy.url, hub.key()) as client:
        with pytest.raises(ApiRefused):
            client.register_condition("BTCUSDT 1h: rsj < 30")
        assert proxy.connections == 1


async def test_no_trigger_is_missed_or_comes_twice(hub: ServedHub, hourly: pl.DataFrame) -> None:
    key = subscribed(hub)
    # The first answers break in various places: within the headers, within an event, between two events.
    script: list[int | bytes] = [150, 900, LATER, 3000]
    with faulty_proxy(hub.port, script) as proxy:
        async with AsyncHubClient(proxy.url, key) as client:
            seqs = []
            ticking = asyncio.create_task(asyncio.to_thread(tick_by_tick, hub, hourly))
            async for trigger in client.triggers(bot_id="bot", after_seq=0):
                seqs.append(trigger.seq)
                if len(seqs) == 20:
                    break
            await ticking
            assert seqs == list(range(1, 21))
            assert proxy.connections > 4


def tick_by_tick(hub: ServedHub, hourly: pl.DataFrame) -> None:
    for hour in range(20):
        hub.advance(candles(hourly, hour, hour + 1))


def test_a_stream_goes_on_when_the_hub_comes_back(hub: ServedHub, hourly: pl.DataFrame) -> None:
    key = subscribed(hub)
    got: list[Trigger] = []
    enough = threading.Event()

    def listen() -> None:
        with HubClient(f"http://127.0.0.1:{port}", key) as client:
            for trigger in client.triggers(after_seq=0):
                got.append(trigger)
                enough.set()
                if len(got) == 6:
                    return

    with hub.serving():
        port = hub.port
        hub.advance(candles(hourly, 0, 3))
        thread = threading.Thread(target=listen)
        thread.start()
        assert enough.wait(20)
    # Nobody listens on the port; what fires in the meantime waits in the store.
    hub.advance(candles(hourly, 3, 6))
    with hub.serving(port):
        thread.join(30)
    assert [trigger.seq for trigger in got] == [1, 2, 3, 4, 5, 6]


async def test_a_stream_begins_with_what_comes_or_after_what_was_seen(hub: ServedHub, hourly: pl.DataFrame) -> None:
    key = subscribed(hub)
    await asyncio.to_thread(hub.advance, candles(hourly, 0, 4))
    async with AsyncHubClient(hub.url, key) as client:
        stream = client.triggers(after_seq=2)
        assert [(await anext(stream)).seq for _ in range(2)] == [3, 4]
        fresh = client.triggers()
        waiting = asyncio.ensure_future(anext(fresh))
        await wait_for_async(lambda: hub.streams_of("alice") == 2, "the second stream to open")
        await asyncio.to_thread(hub.advance, candles(hourly, 4, 5))
        assert (await asyncio.wait_for(waiting, 20)).seq == 5


async def test_nobody_hears_of_what_others_subscribed_to(hub: ServedHub, hourly: pl.DataFrame) -> None:
    subscribed(hub, "bob")
    own = subscribed(hub, "alice")
    async with AsyncHubClient(hub.url, own) as client:
        ethereum = await client.register_condition("ETHUSDT 1h: every(close > 0)")
        await client.unsubscribe("bot", await client.register_condition(EVERY))
        await client.subscribe_bot("bot", ethereum, "dca")
        await asyncio.to_thread(hub.advance, hourly.filter(pl.col("open_time") == DAY))
        first = await asyncio.wait_for(anext(client.triggers(after_seq=0)), 20)
    assert first.condition_id == ethereum


def test_a_stream_that_is_refused_says_so(hub: ServedHub) -> None:
    with HubClient(hub.url, "hub_000000000000_" + 43 * "A") as client, pytest.raises(KeyRefused):
        next(client.triggers())


def test_threads_share_a_client(hub: ServedHub) -> None:
    made: list[str] = []
    with HubClient(hub.url, hub.key()) as client:
        texts = [f"BTCUSDT 1h: rsi < {value}" for value in range(1, 41)]
        threads = [
            threading.Thread(target=lambda part: made.extend(map(client.register_condition, part)), args=(texts[k::8],))
            for k in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(made)) == 40
