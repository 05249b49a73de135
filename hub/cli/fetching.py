"""``hub candles fetch``: candles from the exchanges themselves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.candles import candles, series_named
from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, console, message, print_json, print_table

if TYPE_CHECKING:
    from candles.fetching import FetchReport
    from registry.groups import Series
    from registry.store.parts.candles import CandleStore


def add_to(app: App) -> None:
    """Add the command to the command line; it is one of those of candles."""
    assert app["candles"] is candles
    candles.command(fetch)


def fetch(
    *series: Annotated[
        str, Parameter(help='Series, such as "BTCUSDT 1h" "OKX:ETHUSDT 1d"; by default those that conditions read.')
    ],
    since: Annotated[
        str | None,
        Parameter(help="When to begin (UTC); by default after the newest stored candle, or 1,000 candles ago."),
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Fetch closed candles from their exchanges, without an account. What is stored already is not fetched again."""
    import asyncio

    from rich.progress import BarColumn, Progress, TextColumn

    from candles.calendars import stored_calendars
    from candles.fetching import Exchanges, fetch_candles, first_fetched
    from candles.wanted import wanted_series
    from common.clock import SystemClock
    from common.timeframes import from_ms, read_time, show_time
    from registry.store import open_configured

    settings, clock = hub_settings(), SystemClock()
    since_ms = None if since is None else read_time(since)
    named = [series_named(text) for text in series]
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[reached]}")
    bars = Progress(*columns, console=console(stderr=True), transient=True)

    def show(report: "FetchReport") -> None:
        reached = "" if report.last_open_ms is None else f"{report.inserted:,} to {show_time(report.last_open_ms)}"
        bars.update(tasks[report.series], reached=reached)

    async def fetch_all(wanted: "Mapping[Series, int]", candles: "CandleStore") -> "list[FetchReport]":
        async with Exchanges(settings.exchange_urls, settings.exchange_requests_a_minute) as exchanges:
            return await fetch_candles(wanted, candles, exchanges, clock=clock, calendars=calendars, progress=show)

    with open_configured(settings) as store, bars:
        calendars = stored_calendars(store)
        if not named:
            wanted = {one: what.since_ms for one, what in wanted_series(store, clock.now_ms()).items()}
        else:
            extents = {name: extent for one in named for name, extent in store.candles.extent(one.timeframe).items()}
            newest = {one: extents[one][1] if one in extents else None for one in named}
            wanted = {one: first_fetched(one, last, clock.now_ms(), calendars) for one, last in newest.items()}
        if since_ms is not None:
            wanted = dict.fromkeys(wanted, since_ms)
        tasks = {one: bars.add_task(str(one), total=None, reached="") for one in wanted}
        reports = asyncio.run(fetch_all(wanted, store.candles))
    if not reports:
        message('No active condition reads a series; register one, or name series: hub candles fetch "BTCUSDT 1h"')
    if json_output:
        print_json(
            [
                {
                    "series": report.series,
                    "inserted": report.inserted,
                    "unchanged": report.unchanged,
                    "replaced": report.replaced,
                    "revised": report.revised,
                    "quarantined": report.quarantined,
                    "last_open_time": None if report.last_open_ms is None else from_ms(report.last_open_ms),
                    "error": report.error,
                }
                for report in reports
            ]
        )
    elif reports:
        print_table([("series", "inserted", "revised", "quarantined", "newest candle"), *map(_row, reports)])
    if failed := [report for report in reports if report.error is not None]:
        raise HubError(f"{len(failed)} of {len(reports)} series could not be fetched: {failed[0].error}")


def _row(report: "FetchReport") -> tuple[object, ...]:
    from common.timeframes import show_time

    newest = "-" if report.last_open_ms is None else show_time(report.last_open_ms)
    return report.series, f"{report.inserted:,}", f"{report.revised:,}", f"{report.quarantined:,}", newest
