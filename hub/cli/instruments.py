"""``hub instruments``: what can be named in conditions, with or without candles."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, message, print_json, print_table

if TYPE_CHECKING:
    from registry.directory import Directory
    from registry.instruments import Listing

instruments = App(name="instruments", help="Instruments that conditions may name.")

InstrumentName = Annotated[
    str, Parameter(help="For example BTCUSDT, BTC/USDT:USDT, OKX:BTC-USDT-SWAP, BTCUSDT-20250328 or NSE:M&M.")
]


@Parameter(name="*")
@dataclass(frozen=True)
class ListingOptions:
    """What is known about an instrument; what is not named stays as it is."""

    tick_size: Annotated[float | None, Parameter(help="Smallest price step.")] = None
    lot_size: Annotated[float | None, Parameter(help="Smallest step of the amount.")] = None
    first_candle: Annotated[str | None, Parameter(help="When its first candle opened (UTC).")] = None
    calendar: Annotated[Literal["24x7", "sessions"] | None, Parameter(help="When it trades.")] = None
    grid: Annotated[
        str | None,
        Parameter(
            help='Where its candles begin, unless at 00:00 UTC and on Mondays: "day 16:00", "week thu", "3d 1", "EET"'
            ' or "America/New_York, session 09:30-16:00".'
        ),
    ] = None

    def applied(self, listing: "Listing") -> "Listing":
        """The listing with what is named here."""
        from dataclasses import replace

        from common.grids import Grid
        from common.timeframes import read_time

        return replace(
            listing,
            tick_size=listing.tick_size if self.tick_size is None else self.tick_size,
            lot_size=listing.lot_size if self.lot_size is None else self.lot_size,
            first_open_ms=listing.first_open_ms if self.first_candle is None else read_time(self.first_candle),
            calendar=self.calendar or listing.calendar,
            grid=listing.grid if self.grid is None else Grid.parse(self.grid),
        )


_NOTHING = ListingOptions()


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(instruments)


@instruments.command(name="list")
def list_(*, json_output: AsJson = False) -> None:
    """List known instruments. Conditions may name those without candles; they fire once candles have come."""
    from common.timeframes import show_time
    from registry.store import open_configured

    with open_configured(hub_settings(), read_only=True) as store:
        listings = store.candles.listings()
        with_candles = {series.instrument for series in store.candles.names()}
    if json_output:
        print_json([_as_json(one) | {"candles": one.instrument in with_candles} for one in listings])
    elif not listings:
        message("No instruments; import candles (hub candles import FILE), or add one: hub instruments add BTCUSDT")
    else:
        print_table(
            [
                ("instrument", "kind", "candles", "calendar", "grid", "tick", "lot", "first candle", "aliases"),
                *(
                    (
                        str(one.instrument),
                        one.instrument.kind,
                        "yes" if one.instrument in with_candles else "no",
                        one.calendar,
                        one.grid,
                        "-" if one.tick_size is None else one.tick_size,
                        "-" if one.lot_size is None else one.lot_size,
                        "-" if one.first_open_ms is None else show_time(one.first_open_ms),
                        ", ".join(one.aliases) or "-",
                    )
                    for one in listings
                ),
            ]
        )


@instruments.command
def add(
    name: InstrumentName,
    *,
    alias: Annotated[
        list[str] | None, Parameter(negative="", help="Another name that its exchange or a platform has for it.")
    ] = None,
    options: ListingOptions = _NOTHING,
    json_output: AsJson = False,
) -> None:
    """Add an instrument, or to what is known about it: aliases join those that it has."""

    def added(directory: "Directory", default_exchange: str) -> "Listing":
        listing = directory.listing(name, default_exchange)
        return _with_aliases(options.applied(listing), [*listing.aliases, *(alias or ())])

    _write(added, json_output)


@instruments.command(name="set")
def set_(
    name: InstrumentName,
    *,
    alias: Annotated[
        list[str] | None,
        Parameter(negative="--no-alias", help="Another name of it, in place of those that it has, or none of them."),
    ] = None,
    options: ListingOptions = _NOTHING,
    json_output: AsJson = False,
) -> None:
    """Change what is known about an instrument."""

    def changed(directory: "Directory", default_exchange: str) -> "Listing":
        listing = directory.listing(name, default_exchange)
        directory.check(listing.instrument)
        return _with_aliases(options.applied(listing), listing.aliases if alias is None else alias)

    _write(changed, json_output)


def _with_aliases(listing: "Listing", aliases: "list[str] | tuple[str, ...]") -> "Listing":
    from dataclasses import replace

    return replace(listing, aliases=tuple(dict.fromkeys(alias.strip() for alias in aliases)))


def _write(listing_from: "Callable[[Directory, str], Listing]", json_output: bool) -> None:
    """Store what becomes of a listing, and print it."""
    from registry.store import open_configured

    settings = hub_settings()
    with open_configured(settings) as store:
        listing = listing_from(store.candles.directory(), settings.default_exchange)
        changed = store.candles.list_instruments([listing])
        candles = any(series.instrument == listing.instrument for series in store.candles.names())
    if json_output:
        print_json(_as_json(listing) | {"candles": candles, "changed": bool(changed)})
        return
    print(listing.instrument)
    if not candles:
        message("it has no candles yet: conditions on it can be registered, and are judged once some are imported")


def _as_json(listing: "Listing") -> dict[str, object]:
    from common.timeframes import iso_time

    instrument, (base, quote) = listing.instrument, listing.pair or (None, None)
    return {
        "instrument": str(instrument),
        "exchange": instrument.exchange,
        "symbol": instrument.symbol,
        "kind": instrument.kind,
        "base": base,
        "quote": quote,
        "settle": instrument.settle,
        "expiry": instrument.expiry,
        "calendar": listing.calendar,
        "grid": str(listing.grid),
        "aliases": list(listing.aliases),
        "tick_size": listing.tick_size,
        "lot_size": listing.lot_size,
        "first_open_time": None if listing.first_open_ms is None else iso_time(listing.first_open_ms),
    }
