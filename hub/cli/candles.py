"""``hub candles``: which candles the store has, how they came in, and what was wrong with them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from common.counted import counted
from common.errors import HubError
from hub.cli.opening import hub_settings, listed_instruments, open_to_read
from hub.cli.output import AsJson, console, message, print_frame, print_json

if TYPE_CHECKING:
    from registry.groups import Series

_EVER_MS = 10**14
"""Milliseconds from 1970 to beyond every candle, in both directions."""

candles = App(name="candles", help="Candles in the store.")


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(candles)


@candles.command(name="import")
def import_(
    paths: Annotated[
        list[Path], Parameter(help="CSV, TSV, JSON, JSON Lines, XLSX, Parquet or Feather files, or folders of them.")
    ],
    *,
    symbol: Annotated[str | None, Parameter(help="Symbol. It overrides the file's name and folder.")] = None,
    timeframe: Annotated[str | None, Parameter(help="Timeframe. It overrides the file's name.")] = None,
    exchange: Annotated[str | None, Parameter(help="Exchange, if the file does not name it.")] = None,
    columns: Annotated[
        str | None,
        Parameter(
            help="What the file's columns are, in their order: time,open,high,low,close,volume, also clock, symbol, "
            "timeframe, exchange, closed; - for one to ignore. Only needed where names and values do not tell."
        ),
    ] = None,
    zone: Annotated[
        str | None, Parameter(help="Time zone of times without an offset, such as America/New_York. Else they are UTC.")
    ] = None,
    stamp: Annotated[
        Literal["open", "close"], Parameter(help="Whether the file's times are those of the open or of the close.")
    ] = "open",
    calendar: Annotated[
        Literal["24x7", "sessions"] | None,
        Parameter(help="When the instruments trade: always, or in sessions, like stocks. New instruments get 24x7."),
    ] = None,
    grid: Annotated[
        str | None,
        Parameter(
            help='Where the instruments\' slots begin, such as "Etc/GMT-8", "week thu" or "America/New_York, session '
            '09:30-16:00". Else the grid that they have, or the one that the candles are on.'
        ),
    ] = None,
    fill: Annotated[
        bool,
        Parameter(negative="", help="Fill gaps with flat candles: for sources that leave out candles without trades."),
    ] = False,
    widen: Annotated[
        bool,
        Parameter(
            negative="",
            help="Widen low to high to an open that is the close before and lies outside, as BitMEX writes candles.",
        ),
    ] = False,
    force: Annotated[
        bool,
        Parameter(negative="", help="Store candles that look like those of another timeframe or another market."),
    ] = False,
    json_output: AsJson = False,
) -> None:
    """Import candles. Bad rows are quarantined with a reason, gaps are reported, good rows are stored once."""
    settings = hub_settings()
    from candles.files.options import ImportOptions
    from candles.import_report import as_json, render
    from candles.importing import candle_files, import_candles
    from common.clock import SystemClock
    from hub.cli.import_progress import ImportProgress
    from registry.naming import reading
    from registry.store import open_configured

    files = candle_files(paths)
    with open_configured(settings) as store, reading(store.candles.directory()), ImportProgress(len(files)) as progress:
        options = ImportOptions.parse(
            symbol=symbol,
            timeframe=timeframe,
            exchange=exchange,
            default_exchange=settings.default_exchange,
            columns=columns,
            zone=zone,
            stamps_the_close=stamp == "close",
            grid=grid,
            calendar=calendar,
            fill=fill,
            widen=widen,
            force=force,
        )
        reports = import_candles(
            files, store, clock=SystemClock(), options=options, progress=progress.file, step=progress.candles
        )
    if json_output:
        print_json([as_json(report) for report in reports])
    else:
        console().print(render(reports))
    failures = [report.error for report in reports if report.error is not None]
    if failures:
        raise HubError("\n".join([f"nothing was imported from {len(failures)} of {len(reports)} files:", *failures]))


@candles.command(name="list")
def list_candles(*, json_output: AsJson = False) -> None:
    """List the series in the store."""
    with open_to_read() as store:
        series = store.candles.series()
    print_frame(series, json_output, empty="No candles; import some: hub candles import FILE")


@candles.command
def gaps(
    series: Annotated[str | None, Parameter(help='A series, such as "BTCUSDT 1h"; all by default.')] = None,
    *,
    json_output: AsJson = False,
) -> None:
    """List runs of missing candles, and how many of their slots were judged as missing."""
    name = None if series is None else series_named(series)
    with open_to_read() as store:
        rows = store.candles.gaps(name)
    print_frame(rows, json_output, empty="No gaps: every slot from the first candle to the last has one.")


@candles.command
def quarantine(*, json_output: AsJson = False) -> None:
    """List rejected rows and the reasons."""
    with open_to_read() as store:
        rows = store.candles.quarantined()
    print_frame(rows, json_output, empty="No rejected rows.")


@candles.command
def revisions(
    series: Annotated[str | None, Parameter(help='A series, such as "BTCUSDT 1h"; all by default.')] = None,
    *,
    json_output: AsJson = False,
) -> None:
    """List corrections of candles that had already been judged. They fire no condition and change no trigger."""
    name = None if series is None else series_named(series)
    with open_to_read() as store:
        rows = store.candles.revisions(name)
    if not json_output:
        from candles.revisions_report import revisions_table

        rows = revisions_table(rows)
    print_frame(rows, json_output, empty="No revisions: no judged candle has been corrected since.")


@candles.command
def delete(
    series: Annotated[str, Parameter(help='The series, such as "BTCUSDT 1h".')],
    *,
    since: Annotated[str | None, Parameter(help="Only candles that open at this time (UTC) or later.")] = None,
    until: Annotated[str | None, Parameter(help="Only candles that open before this time (UTC).")] = None,
    json_output: AsJson = False,
) -> None:
    """Delete candles that were not judged yet, such as those of a wrong file. Judged candles stay."""
    settings = hub_settings()
    name = series_named(series)
    from common.timeframes import read_time
    from registry.store import open_configured

    start_ms = -_EVER_MS if since is None else read_time(since)
    stop_ms = _EVER_MS if until is None else read_time(until)
    if start_ms >= stop_ms:
        raise HubError(f"--since {since} is not before --until {until}; nothing was deleted")
    with open_configured(settings) as store:
        deleted = store.candles.delete(name, start_ms, stop_ms)
    if json_output:
        print_json({"series": name, "deleted": deleted})
    else:
        print(f"{counted(deleted, 'candle')} of {name} deleted")


@candles.command
def rebase(
    series: Annotated[str, Parameter(help='The series, such as "BTCUSDT 1h".')],
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask for confirmation.")] = False,
    json_output: AsJson = False,
) -> None:
    """Judge a series from its corrected candles from now on, with a new anchor. Recorded triggers stay unchanged."""
    settings = hub_settings()
    name = series_named(series)
    from candles.rebasing import plan_rebase
    from common.timeframes import iso_time, show_time
    from registry.store import open_configured

    with open_configured(settings) as store:
        plan = plan_rebase(store, name)
        old = store.ticks.anchors()
        pending = store.candles.revisions(plan.stored)["pending"].sum()
        for rebased, anchor in sorted(plan.anchors.items()):
            made_of = f", built from {plan.built_from[rebased]}" if rebased in plan.built_from else ""
            was = show_time(old[rebased]) if rebased in old else "none"
            message(
                f"{rebased}{made_of}, grid {plan.grids[rebased]}: judged from {show_time(anchor)} on"
                f" (anchor so far: {was})"
            )
        message(f"{pending} corrected candles of {plan.stored} will be used")
        if not (yes or _confirmed("Continue? Later triggers may differ from what they would have been.")):
            raise HubError("nothing was changed; add --yes to confirm")
        changed = store.rebase(plan)
        number = store.ticks.last_rebase()
    if json_output:
        print_json(
            {
                "rebase": number,
                "candles_changed": changed,
                "anchors": {name: iso_time(anchor) for name, anchor in plan.anchors.items()},
            }
        )
    else:
        print(f"rebase {number}: {changed} candles changed")


def series_named(text: str) -> "Series":
    """``btc/usdt 60m`` -> ``BINANCE:BTCUSDT 1h``."""
    from common.errors import InstrumentError
    from common.timeframes import normalise_timeframe
    from registry.groups import Series

    symbol, _, timeframe = text.strip().rpartition(" ")
    if not symbol:
        raise InstrumentError(f'series {text!r} lacks a symbol or a timeframe; write "BTCUSDT 1h"')
    instrument = listed_instruments().read(symbol, hub_settings().default_exchange)
    return Series(instrument, normalise_timeframe(timeframe))


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
