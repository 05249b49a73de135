"""How fast one exchange is asked: at most so many requests a minute, and not at all while it wants to be left alone."""

import time
from collections import deque
from collections.abc import Awaitable, Callable

from common.errors import ExchangeError

Sleep = Callable[[float], Awaitable[None]]

LONGEST_REST_S = 120.0
"""Who is asked to wait longer than this gives up instead, and asks nothing until then."""
_MINUTE_S = 60.0


class Pace:
    """The turns of one exchange's requests, in one event loop. Beside it, ccxt keeps the rate that the exchange allows.

    ``most_a_minute`` is a bound of one's own, for an address that others use, too.
    """

    def __init__(
        self, name: str, most_a_minute: int | None, sleep: Sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._most, self._sleep, self._monotonic = name, most_a_minute, sleep, monotonic
        self._made: deque[float] = deque()
        """When the requests of the last minute are or were due."""
        self._rests_until = 0.0

    async def turn(self) -> None:
        """Return when the next request may be made.

        Raises :class:`common.errors.ExchangeError` while the exchange wants to be left alone for long.
        """
        if (left_s := self._rests_until - self._monotonic()) > 0:
            self._refuse_long(left_s)
            await self._sleep(left_s)
        if self._most is None:
            return
        now_s = self._monotonic()
        while self._made and self._made[0] <= now_s - _MINUTE_S:
            self._made.popleft()
        due_s = now_s if len(self._made) < self._most else self._made[-self._most] + _MINUTE_S
        # Noted before it waits, so that whoever comes next gets a later turn.
        self._made.append(due_s)
        if due_s > now_s:
            await self._sleep(due_s - now_s)

    def rest(self, seconds: float) -> None:
        """Make no request for some time, whoever wants to. Raises :class:`ExchangeError` if it is long."""
        self._rests_until = max(self._rests_until, self._monotonic() + seconds)
        self._refuse_long(seconds)

    def _refuse_long(self, seconds: float) -> None:
        if seconds > LONGEST_REST_S:
            raise ExchangeError(f"{self._name} wants to be left alone for {seconds / 60:.0f} minutes; it is asked then")
