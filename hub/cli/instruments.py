"""``hub instruments``: what can be named in conditions, with or without candles."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, message, print_json, print_table

instruments = App(name="instruments", help="Instruments that conditions may name.")


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(instruments)


@instruments.command(name="list")
def list_(*, json_output: AsJson = False) -> None:
    """List known instruments. Conditions may name those without candles; they fire once candles have come."""
    from dataclasses import asdict

    from common.timeframes import show_time
    from registry.store import open_configured

    with open_configured(hub_settings(), read_only=True) as store:
        listings = store.candles.listings()
        with_candles = {series.instrument for series in store.candles.names()}
    rows = [
        asdict(one) | {"instrument": str(one.instrument), "candles": one.instrument in with_candles} for one in listings
    ]
    if json_output:
        print_json(rows)
    elif not rows:
        message("No instruments; import candles (hub candles import FILE), or add one: hub instruments add BTCUSDT")
    else:
        print_table(
            [
                ("instrument", "candles", "calendar", "tick", "lot", "first candle", "aliases"),
                *(
                    (
                        str(one.instrument),
                        "yes" if one.instrument in with_candles else "no",
                        one.calendar,
                        "-" if one.tick_size is None else one.tick_size,
                        "-" if one.lot_size is None else one.lot_size,
                        "-" if one.first_open_ms is None else show_time(one.first_open_ms),
                        " ".join(one.aliases) or "-",
                    )
                    for one in listings
                ),
            ]
        )


@instruments.command
def add(
    symbol: Annotated[str, Parameter(help="For example BTCUSDT, BTC/USDT or BINANCE:BTCUSDT.")],
    *,
    alias: Annotated[list[str] | None, Parameter(negative="", help="Another symbol of it on its exchange.")] = None,
    tick_size: Annotated[float | None, Parameter(help="Smallest price step.")] = None,
    lot_size: Annotated[float | None, Parameter(help="Smallest step of the amount.")] = None,
    first_candle: Annotated[str | None, Parameter(help="When its first candle opened (UTC).")] = None,
    calendar: Annotated[Literal["24x7", "sessions"] | None, Parameter(help="When it trades.")] = None,
    json_output: AsJson = False,
) -> None:
    """Add an instrument, or change what is known about it; anything not given stays as it is."""
    from dataclasses import replace

    from common.timeframes import read_time
    from registry.instruments import Listing, normalise_instrument
    from registry.store import open_configured

    settings = hub_settings()
    one = normalise_instrument(symbol, settings.default_exchange)
    with open_configured(settings) as store:
        known = {listing.instrument: listing for listing in store.candles.listings()}.get(one, Listing(one))
        listing = replace(
            known,
            aliases=known.aliases
            if alias is None
            else tuple(normalise_instrument(a, one.exchange).symbol for a in alias),
            tick_size=known.tick_size if tick_size is None else tick_size,
            lot_size=known.lot_size if lot_size is None else lot_size,
            first_open_ms=known.first_open_ms if first_candle is None else read_time(first_candle),
            calendar=known.calendar if calendar is None else calendar,
        )
        changed = store.candles.list_instruments([listing])
    if json_output:
        print_json({"instrument": str(one), "changed": bool(changed)})
    else:
        print(one)
