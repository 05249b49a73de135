"""How often a user may ask, counted in this process: each of a few classes of requests has a rate of its own."""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from limits import RateLimitItem, parse

from api.problems import ProblemError
from registry.settings import Settings

RateClass = Literal["read", "write", "bulk", "compute", "stream"]
"""``compute`` judges candles on demand: preview and explain; ``stream`` opens a stream of events."""
_SWEEP_S = 60.0


class Window:
    """Counts in a moving window: never more than ``limit`` in any span of its length. Used on the event loop alone.

    The windows of the library that reads the limits start a thread every 10 ms to forget what is old, which costs more
    than most requests; here it is forgotten when somebody asks, and all at once each minute.
    """

    def __init__(self, limit: RateLimitItem, now_s: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._now_s = now_s
        self._length_s = limit.get_expiry()
        self._taken: dict[str, deque[float]] = {}
        self._sweep_at = now_s() + _SWEEP_S

    def take(self, whose: str) -> bool:
        """Count one, if that is not too many."""
        taken = self._current(whose)
        if len(taken) >= self.limit.amount:
            return False
        taken.append(self._now_s())
        return True

    def left(self, whose: str) -> tuple[int, int]:
        """How many are left, and the seconds after which there is one more, rounded up."""
        taken = self._current(whose)
        wait_s = taken[0] + self._length_s - self._now_s() if taken else 0.0
        return self.limit.amount - len(taken), max(1, math.ceil(wait_s))

    def _current(self, whose: str) -> deque[float]:
        now = self._now_s()
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_S
            self._taken = {name: held for name, held in self._taken.items() if held and held[-1] > now - self._length_s}
        taken = self._taken.setdefault(whose, deque())
        while taken and taken[0] <= now - self._length_s:
            taken.popleft()
        return taken


class RateLimiter:
    """The windows of all classes."""

    def __init__(self, settings: Settings) -> None:
        self._windows = {
            "read": Window(parse(settings.api_rate_read)),
            "write": Window(parse(settings.api_rate_write)),
            "bulk": Window(parse(settings.api_rate_bulk)),
            "compute": Window(parse(settings.api_rate_compute)),
            "stream": Window(parse(settings.api_rate_stream)),
        }
        self._refused = Window(parse(settings.api_rate_refused))
        """Of addresses: wrong and missing keys."""

    def take(self, name: RateClass, user_id: str) -> dict[str, str]:
        """Count one request; the headers that say what is left. Raises a 429 problem when nothing is."""
        window = self._windows[name]
        taken = window.take(user_id)
        headers = _headers(name, window, user_id)
        if not taken:
            limit = window.limit
            span = f"{limit.get_expiry()} s"
            raise _too_many(f"too many requests: {limit.amount} of the class {name} are allowed in {span}", headers)
        return headers

    def refuse(self, address: str) -> None:
        """Count a wrong or missing key; raises a 429 problem for an address that has sent too many."""
        if not self._refused.take(address):
            headers = _headers("refused", self._refused, address)
            raise _too_many("too many requests with a wrong key, or with none, from this address", headers)


def _headers(name: str, window: Window, whose: str) -> dict[str, str]:
    remaining, reset = window.left(whose)
    limit = window.limit
    return {
        "RateLimit-Policy": f'"{name}";q={limit.amount};w={limit.get_expiry()}',
        "RateLimit-Limit": str(limit.amount),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }


def _too_many(detail: str, headers: dict[str, str]) -> ProblemError:
    reset = headers["RateLimit-Reset"]
    return ProblemError(
        429, "too-many-requests", f"{detail}; try again in {reset} s", headers={**headers, "Retry-After": reset}
    )
