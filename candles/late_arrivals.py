"""Candles that came after the tick of their close had given them up, as what is to be judged once more."""

import asyncio
from collections.abc import Mapping


class LateArrivals:
    """Timeframes whose tick lacks less than it did, for use in one event loop.

    Each is told once, and not again until a tick of it has begun: that one judges whatever has come by then.
    """

    def __init__(self) -> None:
        self._untold: dict[str, int] = {}
        """Timeframe -> close time."""
        self._told: dict[str, int] = {}
        self._news = asyncio.Event()

    def note(self, timeframe: str, close_ms: int) -> None:
        """Candles have come that the tick of a timeframe at a close had given up."""
        if self._told.get(timeframe, -1) >= close_ms:
            return
        self._untold[timeframe] = max(self._untold.get(timeframe, close_ms), close_ms)
        self._news.set()

    def note_tick(self, timeframe: str, close_ms: int) -> None:
        """A tick begins, which judges what has come up to a close."""
        for known in (self._untold, self._told):
            if known.get(timeframe, close_ms + 1) <= close_ms:
                del known[timeframe]

    async def next(self) -> Mapping[str, int]:
        """Wait for late candles; timeframe -> the close time up to which it is to be judged."""
        while not self._untold:
            self._news.clear()
            await self._news.wait()
        told, self._untold = self._untold, {}
        self._told |= told
        return told
