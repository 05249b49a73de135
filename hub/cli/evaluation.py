"""``hub tick``, ``hub verify`` and ``hub explain``: judge candles, and check and explain what was judged."""

import asyncio
from typing import Annotated

from cyclopts import App, Parameter

from hub.cli.opening import hub_settings, open_to_read, registered_id
from hub.cli.output import AsJson, console, message, print_json


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    for command in (tick, verify, explain):
        app.command(command)


def tick(timeframe: str, *, json_output: AsJson = False) -> None:
    """Judge a timeframe up to its last closed candle, in this process. `hub worker` does it at every close."""
    settings = hub_settings()
    import os

    from common.timeframes import iso_time, normalise_timeframe
    from engine.warming import warm_shown
    from flows.runtime import open_runtime
    from flows.ticking import row_of, run_tick

    timeframe = normalise_timeframe(timeframe)
    with open_runtime(settings) as runtime:
        warm_shown()
        now_ms = runtime.clock.now_ms()
        done = asyncio.run(run_tick(runtime, f"hub tick {os.getpid()} {now_ms}", timeframe, now_ms))
        result = row_of(done)
        judged = runtime.store.registry.conditions(timeframe)
    if json_output:
        print_json(result | {"tick": iso_time(done.tick_ms)})
    else:
        print(", ".join(f"{name} {value}" for name, value in result.items()))
    if not judged:
        message(
            f'nothing to judge on {timeframe}; register a condition: hub conditions register "BTCUSDT {timeframe}: …"'
        )


def verify(
    condition: Annotated[
        str | None, Parameter(help="The id of a registered condition, or the condition; by default all are checked.")
    ] = None,
    /,
    *,
    since: Annotated[str | None, Parameter(help="Check candles that close after this time (UTC).")] = None,
    until: Annotated[str | None, Parameter(help="Check candles that close by this time (UTC).")] = None,
    json_output: AsJson = False,
) -> None:
    """Judge again, from the candles as they were then, and compare the triggers with the recorded ones.

    All conditions are judged together, as a scan judges them; one condition by itself, by code that has only the
    indicators in common with ticks and scans.
    """
    from analysis.audit import audit
    from analysis.audit_report import as_json, render
    from analysis.verification import verify as verify_one
    from common.errors import AuditFailed
    from common.timeframes import read_time

    since_ms, until_ms = (None if text is None else read_time(text) for text in (since, until))
    with open_to_read() as store:
        if condition is None:
            report = audit(store, since_ms=since_ms, until_ms=until_ms)
        else:
            condition_id = registered_id(store, condition)
            report = verify_one(store, condition_id, since_ms=since_ms, until_ms=until_ms)
    if json_output:
        print_json(as_json(report))
    elif report.groups:
        console().print(render(report), highlight=False)
    else:
        message("Nothing has been judged yet; judge a timeframe: hub tick 1h")
    if report.differences:
        raise AuditFailed(f"{len(report.differences)} of {report.triggers} triggers are not what the candles say")


def explain(
    trigger_id: Annotated[str, Parameter(help="The id of a recorded trigger: condition id, colon, close time in ms.")],
    *,
    json_output: AsJson = False,
) -> None:
    """Explain a recorded trigger: every part of its condition, with its values on the candle on which it fired.

    `hub conditions explain` explains any condition on any candle.
    """
    from analysis.trigger_explanation import as_json, explain_trigger, render

    with open_to_read() as store:
        explained = explain_trigger(store, trigger_id.strip())
    if json_output:
        print_json(as_json(explained))
    else:
        for line in render(explained):
            console().print(line, highlight=False, markup=False, soft_wrap=True)
