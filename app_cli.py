"""The command ``hub``. Data goes to stdout (``--json`` for machines), messages to stderr.

Exit codes: 0 done, 1 the hub could not do it (the message says why and how to mend it), 2 the command line is wrong.
"""

import asyncio
import os
import sys
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

import app_cli_candles
import app_cli_conditions
import app_cli_events
import app_cli_instruments
import app_cli_service
import app_cli_store
from app_cli_opening import hub_settings, open_to_read
from app_cli_output import AsJson, console, message, print_json
from registry.errors import HubError

app = App(name="hub", help="Shared condition evaluation for trading bots.", version_flags=[])
app_cli_candles.add_to(app)
app_cli_conditions.add_to(app)
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
    from registry.settings import load_settings

    settings = load_settings(data_dir=hub_settings().data_dir / "demo", store_url=None)
    if bots < 1:
        raise HubError(f"--bots must be at least 1, got {bots}")
    message("Loading libraries …")
    from flows.demo.replay import replay_demo
    from flows.demo.report import make_report, print_report
    from flows.progress import ConsoleProgress
    from registry.store import open_configured

    with ConsoleProgress(console(stderr=True)) as progress:
        replay = asyncio.run(replay_demo(settings, progress, bots=bots, seed=seed))
    with open_configured(settings, read_only=True) as store:
        report = make_report(store, replay)
    if json_output:
        print_json(report.as_json())
    else:
        shown = os.path.relpath(settings.data_dir)
        print_report(report, console(), dashboard_command=f"make dashboard DATA={shown}")


@app.command
def tick(timeframe: str, *, json_output: AsJson = False) -> None:
    """Advance a timeframe to its last closed candle: one run of the flow `tick`."""
    settings = hub_settings()
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
            from flows.warming import warm_shown

            warm_shown()

            result = asyncio.run(tick_flow(timeframe, moment))
            judged = runtime.store.registry.conditions(timeframe)
    finally:
        server.stop()
    if json_output:
        print_json(result)
    else:
        print(", ".join(f"{name} {value}" for name, value in result.items()))
    if not judged:
        message(
            f'nothing to judge on {timeframe}; register a condition: hub conditions register "BTCUSDT {timeframe}: …"'
        )


@app.command
def status(*, json_output: AsJson = False) -> None:
    """Show whether the service runs, what the store holds and how far it has been judged."""
    settings = hub_settings()
    from registry.store.owner import running

    here = running(settings.data_dir)
    with open_to_read() as store:
        totals: dict[str, Any] = {"service": None if here is None else here.url}
        totals |= {**store.registry.totals(), "triggers": store.ticks.last_seq()}
        series = store.candles.series().height
        ticks = store.ticks.ticks()
    totals |= {"series": series, "ticks": ticks.height}
    totals["last_tick"] = ticks["close_time"].max().isoformat() if ticks.height else None  # type: ignore[union-attr]
    if json_output:
        print_json(totals)
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
    with open_to_read() as store:
        found = audit(store, since_ms=since_ms, until_ms=until_ms)
    if json_output:
        print_json(as_json(found))
    elif found.groups:
        console().print(render(found), highlight=False)
    else:
        message("Nothing has been judged yet; advance a timeframe: hub tick 1h")
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
        message(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        message("stopped")
        return 130
    return 0


if __name__ == "__main__":
    main()
