"""Moving windows: what each user's latest requests came to, as far back as they count."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_SWEEP_S = 60.0
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``amount`` in any span of ``seconds``; a request counts once, and a costly one several times."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> "RateLimit":
        """The limit that a valid rate of the settings stands for: ``60/minute``, ``1000/5 minute``."""
        amount, _, window = text.partition("/")
        count, _, unit = window.rpartition(" ")
        return cls(int(amount), int(count or 1) * _SECONDS[unit])


class WindowCount(NamedTuple):
    """What became of a request that was to be counted."""

    taken: bool
    """Whether it was let in, and counted."""
    remaining: int
    """How much more is allowed."""
    reset_s: float
    """The seconds until there is more room, and, after a refusal, enough for the request."""


class _Window:
    """Times and costs, oldest first, and the sum of the costs."""

    __slots__ = ("costs", "seconds", "times", "total")

    def __init__(self, seconds: int) -> None:
        self.times: deque[float] = deque()
        self.costs: deque[int] = deque()
        self.seconds = seconds
        self.total = 0

    def drop(self, until: float) -> None:
        while self.times and self.times[0] <= until:
            self.times.popleft()
            self.total -= self.costs.popleft()

    def add(self, now: float, cost: int) -> None:
        self.times.append(now)
        self.costs.append(cost)
        self.total += cost


class MovingWindows:
    """Keeps one window for each class and user. For use on one event loop.

    ``monotonic`` returns seconds and never goes back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._windows: dict[tuple[str, str], _Window] = {}
        """By class and user."""
        self._swept = monotonic()

    def count(self, limit: RateLimit, name: str, whose: str, cost: int = 1, *, beyond: bool = False) -> WindowCount:
        """Count a request unless that would exceed the limit, or even ``beyond`` it, and say how much is left."""
        if beyond:
            self.charge(limit, name, whose, cost)
        taken = beyond or self.take(limit, name, whose, cost)
        return WindowCount(taken, *self.left(limit, name, whose, 1 if taken else min(cost, limit.amount)))

    def take(self, limit: RateLimit, name: str, whose: str, cost: int = 1) -> bool:
        """Count a request unless that would exceed the limit; whether it was counted."""
        window = self._counted(limit, name, whose)
        if window.total + cost > limit.amount:
            return False
        self._add(window, name, whose, cost)
        return True

    def charge(self, limit: RateLimit, name: str, whose: str, cost: int) -> None:
        """Count what a request has already cost, even beyond the limit: then the next one waits for longer."""
        if cost:
            self._add(self._counted(limit, name, whose), name, whose, cost)

    def left(self, limit: RateLimit, name: str, whose: str, cost: int = 1) -> tuple[int, float]:
        """How much more is allowed, and the seconds until there is more room, and enough for ``cost``."""
        window = self._counted(limit, name, whose)
        remaining = max(0, limit.amount - window.total)
        if not window.times:
            return remaining, 0.0
        needed, last = window.total + cost - limit.amount, window.times[0]
        for counted, at in zip(window.costs, window.times, strict=True):
            last = at
            needed -= counted
            if needed <= 0:
                break
        return remaining, last + limit.seconds - self._monotonic()

    def _counted(self, limit: RateLimit, name: str, whose: str) -> _Window:
        window = self._windows.get((name, whose)) or _Window(limit.seconds)
        window.drop(self._monotonic() - limit.seconds)
        return window

    def _add(self, window: _Window, name: str, whose: str, cost: int) -> None:
        if not window.times:
            self._sweep()
            self._windows[name, whose] = window
        window.add(self._monotonic(), cost)

    def _sweep(self) -> None:
        """Drop windows in which nothing counts any more."""
        now = self._monotonic()
        if now - self._swept > _SWEEP_S:
            self._swept = now
            over = [
                key
                for key, window in self._windows.items()
                if not window.times or window.times[-1] <= now - window.seconds
            ]
            for key in over:
                del self._windows[key]
