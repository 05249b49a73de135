"""Series that are read through the hub (:mod:`registry.store.parts.live`): kept at every close, fetched further back,
and told of as they stand."""

import asyncio
import logging
from collections.abc import Mapping

from candles.feed import Feed
from candles.followed import Followed
from candles.wanted import SeriesNeed
from common.clock import Clock
from common.errors import HubError
from registry.groups import Series
from registry.store.parts.live import Demands, SeriesState
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_LOOKED_S = 0.25
_BETWEEN_REPORTS_S = 0.05
_ALL_TOLD_S = 3.0
"""How often everything is told, in case that the owner of the store has been started again."""
_ASKED_MS = (1_500, 3_500, 7_500, 15_000, 30_000)
"""How long after a close REST is asked for a candle that no websocket has brought."""
_SETTLED_S = 20.0
"""A candle that REST does not show so long after its close does not exist, as far as anybody can tell."""
_AGAIN_S = 30.0
"""How long after a failure older candles are asked for again."""


class DemandKeeper:
    """For use in the event loop of its feed."""

    def __init__(self, feed: Feed, store: Store, clock: Clock) -> None:
        self._feed, self._store, self._clock = feed, store, clock
        self._since: Mapping[Series, int] = {}
        self._from: dict[Series, int] = {}
        """Series -> the open time from which on its exchange was asked for everything."""
        self._asked: dict[Series, tuple[int, int]] = {}
        """Series -> a close, and how often REST was asked for its candle."""
        self._older: dict[Series, asyncio.Task[None]] = {}
        self._told: dict[Series, SeriesState] = {}

    async def take(self, demands: Demands, wanted: Mapping[Series, SeriesNeed]) -> None:
        """Keep these demands; the feed follows ``wanted`` already."""
        firsts: dict[str, Mapping[Series, tuple[int, int]]] = {}
        for each in demands.series:
            series, need = each.series, wanted[each.series]
            if series in self._from:
                continue
            if need.is_new:
                self._from[series] = need.since_ms
                continue
            if series.timeframe not in firsts:
                firsts[series.timeframe] = await asyncio.to_thread(self._store.candles.extent, series.timeframe)
            self._from[series] = firsts[series.timeframe][series][0]
        self._since = {each.series: each.since_ms for each in demands.series}
        for series in self._from.keys() - self._since.keys():
            del self._from[series]

    async def run(self) -> None:
        """Go on until it is cancelled."""
        loop, all_told_s = asyncio.get_running_loop(), float("-inf")
        try:
            while True:
                await self._feed.change(_LOOKED_S)
                followed = [one for series in self._since if (one := self._feed.followed(series)) is not None]
                for one in followed:
                    self._ask_if_late(one)
                    self._ask_for_older(one)
                states = {one.series: self._state(one) for one in followed}
                if is_time := loop.time() - all_told_s >= _ALL_TOLD_S:
                    all_told_s = loop.time()
                told = [each for series, each in states.items() if is_time or self._told.get(series) != each]
                if told or is_time:
                    await asyncio.to_thread(self._tell, told)
                self._told = states
                await asyncio.sleep(_BETWEEN_REPORTS_S)
        finally:
            for task in self._older.values():
                task.cancel()

    def _tell(self, states: list[SeriesState]) -> None:
        try:
            self._store.live.report(states)
        except HubError as error:
            # All are told again in a moment.
            _log.warning("where series stand cannot be told: %s", error)

    def _ask_if_late(self, one: Followed) -> None:
        """Ask REST for the candle of the last close, again and again, if nothing has brought it."""
        now_ms = self._clock.now_ms()
        if not one.lacks(now_ms) or one.confirmed is None:
            return
        close_ms = one.slots.close(one.slots.last_closed(now_ms))
        before, times = self._asked.get(one.series, (0, 0))
        times = times if before == close_ms else 0
        if times < len(_ASKED_MS) and now_ms - close_ms >= _ASKED_MS[times]:
            self._asked[one.series] = close_ms, times + 1
            self._feed.ask(one)

    def _ask_for_older(self, one: Followed) -> None:
        since_ms, from_ms = self._since[one.series], self._from.get(one.series)
        task = self._older.get(one.series)
        if from_ms is None or since_ms >= from_ms or one.confirmed is None or (task is not None and not task.done()):
            return
        self._older[one.series] = asyncio.create_task(self._fetch_older(one.series, since_ms, from_ms))

    async def _fetch_older(self, series: Series, since_ms: int, from_ms: int) -> None:
        if await self._feed.repair(series, since_ms, from_ms):
            self._from[series] = since_ms
        else:
            await asyncio.sleep(_AGAIN_S)

    def _state(self, one: Followed) -> SeriesState:
        now_ms, slots = self._clock.now_ms(), one.slots
        reached = one.reached
        if one.confirmed is not None and one.lacks(now_ms) and self._is_settled(one, now_ms):
            reached = slots.last_closed(now_ms)
        return SeriesState(
            one.series,
            from_ms=self._from.get(one.series, slots.open(one.reached + 1)) if one.confirmed is not None else now_ms,
            until_ms=slots.close(reached),
            forming=tuple(self._feed.forming(one.series)),
            problem=one.problem,
        )

    def _is_settled(self, one: Followed, now_ms: int) -> bool:
        """Whether REST was asked long enough after the last close to believe that there is nothing."""
        close_ms = one.slots.close(one.slots.last_closed(now_ms))
        closed_s = asyncio.get_running_loop().time() - (now_ms - close_ms) / 1000
        return one.confirmed_s - closed_s >= _SETTLED_S
