"""Candles for the ticks of a process: what conditions read is kept up to date in a thread of its own, all the time.

A condition that is registered on a series without candles has them fetched at once, a market that its exchange does not
list becomes the status of its conditions, and gaps are asked for again. A tick waits here for the candles of its close.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import polars as pl

from candles.arrivals import arrivals
from candles.calendars import stored_calendars
from candles.demanded import DemandKeeper
from candles.feed import Feed
from candles.fetching import Exchanges
from candles.followed import Followed
from candles.late_arrivals import LateArrivals
from candles.market_lists import MarketLists
from candles.tally import ExchangeTally, Tally
from candles.wanted import wanted_series
from common.clock import Clock
from common.errors import HubError, NoSuchMarket
from common.settings import Settings
from common.supervision import Loops
from registry.groups import Series
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

Done = TypeVar("Done")

_LOOKED_S = 1.0
"""How often it looks for conditions that were registered."""
_LOOKED_SHARE = 10
"""It spends at most one part in so many of its time on that."""
_AFRESH_S = 60.0
"""How often it looks although nothing was registered: candles were imported, conditions expired."""
_TALLIED_S = 5.0
_LISTED_S = 3600.0
"""How often exchanges are asked again what they list, and for what is missing in the middle of series."""
_MOST_GAPS = 20
"""Gaps of a series that are asked for, the newest ones."""
_NO_SUCH_MARKET = "no such market at "
"""How the reason begins for which conditions on unknown markets are not judged."""


class Ingest:
    """Fetches what the active conditions read from their exchanges, within the block of a ``with`` statement."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store, self._clock, self._settings = store, clock, settings
        self._folder: Path = settings.data_dir
        self._markets = MarketLists(self._folder)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="ingest", daemon=True)
        self._started = threading.Event()
        self._kept = Tally()
        """What of this process is in the sums of the data folder."""
        self._isolated_requests = 0
        self._listed: set[str] = set()
        """The exchanges whose own list of spot markets is read through the hub."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def rounds(self, timeframe: str, close_ms: int) -> AsyncIterator[int]:
        """How many candles have come that the conditions of a timeframe read at a close, each time that it is worth
        judging; once at least. It ends when all are there, or those that lack have had their time.

        For use on any event loop, from the close on.
        """
        steps = self._arrivals(timeframe, close_ms)
        while (came := await self._there(_next(steps))) is not None:
            yield came

    async def came_late(self) -> Mapping[str, int]:
        """Wait for candles that came after the tick of their close had given them up; timeframe -> the close time up to
        which it is to be judged. A timeframe is told once, and not again until a tick of it has begun.

        Where nobody asks, the tick of the next close judges them.
        """
        return await self._there(self._late.next())

    def holes(self) -> Collection[tuple[Series, int]]:
        """Candles, as series and open time, of which their exchanges have later ones but not these."""
        return self._feed.holes()

    def awaited(self) -> Mapping[Series, int]:
        """Series -> the open time from which its candles are on their way, although there is a later one."""
        return self._feed.awaited(self._loop.time())

    def note_judged(self, isolated_requests: int) -> None:
        """Count what bots without a hub would have asked exchanges for, for what a tick has judged."""
        self._isolated_requests += isolated_requests

    async def _there(self, work: Coroutine[Any, Any, Done]) -> Done:
        """What some work on ingest's own event loop returns."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _arrivals(self, timeframe: str, close_ms: int) -> AsyncGenerator[int, None]:
        await self._following.wait()
        self._late.note_tick(timeframe, close_ms)
        async for came in arrivals(self._feed, self._clock, timeframe, close_ms):
            yield came

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop, self._following, self._late = asyncio.Event(), asyncio.Event(), LateArrivals()
        settings = self._settings
        async with Exchanges(
            settings.exchange_urls, settings.exchange_requests_a_minute, with_sockets=True
        ) as exchanges:
            self._exchanges = exchanges
            self._feed = Feed(self._store.candles, exchanges, refused=self._refuse, late=self._late)
            loops = Loops()
            self._demanded = DemandKeeper(self._feed, self._store, self._clock)
            self._started.set()
            works = {
                "the feed": self._feed.run,
                "looking for conditions": self._follow,
                "looking at exchanges": self._keep_listing,
                "keeping what is read through the hub": self._demanded.run,
                "counting": self._keep_tally,
            }
            tasks = [asyncio.create_task(loops.loop(name).run_task(work)) for name, work in works.items()]
            await self._stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._feed.close()

    async def _follow(self) -> None:
        """Have the feed follow what the active conditions and bots read, as they come and go."""
        seen, looked_s = (-1, -1, -1), float("-inf")
        while True:
            began_s = self._loop.time()
            try:
                version = await asyncio.to_thread(self._versions)
                if version != seen or began_s - looked_s >= _AFRESH_S:
                    demands = await asyncio.to_thread(self._store.live.demands)
                    wanted = await asyncio.to_thread(wanted_series, self._store, self._clock.now_ms(), demands.series)
                    self._feed.follow(wanted, await asyncio.to_thread(stored_calendars, self._store))
                    await self._demanded.take(demands, wanted)
                    self._listed = {name for name in demands.exchanges if self._exchanges.named(name)}
                    seen, looked_s = version, began_s
                    self._following.set()
            except HubError as error:
                _log.warning("what conditions read cannot be looked up: %s", error)
            await asyncio.sleep(max(_LOOKED_S, _LOOKED_SHARE * (self._loop.time() - began_s)))

    def _versions(self) -> tuple[int, int, int]:
        """Of the conditions, of the bots, and of what is read through the hub."""
        return self._store.registry.version(), self._store.bots.last_change(), self._store.live.version()

    def _refuse(self, one: Followed, error: NoSuchMarket) -> None:
        """Tell the conditions on a market that does not exist."""
        reasons = dict.fromkeys(one.wanted.waiting, str(error))
        if reasons:
            # In a thread, and not waited for: others go on.
            self._loop.run_in_executor(None, self._store.registry.report_errors, reasons)

    async def _keep_listing(self) -> None:
        """Keep the lists of markets fresh, look again for markets that did not exist, and repair gaps, hourly."""
        listed_s: dict[str, float] = {}
        detailed_s: dict[str, float] = {}
        asked: set[tuple[Series, int]] = set()
        looked_s = float("-inf")
        while True:
            try:
                if self._loop.time() - looked_s >= _LISTED_S and self._following.is_set():
                    await asyncio.to_thread(self._look_again)
                    looked_s = self._loop.time()
                    await self._repair(asked)
                for name, exchange in self._exchanges.opened().items():
                    before_s = listed_s.get(name)
                    if before_s is None or self._loop.time() - before_s >= _LISTED_S:
                        markets = await exchange.markets(afresh=before_s is not None)
                        await asyncio.to_thread(self._markets.write, name, markets)
                        listed_s[name] = self._loop.time()
                    if name in self._listed and detailed_s.get(name) != listed_s[name]:
                        await asyncio.to_thread(self._markets.write_spot_listings, name, exchange.spot_listings())
                        detailed_s[name] = listed_s[name]
            except (HubError, OSError) as error:
                _log.warning("what exchanges list cannot be kept: %s", error)
            await asyncio.sleep(_LOOKED_S)

    def _look_again(self) -> None:
        """Have conditions on markets that did not exist fetched once more."""
        unjudged = self._store.registry.unjudged()
        again = [each for each, why in unjudged.items() if why.reason.startswith(_NO_SUCH_MARKET)]
        if again:
            self._store.registry.report_errors({}, again)

    async def _repair(self, asked: set[tuple[Series, int]]) -> None:
        """Ask for candles that are missing in the middle of series, once for each gap that was not ``asked`` for."""
        gaps = await asyncio.to_thread(self._store.candles.gaps)
        open_gaps = gaps.filter((pl.col("calendar") == "24x7") & (pl.col("judged") < pl.col("slots")))
        newest = open_gaps.group_by("series", maintain_order=True).tail(_MOST_GAPS)
        for row in newest.iter_rows(named=True):
            series = Series.parse(row["series"])
            first_ms, last_ms = (int(row[name].timestamp() * 1000) for name in ("first_open_time", "last_open_time"))
            if (series, first_ms) not in asked:
                asked.add((series, first_ms))
                await self._feed.repair(series, first_ms, last_ms + 1)

    async def _keep_tally(self) -> None:
        """Keep the sums, now and then and at the end."""
        try:
            while True:
                await asyncio.sleep(_TALLIED_S)
                self._tally()
        finally:
            self._tally()

    def _tally(self) -> None:
        exchanges = {
            name: ExchangeTally(counts.requests, counts.pushed, counts.connections)
            for name, counts in self._feed.counts().items()
        }
        counted = Tally(exchanges, self._isolated_requests, self._feed.corrected)
        try:
            Tally.add(self._folder, counted.since(self._kept))
        except OSError as error:
            _log.warning("the sums of ingest cannot be kept: %s", error.strerror)
        else:
            self._kept = counted


async def _next(steps: AsyncGenerator[int, None]) -> int | None:
    """The next of some steps, ``None`` after the last."""
    return await anext(steps, None)
