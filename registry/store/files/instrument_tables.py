"""Instruments in ``candles.duckdb``: those that have candles or are listed. All are in the owner's memory."""

from collections.abc import Sequence

import polars as pl

from common.clock import Clock
from common.errors import InstrumentError
from common.grids import UTC_GRID, Grid
from registry.instruments import Calendar, Instrument, Listing, resolve
from registry.store.files.database import Database, naive_time


class InstrumentTables:
    """The instruments of :class:`registry.store.parts.candles.CandleStore`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.reload()

    def reload(self) -> None:
        """Read them again: candles of an instrument that was not known may have arrived."""
        self._listings = self._load_listings()

    def all(self) -> list[Instrument]:
        return list(self._listings)

    def listings(self) -> list[Listing]:
        return list(self._listings.values())

    def add(self, listings: Sequence[Listing]) -> int:
        with self._database.alone():
            known = dict(self._listings)
            changed = {listing.instrument: listing for listing in listings if known.get(listing.instrument) != listing}
            _refuse_ambiguous([*(known | changed).values()])
            rows = pl.DataFrame(
                [
                    (
                        *(instrument.exchange, instrument.symbol),
                        *(listing.calendar, list(listing.aliases), listing.tick_size, listing.lot_size),
                        *(listing.first_open_ms, str(listing.grid)),
                    )
                    for instrument, listing in changed.items()
                ],
                schema={
                    **dict.fromkeys(("exchange", "symbol", "calendar"), pl.String),
                    "aliases": pl.List(pl.String),
                    **dict.fromkeys(("tick_size", "lot_size"), pl.Float64),
                    "first_open_time": pl.Int64,
                    "grid": pl.String,
                },
                orient="row",
            ).with_columns(
                pl.from_epoch("first_open_time", "ms").cast(pl.Datetime("ms")),
                pl.lit(naive_time(self._clock.now_ms())).alias("created_at"),
            )
            with self._database.transaction() as transaction:
                transaction.execute(
                    """
                    DELETE FROM candles.instruments i USING changed c
                    WHERE c.exchange = i.exchange AND c.symbol = i.symbol
                    """,
                    changed=rows,
                )
                transaction.append("candles.instruments", rows)
            self.reload()
            return len(changed)

    def set_calendar(self, instrument: Instrument, calendar: Calendar) -> None:
        resolve(instrument, self.listings())
        with self._database.transaction() as transaction:
            transaction.execute(
                "UPDATE candles.instruments SET calendar = ? WHERE exchange = ? AND symbol = ?",
                [calendar, instrument.exchange, instrument.symbol],
            )
        self.reload()

    def calendars(self) -> dict[str, Calendar]:
        return {str(listing.instrument): listing.calendar for listing in self.listings()}

    def grids(self) -> dict[str, Grid]:
        return {str(listing.instrument): listing.grid for listing in self.listings() if listing.grid != UTC_GRID}

    def _load_listings(self) -> dict[Instrument, Listing]:
        rows = self._database.frame(
            """
            SELECT exchange, symbol, coalesce(aliases, []) AS aliases, tick_size, lot_size,
                epoch_ms(first_open_time) AS first_open_ms, calendar, coalesce(grid, 'UTC') AS grid
            FROM candles.instruments ORDER BY exchange, symbol
            """
        )
        listings = {}
        for exchange, symbol, aliases, tick_size, lot_size, first_open_ms, calendar, grid in rows.iter_rows():
            instrument = Instrument(exchange, symbol)
            listings[instrument] = Listing(
                *(instrument, tuple(aliases), tick_size, lot_size, first_open_ms, calendar), Grid.parse(grid)
            )
        return listings


def _refuse_ambiguous(listings: Sequence[Listing]) -> None:
    names: dict[str, Instrument] = {str(listing.instrument): listing.instrument for listing in listings}
    for listing in listings:
        for alias in listing.aliases:
            name = f"{listing.instrument.exchange}:{alias}"
            other = names.setdefault(name, listing.instrument)
            if other != listing.instrument:
                raise InstrumentError(
                    f"{name} would name both {other} and {listing.instrument}; an alias must name only one"
                )
