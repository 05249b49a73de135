"""Moving windows: exactly as many as allowed in any span, and no memory of who is gone."""

import random

from limits import parse

from api.http.moving_windows import MovingWindows


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_never_more_in_any_span_and_never_less_than_allowed() -> None:
    clock, dice, limit = Clock(), random.Random(3), parse("7/10 second")
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
    windows, limit = MovingWindows(Clock()), parse("1/second")
    assert [windows.take(limit, name, whose) for name in ("read", "write") for whose in ("ann", "bob")] == [True] * 4
    assert not windows.take(limit, "read", "ann")


def test_who_is_gone_is_forgotten() -> None:
    clock, limit = Clock(), parse("5/second")
    windows = MovingWindows(clock)
    for number in range(10_000):
        windows.take(limit, "read", f"user-{number}")
    clock.now += 100
    windows.take(limit, "read", "ann")
    assert list(windows._windows) == [("read", "ann")]
