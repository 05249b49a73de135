"""Rate limits: each class of requests has a rate per user, counted in this process."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from api.http.moving_windows import MovingWindows, RateLimit
from api.http.problems import ProblemError
from common.settings import Settings

RateClass = Literal["read", "write", "bulk", "compute", "stream"]
"""``compute`` judges candles on demand (preview and explain); ``stream`` opens a stream of events."""


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
                "refused": RateLimit.parse(settings.api_rate_refused),
            }
        )


class RateLimiter:
    """Counts requests in moving windows: never more than the rate in any span of its length."""

    def __init__(self, rates: Rates, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = rates.limits
        self._windows = MovingWindows(monotonic)

    def take(self, name: RateClass, user_id: str) -> dict[str, str]:
        """Count a request; returns the headers that say how many are left. Raises a 429 problem if none are."""
        limit = self._limits[name]
        taken = self._windows.take(limit, name, user_id)
        headers = self._headers(name, limit, user_id)
        if not taken:
            raise _too_many(
                f"too many requests: {limit.amount} of the class {name} are allowed in {_span(limit)}", headers
            )
        return headers

    def check_refused(self, address: str) -> None:
        """Raises a 429 problem for an address that has sent too many wrong keys."""
        limit = self._limits["refused"]
        if not self._windows.left(limit, "refused", address)[0]:
            headers = self._headers("refused", limit, address)
            raise _too_many("too many requests with a wrong or missing key from this address", headers)

    def count_refused(self, address: str) -> None:
        """Count a wrong or missing key."""
        self._windows.take(self._limits["refused"], "refused", address)

    def _headers(self, name: str, limit: RateLimit, whose: str) -> dict[str, str]:
        remaining, reset_s = self._windows.left(limit, name, whose)
        # Rounded up, so that a client that waits this long is let in.
        reset = max(1, math.ceil(reset_s))
        return {
            "RateLimit-Policy": f'"{name}";q={limit.amount};w={limit.seconds}',
            "RateLimit-Limit": str(limit.amount),
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": str(reset),
        }


def _too_many(detail: str, headers: dict[str, str]) -> ProblemError:
    reset = headers["RateLimit-Reset"]
    return ProblemError(
        429, "too-many-requests", f"{detail}; try again in {reset} s", headers={**headers, "Retry-After": reset}
    )


def _span(limit: RateLimit) -> str:
    return "a second" if limit.seconds == 1 else f"{limit.seconds} seconds"
