"""Candles for readers of the hub: those that are stored, once for all readers, and the one that forms.

What the hub lacks is demanded of its ingest (:mod:`registry.store.parts.live`), which asks the exchange once, however
many wait for it here.
"""

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from api.exchange.dialect import INTERVAL_OF, NO_SYMBOL, UNAVAILABLE, AskedElsewhere, DialectError, candle_row
from common.candle_columns import VALUES
from common.clock import Clock
from common.errors import DemandRefused
from common.grids import UTC_GRID
from common.slots import Slots, slots_of
from registry.groups import Series
from registry.instruments import Instrument
from registry.store.parts.live import Demands, SeriesDemand, SeriesState
from registry.store.protocol import Store

_KEPT_CANDLES = 1_000
_KEPT_ROWS = 1_000_000
"""Rows that are kept as text, of all series: as many as can be read at a time. Each takes about 180 bytes."""
_NEWEST = 20
_MOST_BACK = 20_000
"""Candles before the newest one; who wants older ones asks the exchange itself."""
_LOOKED_S = 0.1
_PATIENCE_S = 15.0
"""How long a request waits for candles that are being fetched."""
_DEMANDED_AGAIN_S = 600.0
_NO_MARKET = "no such market at "

InStore = Callable[..., Awaitable[Any]]
"""Runs work that waits for the store's files in a thread."""


@dataclass(frozen=True)
class KeptCandles:
    """The newest candles of a series, as of one version of it."""

    version: int
    opens: Sequence[int]
    """Oldest first, milliseconds."""
    rows: Sequence[bytes]
    newest: Sequence[tuple[float, ...]]
    """The last few: open time, open, high, low, close, volume."""


