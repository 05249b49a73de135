"""The command ``hub``. Data goes to stdout (``--json`` for machines), messages to stderr.

Exit codes: 0 done, 1 the hub could not do it (the message says why and how to mend it), 2 the command line is wrong.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

import app_cli_events
import app_cli_instruments
import app_cli_service
import app_cli_store
from app_cli_output import AsJson
from app_cli_output import console as _console
from app_cli_output import message as _message
from app_cli_output import print_json as _print_json
from registry.errors import HubError

if TYPE_CHECKING:
    from registry.settings import Settings

app = App(name="hub", help="Shared condition evaluation for trading bots.", version_flags=[])
candles = App(name="candles", help="Candles in the store.")
conditions = App(name="conditions", help="Registered conditions.")
app.command(candles)
app.command(conditions)
app_cli_events.add_to(app)
app_cli_service.add_to(app)
app_cli_instruments.add_to(app)
app_cli_store.add_to(app)


@app.command
def demo(
    *,
    bots: Annotated[int, Parameter(help="Simulated bots.")] = 4_000,
    seed: Annotated[int, Parameter(help="The same seed gives the same bots.")] = 20240805,
    json_output: AsJson = False,
) -> None:
    """Run the main job on the real candles that ship with the project: the crash of 5 August 2024.

    Imports candles, registers the conditions of simulated bots, replays three days through Prefect flow runs with an
    embedded Valkey, and reports what sharing saved. Everything is kept in the folder `demo` inside HUB_DATA_DIR; a
    second run of the same bots adds nothing to it.
    """
    settings = _settings("demo")
    if bots < 1:
        raise HubError(f"--bots must be at least 1, got {bots}")
    _message("Loading libraries …")
    from flows.demo.replay import replay_demo
    from flows.demo.report import make_report, print_report
    from flows.progress import ConsoleProgress
    from registry.store import open_configured

    with ConsoleProgress(_console(stderr=True)) as progress:
        replay = asyncio.run(replay_demo(settings, progress, bots=bots, seed=seed))
    with open_configured(settings, read_only=True) as store:
        report = make_report(store, replay)
    if json_output:
        _print_json(report.as_json())
    else:
        shown = os.path.relpath(settings.data_dir)
        print_report(report, _console(), dashboard_command=f"make dashboard DATA={shown}")


@candles.command(name="import")
def import_(
    paths: Annotated[list[Path], Parameter(help="Parquet or CSV files, or folders of them.")],
    *,
    symbol: Annotated[str | None, Parameter(help="Symbol, where the file does not say.")] = None,
    timeframe: Annotated[str | None, Parameter(help="Timeframe, where the file does not say.")] = None,
    exchange: Annotated[str | None, Parameter(help="Exchange, where the file does not say.")] = None,
    calendar: Annotated[
        Literal["24x7", "sessions"] | None,
        Parameter(help="When the instruments trade: always, or in sessions as stocks do. 24x7 for new ones."),
    ] = None,
    fill: Annotated[
        bool,
        Parameter(negative="", help="Fill gaps with flat candles: for sources that leave out a candle without trades."),
    ] = False,
    json_output: AsJson = False,
) -> None:
    """Import candles. Bad rows go to the quarantine with a reason, gaps are reported, good rows are stored once."""
    settings = _settings()
    from flows.candles.importing import import_candles
    from flows.candles.report import as_json, render
    from registry.clock import SystemClock
    from registry.instruments import normalise_instrument
    from registry.store import open_configured

    with open_configured(settings) as store:
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
            names = sorted({name.split(" ")[0] for report in reports for name in report.series})
            for name in names:
                store.candles.set_calendar(normalise_instrument(name, settings.default_exchange), calendar)
    if json_output:
        _print_json([as_json(report) for report in reports])
    else:
        _console().print(render(reports))
    failed = [report for report in reports if report.failed]
    if failed:
        raise HubError(f"{len(failed)} of {len(reports)} files could not be read: {failed[0].error}")


@candles.command(name="list")
def list_candles(*, json_output: AsJson = False) -> None:
    """List the series in the store."""
    with _open_to_read() as store:
        series = store.candles.series()
    _print_frame(series, json_output, empty="No candles; import some: hub candles import FILE")


@candles.command
def gaps(
    series: Annotated[str | None, Parameter(help='One series, such as "BTCUSDT 1h"; all by default.')] = None,
    *,
    json_output: AsJson = False,
) -> None:
    """List runs of missing candles, and how many of their slots were judged as holes."""
    name = None if series is None else _series_name(series)
    with _open_to_read() as store:
        found = store.candles.gaps(name)
    _print_frame(found, json_output, empty="No gaps: every slot between first and last candle has one.")


@candles.command
def quarantine(*, json_output: AsJson = False) -> None:
    """List rejected rows with their reasons."""
    with _open_to_read() as store:
        rows = store.candles.quarantined()
    _print_frame(rows, json_output, empty="No rejected rows.")


@candles.command
def revisions(
    series: Annotated[str | None, Parameter(help='One series, such as "BTCUSDT 1h"; all by default.')] = None,
    *,
    json_output: AsJson = False,
) -> None:
    """List versions of candles that came after they had been judged. They fire nobody and rewrite nothing."""
    name = None if series is None else _series_name(series)
    with _open_to_read() as store:
        found = store.candles.revisions(name)
    if not json_output:
        from flows.candles.revisions_report import revisions_table

        found = revisions_table(found)
    _print_frame(found, json_output, empty="No revisions: no judged candle was corrected since.")


@candles.command
def rebase(
    series: Annotated[str, Parameter(help='The series, such as "BTCUSDT 1h".')],
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do it without asking.")] = False,
    json_output: AsJson = False,
) -> None:
    """Judge a series from its corrected candles from now on: a new anchor. Recorded triggers stay as they are."""
    settings = _settings()
    name = _series_name(series)
    from flows.candles.rebasing import plan_rebase
    from registry.store import open_configured
    from registry.timeframes import show_time

    with open_configured(settings) as store:
        plan = plan_rebase(store, name)
        old = store.ticks.anchors()
        pending = store.candles.revisions(plan.stored)["pending"].sum()
        for held, anchor in sorted(plan.anchors.items()):
            made_of = f", built from {plan.built_from[held]}" if held in plan.built_from else ""
            was = show_time(old[held]) if held in old else "none"
            _message(f"{held}{made_of}: judged from {show_time(anchor)} on (until now: {was})")
        _message(f"{pending} corrected candles of {plan.stored} will be used")
        if not (yes or _confirmed("Go on? Later triggers may differ from what they would have been.")):
            raise HubError("nothing was changed; add --yes to do it")
        changed = store.rebase(plan)
        number = store.ticks.last_rebase()
    if json_output:
        _print_json({"rebase": number, "candles_changed": changed, "anchors": plan.anchors})
    else:
        print(f"rebase {number}: {changed} candles changed")


@conditions.command
def explain(
    condition: Annotated[str, Parameter(help="The id of a registered condition, or a condition.")],
    *,
    at: Annotated[str | None, Parameter(help="Explain the last candle closed by then (UTC); the newest one.")] = None,
    json_output: AsJson = False,
) -> None:
    """Say why a condition fires on a candle, or why it does not: every part of it with its values."""
    settings = _settings()
    from flows.epochs import Epochs
    from flows.explain import explain as explain_condition
    from flows.explain_report import as_json, render
    from flows.standing import standing_of
    from registry.conditions import Condition
    from registry.timeframes import read_time

    at_ms = None if at is None else read_time(at)
    with _open_to_read() as store:
        stored = {held.condition_id: held for held in store.registry.conditions()}.get(condition.strip())
        wanted = condition if stored is None else stored.text
        parsed = Condition.parse(_spec(wanted), default_exchange=settings.default_exchange)
        found = explain_condition(parsed, Epochs(store).up_to(parsed, at_ms), store.candles.calendars(), at_ms=at_ms)
        standing = standing_of(store, parsed, found.close_ms)
    if json_output:
        _print_json(as_json(found, standing))
    else:
        for line in render(found, standing):
            _console().print(line, highlight=False, markup=False, soft_wrap=True)


@conditions.command
def parse(text: str, *, json_output: AsJson = False) -> None:
    """Show what a condition means: its tree, canonical text and id, and the candles it needs. Nothing is stored."""
    settings = _settings()
    from registry.conditions import Condition
    from registry.outline import outline

    condition = Condition.parse(_spec(text), default_exchange=settings.default_exchange)
    if json_output:
        _print_json(
            {
                "condition_id": condition.id,
                "text": str(condition),
                "canonical": condition.canonical,
                "json": condition.to_json(),
                "timeframe": condition.timeframe,
                "instruments": [str(instrument) for instrument in condition.instruments],
                "momentary": condition.momentary,
                "group": condition.group,
                "series": [
                    {"series": str(series), "lookback": needed.lookback, "settle": needed.settle}
                    for series, needed in condition.needed.items()
                ],
            }
        )
        return
    fires = "on every candle on which it is TRUE" if condition.momentary else "when it becomes TRUE"
    lines = [
        ("text", [str(condition)]),
        ("tree", outline(condition.surface, condition.series)),
        ("canonical", [condition.canonical]),
        ("condition_id", [condition.id]),
        ("fires", [fires]),
        (
            "candles",
            [
                f"{series}: {needed.lookback + 1} for the first verdict,"
                f" {max(needed.settle, needed.lookback + 1)} until its indicators have settled"
                for series, needed in condition.needed.items()
            ],
        ),
    ]
    console = _console()
    for name, values in lines:
        for place, value in enumerate(values):
            console.print(f"{name if place == 0 else '':>12}  {value}", highlight=False, markup=False, soft_wrap=True)


@conditions.command
def register(text: str, *, json_output: AsJson = False) -> None:
    """Register a condition; equal ones get the same id."""
    settings = _settings()
    from registry.clock import SystemClock
    from registry.conditions import Condition
    from registry.store import open_configured
    from registry.timeframes import show_time

    condition = Condition.parse(_spec(text), default_exchange=settings.default_exchange)
    with open_configured(settings) as store:
        (registration,) = store.registry.register(
            [condition], active_from_ms=SystemClock().now_ms(), grace_ms=settings.grace_ms
        )
        until_ms = store.registry.activity()[condition.id][-1].until_ms
    if json_output:
        _print_json({"condition_id": registration.condition_id, "created": registration.created})
    else:
        print(registration.condition_id)
        _message("registered" if registration.created else "known already: an equal condition was registered before")
        if until_ms is not None:
            _message(f"it is judged until {show_time(until_ms)}, and on when a bot subscribes to it")


@conditions.command(name="list")
def list_conditions(*, json_output: AsJson = False) -> None:
    """List registered conditions with their triggers."""
    import polars as pl

    with _open_to_read() as store:
        held = store.registry.conditions()
        counts = store.ticks.trigger_counts()
    frame = pl.DataFrame(
        [(condition.condition_id, condition.text) for condition in held],
        schema={"condition_id": pl.String, "condition": pl.String},
        orient="row",
    ).join(counts, on="condition_id", how="left")
    _print_frame(
        frame.with_columns(pl.col("triggers").fill_null(0)),
        json_output,
        empty='No conditions; register one: hub conditions register "BTCUSDT 1h: rsi(14) crosses_below 30"',
    )


@app.command
def tick(timeframe: str, *, json_output: AsJson = False) -> None:
    """Advance a timeframe to its last closed candle: one run of the flow `tick`."""
    settings = _settings()
    from flows.prefect_server import PrefectServer
    from flows.runtime import open_runtime
    from registry.clock import SystemClock
    from registry.timeframes import from_ms, normalise_timeframe, slot_at_or_before

    timeframe = normalise_timeframe(timeframe)
    moment = from_ms(slot_at_or_before(SystemClock().now_ms(), timeframe))
    server = PrefectServer(settings.data_dir / "prefect")
    try:
        with open_runtime(settings) as runtime:
            server.start().use()
            from flows.tick import tick as tick_flow
            from flows.warming import main as warm

            warm()

            result = asyncio.run(tick_flow(timeframe, moment))
            judged = runtime.store.registry.conditions(timeframe)
    finally:
        server.stop()
    if json_output:
        _print_json(result)
    else:
        print(", ".join(f"{name} {value}" for name, value in result.items()))
    if not judged:
        _message(
            f'nothing to judge on {timeframe}; register a condition: hub conditions register "BTCUSDT {timeframe}: …"'
        )


@app.command
def status(*, json_output: AsJson = False) -> None:
    """Show whether the service runs, what the store holds and how far it has been judged."""
    settings = _settings()
    from registry.store.owner import running

    here = running(settings.data_dir)
    with _open_to_read() as store:
        totals: dict[str, Any] = {"service": None if here is None else here.url}
        totals |= {**store.registry.totals(), "triggers": store.ticks.last_seq()}
        series = store.candles.series().height
        ticks = store.ticks.ticks()
    totals |= {"series": series, "ticks": ticks.height}
    totals["last_tick"] = ticks["close_time"].max().isoformat() if ticks.height else None  # type: ignore[union-attr]
    if json_output:
        _print_json(totals)
    else:
        for name, value in totals.items():
            print(f"{name:>14}  {value if value is not None else '-'}")


@app.command
def verify(
    *,
    since: Annotated[str | None, Parameter(help="Audit candles that close after this time (UTC).")] = None,
    until: Annotated[str | None, Parameter(help="Audit candles that close by this time (UTC).")] = None,
    json_output: AsJson = False,
) -> None:
    """Judge again what was judged, from the candles as they were then, and compare the triggers."""
    from flows.audit import audit
    from flows.audit_report import as_json, render
    from registry.errors import AuditFailed
    from registry.timeframes import read_time

    since_ms, until_ms = (None if text is None else read_time(text) for text in (since, until))
    with _open_to_read() as store:
        found = audit(store, since_ms=since_ms, until_ms=until_ms)
    if json_output:
        _print_json(as_json(found))
    elif found.groups:
        _console().print(render(found), highlight=False)
    else:
        _message("Nothing has been judged yet; advance a timeframe: hub tick 1h")
    if found.differences:
        raise AuditFailed(f"{len(found.differences)} of {found.triggers} triggers are not what the candles say")


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command line; its exit code."""
    try:
        app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return 2
    except HubError as error:
        _message(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _message("stopped")
        return 130
    return 0


def _settings(part: str | None = None) -> "Settings":
    from registry.settings import load_settings

    settings = load_settings()
    if part is None:
        return settings
    return load_settings(data_dir=settings.data_dir / part, store_url=None)


def _open_to_read() -> Any:
    from registry.store import open_configured

    return open_configured(_settings(), read_only=True)


def _spec(text: str) -> Any:
    """A condition on the command line: text, or JSON."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise HubError(f"the condition starts like JSON but is not: {error}") from None


def _series_name(text: str) -> str:
    """``btc/usdt 60m`` -> ``BINANCE:BTCUSDT 1h``."""
    from registry.errors import InstrumentError
    from registry.instruments import normalise_instrument
    from registry.timeframes import normalise_timeframe

    symbol, _, timeframe = text.strip().rpartition(" ")
    if not symbol:
        raise InstrumentError(f'series {text!r} lacks a symbol or a timeframe; write "BTCUSDT 1h"')
    return f"{normalise_instrument(symbol, _settings().default_exchange)} {normalise_timeframe(timeframe)}"


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _print_frame(frame: Any, json_output: bool, *, empty: str) -> None:
    if json_output:
        _print_json(frame.to_dicts())
    elif frame.is_empty():
        _message(empty)
    else:
        from flows.progress import frame_table

        _console().print(frame_table(frame))


if __name__ == "__main__":
    main()
