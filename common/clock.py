"""What time it is. A clock decides only *when* work is done and what is late, never a candle's verdict."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The seam for time; milliseconds since the epoch."""

    def now_ms(self) -> int:
        """The current time."""
        ...

    async def sleep_until(self, time_ms: int) -> None:
        """Return once ``now_ms() >= time_ms``: immediately if that time has passed."""
        ...


class SystemClock:
    """The system clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep_until(self, time_ms: int) -> None:
        while (left_ms := time_ms - self.now_ms()) > 0:
            await asyncio.sleep(left_ms / 1000)


class ReplayClock:
    """A clock that stands still until somebody waits for a later time, and then jumps to it.

    It replays history: a flow run that sleeps until its tick moves the clock forward without waiting.
    """

    def __init__(self, start_ms: int) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep_until(self, time_ms: int) -> None:
        self.move_to(time_ms)

    def move_to(self, time_ms: int) -> None:
        """Move forward to ``time_ms``; an earlier time changes nothing, as the clock never goes back."""
        self._now_ms = max(self._now_ms, time_ms)