class MarketCandles:
    """For use in one event loop."""

    def __init__(
        self, store: Store, clock: Clock, in_store: InStore, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._clock, self._in_store, self._monotonic = store, clock, in_store, monotonic
        self._kept: OrderedDict[Series, KeptCandles] = OrderedDict()
        self._loading: dict[Series, asyncio.Task[KeptCandles]] = {}
        self._waits: dict[tuple[Series, int, int], asyncio.Task[None]] = {}
        self._demanded: dict[Series, tuple[int, float]] = {}
        """Series -> the earliest time that was demanded, and when."""

    async def page(self, series: Series, start_ms: int | None, end_ms: int | None, limit: int) -> list[bytes]:
        """Candles that open from ``start_ms`` on and until ``end_ms``, oldest first, at most ``limit``: the first ones,
        or without ``start_ms`` the last ones. The last of all is the one that forms.

        Raises :class:`DialectError` while the hub does not have them, :class:`AskedElsewhere` for older candles than
        the hub fetches.
        """
        slots = self.slots(series)
        current = int(slots.number(self._clock.now_ms()))
        last = current if end_ms is None else min(current, int(slots.number(end_ms)))
        if start_ms is None:
            first = last - limit + 1
        else:
            first = int(slots.number(start_ms - 1)) + 1
            last = min(last, first + limit - 1)
        if first > last:
            return []
        if first < current - _MOST_BACK:
            raise AskedElsewhere(f"candles of {series} before the last {_MOST_BACK:,}")
        first_ms = int(slots.open(max(first, int(slots.number(0)))))
        await self._there(series, first_ms, int(slots.close(min(last, current - 1))))
        kept = await self.kept(series)
        if kept.opens and kept.opens[0] <= first_ms:
            begin, end = bisect_left(kept.opens, first_ms), bisect_right(kept.opens, int(slots.open(last)))
            rows = list(kept.rows[begin:end])
        else:
            older = await self._in_store(self._store.candles.between, series, first_ms, int(slots.open(last)) + 1)
            rows = _rows(older, slots)
        if last != current:
            return rows
        if int(slots.number(self._clock.now_ms())) != current:
            # A slot has ended meanwhile: its candle belongs between these and the one that forms.
            return await self.page(series, start_ms, end_ms, limit)
        if (forming := self.forming(series, kept)) is not None:
            rows.append(candle_row(int(forming[0]), int(slots.close(current)), forming[1:]))
        return rows

    async def price(self, instrument: Instrument) -> float:
        """The newest price of an instrument: the close of a candle that forms, or of the last one. Raises as
        :meth:`page`."""
        followed = {state.series.timeframe for state in self._store.live.states() if _is_of(state, instrument)}
        timeframe = next((name for name in INTERVAL_OF if name in followed), "1m")
        series = Series(instrument, timeframe)
        slots = self.slots(series)
        current = int(slots.number(self._clock.now_ms()))
        await self._there(series, int(slots.open(current - 1)), int(slots.close(current - 1)))
        forming = self.forming(series, await self.kept(series))
        if forming is None:
            raise DialectError(503, UNAVAILABLE, f"the hub has no price of {instrument} yet; ask again in a moment")
        return forming[4]

    async def demand(self, series: Series) -> None:
        """Have a series followed. Raises :class:`DialectError` if there are too many."""
        slots = self.slots(series)
        current = int(slots.number(self._clock.now_ms()))
        await self._demand(series, _usual_ms(slots, current))

    def slots(self, series: Series) -> Slots:
        """The slots of a series, on its instrument's grid."""
        listing = self._store.candles.directory().by_instrument.get(series.instrument)
        return slots_of(series.timeframe, UTC_GRID if listing is None else listing.grid)

    def pushed(self, series: Series) -> tuple[float, ...]:
        """The newest candle of a series that its exchange has pushed before it was final; empty without one."""
        state = self._store.live.state(series)
        return () if state is None else state.forming

    def is_known_until(self, series: Series, kept: KeptCandles, until_ms: int) -> bool:
        """Whether everything is stored that closes by a time, as far as its exchange has it."""
        state = self._store.live.state(series)
        if state is not None and state.until_ms >= until_ms:
            return True
        slots = self.slots(series)
        return bool(kept.opens) and int(slots.close(slots.number(kept.opens[-1]))) >= until_ms

    def forming(self, series: Series, kept: KeptCandles) -> Sequence[float] | None:
        """The candle that forms: open time, open, high, low, close, volume. It is what the exchange has pushed last;
        until something was pushed, it has the last close and no volume, as Binance shows a slot without trades."""
        slots = self.slots(series)
        open_ms = int(slots.open(slots.number(self._clock.now_ms())))
        pushed = self.pushed(series)
        if pushed and int(pushed[0]) == open_ms:
            return pushed
        if not kept.opens:
            return None
        close = kept.newest[-1][4]
        return [open_ms, close, close, close, close, 0.0]

    async def kept(self, series: Series) -> KeptCandles:
        """The newest candles of a series; read once after each change, however many ask."""
        kept = self._kept.get(series)
        if kept is not None and kept.version == self._store.candles.version([series]):
            self._kept.move_to_end(series)
            return kept
        task = self._loading.get(series)
        if task is None:
            task = self._loading[series] = asyncio.create_task(self._load(series))
            task.add_done_callback(lambda _: self._loading.pop(series, None))
        return await asyncio.shield(task)

    async def _load(self, series: Series) -> KeptCandles:
        # The version first: what changes while they are read is read again.
        version = self._store.candles.version([series])
        frame = await self._in_store(self._store.candles.last, series, 1 << 50, _KEPT_CANDLES)
        rows = await asyncio.to_thread(_rows, frame, self.slots(series))
        moments = frame.with_columns(pl.col("open_time").dt.epoch("ms"))
        newest = moments.tail(_NEWEST).select("open_time", *VALUES).rows()
        kept = self._kept[series] = KeptCandles(version, moments["open_time"].to_list(), rows, newest)
        self._kept.move_to_end(series)
        total = sum(len(each.rows) for each in self._kept.values())
        while total > _KEPT_ROWS:
            total -= len(self._kept.popitem(last=False)[1].rows)
        return kept

    async def _there(self, series: Series, first_ms: int, until_ms: int) -> None:
        """Return once everything from ``first_ms`` on is stored that closes by ``until_ms``. Raises as :meth:`page`."""
        since_ms, demanded_s = self._demanded.get(series, (None, 0.0))
        is_old = self._monotonic() - demanded_s > _DEMANDED_AGAIN_S
        if since_ms is None or first_ms < since_ms or is_old:
            slots = self.slots(series)
            usual_ms = _usual_ms(slots, int(slots.number(self._clock.now_ms())))
            await self._demand(series, min(first_ms, usual_ms, since_ms or first_ms))
        if await self._is_there(series, first_ms, until_ms):
            return
        key = series, first_ms, until_ms
        task = self._waits.get(key)
        if task is None:
            task = self._waits[key] = asyncio.create_task(self._wait(series, first_ms, until_ms))
            task.add_done_callback(lambda _: self._waits.pop(key, None))
        await asyncio.shield(task)

    async def _wait(self, series: Series, first_ms: int, until_ms: int) -> None:
        end_s = self._monotonic() + _PATIENCE_S
        while not await self._is_there(series, first_ms, until_ms):
            state = self._store.live.state(series)
            if state is not None and state.problem is not None:
                raise _unavailable(state.problem)
            if self._monotonic() > end_s:
                followed = self._store.live.is_followed()
                raise _unavailable(
                    f"candles of {series} are being fetched; ask again in a moment"
                    if followed
                    else f"candles of {series} are not there, and the hub's ingest does not run (`hub up` starts it)"
                )
            await asyncio.sleep(_LOOKED_S)

    async def _is_there(self, series: Series, first_ms: int, until_ms: int) -> bool:
        kept, state = await self.kept(series), self._store.live.state(series)
        is_new = bool(kept.opens) and self.is_known_until(series, kept, until_ms)
        if not is_new or kept.opens[0] <= first_ms:
            return is_new
        if state is not None and state.from_ms <= first_ms:
            return True
        first = await self._in_store(self._store.candles.first_open_from, series, 0)
        return first is not None and first <= first_ms

    async def _demand(self, series: Series, since_ms: int) -> None:
        try:
            demands = Demands((series.instrument.exchange,), (SeriesDemand(series, since_ms),))
            await self._in_store(self._store.live.demand, demands)
        except DemandRefused as error:
            raise DialectError(503, UNAVAILABLE, str(error)) from None
        self._demanded[series] = since_ms, self._monotonic()


def _rows(frame: pl.DataFrame, slots: Slots) -> list[bytes]:
    """The rows of a candle frame."""
    opens = frame["open_time"].dt.epoch("ms")
    closes = slots.close(slots.number(opens.to_numpy())).tolist()
    return [candle_row(*each) for each in zip(opens.to_list(), closes, frame.select(VALUES).iter_rows(), strict=True)]


def _usual_ms(slots: Slots, current: int) -> int:
    """Open time of the first of as many candles as are kept."""
    return int(slots.open(max(current - _KEPT_CANDLES, int(slots.number(0)))))


def _is_of(state: SeriesState, instrument: Instrument) -> bool:
    return state.series.instrument == instrument


def _unavailable(why: str) -> DialectError:
    if why.startswith(_NO_MARKET):
        return DialectError(400, NO_SYMBOL, f"Invalid symbol: {why}")
    return DialectError(503, UNAVAILABLE, why, {"Retry-After": "2"})
