"""What a group was judged from at any time: its epochs, each from one rebase of a series that it reads to the next."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from candles.calendars import stored_calendars
from candles.series import SeriesReader
from common.grids import Grid
from common.slots import slots_of
from common.timeframes import DURATION_MS
from engine.calendars import Calendars, SeriesCalendar
from engine.candle_history import CandleHistory, FrameHistory
from engine.resampling import resample
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.store.parts.ticks import Anchor
from registry.store.protocol import Store

_BLOCK = 65_536
"""Slots that are read at once: a few megabytes of candles."""
_SLOT = ("open_time", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Epoch:
    """The candles of a group that close after one time and up to another, judged from the same anchors."""

    after_ms: int | None
    """``None`` for the first epoch."""
    until_ms: int
    rebase: int
    anchors: tuple[Anchor, ...]
    """In the order of the group's series."""

    @property
    def grids(self) -> dict[Series, Grid]:
        """Series -> the grid by which it was judged."""
        return {anchor.series: anchor.grid for anchor in self.anchors}


class Epochs:
    """The epochs of all groups of a store, and the candles of each.

    What is said of the past is read once, when it is first asked for: nearly always, nothing was ever rebased.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def _past(self) -> "_Past":
        ticks = self._store.ticks
        return _Past(ticks.anchor_history(), ticks.rebase_watermarks(), ticks.last_rebase())

    def of(self, group: Group, watermark_ms: int) -> list[Epoch]:
        """The epochs of a group that has been judged up to a watermark, oldest first."""
        series, past = group.series, self._past
        mine = [anchor for anchor in past.anchors if anchor.series in series]
        # A rebase before the group's first tick has no watermark of the group: all of its ticks came after it.
        rebases = sorted({anchor.rebase for anchor in mine if group in past.watermarks.get(anchor.rebase, {})})
        epochs: list[Epoch] = []
        begin: int | None = None
        for rebase in [*rebases, None]:
            until = watermark_ms if rebase is None else past.watermarks[rebase][group]
            upto = past.last_rebase if rebase is None else rebase - 1
            anchors = {anchor.series: anchor for anchor in mine if anchor.rebase <= upto}
            if len(anchors) == len(series) and (begin is None or until > begin):
                epochs.append(Epoch(begin, until, upto, tuple(anchors[name] for name in series)))
            begin = until
        return epochs

    def histories(self, epoch: Epoch, *, revised: bool = False) -> dict[Series, pl.DataFrame]:
        """Series -> its candles in an epoch, from the anchor up to the epoch's end, oldest first, as candle frames.

        ``revised`` applies the newest pending revisions as well: what a rebase made now would judge from.
        """
        return {anchor.series: self._candles(anchor, epoch, revised=revised) for anchor in epoch.anchors}

    def _candles(self, anchor: Anchor, epoch: Epoch, *, revised: bool) -> pl.DataFrame:
        timeframe = anchor.series.timeframe
        stored = anchor.stored
        candles = self._store.candles.between(stored, anchor.open_ms, epoch.until_ms)
        candles = _as_of(candles, self._store.candles.superseded(stored), epoch.rebase)
        if revised:
            pending = self._store.candles.revisions(stored).filter("pending")
            # What is on another grid has no candle to correct here.
            opens = pending["open_time"].dt.epoch("ms").to_numpy()
            fitting = np.asarray(slots_of(stored.timeframe, anchor.grid).is_open(opens), np.bool_)
            candles = _replaced(candles, pending.filter(pl.Series(fitting)).select(_SLOT))
        if anchor.built_from is not None:
            candles = resample(candles, anchor.built_from, timeframe, anchor.grid).drop("partial")
        last_ms = SeriesCalendar(timeframe, grid=anchor.grid).last_open(epoch.until_ms)
        return candles.filter(pl.col("open_time").dt.epoch("ms").is_between(anchor.open_ms, last_ms))

    def up_to(self, condition: Condition, at_ms: int | None) -> dict[Series, CandleHistory]:
        """The candles of a condition's series as it was judged at a time, with those that have arrived since.

        Before its first tick, or without a time, they are what it would be judged from now. Series without candles are
        left out. Candles are read as they are used, block by block.
        """
        epoch = self._earlier(condition, at_ms)
        if epoch is not None:
            return {series: FrameHistory(frame) for series, frame in self.histories(epoch).items()}
        reader, anchors = SeriesReader.of(self._store), self._store.ticks.anchors()
        histories: dict[Series, CandleHistory] = {}
        for name in condition.all_series:
            extent = reader.extent(name)
            if extent is not None:
                histories[name] = StoredHistory(reader, name, anchors.get(name, extent[0]), extent[1])
        return histories

    def calendars(self, condition: Condition, at_ms: int | None) -> Calendars:
        """The calendars and grids that belong to the candles of :meth:`up_to`."""
        epoch, current = self._earlier(condition, at_ms), stored_calendars(self._store)
        return current if epoch is None else current.with_fixed(epoch.grids)

    def _earlier(self, condition: Condition, at_ms: int | None) -> Epoch | None:
        """The epoch before the last rebase in which a condition was judged at a time; ``None`` if there is none."""
        if at_ms is None or self._store.ticks.last_rebase() == 0:
            return None
        watermark_ms = self._store.ticks.watermarks(condition.timeframe).get(condition.group)
        if watermark_ms is None:
            return None
        epochs, last_rebase = self.of(condition.group, watermark_ms), self._past.last_rebase
        return next((epoch for epoch in epochs if at_ms <= epoch.until_ms and epoch.rebase < last_rebase), None)


@dataclass(frozen=True, slots=True)
class _Past:
    """What has been said of a store's series and groups up to some time."""

    anchors: list[Anchor]
    watermarks: dict[int, dict[Group, int]]
    """Rebase -> where the groups stood that it concerned."""
    last_rebase: int


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """The candles of a series that open from one time to another, read from the store block by block."""

    reader: SeriesReader
    series: Series
    first_open_ms: int
    last_open_ms: int

    def blocks(self) -> Iterator[pl.DataFrame]:
        span_ms = _BLOCK * DURATION_MS[self.series.timeframe]
        for start_ms in range(self.first_open_ms, self.last_open_ms + 1, span_ms):
            block = self.reader.between(self.series, start_ms, min(start_ms + span_ms, self.last_open_ms + 1))
            if not block.is_empty():
                yield block


def _as_of(candles: pl.DataFrame, superseded: pl.DataFrame, rebase: int) -> pl.DataFrame:
    """Candles as they were while a rebase was the latest: the next one to change a candle kept its old values."""
    ended = superseded.filter(pl.col("rebase") > rebase).sort("rebase").unique("open_time", keep="first")
    return _replaced(candles, ended.select(_SLOT))


def _replaced(candles: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Candles with those of ``others`` in their slots, oldest first; a null candle in ``others`` removes the slot's."""
    if others.is_empty() or candles.is_empty():
        return candles
    series = candles.select("exchange", "symbol", "timeframe").head(1)
    put_in = series.join(others.filter(pl.col("open").is_not_null()), how="cross").select(candles.columns)
    return pl.concat([candles.join(others, on="open_time", how="anti"), put_in]).sort("open_time")
