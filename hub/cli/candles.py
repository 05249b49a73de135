"""``hub candles``: which candles the store has, how they came in, and what was wrong with them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import hub_settings, listed_instruments, open_to_read
from hub.cli.output import AsJson, console, message, print_frame, print_json

if TYPE_CHECKING:
    from registry.groups import Series

candles = App(name="candles", help="Candles in the store.")


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(candles)


@candles.command(name="import")
def import_(
    paths: Annotated[list[Path], Parameter(help="Parquet or CSV files, or folders of them.")],
    *,
    symbol: Annotated[str | None, Parameter(help="Symbol, if the file does not name it.")] = None,
    timeframe: Annotated[str | None, Parameter(help="Timeframe, if the file does not name it.")] = None,
    exchange: Annotated[str | None, Parameter(help="Exchange, if the file does not name it.")] = None,
    calendar: Annotated[
        Literal["24x7", "sessions"] | None,
        Parameter(help="When the instruments trade: always, or in sessions, like stocks. New instruments get 24x7."),
    ] = None,
    fill: Annotated[
        bool,
        Parameter(negative="", help="Fill gaps with flat candles: for sources that leave out candles without trades."),
    ] = False,
    json_output: AsJson = False,
) -> None:
    """Import candles. Bad rows are quarantined with a reason, gaps are reported, good rows are stored once."""
    settings = hub_settings()
    from candles.import_report import as_json, render
    from candles.importing import import_candles
    from common.clock import SystemClock
    from registry.naming import reading
    from registry.store import open_configured

    with open_configured(settings) as store:
        with reading(store.candles.directory()):
            reports = import_candles(
                paths,
                store.candles,
                clock=SystemClock(),
                symbol=symbol,
                timeframe=timeframe,
                exchange=exchange or settings.default_exchange,
                fill=fill,
            )
        if calendar is not None:
            for instrument in sorted({series.instrument for report in reports for series in report.series}):
                store.candles.set_calendar(instrument, calendar)
    if json_output:
        print_json([as_json(report) for report in reports])
    else:
        console().print(render(reports))
    failed = [report for report in reports if report.failed]
    if failed:
        raise HubError(f"{len(failed)} of {len(reports)} files could not be read: {failed[0].error}")


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
    name = None if series is None else _series(series)
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
    name = None if series is None else _series(series)
    with open_to_read() as store:
        rows = store.candles.revisions(name)
    if not json_output:
        from candles.revisions_report import revisions_table

        rows = revisions_table(rows)
    print_frame(rows, json_output, empty="No revisions: no judged candle has been corrected since.")


@candles.command
def rebase(
    series: Annotated[str, Parameter(help='The series, such as "BTCUSDT 1h".')],
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask for confirmation.")] = False,
    json_output: AsJson = False,
) -> None:
    """Judge a series from its corrected candles from now on, with a new anchor. Recorded triggers stay unchanged."""
    settings = hub_settings()
    name = _series(series)
    from candles.rebasing import plan_rebase
    from common.timeframes import show_time
    from registry.store import open_configured

    with open_configured(settings) as store:
        plan = plan_rebase(store, name)
        old = store.ticks.anchors()
        pending = store.candles.revisions(plan.stored)["pending"].sum()
        for rebased, anchor in sorted(plan.anchors.items()):
            made_of = f", built from {plan.built_from[rebased]}" if rebased in plan.built_from else ""
            was = show_time(old[rebased]) if rebased in old else "none"
            message(f"{rebased}{made_of}: judged from {show_time(anchor)} on (anchor so far: {was})")
        message(f"{pending} corrected candles of {plan.stored} will be used")
        if not (yes or _confirmed("Continue? Later triggers may differ from what they would have been.")):
            raise HubError("nothing was changed; add --yes to confirm")
        changed = store.rebase(plan)
        number = store.ticks.last_rebase()
    if json_output:
        print_json({"rebase": number, "candles_changed": changed, "anchors": plan.anchors})
    else:
        print(f"rebase {number}: {changed} candles changed")


def _series(text: str) -> "Series":
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
