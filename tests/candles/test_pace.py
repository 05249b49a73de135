"""How fast an exchange is asked: within a bound of one's own, and not at all while it wants to be left alone."""

import pytest

from candles.pace import Pace
from common.errors import ExchangeError


class Time:
    """A clock that moves when somebody sleeps, and remembers for how long."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock() -> Time:
    return Time()


def pace(clock: Time, most_a_minute: int | None = None) -> Pace:
    return Pace("BINANCE", most_a_minute, clock.sleep, lambda: clock.now_s)


async def test_a_minute_has_no_more_requests_than_it_may(clock: Time) -> None:
    paced, made = pace(clock, 3), []
    for _ in range(10):
        await paced.turn()
        made.append(clock.now_s)
        clock.now_s += 1
    for begin in made:
        assert sum(begin <= at < begin + 60 for at in made) <= 3
    assert clock.slept == [57.0, 57.0, 57.0]


async def test_without_a_bound_nobody_waits(clock: Time) -> None:
    paced = pace(clock)
    for _ in range(1_000):
        await paced.turn()
    assert clock.slept == []


async def test_an_exchange_that_wants_rest_gets_it_from_everybody(clock: Time) -> None:
    paced = pace(clock)
    paced.rest(30)
    await paced.turn()
    assert clock.slept == [30.0]
    await paced.turn()
    assert clock.slept == [30.0]


async def test_a_long_ban_is_not_waited_out_and_nothing_is_asked_meanwhile(clock: Time) -> None:
    paced = pace(clock)
    with pytest.raises(ExchangeError, match="BINANCE wants to be left alone for 60 minutes"):
        paced.rest(3_600)
    clock.now_s += 1_800
    with pytest.raises(ExchangeError, match="for 30 minutes"):
        await paced.turn()
    clock.now_s += 1_800
    await paced.turn()
    assert clock.slept == []
