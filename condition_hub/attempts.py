"""When a failed request is sent again.

Every operation of the hub can safely be repeated: registering and subscribing give the same answer the second time. So
a request is sent again after a broken connection, a timeout, or an answer that asks for patience (429, 502, 503, 504).
Waits grow from a tenth of a second to five seconds, each drawn at random between half of that and all of it, so that
clients that failed together do not come back together; ``Retry-After`` is always waited out. Patience is for failures:
waiting for one's turn under a rate limit does not use it up, unless the turn is more than two minutes away.
"""

import random
import time
from collections.abc import Callable

import httpx

from condition_hub.problems import retry_after_s

_FIRST_S = 0.1
_LONGEST_S = 5.0
_LONGEST_TURN_S = 120.0
_TURN = httpx.codes.TOO_MANY_REQUESTS
_PASSING = frozenset({_TURN, httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT})


class Backoff:
    """Growing waits, drawn at random; ``dice`` returns numbers from 0 to 1."""

    def __init__(self, dice: Callable[[], float] = random.random) -> None:
        self._dice = dice
        self._next_s = _FIRST_S

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        whole = self._next_s
        self._next_s = min(2 * whole, _LONGEST_S)
        return whole * (0.5 + self._dice() / 2)

    def succeeded(self) -> None:
        """Go back to short waits."""
        self._next_s = _FIRST_S


class Attempts:
    """The attempts at one request; its failures may take ``patience_s`` seconds in total."""

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + patience_s
        self._backoff = Backoff()

    def wait_after(self, failure: httpx.Response | httpx.TransportError) -> float | None:
        """Seconds until the next attempt; ``None`` if the failure is final or patience has run out."""
        asked = 0.0
        if isinstance(failure, httpx.Response):
            if failure.status_code not in _PASSING:
                return None
            asked = retry_after_s(failure) or 0.0
            if failure.status_code == _TURN and 0 < asked <= _LONGEST_TURN_S:
                self._until += asked
        wait = max(asked, self._backoff.next_s())
        return wait if self._clock() + wait <= self._until else None
