"""Candles on their way into the store: those of many series in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from candles.exchange import CandleRow, frame_of
from candles.files.raw import SERIES_COLUMNS, RawCandles
from candles.quality import check, sound
from common.grids import Grid
from common.slots import slots_of
from registry.groups import Series
from registry.instruments import Instrument
from registry.store.parts.candles import CandleStore, UpsertCounts

_GATHERED_S = 0.02
"""How long candles are gathered before they are stored; at a close, hundreds come at once."""
_DECIDED_MS = 1 << 50
"""A time at which everything has closed: which candles have, the exchange said."""


@dataclass(frozen=True)
class _Waiting:
    series: Series
    rows: Sequence[CandleRow]
    grid: Grid
    stored: "asyncio.Future[None]"

    @property
    def is_on_grid(self) -> bool:
        opens = np.array([row[0] for row in self.rows], np.int64)
        return bool(np.all(slots_of(self.series.timeframe, self.grid).is_open(opens)))


class CandleWriter:
    """Checks and stores closed candles, for use in one event loop; the store is written in a thread."""

    def __init__(self, store: CandleStore) -> None:
        self.corrected = 0
        """Candles that came again with other values."""
        self._store = store
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, series: Series, rows: Sequence[CandleRow], grid: Grid) -> None:
        """Store closed candles of one series; ``grid`` is where its slots begin. Returns once they are stored.

        Raises what the store raises.
        """
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(series, rows, grid, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await stored

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(_GATHERED_S)
            taken, self._waiting = self._waiting, []
            try:
                counts = await asyncio.to_thread(self._stored, taken)
            except Exception as error:
                for one in taken:
                    if not one.stored.done():
                        one.stored.set_exception(error)
                continue
            self.corrected += counts.replaced + counts.revised
            for one in taken:
                if not one.stored.done():
                    one.stored.set_result(None)

    def _stored(self, taken: Sequence[_Waiting]) -> UpsertCounts:
        candles = frame_of([(one.series, row) for one in taken for row in one.rows])
        # A websocket and REST may bring one candle at a time; what came last is the exchange's last word.
        candles = candles.unique([*SERIES_COLUMNS, "open_time"], keep="last", maintain_order=True)
        if not (all(one.is_on_grid for one in taken) and candles.select(sound().all()).item()):
            candles = self._checked(candles, {one.series.instrument: one.grid for one in taken})
        return self._store.upsert(candles)

    def _checked(self, candles: pl.DataFrame, grids: dict[Instrument, Grid]) -> pl.DataFrame:
        """What can be stored; the rest goes into the quarantine, with reasons. Nearly never is there any."""
        names = ", ".join(sorted({instrument.exchange for instrument in grids}))
        raw = RawCandles.from_frame(candles, f"exchange {names}")
        checked = check(raw, now_ms=_DECIDED_MS, grid_of=grids.__getitem__)
        self._store.quarantine(checked.quarantined)
        return checked.candles
