"""Moving windows: exactly as many as allowed in any span, and idle users are forgotten."""

import random

import pytest

from api.http.moving_windows import MovingWindows, RateLimit
from tests.api.still_clock import StillClock


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [
        ("60/minute", 60, 60),
        ("1000/5 minute", 1000, 300),
        ("2/1 second", 2, 1),
        ("7/hour", 7, 3_600),
        ("1/3 day", 1, 259_200),
    ],
)
def test_a_rate_of_the_settings(text: str, amount: int, seconds: int) -> None:
    assert RateLimit.parse(text) == RateLimit(amount, seconds)


def test_never_more_in_any_span_and_never_less_than_allowed() -> None:
    clock, dice, limit = StillClock(), random.Random(3), RateLimit.parse("7/10 second")
    windows = MovingWindows(clock)
    taken: list[float] = []
    for _ in range(3_000):
        clock.now += dice.choice((0.0, 0.5, 1.0, 3.0))
        recent = [moment for moment in taken if moment > clock.now - 10]
        remaining, reset_s = windows.left(limit, "read", "ann")
        assert remaining == 7 - len(recent)
        assert reset_s == (recent[0] + 10 - clock.now if recent else 0)
        assert windows.take(limit, "read", "ann") is (len(recent) < 7)
        if len(recent) < 7:
            taken.append(clock.now)
    assert len(taken) > 1_000


def test_each_user_and_each_class_has_a_window() -> None:
    windows, limit = MovingWindows(StillClock()), RateLimit.parse("1/second")
    assert [windows.take(limit, name, whose) for name in ("read", "write") for whose in ("ann", "bob")] == [True] * 4
    assert not windows.take(limit, "read", "ann")


def test_idle_users_are_forgotten() -> None:
    clock, limit = StillClock(), RateLimit.parse("5/second")
    windows = MovingWindows(clock)
    for number in range(10_000):
        windows.take(limit, "read", f"user-{number}")
    clock.now += 100
    windows.take(limit, "read", "ann")
    assert list(windows._windows) == [("read", "ann")]


def test_a_costly_request_takes_the_room_of_several_and_gives_it_back() -> None:
    clock, limit = StillClock(), RateLimit.parse("10/10 second")
    windows = MovingWindows(clock)
    assert windows.take(limit, "write", "ann", 6)
    clock.now += 4
    assert not windows.take(limit, "write", "ann", 5)
    assert windows.take(limit, "write", "ann", 4)
    assert windows.left(limit, "write", "ann") == (0, 6.0)
    assert windows.left(limit, "write", "ann", 6) == (0, 6.0)
    assert windows.left(limit, "write", "ann", 7) == (0, 10.0), "the second one has to end, too"
    clock.now += 6
    assert windows.left(limit, "write", "ann") == (6, 4.0)
    assert windows.take(limit, "write", "ann", 6)


def test_a_charge_beyond_the_limit_makes_the_next_one_wait_for_longer() -> None:
    clock, limit = StillClock(), RateLimit.parse("10/10 second")
    windows = MovingWindows(clock)
    windows.charge(limit, "write", "ann", 8)
    clock.now += 5
    windows.charge(limit, "write", "ann", 12)
    assert windows.left(limit, "write", "ann") == (0, 10.0), "without the first, 12 of 10 are left"
    clock.now += 5
    assert not windows.take(limit, "write", "ann")
    clock.now += 5
    assert windows.take(limit, "write", "ann")
