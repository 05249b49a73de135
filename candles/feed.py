"""Keeps series up to date: final candles from websockets at once, and REST as the truth that fills in and corrects."""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from candles.exchange import Exchange
from candles.fetching import Exchanges
from candles.followed import Followed
from candles.late_arrivals import LateArrivals
from candles.sockets import Socket
from candles.wanted import SeriesNeed
from candles.writer import CandleWriter
from common.errors import HubError, NoSuchMarket
from common.supervision import Loops
from engine.calendars import Calendars
from registry.groups import Series
from registry.store.parts.candles import CandleStore

_log = logging.getLogger(__name__)

_AT_ONCE = 16
"""Series of one exchange that are asked for at the same time; the exchange's rate holds for all of them."""
_CHECKED_AGAIN_S = 900.0
"""How often REST confirms what websockets have brought."""
_LOOKED_S = 0.5


@dataclass(frozen=True)
class FeedCounts:
    """What one exchange has been asked and has given since the feed began."""

    requests: int
    pushed: int
    """Final candles from websockets."""
    connections: int
    """Websockets that were opened."""


class Feed:
    """Series of any exchanges, for use in one event loop.

    A series that cannot be fetched stops no other. ``refused`` is called with a series that its exchange does not list,
    and why; ``late`` gets what came after the tick of its close had given it up.
    """

    def __init__(
        self,
        store: CandleStore,
        exchanges: Exchanges,
        *,
        refused: Callable[[Followed, NoSuchMarket], object],
        late: LateArrivals | None = None,
        loops: Loops | None = None,
    ) -> None:
        self._exchanges, self._refused, self._loops = exchanges, refused, loops or Loops()
        self._late = late or LateArrivals()
        self._writer = CandleWriter(store)
        self._followed: dict[Series, Followed] = {}
        self._sockets: dict[str, Socket | None] = {}
        self._pushed: dict[str, int] = {}
        self._forming: dict[Series, Sequence[float]] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._came = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def corrected(self) -> int:
        """Candles that came again with other values."""
        return self._writer.corrected

    def counts(self) -> Mapping[str, FeedCounts]:
        """Exchange -> what it was asked and gave."""
        return {
            name: FeedCounts(exchange.requests, self._pushed.get(name, 0), 0 if socket is None else socket.connections)
            for name, exchange in self._exchanges.opened().items()
            for socket in [self._sockets.get(name)]
        }

    def holes(self) -> set[tuple[Series, int]]:
        """Candles, as series and open time, of which their exchanges have later ones but not these."""
        return {(one.series, open_ms) for one in self.following() for open_ms in list(one.holes)}

    def awaited(self, now_s: float) -> dict[Series, int]:
        """Series -> the open time from which its candles are on their way by REST, although a websocket has brought a
        later one. ``now_s`` is the event loop's time."""
        froms = {one.series: one.awaited_from(now_s) for one in self.following()}
        return {series: open_ms for series, open_ms in froms.items() if open_ms is not None}

    def follow(self, wanted: Mapping[Series, SeriesNeed], calendars: Calendars) -> None:
        """Keep these series up to date, and no others; what is lacking of new ones is fetched."""
        for series in self._followed.keys() - wanted.keys():
            del self._followed[series]
            self._forming.pop(series, None)
        for series, what in wanted.items():
            known = self._followed.get(series)
            grid = calendars.grid(series)
            if known is None or known.grid != grid:
                known = self._followed[series] = Followed.of(series, grid, what)
                self.ask(known)
            known.wanted = what

    async def run(self) -> None:
        """Keep websockets subscribed and have REST confirm what they bring, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOKED_S)
            for name in {one.series.instrument.exchange for one in self._followed.values()}:
                # What REST has given once, the exchange has.
                known = [one.series for one in self._of(name) if one.confirmed is not None]
                if known and (socket := self._socket(name)) is not None:
                    await socket.want(known)
            for one in self._followed.values():
                waited_s = loop.time() - one.confirmed_s
                if one.confirmed is not None and one.reached > one.confirmed and waited_s > _CHECKED_AGAIN_S:
                    self.ask(one)

    async def close(self) -> None:
        """End the websockets and the requests under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def following(self) -> list[Followed]:
        """The series that are kept up to date."""
        return list(self._followed.values())

    def followed(self, series: Series) -> Followed | None:
        """How a series stands, if it is kept up to date."""
        return self._followed.get(series)

    def forming(self, series: Series) -> Sequence[float]:
        """The newest candle of a series that was pushed and not final: open time, open, high, low, close, volume; empty
        without one."""
        return self._forming.get(series, ())

    def lacking(self, timeframe: str, close_ms: int) -> list[Followed]:
        """The series without a candle that has closed by a time and that conditions of a timeframe read."""
        followed = self._followed.values()
        return [one for one in followed if timeframe in one.wanted.timeframes and one.lacks(close_ms)]

    def is_pushed(self, one: Followed, closed_s: float = math.inf) -> bool:
        """Whether a series' candle that closed at a time of the event loop should come, or have come, by a websocket;
        by default the next one."""
        socket = self._sockets.get(one.series.instrument.exchange)
        return socket is not None and socket.brings(one.series, closed_s)

    def distrust_silent(self, lacking: Sequence[Followed], closed_s: float) -> None:
        """Give up websockets that should have brought one of these candles, and have not brought any since the close at
        a time of the event loop."""
        due = [one for one in lacking if not one.is_overdue and self.is_pushed(one, closed_s)]
        for name in {one.series.instrument.exchange for one in due}:
            if (socket := self._sockets[name]) is not None and socket.final_s < closed_s:
                socket.distrust()

    async def change(self, patience_s: float) -> bool:
        """Wait until something has come, for so long at most; whether it has."""
        self._came.clear()
        try:
            await asyncio.wait_for(self._came.wait(), patience_s)
        except TimeoutError:
            return False
        return True

    def ask(self, one: Followed) -> None:
        """Have REST give what a series lacks, once at a time."""
        if one.asking is None or one.asking.done():
            one.asking = self._begin(self._fetch(one))

    async def repair(self, series: Series, first_open_ms: int, until_ms: int) -> bool:
        """Ask for candles of a followed series that may exist, from one open time on and before another; whether its
        exchange has answered."""
        if (one := self._followed.get(series)) is None:
            return False
        try:
            exchange = self._exchanges.named(series.instrument.exchange)
            async with self._turn(exchange):
                async for rows in exchange.pages(series, first_open_ms, until_ms, grid=one.grid):
                    await self._writer.keep(series, rows, one.grid)
        except HubError as error:
            _log.warning("a gap of %s cannot be filled: %s", series, error)
            return False
        return True

    async def _fetch(self, one: Followed) -> None:
        """Fetch what a series lacks, to its end."""
        problem: str | None = None
        try:
            exchange = self._exchanges.named(one.series.instrument.exchange)
            async with self._turn(exchange):
                async for rows in exchange.pages(one.series, one.since_ms, grid=one.grid):
                    await self._writer.keep(one.series, rows, one.grid)
                    one.note_page([int(row[0]) for row in rows], asyncio.get_running_loop().time())
                    self._tell(one)
        except NoSuchMarket as error:
            problem = str(error)
            self._refused(one, error)
        except HubError as error:
            problem = str(error)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            _log.exception("%s cannot be fetched", one.series)
        if problem is not None and problem != one.problem:
            _log.error("%s cannot be fetched: %s", one.series, problem)
        one.problem = problem
        self._came.set()

    def _pushed_final(self, series: Series, candle: Sequence[float]) -> None:
        """Take a final candle of a websocket."""
        one = self._followed.get(series)
        open_ms = int(candle[0])
        # A few exchanges push candles of long timeframes on another grid than they give by REST.
        if one is None or not one.slots.is_open(open_ms) or tuple(candle) == tuple(one.newest_pushed):
            return
        one.newest_pushed = candle
        name = series.instrument.exchange
        self._pushed[name] = self._pushed.get(name, 0) + 1
        if one.note_coming(open_ms, asyncio.get_running_loop().time()):
            self.ask(one)
        self._begin(self._keep_pushed(one, candle))

    async def _keep_pushed(self, one: Followed, candle: Sequence[float]) -> None:
        try:
            await self._writer.keep(one.series, [candle], one.grid)
        except HubError as error:
            # REST brings it again.
            _log.warning("a candle of %s is not stored: %s", one.series, error)
            return
        if one.note_pushed(int(candle[0])):
            self.ask(one)
        self._tell(one)

    def _tell(self, one: Followed) -> None:
        """Tell whoever waits that candles of a series are stored."""
        for timeframe, close_ms in one.take_came_late().items():
            self._late.note(timeframe, close_ms)
        self._came.set()

    def _of(self, name: str) -> list[Followed]:
        return [one for one in self._followed.values() if one.series.instrument.exchange == name]

    def _socket(self, name: str) -> Socket | None:
        if name not in self._sockets:
            socket = self._sockets[name] = Socket.of(
                self._exchanges.named(name), self._pushed_final, self._forming.__setitem__
            )
            if socket is not None:
                self._begin(self._loops.loop(f"the websocket of {name}").run_task(socket.run))
        return self._sockets[name]

    def _turn(self, exchange: Exchange) -> asyncio.Semaphore:
        return self._turns.setdefault(exchange.name, asyncio.Semaphore(_AT_ONCE))

    def _begin(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
