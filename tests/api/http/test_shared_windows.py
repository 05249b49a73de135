"""Windows that services share: exactly the rate between all of them, and each for itself while nobody can be asked."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from api.http import shared_windows
from api.http.moving_windows import MovingWindows, RateLimit
from api.http.problems import ProblemError
from api.http.rates import RateLimiter, Rates
from api.http.shared_windows import SharedWindows
from events.server import BundledServer
from tests.api.still_clock import StillClock


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BundledServer]:
    server = BundledServer(tmp_path_factory.mktemp("windows")).start()
    yield server
    server.stop()


@pytest.fixture
def client(server: BundledServer) -> Iterator[redis.Redis]:
    client = server.connect()
    client.flushall()
    yield client
    client.close()


def address(client: redis.Redis) -> str:
    arguments = client.connection_pool.connection_kwargs
    return f"unix://:{arguments['password']}@{arguments['path']}"


async def test_between_all_services_exactly_the_rate_is_let_in(client: redis.Redis) -> None:
    limit = RateLimit.parse("100/hour")
    services = [SharedWindows(address(client)) for _ in range(3)]
    counts = await asyncio.gather(*(services[at % 3].count(limit, "read", "ann", 1) for at in range(400)))
    assert sum(count is not None and count.taken for count in counts) == 100
    assert {count.remaining for count in counts if count is not None and not count.taken} == {0}
    other = await services[0].count(limit, "read", "bob", 7)
    assert other is not None
    assert (other.taken, other.remaining, 3_599 < other.reset_s <= 3_600) == (True, 93, True)
    for service in services:
        await service.close()


async def test_it_counts_as_a_service_alone_does(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random costs at random times: the server's windows say what those of one process say."""
    named = shared_windows._COUNT.replace("redis.call('TIME')", "{0, redis.call('GET', 'clock')}")
    monkeypatch.setattr("api.http.shared_windows._COUNT", named)
    clock, dice = StillClock(), random.Random(5)
    shared, alone = SharedWindows(address(client)), MovingWindows(clock)
    limit, refusals = RateLimit.parse("40/10 second"), 0
    for _ in range(600):
        clock.now += dice.choice((0.0, 0.25, 0.5, 4.0))
        client.set("clock", str(round(clock.now * 1_000_000)))
        cost, beyond = dice.choice((1, 1, 3, 12, 50)), dice.random() < 0.1
        count = await shared.count(limit, "write", "ann", cost, beyond=beyond)
        expected = alone.count(limit, "write", "ann", cost, beyond=beyond)
        assert count is not None
        assert (count.taken, count.remaining) == (expected.taken, expected.remaining)
        assert count.reset_s == pytest.approx(expected.reset_s, abs=2e-6)
        refusals += not count.taken
    assert refusals > 100
    await shared.close()


async def test_what_nobody_counts_any_more_is_gone(client: redis.Redis) -> None:
    shared = SharedWindows(address(client))
    await shared.count(RateLimit.parse("5/second"), "read", "a-name-that-nobody-may-read")
    keys = client.keys()
    assert len(keys) == 2
    assert "a-name" not in str(keys)
    assert all(0 < client.pttl(key) <= 1_001 for key in keys)
    await shared.close()


async def test_a_service_that_cannot_ask_counts_for_itself_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = BundledServer(tmp_path / "events").start()
    client = server.connect()
    clock = StillClock()
    shared = SharedWindows(address(client), clock)
    limiter = RateLimiter(Rates({"read": RateLimit.parse("4/hour")}), clock, shared)
    assert (await limiter.take("read", "ann"))["RateLimit-Remaining"] == "3"
    server.stop()
    # What it let in before is known to it.
    assert (await limiter.take("read", "ann"))["RateLimit-Remaining"] == "2"
    assert not shared.is_reachable
    assert "counts for itself" in caplog.text
    for _ in range(2):
        await limiter.take("read", "ann")
    with pytest.raises(ProblemError, match="too many requests"):
        await limiter.take("read", "ann")
    server.start()
    server.connect().flushall()
    clock.now += 3
    assert (await limiter.take("read", "ann"))["RateLimit-Remaining"] == "3"
    assert shared.is_reachable
    await shared.close()
    server.stop()
