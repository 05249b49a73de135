"""Moving windows: when each user's latest requests came, as far back as they count."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_SWEEP_S = 60.0
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``amount`` requests in any span of ``seconds``."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> "RateLimit":
        """The limit that a valid rate of the settings stands for: ``60/minute``, ``1000/5 minute``."""
        amount, _, window = text.partition("/")
        count, _, unit = window.rpartition(" ")
        return cls(int(amount), int(count or 1) * _SECONDS[unit])


class MovingWindows:
    """Keeps one window for each class and user. For use on one event loop.

    ``monotonic`` returns seconds and never goes back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._windows: dict[tuple[str, str], tuple[deque[float], int]] = {}
        """(class, user) -> times, oldest first, and the seconds for which each of them counts."""
        self._swept = monotonic()

    def take(self, limit: RateLimit, name: str, whose: str) -> bool:
        """Count a request unless the limit has been reached; whether it was counted."""
        times = self._counted(limit, name, whose)
        if len(times) >= limit.amount:
            return False
        if not times:
            self._sweep()
            self._windows[name, whose] = times, limit.seconds
        times.append(self._monotonic())
        return True

    def left(self, limit: RateLimit, name: str, whose: str) -> tuple[int, float]:
        """How many more requests are allowed, and the seconds until there is room for another one."""
        times = self._counted(limit, name, whose)
        return limit.amount - len(times), times[0] + limit.seconds - self._monotonic() if times else 0.0

    def _counted(self, limit: RateLimit, name: str, whose: str) -> deque[float]:
        times, _ = self._windows.get((name, whose), (deque[float](), 0))
        since = self._monotonic() - limit.seconds
        while times and times[0] <= since:
            times.popleft()
        return times

    def _sweep(self) -> None:
        """Drop windows in which nothing counts any more."""
        now = self._monotonic()
        if now - self._swept > _SWEEP_S:
            self._swept = now
            over = [key for key, (times, seconds) in self._windows.items() if not times or times[-1] <= now - seconds]
            for key in over:
                del self._windows[key]
