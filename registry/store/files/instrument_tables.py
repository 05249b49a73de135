"""Instruments in ``candles.duckdb``: those that have candles or are listed. All are in the owner's memory."""

from collections.abc import Sequence

import polars as pl

from common.clock import Clock
from common.grids import UTC_GRID, Grid
from registry.directory import Directory
from registry.instruments import Calendar, Instrument, Listing
from registry.store.sql import Database, naive_time


class InstrumentTables:
    """The instruments of :class:`registry.store.parts.candles.CandleStore`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.reload()

    def reload(self) -> None:
        """Read them again: candles of an instrument that was not known may have arrived."""
        self.directory = Directory(self._load_listings())

    def listings(self) -> list[Listing]:
        return list(self.directory.listings)

    def add(self, listings: Sequence[Listing]) -> int:
        with self._database.alone():
            known = self.directory.by_instrument
            changed = {listing.instrument: listing for listing in listings if known.get(listing.instrument) != listing}
            Directory((dict(known) | changed).values()).check_names()
            rows = pl.DataFrame(
                [
                    (
                        *(instrument.exchange, instrument.symbol),
                        *(listing.calendar, list(listing.aliases), listing.tick_size, listing.lot_size),
                        *(listing.first_open_ms, str(listing.grid), listing.base, listing.quote),
                    )
                    for instrument, listing in changed.items()
                ],
                schema={
                    **dict.fromkeys(("exchange", "symbol", "calendar"), pl.String),
                    "aliases": pl.List(pl.String),
                    **dict.fromkeys(("tick_size", "lot_size"), pl.Float64),
                    "first_open_time": pl.Int64,
                    **dict.fromkeys(("grid", "base", "quote"), pl.String),
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
        self.directory.check(instrument)
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

    def _load_listings(self) -> list[Listing]:
        rows = self._database.frame(
            """
            SELECT exchange, symbol, coalesce(aliases, ?::VARCHAR[]) AS aliases, tick_size, lot_size,
                epoch_ms(first_open_time) AS first_open_ms, calendar, coalesce(grid, 'UTC') AS grid, base, quote
            FROM candles.instruments ORDER BY exchange, symbol
            """,
            [[]],
        )
        return [
            Listing(
                *(Instrument(exchange, symbol), tuple(aliases), tick_size, lot_size, first_open_ms, calendar),
                *(Grid.parse(grid), base, quote),
            )
            for exchange, symbol, aliases, tick_size, lot_size, first_open_ms, calendar, grid, base, quote in (
                rows.iter_rows()
            )
        ]
