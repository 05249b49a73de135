"""The live feed: missed events, then live ones, without gaps or duplicates, however slow the reader is."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from common.errors import StoreError
from events.log.live_feed import Following, LiveFeed
from events.log.payload import Entry
from events.log.publisher import drain
from events.log.reconciliation import reconcile
from events.log.redis_log import STREAM, RedisEventLog
from events.server import BundledServer
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog
from tests.registry.store.ticks import BTC, HOUR, tick
from tests.waiting import wait_for_async


class Hub:
    """A store that fires, and a real log that it publishes to."""

    def __init__(self, store: FileStore, log: RedisEventLog) -> None:
        self.store = store
        self.log = log
        self.ticks = 0

    def fire(self, count: int) -> None:
        before = self.ticks * HOUR or None
        self.ticks += 1
        self.store.ticks.record_tick(tick(self.ticks * HOUR, (BTC, before), triggers=count))

    def publish(self, count: int) -> None:
        self.fire(count)
        drain(self.store, self.log)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BundledServer]:
    started = BundledServer(tmp_path / "events").start()
    yield started
    started.stop()


@pytest.fixture
def hub(store: FileStore, server: BundledServer) -> Iterator[Hub]:
    client = server.connect()
    yield Hub(store, RedisEventLog(client))
    client.close()


@asynccontextmanager
async def running(feed: LiveFeed) -> AsyncIterator[LiveFeed]:
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def taken(following: Following, until: int) -> list[Entry]:
    """Everything up to a ``seq``, and what is taken together with it."""
    entries: list[Entry] = []
    async with asyncio.timeout(20):
        while not entries or entries[-1].seq < until:
            entries += await following.take()
    return entries


def seqs(entries: list[Entry]) -> list[int]:
    return [entry.seq for entry in entries]


async def test_what_was_missed_comes_first_and_what_follows_joins_on(hub: Hub) -> None:
    hub.publish(2_500)
    async with running(LiveFeed(hub.store.triggers, hub.log)) as feed:
        with feed.follow(after_seq=10) as following:
            entries = await following.take()
            await asyncio.to_thread(hub.publish, 700)
            entries += await taken(following, 3_200)
            assert seqs(entries) == list(range(11, 3_201))
            assert entries[0].event.trigger_id == hub.store.triggers.after(10, 1)["trigger_id"][0]


async def test_readers_that_come_while_events_do_miss_and_repeat_nothing(hub: Hub) -> None:
    async def read(start: int) -> None:
        with feed.follow(after_seq=start) as following:
            assert seqs(await taken(following, 20 * 60)) == list(range(start + 1, 20 * 60 + 1))

    async with running(LiveFeed(hub.store.triggers, hub.log, queue=50)) as feed, asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(read(number * 20))
            await asyncio.to_thread(hub.publish, 60)


async def test_a_slow_reader_loses_its_queue_and_no_event(hub: Hub) -> None:
    async with running(LiveFeed(hub.store.triggers, hub.log, queue=10)) as feed:
        with feed.follow() as slow, feed.follow() as quick:
            entries: list[Entry] = []
            for number in range(1, 6):
                await asyncio.to_thread(hub.publish, 100)
                assert seqs(await taken(quick, number * 100))[-1] == number * 100
                entries += await slow.take()
            entries += await taken(slow, 500)
            assert seqs(entries) == list(range(1, 501))


async def test_a_reader_of_some_conditions_gets_those_and_moves_on_with_all(hub: Hub) -> None:
    hub.publish(20)
    third = f"{2:032x}"
    async with running(LiveFeed(hub.store.triggers, hub.log)) as feed:
        with feed.follow(after_seq=0, conditions=[third]) as following:
            assert seqs(await taken(following, 3)) == [3]
            await asyncio.to_thread(hub.publish, 20)
            assert seqs(await taken(following, 23)) == [23]
            await wait_for_async(lambda: following.position == 40, "the reader to pass over what it does not want")
            following.watch([f"{3:032x}"])
            await asyncio.to_thread(hub.publish, 20)
            assert seqs(await taken(following, 44)) == [44]


async def test_a_wait_ends_in_time_and_costs_no_event(hub: Hub) -> None:
    async with running(LiveFeed(hub.store.triggers, hub.log)) as feed:
        with feed.follow() as following:
            assert await following.take(0.05) == []
            await asyncio.to_thread(hub.publish, 3)
            assert seqs(await taken(following, 3)) == [1, 2, 3]
        assert await following.take() == [], "a closed reader waits for nothing"


async def test_iterating_gives_one_event_after_another(hub: Hub) -> None:
    hub.publish(5)
    async with running(LiveFeed(hub.store.triggers, hub.log)) as feed:
        with feed.follow(after_seq=0) as following:
            iterated = []
            async for entry in following:
                iterated.append(entry.seq)
                if entry.seq == 5:
                    break
            assert iterated == [1, 2, 3, 4, 5]


async def test_a_trimmed_or_wiped_stream_leaves_no_hole(hub: Hub, server: BundledServer) -> None:
    async with running(LiveFeed(hub.store.triggers, hub.log)) as feed:
        with feed.follow() as following:
            await asyncio.to_thread(hub.publish, 30)
            assert seqs(await taken(following, 30)) == list(range(1, 31))
            client = server.connect()
            hub.fire(50)
            drain(hub.store, hub.log)
            client.xtrim(STREAM, maxlen=5, approximate=False)
            client.flushall()
            await asyncio.to_thread(hub.publish, 20)
            assert seqs(await taken(following, 100)) == list(range(31, 101))
            client.close()


async def test_a_server_that_is_away_delays_events_and_stops_none(hub: Hub, server: BundledServer) -> None:
    async with running(LiveFeed(hub.store.triggers, hub.log)) as feed:
        with feed.follow() as following:
            server.stop()
            hub.fire(30)
            assert seqs(await taken(following, 30)) == list(range(1, 31))
            server.start()
            await asyncio.to_thread(hub.publish, 10)
            assert seqs(await taken(following, 40)) == list(range(31, 41))


async def test_a_store_that_fails_for_a_while_stops_no_reader(store: FileStore, log: MemoryLog) -> None:
    failures = [StoreError("away"), StoreError("away")]

    def before() -> None:
        if failures:
            raise failures.pop()

    async with running(LiveFeed(store.triggers, log, before=before)) as feed:
        with feed.follow() as following:
            store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=5))
            drain(store, log)
            assert seqs(await taken(following, 5)) == [1, 2, 3, 4, 5]
    assert not failures, "the reader was served although the store failed"


async def test_a_reader_from_beyond_the_newest_waits_for_what_follows(store: FileStore, log: MemoryLog) -> None:
    store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=5))
    async with running(LiveFeed(store.triggers, log)) as feed:
        with feed.follow(after_seq=8) as following:
            store.ticks.record_tick(tick(2 * HOUR, (BTC, HOUR), triggers=5))
            drain(store, log)
            assert seqs(await taken(following, 10)) == [9, 10]


async def test_an_entry_that_is_no_event_stops_nobody(hub: Hub) -> None:
    hub.publish(2)
    async with running(LiveFeed(hub.store.triggers, hub.log)) as feed:
        with feed.follow(after_seq=0) as following:
            assert seqs(await taken(following, 2)) == [1, 2]
            # One that hides a trigger of the store, and one under a number that the store has not given.
            hub.fire(1)
            hub.log.client.xadd(STREAM, {"event": "no json"}, id="3-0")
            await asyncio.to_thread(hub.publish, 2)
            assert seqs(await taken(following, 5)) == [3, 4, 5]
            hub.log.client.xadd(STREAM, {"event": "no json"}, id="9-0")
            await asyncio.to_thread(reconcile, hub.store, hub.log)
            await asyncio.to_thread(hub.publish, 1)
            assert seqs(await taken(following, 10)) == [10]
