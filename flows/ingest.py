"""Candles for a tick: what its conditions read is fetched when its slot ends, until it is there."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future

from candles.calendars import stored_calendars
from candles.fetching import Exchanges, FetchReport, fetch_candles
from candles.wanted import wanted_series
from common.clock import Clock
from registry.groups import Series
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_ROUNDS_S = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Pauses before each attempt: exchanges show a closed candle a moment after its end."""
_PATIENCE_S = 5.0
"""How long a tick waits for its exchanges at a time; then it judges what is there."""


class Ingest:
    """Fetches for the ticks of one process; ``loop`` is the event loop on which the exchanges are asked.

    A series that did not give its candle is asked once only at its next tick, so that a market that has come to a
    stop holds up nobody for long.
    """

    def __init__(self, store: Store, clock: Clock, exchanges: Exchanges, loop: asyncio.AbstractEventLoop) -> None:
        self._store, self._clock, self._exchanges, self._loop = store, clock, exchanges, loop
        self._overdue: set[Series] = set()
        self._failing: dict[Series, str] = {}
        self._under_way: dict[str, Future[list[FetchReport]]] = {}
        """Timeframe -> what its exchanges are being asked."""

    async def rounds(self, timeframe: str, close_ms: int) -> AsyncIterator[int]:
        """How many candles came, after each attempt to fetch what the conditions of a timeframe read; one at least.

        For use on any event loop. It ends when every candle that has closed by ``close_ms`` is there.
        """
        for pause_s in _ROUNDS_S:
            await asyncio.sleep(pause_s)
            lacking = self._lacking(timeframe, close_ms)
            if pause_s:
                lacking = {series: since for series, since in lacking.items() if series not in self._overdue}
                if not lacking:
                    return
            yield await self._fetched(timeframe, lacking)
        self._overdue |= self._lacking(timeframe, close_ms).keys()

    async def _fetched(self, timeframe: str, lacking: Mapping[Series, int]) -> int:
        """How many candles came within a few seconds. An exchange that takes longer is asked on meanwhile, once."""
        if timeframe not in self._under_way:
            calendars = stored_calendars(self._store)
            asked = fetch_candles(lacking, self._store.candles, self._exchanges, clock=self._clock, calendars=calendars)
            self._under_way[timeframe] = asyncio.run_coroutine_threadsafe(asked, self._loop)
        answer = asyncio.wrap_future(self._under_way[timeframe])
        done, _ = await asyncio.wait({answer}, timeout=_PATIENCE_S)
        if not done:
            return 0
        del self._under_way[timeframe]
        reports = await answer
        self._note(reports)
        return sum(report.inserted for report in reports)

    def _lacking(self, timeframe: str, close_ms: int) -> dict[Series, int]:
        """The series without their newest candle -> where to begin."""
        calendars = stored_calendars(self._store)
        lacking = {}
        for series, since_ms in wanted_series(self._store, self._clock.now_ms(), timeframe).items():
            slots = calendars.of(series).slots
            if slots.number(since_ms) < slots.last_closed(close_ms):
                lacking[series] = since_ms
            else:
                self._overdue.discard(series)
        return lacking

    def _note(self, reports: list[FetchReport]) -> None:
        for report in reports:
            problem, before = report.error, self._failing.get(report.series)
            if problem is None:
                self._failing.pop(report.series, None)
            elif problem != before:
                self._failing[report.series] = problem
                _log.error("%s cannot be fetched: %s", report.series, problem)
