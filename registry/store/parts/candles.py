"""Candles, as whatever keeps them offers them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from registry.groups import Series
from registry.instruments import Calendar, Instrument, Listing


@dataclass(frozen=True)
class UpsertCounts:
    """What happened to the candles of one upsert."""

    inserted: int = 0
    unchanged: int = 0
    replaced: int = 0
    """Stored before, not yet judged, and different: the new version is the candle."""
    revised: int = 0
    """Judged already, or judged as missing: kept as a revision, the judged version stays."""


class CandleStore(Protocol):
    """Candles, instruments, revisions and the quarantine.

    Candle frames have the columns ``exchange symbol timeframe open_time open high low close volume``; ``open_time`` is
    ``Datetime('ms', 'UTC')``.
    """

    def upsert(self, candles: pl.DataFrame) -> UpsertCounts:
        """Add closed candles, unique by series and open time. Judged ones are never rewritten: see ``revised``.

        An optional column ``filled`` marks candles that stand for slots without trades; they never replace real ones.
        """
        ...

    def quarantine(self, rows: pl.DataFrame) -> int:
        """Keep rejected rows with their reasons; the number that was not there before."""
        ...

    def quarantined(self) -> pl.DataFrame:
        """All rejected rows."""
        ...

    def instruments(self) -> list[Instrument]:
        """All instruments that are listed, or have or had candles."""
        ...

    def listings(self) -> list[Listing]:
        """What is known of them, in the order of their names."""
        ...

    def list_instruments(self, listings: Sequence[Listing]) -> int:
        """Make instruments known, or better known; how many of them changed.

        Raises :class:`common.errors.InstrumentError` for an alias that would name two of them.
        """
        ...

    def series(self) -> pl.DataFrame:
        """One row a series: ``series exchange symbol timeframe first_open_time last_open_time candles filled
        revisions``."""
        ...

    def gaps(self, series: Series | None = None) -> pl.DataFrame:
        """Slots between a series' first and last candle that have none, a row a gap: ``series first_open_time
        last_open_time slots judged calendar``, by series and time.

        ``judged`` of them were given up as holes when they were judged. Where the calendar is ``sessions``, gaps are
        mostly hours in which the market was closed.
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
        """Say when an instrument trades; raises :class:`common.errors.InstrumentError` for an unknown one."""
        ...

    def calendars(self) -> dict[str, Calendar]:
        """Instrument (``BINANCE:BTCUSDT``) -> its calendar."""
        ...

    def extent(self, timeframe: str) -> dict[Series, tuple[int, int]]:
        """Series -> open times of its first and last candle."""
        ...

    def revisions(self, series: Series | None = None) -> pl.DataFrame:
        """Versions of candles that came after they had been judged, by series and open time, oldest version first.

        ``series open_time created_at pending``, the candle as it is judged now (``judged_open`` … ``judged_volume``,
        null for a slot without one) and the version (``open high low close volume``). ``pending`` is the newest version
        of its slot where it differs from the judged candle: what a rebase takes.
        """
        ...

    def superseded(self, series: Series) -> pl.DataFrame:
        """What candles of a series were before rebases: ``rebase open_time open high low close volume``, oldest rebase
        first; null values where there was no candle."""
        ...

    def names(self) -> set[Series]:
        """The series that have candles."""
        ...

    def version(self, series: Collection[Series]) -> int:
        """Grows with every change of candles of these series, and is another one when the owner of the files is."""
        ...
