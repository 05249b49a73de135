"""Rate limits: each class of requests has a rate per user, counted in this process, or by all services together that
share a store (:mod:`api.http.shared_windows`).

A request counts once, and more often the more work it makes, so that a user's rate bounds the time that others lose:

- ``write``: once for each started KiB of its body; a condition that is refused, once more for each 256 bytes;
- ``bulk``: once for each started 8 KiB or 50 conditions, whichever are more, and once for each refused condition;
- any: once more for each 1,000 characters of canonical text that had to be worked out or read (``rises_by`` within many
  candles unfolds to a comparison with each of them).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from api.http.moving_windows import MovingWindows, RateLimit, WindowCount
from api.http.problems import ProblemError
from api.http.shared_windows import SharedWindows
from common.settings import Settings

RateClass = Literal["read", "write", "bulk", "compute", "stream", "exchange"]
"""``compute`` judges candles on demand (preview and explain); ``stream`` opens a stream of events; ``exchange`` is the
weight of what is read through the hub (:mod:`api.exchange`)."""

_BYTES_COUNTED: dict[RateClass, int] = {"write": 1024, "bulk": 8 * 1024}
"""Bytes of a body that count once."""
_CONDITIONS_COUNTED = 50
"""Conditions of a bulk registration that count once."""
_REFUSED_BYTES_COUNTED = 256
"""Bytes of a refused condition that count once more."""
_UNFOLDED_COUNTED = 1_000
"""Characters of canonical text that count once more."""


def cost_of_body(name: RateClass, size: int) -> int:
    """How often a request with a body of that many bytes counts, beyond the once for which it was admitted."""
    counted = _BYTES_COUNTED.get(name)
    return max(0, -(-size // counted) - 1) if counted else 0


def cost_of_many(conditions: int, size: int) -> int:
    """How often a bulk registration counts for its conditions, beyond what its body counts for."""
    return max(0, -(-conditions // _CONDITIONS_COUNTED) - 1 - cost_of_body("bulk", size))


def cost_of_refusal(size: int) -> int:
    """How often a refused condition counts, beyond what its body counts for."""
    return size // _REFUSED_BYTES_COUNTED


def cost_of_unfolding(canonical: str) -> int:
    """How often a condition counts for the size of its canonical text."""
    return len(canonical) // _UNFOLDED_COUNTED


@dataclass(frozen=True)
class Rates:
    """Class -> its limit; ``refused`` limits requests with a wrong or missing key, per address."""

    limits: dict[str, RateLimit]

    @classmethod
    def of(cls, settings: Settings) -> "Rates":
        """The rates of the settings."""
        return cls(
            {
                "read": RateLimit.parse(settings.api_rate_read),
                "write": RateLimit.parse(settings.api_rate_write),
                "bulk": RateLimit.parse(settings.api_rate_bulk),
                "compute": RateLimit.parse(settings.api_rate_compute),
                "stream": RateLimit.parse(settings.api_rate_stream),
                "exchange": RateLimit.parse(settings.api_rate_exchange),
                "refused": RateLimit.parse(settings.api_rate_refused),
            }
        )


class RateLimiter:
    """Counts requests in moving windows: no request is let in that exceeds the rate in any span of its length.

    With ``shared`` windows, several services count together; while those cannot be reached, each counts by itself.
    """

    def __init__(
        self, rates: Rates, monotonic: Callable[[], float] = time.monotonic, shared: SharedWindows | None = None
    ) -> None:
        self._limits = rates.limits
        self._windows = MovingWindows(monotonic)
        self._shared = shared

    def limit(self, name: RateClass) -> RateLimit:
        """The limit of a class."""
        return self._limits[name]

    async def take(self, name: RateClass, user_id: str) -> dict[str, str]:
        """Count a request; returns the headers that say how many are left. Raises a 429 problem if none are."""
        limit = self._limits[name]
        count = await self._count(name, user_id)
        headers = _headers(name, limit, count)
        if not count.taken:
            raise _too_many(
                f"too many requests: {limit.amount} of the class {name} are allowed in {_span(limit)}", headers
            )
        return headers

    async def take_more(self, name: RateClass, user_id: str, cost: int) -> dict[str, str]:
        """Count more for a request that was let in, now that its cost is known; returns the headers as they are then.

        Raises a 429 problem if that exceeds the rate; then nothing more is counted.
        """
        limit = self._limits[name]
        count = await self._count(name, user_id, cost)
        headers = _headers(name, limit, count)
        if not count.taken:
            raise _too_many(
                f"this request counts {cost} times more, and {limit.amount} of the class {name} are allowed in"
                f" {_span(limit)}; {headers['RateLimit-Remaining']} are left: send less at once",
                headers,
            )
        return headers

    async def charge(self, name: RateClass, user_id: str, cost: int) -> dict[str, str]:
        """Count more for what a request has cost already; returns the headers as they are then."""
        return _headers(name, self._limits[name], await self._count(name, user_id, cost, beyond=True))

    async def take_refused(self, address: str) -> None:
        """Count a wrong or missing key; raises a 429 problem for an address that has sent too many."""
        count = await self._count("refused", address)
        if not count.taken:
            headers = _headers("refused", self._limits["refused"], count)
            raise _too_many("too many requests with a wrong or missing key from this address", headers)

    async def _count(self, name: str, whose: str, cost: int = 1, *, beyond: bool = False) -> WindowCount:
        limit = self._limits[name]
        if self._shared is not None:
            count = await self._shared.count(limit, name, whose, cost, beyond=beyond)
            if count is not None:
                if count.taken:
                    # When the others are out of reach, the user's requests of a moment ago are known here.
                    self._windows.charge(limit, name, whose, cost)
                return count
        return self._windows.count(limit, name, whose, cost, beyond=beyond)


def _headers(name: str, limit: RateLimit, count: WindowCount) -> dict[str, str]:
    # Rounded up, so that a client that waits this long is let in.
    reset = max(1, math.ceil(count.reset_s))
    return {
        "RateLimit-Policy": f'"{name}";q={limit.amount};w={limit.seconds}',
        "RateLimit-Limit": str(limit.amount),
        "RateLimit-Remaining": str(count.remaining),
        "RateLimit-Reset": str(reset),
    }


def _too_many(detail: str, headers: dict[str, str]) -> ProblemError:
    reset = headers["RateLimit-Reset"]
    return ProblemError(
        429, "too-many-requests", f"{detail}; try again in {reset} s", headers={**headers, "Retry-After": reset}
    )


def _span(limit: RateLimit) -> str:
    return "a second" if limit.seconds == 1 else f"{limit.seconds} seconds"
