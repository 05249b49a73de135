"""Candles, instruments, revisions and the quarantine: what the store keeps of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from common.grids import Grid
from registry.directory import Directory
from registry.groups import Series
from registry.instruments import Calendar, Instrument, Listing


@dataclass(frozen=True)
class UpsertCounts:
    """How many candles of one upsert met which fate."""

    inserted: int = 0
    unchanged: int = 0
    replaced: int = 0
    """Stored before, not yet judged, and different: the new version becomes the candle."""
    revised: int = 0
    """Already judged, or judged as missing: stored as a revision, the judged version stays."""


class CandleStore(Protocol):
    """Candles, instruments, revisions and the quarantine.

    Candle frames have the columns ``exchange symbol timeframe open_time open high low close volume``; ``open_time`` is
    ``Datetime('ms', 'UTC')``.
    """

    def upsert(self, candles: pl.DataFrame) -> UpsertCounts:
        """Add closed candles, unique by series and open time. Judged ones are never rewritten: see ``revised``.

        An optional column ``filled`` marks candles for slots without trades; they never replace real ones. Another,
        ``widened``, marks candles whose low to high was widened to their open.
        """
        ...

    def judged(self, series: Series) -> list[tuple[int, int]]:
        """The times between which a series is never rewritten, because it was judged: candles that open from the first
        on and before the second."""
        ...

    def delete(self, series: Series, start_ms: int, stop_ms: int) -> int:
        """Delete the candles of a series with ``start <= open_time < stop``. Returns how many there were.

        Raises :class:`common.errors.StoreError`, and deletes nothing, if one of them was judged, and
        :class:`common.errors.CandlesMissing` for a series without candles.
        """
        ...

    def quarantine(self, rows: pl.DataFrame) -> int:
        """Store rejected rows with their reasons. Returns how many were not stored before."""
        ...

    def quarantined(self) -> pl.DataFrame:
        """All rejected rows."""
        ...

    def instruments(self) -> list[Instrument]:
        """All instruments that are listed, or have or had candles."""
        ...

    def listings(self) -> list[Listing]:
        """What is known about the instruments, in the order of their names."""
        ...

    def directory(self) -> Directory:
        """The listings, ready for reading the names of instruments. The same until one changes."""
        ...

    def list_instruments(self, listings: Sequence[Listing]) -> int:
        """Add instruments, or update what is known about them. Returns how many changed.

        What has been judged stays on the grid on which it was judged, until a rebase. Raises
        :class:`common.errors.InstrumentError` for an alias that would name two instruments.
        """
        ...

    def series(self) -> pl.DataFrame:
        """One row per series: ``series exchange symbol timeframe first_open_time last_open_time candles filled
        widened revisions``."""
        ...

    def gaps(self, series: Series | None = None) -> pl.DataFrame:
        """Slots without a candle between the first and the last candle of a series, one row per gap: ``series
        first_open_time last_open_time slots judged calendar``, by series and time.

        ``judged`` is how many of the slots were judged as missing. Where the calendar is ``sessions``, slots count in
        which the market was open by what other days show (:mod:`common.missing_slots`).
        """
        ...

    def at(self, timeframe: str, open_time_ms: int) -> pl.DataFrame:
        """The candles of one slot: ``series open high low close volume``."""
        ...

    def between(self, series: Series, start_ms: int, stop_ms: int) -> pl.DataFrame:
        """Candles of one series with ``start <= open_time < stop``, oldest first, as a candle frame."""
        ...

    def within(self, series: Sequence[Series], start_ms: int, stop_ms: int) -> pl.DataFrame:
        """Candles of several series of one timeframe with ``start <= open_time < stop``: ``series open_time open high
        low close volume``, by series in the order of their names, then oldest first."""
        ...

    def last(self, series: Series, stop_ms: int, count: int) -> pl.DataFrame:
        """The last ``count`` candles of one series with ``open_time < stop``, oldest first, as a candle frame."""
        ...

    def first_open_from(self, series: Series, time_ms: int) -> int | None:
        """Open time of the first candle of a series that opens at or after a time, ``None`` without one."""
        ...

    def set_calendar(self, instrument: Instrument, calendar: Calendar) -> None:
        """Set when an instrument trades. Raises :class:`common.errors.InstrumentError` for an unknown one."""
        ...

    def calendars(self) -> dict[str, Calendar]:
        """Instrument (``BINANCE:BTCUSDT``) -> its calendar."""
        ...

    def grids(self) -> dict[str, Grid]:
        """The instruments that are not on UTC's grid -> where their slots begin."""
        ...

    def extent(self, timeframe: str) -> dict[Series, tuple[int, int]]:
        """Series -> open times of its first and last candle."""
        ...

    def revisions(self, series: Series | None = None) -> pl.DataFrame:
        """Versions of candles that arrived after the candle was judged, by series and open time, oldest version first.

        ``series open_time created_at pending``, the candle as it is judged (``judged_open`` … ``judged_volume``, null
        for a slot without one) and the version (``open high low close volume``). ``pending`` marks the newest version
        of a slot if it differs from the judged candle: a rebase takes these.
        """
        ...

    def superseded(self, series: Series) -> pl.DataFrame:
        """The candles of a series as they were before rebases: ``rebase open_time open high low close volume``, oldest
        rebase first; null values where there was no candle."""
        ...

    def names(self) -> set[Series]:
        """The series that have candles."""
        ...

    def version(self, series: Collection[Series]) -> int:
        """Grows with every change to candles of these series, and differs from one owner of the files to the next."""
        ...

    def last_change(self) -> int:
        """The number of the last commit that changed candles, of any series. What is read afterwards has it; a tick
        tells it with :attr:`registry.store.parts.ticks.TickRecord.candles_read`."""
        ...
