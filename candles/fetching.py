"""Brings series up to date from their exchanges: asks for what the store lacks, checks it and keeps it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from candles.exchange import Exchange
from candles.files.raw import RawCandles
from candles.quality import check
from common.clock import Clock
from common.errors import ExchangeError
from common.grids import Grid
from engine.calendars import Calendars
from registry.groups import Series
from registry.store.parts.candles import CandleStore

_FIRST_CANDLES = 1_000
"""How far back a series begins that is not in the store, where no time is said."""
_AT_ONCE = 4
"""Series of one exchange that are asked for at the same time; the exchange's rate holds for all of them."""


@dataclass(frozen=True)
class FetchReport:
    """What became of one series. If its exchange did not give it, ``error`` says why; what came before is stored."""

    series: Series
    inserted: int = 0
    unchanged: int = 0
    replaced: int = 0
    revised: int = 0
    quarantined: int = 0
    last_open_ms: int | None = None
    """Open time of the newest candle that was fetched."""
    error: str | None = None


class Exchanges:
    """Exchanges that are opened when they are first asked, for use in one event loop."""

    def __init__(
        self, urls: Mapping[str, str], most_a_minute: Mapping[str, int] | None = None, *, with_sockets: bool = False
    ) -> None:
        """``urls`` (exchange in any capitals -> address) are asked in place of the exchanges' own, ``most_a_minute``
        (exchange -> requests) bounds how often. ``with_sockets`` is for :class:`candles.feed.Feed`."""
        self._urls = {name.upper(): url for name, url in urls.items()}
        self._most = {name.upper(): most for name, most in (most_a_minute or {}).items()}
        self._with_sockets = with_sockets
        self._open: dict[str, Exchange] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for exchange in self._open.values():
            await exchange.__aexit__(kind, error, traceback)
        self._open.clear()

    def named(self, name: str) -> Exchange:
        """Raises :class:`common.errors.ExchangeError` if ccxt does not know it."""
        if name not in self._open:
            self._open[name] = Exchange(
                name, url=self._urls.get(name), most_a_minute=self._most.get(name), with_sockets=self._with_sockets
            )
        return self._open[name]

    def opened(self) -> Mapping[str, Exchange]:
        """Those that have been opened so far, by name."""
        return dict(self._open)


async def fetch_candles(
    wanted: Mapping[Series, int],
    store: CandleStore,
    exchanges: Exchanges,
    *,
    clock: Clock,
    calendars: Calendars,
    progress: Callable[[FetchReport], object] | None = None,
) -> list[FetchReport]:
    """Fetch the closed candles of each series that open from a time on (``wanted``: series -> that time).

    ``calendars`` has their grids. Whoever begins with the newest stored candle notices a correction of it.
    ``progress`` is called with what has become of a series so far after every page. A series that cannot be fetched
    does not stop the others. The reports are in the order of ``wanted``.
    """
    turns: dict[str, asyncio.Semaphore] = {}

    async def one(series: Series) -> FetchReport:
        name = series.instrument.exchange
        async with turns.setdefault(name, asyncio.Semaphore(_AT_ONCE)):
            return await _fetch_one(exchanges, series, wanted[series], calendars.grid(series), store, clock, progress)

    return list(await asyncio.gather(*map(one, wanted)))


def first_fetched(series: Series, newest_open_ms: int | None, now_ms: int, calendars: Calendars) -> int:
    """Where fetching a series begins: with its newest stored candle, or 1,000 candles ago if it has none."""
    if newest_open_ms is not None:
        return newest_open_ms
    slots = calendars.of(series).slots
    return slots.open(slots.last_closed(now_ms) - _FIRST_CANDLES + 1)


async def _fetch_one(
    exchanges: Exchanges,
    series: Series,
    since_ms: int,
    grid: Grid,
    store: CandleStore,
    clock: Clock,
    progress: Callable[[FetchReport], object] | None,
) -> FetchReport:
    report = FetchReport(series)
    try:
        exchange = exchanges.named(series.instrument.exchange)
        async for candles in exchange.candles(series, since_ms, grid=grid):
            raw = RawCandles.from_frame(candles, f"exchange {exchange.name}")
            checked = check(raw, now_ms=clock.now_ms(), grid_of=lambda _: grid)
            counts = store.upsert(checked.candles)
            if not checked.quarantined.is_empty():
                store.quarantine(checked.quarantined)
            report = FetchReport(
                series,
                inserted=report.inserted + counts.inserted,
                unchanged=report.unchanged + counts.unchanged,
                replaced=report.replaced + counts.replaced,
                revised=report.revised + counts.revised,
                quarantined=report.quarantined + checked.quarantined.height,
                last_open_ms=int(candles["open_time"].dt.epoch("ms")[-1]),
            )
            if progress is not None:
                progress(report)
    except ExchangeError as error:
        return replace(report, error=str(error))
    return report
