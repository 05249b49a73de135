"""What is sent again, and when."""

import email.utils
import time

import httpx
import pytest

from condition_hub.attempts import Attempts, Backoff


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def answer(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_waits_double_up_to_five_seconds_and_start_again() -> None:
    shortest, longest = Backoff(dice=lambda: 0.0), Backoff(dice=lambda: 1.0)
    assert [longest.next_s() for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert [shortest.next_s() for _ in range(3)] == [0.05, 0.1, 0.2]
    longest.succeeded()
    assert longest.next_s() == 0.1


def test_clients_that_failed_together_do_not_come_back_together() -> None:
    assert len({Backoff().next_s() for _ in range(50)}) == 50


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 409, 413, 422, 500])
def test_an_answer_that_would_be_the_same_again_stands(status: int) -> None:
    assert Attempts(30).wait_after(answer(status)) is None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_failure_is_tried_again(status: int) -> None:
    wait = Attempts(30).wait_after(answer(status))
    assert wait is not None
    assert 0 < wait <= 0.1


def test_a_broken_connection_is_tried_again_until_patience_ends() -> None:
    clock = Clock()
    attempts = Attempts(30, clock)
    waits = []
    while (wait := attempts.wait_after(httpx.ConnectError("refused"))) is not None:
        clock.now += wait
        waits.append(wait)
    assert 24 < sum(waits) <= 30
    assert max(waits) <= 5


def test_retry_after_is_waited_for() -> None:
    assert Attempts(30).wait_after(answer(503, Retry_After="7")) == 7
    moment = email.utils.formatdate(time.time() + 20, usegmt=True)
    wait = Attempts(30).wait_after(answer(503, Retry_After=moment))
    assert wait is not None
    assert 15 < wait <= 20


@pytest.mark.parametrize("header", ["", "soon", "-1", "1.5", "²"])
def test_a_meaningless_retry_after_is_ignored(header: str) -> None:
    wait = Attempts(30).wait_after(httpx.Response(503, headers=[(b"Retry-After", header.encode())]))
    assert wait is not None
    assert wait <= 0.1


def test_a_hub_that_is_away_for_longer_than_patience_is_not_waited_for() -> None:
    assert Attempts(30).wait_after(answer(503, Retry_After="31")) is None


def test_ones_turn_under_a_rate_limit_uses_no_patience_up() -> None:
    clock = Clock()
    attempts = Attempts(1, clock)
    for _ in range(3):
        assert attempts.wait_after(answer(429, Retry_After="60")) == 60
        clock.now += 60
    assert attempts.wait_after(answer(429, Retry_After="121")) is None
