"""``hub whatif``: what a changed parameter, definition or policy would change for everybody."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from hub.cli.opening import open_to_read
from hub.cli.output import AsJson, console, message, print_beside, print_json, print_table

if TYPE_CHECKING:
    from analysis.whatif.changes import SupposedChange

_MOST_SHOWN = 20


def add_to(app: App) -> None:
    """Add the command to the command line."""
    app.command(whatif)


def whatif(
    *,
    parameter: Annotated[str | None, Parameter(help="Another parameter: rsi.period=21.")] = None,
    definition: Annotated[
        str | None, Parameter(help="Another definition: rsi=FILE.py, with compute(columns, **parameters).")
    ] = None,
    fill_gaps: Annotated[bool, Parameter(negative="", help="Missing candles are flat ones, with volume 0.")] = False,
    since: Annotated[str | None, Parameter(help="Judge candles that close after this time (UTC).")] = None,
    until: Annotated[str | None, Parameter(help="Judge candles that close by this time (UTC).")] = None,
    json_output: AsJson = False,
) -> None:
    """Judge all registered conditions with and without a change: which triggers would change, of how many owners.

    Nothing is written, and nobody is named.
    """
    from dataclasses import asdict

    from analysis.whatif.replay import what_if
    from common.console import ConsoleProgress
    from common.timeframes import read_time

    change = _change(parameter, definition, fill_gaps=fill_gaps)
    since_ms, until_ms = (None if text is None else read_time(text) for text in (since, until))
    with open_to_read() as store, ConsoleProgress(console(stderr=True)) as progress:
        begun: list[int] = []

        def step(done: int, total: int) -> None:
            if not begun:
                begun.append(total)
                progress.begin("judging", total)
            progress.step(done)

        result = what_if(store, change, since_ms=since_ms, until_ms=until_ms, progress=step)
    if json_output:
        print_json(asdict(result))
        return
    if not result.concerned:
        message(
            f"none of {result.registered:,} registered conditions could be judged with this change; hub conditions list"
            " shows them"
        )
    else:
        print_beside(
            "",
            f"{result.concerned:,} of {result.registered:,} conditions are concerned. {result.before:,} triggers,"
            f" {result.after:,} with the change: {result.gone:,} gone, {result.new:,} new. They are those of"
            f" {len(result.conditions):,} conditions and {result.bots:,} bots of {result.owners:,} owners.",
        )
    if result.conditions:
        print_table(
            [
                ("gone", "new", "before", "after", "bots", "condition"),
                *(
                    (each.gone, each.new, each.before, each.after, each.bots, each.condition)
                    for each in result.conditions[:_MOST_SHOWN]
                ),
            ]
        )
    left_out = len(result.conditions) - _MOST_SHOWN
    if left_out > 0:
        message(f"… and {left_out:,} more: --json lists them all")
    if result.without_candles:
        message(f"{result.without_candles:,} conditions have no candles and were not judged")
    if result.refused:
        message(f"{result.refused:,} conditions could not be as they would have to be: {result.example}")


def _change(parameter: str | None, definition: str | None, *, fill_gaps: bool) -> "SupposedChange":
    from analysis.whatif.changes import FilledGaps, OtherDefinition, OtherParameter
    from common.errors import WhatIfError

    if (parameter is not None) + (definition is not None) + fill_gaps != 1:
        raise WhatIfError(
            "say what would change, one thing at a time: --parameter rsi.period=21, --definition rsi=FILE.py or"
            " --fill-gaps"
        )
    if parameter is not None:
        return OtherParameter.parse(parameter)
    return FilledGaps() if definition is None else OtherDefinition.parse(definition)
