"""What each instrument of a file gets with its candles: a grid, which is the option's, its own, or the one that the
candles are on; the option's calendar; base and quote, where the file says them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from candles.files.options import ImportOptions
from candles.files.raw import SERIES_COLUMNS, RawCandles
from candles.grid_proposal import fits, is_usual, other_grids, propose_grid
from candles.placing import on_utc, place, slots_of_series
from candles.stored import stored_opens
from common.errors import CandleFileError
from common.grids import UTC_GRID, Grid
from engine.calendars import Calendars
from registry.groups import Series, series_of
from registry.instruments import Instrument, Listing
from registry.store.protocol import Store

# Days tell more about a grid than hours do, and what days do not tell, weeks and periods of three days do.
_TELLING = ("1d", "1mo", "12h", "8h", "6h", "4h", "2h", "1h", "30m", "1w", "3d")


@dataclass
class GridChoice:
    """The grids on which the rows of one file are checked, and what is stored of them with its candles."""

    listings: dict[Instrument, Listing]
    """Every instrument of the file -> what is known about it, with the grid and the calendar that it gets."""
    changed: list[Listing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def grid_of(self, instrument: Instrument) -> Grid:
        """The grid of an instrument."""
        listing = self.listings.get(instrument)
        return UTC_GRID if listing is None else listing.grid

    @property
    def calendars(self) -> Calendars:
        """The calendars and grids of the file's series."""
        named = {str(instrument): listing for instrument, listing in self.listings.items()}
        return Calendars(
            {name: listing.calendar for name, listing in named.items()},
            {name: listing.grid for name, listing in named.items()},
        )


def choose_grids(raw: RawCandles, options: ImportOptions, store: Store) -> GridChoice:
    """The grids for a file's rows.

    Raises :class:`CandleFileError` where the options ask for another grid than the instrument's judged or stored
    candles are on.
    """
    series = _series_in(raw)
    instruments = dict.fromkeys(one.instrument for one in series)
    known = {listing.instrument: listing for listing in store.candles.listings()}
    choice = GridChoice({one: _with_pair(known.get(one, Listing(one)), raw) for one in instruments})
    for instrument in instruments:
        listing = choice.listings[instrument]
        if options.grid is not None and options.grid != listing.grid:
            obstacle = _obstacle(instrument, options.grid, store)
            if obstacle is not None:
                raise CandleFileError(
                    f"--grid {str(options.grid)!r}: {obstacle}; {_how_to_change(instrument, options.grid)}"
                )
            listing = replace(listing, grid=options.grid)
        elif options.grid is None:
            listing = _as_proposed(raw, [one for one in series if one.instrument == instrument], choice, store)
        if options.calendar is not None:
            listing = replace(listing, calendar=options.calendar)
        if listing != known.get(instrument, Listing(instrument)):
            choice.changed.append(listing)
        choice.listings[instrument] = listing
    return choice


def _series_in(raw: RawCandles) -> list[Series]:
    names = raw.rows.select(SERIES_COLUMNS).unique(maintain_order=True)
    return [series_of(*row) for row in names.iter_rows() if slots_of_series(row, on_utc) is not None]


def _with_pair(listing: Listing, raw: RawCandles) -> Listing:
    """A listing with the base and quote that the file says, unless others are known."""
    own = listing.spelling
    pair = None if own is None or own.quote is not None else raw.pairs.get(own.letters)
    return listing if pair is None or listing.pair is not None else replace(listing, base=pair[0], quote=pair[1])


def _as_proposed(raw: RawCandles, series: Iterable[Series], choice: GridChoice, store: Store) -> Listing:
    """An instrument's listing with the grid that all of its rows are on, if that is another one and may be stored."""
    ordered = sorted(
        (one for one in series if one.timeframe in _TELLING), key=lambda one: _TELLING.index(one.timeframe)
    )
    listing = choice.listings[ordered[0].instrument] if ordered else next(choice.listings[s.instrument] for s in series)
    grid, of_closes, others = listing.grid, raw.stamps_the_close, tuple[Grid, ...]()
    for one in ordered:
        times = _times(raw, one, grid)
        if times.size and (proposed := propose_grid(one.timeframe, times, grid, of_closes=of_closes)) is not None:
            others = others or other_grids(one.timeframe, times, grid, proposed, of_closes=of_closes)
            grid = proposed
    if grid == listing.grid or not all(
        fits(one.timeframe, _times(raw, one, grid), grid, of_closes=of_closes) for one in ordered
    ):
        return listing
    instrument = listing.instrument
    where = f"the rows are off the grid of {instrument}, {str(listing.grid)!r}, and on {str(grid)!r}"
    obstacle = _obstacle(instrument, grid, store)
    if obstacle is not None:
        choice.notes.append(f"{where}, but {obstacle}; {_how_to_change(instrument, grid)}")
        return listing
    unusual = "" if is_usual(grid) else ", although that is no zone of a market: none fits all rows"
    fitting = f"; {' and '.join(repr(str(other)) for other in others)} would fit as well" if others else ""
    choice.notes.append(f"{where}, which is its grid now{unusual}{fitting}; --grid names another")
    return replace(listing, grid=grid, calendar=listing.calendar if grid.session_end is None else "sessions")


def _times(raw: RawCandles, series: Series, grid: Grid) -> NDArray[np.int64]:
    """When the sound rows of a series open, as well as that can be told before its grid is known; when they close, if
    that is what the file has."""
    instrument, timeframe = series.instrument, series.timeframe
    mine = raw.rows.filter(
        (pl.col("exchange") == instrument.exchange)
        & (pl.col("symbol") == instrument.symbol)
        & (pl.col("timeframe") == timeframe)
        & pl.col("problem").is_null()
        & pl.col("open_time").is_not_null()
    )
    placed = place(replace(raw, rows=mine), lambda _instrument: grid)
    times = placed["open_time"].to_physical().to_numpy().copy()
    if raw.stamps_the_close:
        begins = placed["begins"].to_numpy()
        times[begins] = placed["close_ms"].to_numpy()[begins]
        # A stamp that no slot ends at, which may be a millisecond short.
        times[~begins] += times[~begins] % 1_000 == 999
    return times


def _obstacle(instrument: Instrument, grid: Grid, store: Store) -> str | None:
    """Why an instrument cannot have a grid just like that."""
    judged = sorted(series for series in store.ticks.anchors() if series.instrument == instrument)
    if judged:
        return f"{judged[0]} was judged on its grid"
    for series in sorted(store.candles.names()):
        if series.instrument == instrument and not all(
            fits(series.timeframe, opens, grid) for opens in stored_opens(store.candles, series) if opens.size
        ):
            return f"stored candles of {series} are off that grid"
    return None


def _how_to_change(instrument: Instrument, grid: Grid) -> str:
    return f'change it with `hub instruments set {instrument} --grid "{grid}"` and `hub candles rebase`'
