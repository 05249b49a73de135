"""``hub conditions``: what conditions mean, which are registered, and why they fire."""

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import hub_settings, listed_instruments, open_to_read
from hub.cli.output import AsJson, console, message, print_frame, print_json

if TYPE_CHECKING:
    from registry.conditions import Condition
    from registry.groups import Series
    from registry.store.protocol import Store

conditions = App(name="conditions", help="Registered conditions.")


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(conditions)


@conditions.command
def explain(
    condition: Annotated[str, Parameter(help="The id of a registered condition, or any condition.")],
    *,
    at: Annotated[
        str | None, Parameter(help="Explain the last candle closed by then (UTC); by default the newest.")
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Explain why a condition fires on a candle, or why it does not: every part of it, with its values."""
    settings = hub_settings()
    from analysis.explain import explain as explain_condition
    from analysis.explain_report import as_json, render
    from analysis.standing import standing_of
    from candles.epochs import Epochs
    from common.timeframes import read_time
    from registry.conditions import Condition
    from registry.naming import reading
    from registry.store.parts.registry import read_condition

    at_ms = None if at is None else read_time(at)
    with open_to_read() as store:
        asked = condition.strip()
        successor = store.registry.successor(asked)
        stored = store.registry.condition(successor)
        if stored is None:
            with reading(store.candles.directory()):
                parsed = Condition.parse(as_typed(condition), default_exchange=settings.default_exchange)
        else:
            parsed = read_condition(stored)
        epochs = Epochs(store)
        explanation = explain_condition(
            parsed, epochs.up_to(parsed, at_ms), epochs.calendars(parsed, at_ms), at_ms=at_ms
        )
        standing = standing_of(store, parsed, explanation.close_time)
    if successor != asked:
        message(f"{asked} is superseded by {successor} since an upgrade of the hub; this is about the latter")
    if json_output:
        superseded_by = {"superseded_by": successor} if successor != asked else {}
        print_json(as_json(explanation, standing) | superseded_by)
    else:
        for line in render(explanation, standing):
            console().print(line, highlight=False, markup=False, soft_wrap=True)


@conditions.command
def parse(text: str, *, json_output: AsJson = False) -> None:
    """Show what a condition means: its tree, canonical text and id, and the candles that it needs. Stores nothing.

    Where there is a store, an instrument that it does not know is an error, as it is for `register`.
    """
    settings = hub_settings()
    from registry.conditions import Condition
    from registry.naming import reading

    with reading(listed_instruments()):
        condition = Condition.parse(as_typed(text), default_exchange=settings.default_exchange)
    _check_instruments(condition)
    _show(condition, json_output)


def _show(condition: "Condition", json_output: bool) -> None:
    from registry.language.outline import outline

    if json_output:
        print_json(
            {
                "condition_id": condition.id,
                "text": str(condition),
                "canonical": condition.canonical,
                "json": condition.to_json(),
                "timeframe": condition.timeframe,
                "instruments": [str(instrument) for instrument in condition.instruments],
                "momentary": condition.momentary,
                "group": condition.group,
                "warnings": list(condition.warnings),
                "series": [
                    {"series": series, "lookback": needed.lookback, "settle": needed.settled_after}
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
                f"{series}: {needed.lookback + 1} for the first verdict, "
                + (
                    "and it is not known when its indicators have settled"
                    if needed.settled_after is None
                    else f"{max(needed.settled_after, needed.lookback + 1)} until its indicators have settled"
                )
                for series, needed in condition.needed.items()
            ],
        ),
    ]
    shown = console()
    for name, values in lines:
        for place, value in enumerate(values):
            shown.print(f"{name if place == 0 else '':>12}  {value}", highlight=False, markup=False, soft_wrap=True)


def _check_instruments(condition: "Condition") -> None:
    """Raises the error that registering a condition would raise; warns of missing candles. Needs no store."""
    from candles.market_lists import MarketLists, check_known
    from common.errors import StoreMissing

    missing: list[Series] = []
    markets = MarketLists.where_fetched(hub_settings())
    with suppress(StoreMissing), open_to_read() as store:
        directory = store.candles.directory()
        for instrument in condition.instruments:
            check_known(instrument, directory, markets)
        missing = _without_candles(store, condition)
    _warn(condition, missing)


def _without_candles(store: "Store", condition: "Condition") -> list["Series"]:
    from candles.series import SeriesReader

    reader = SeriesReader.of(store)
    return [series for series in condition.all_series if not reader.exists(series)]


def _warn(condition: "Condition", missing: "list[Series]") -> None:
    for warning in condition.warnings:
        message(f"warning: {warning}")
    if missing:
        message(f"warning: no candles of {', '.join(missing)} yet, so it cannot fire: {_way_to_candles()}")


def _way_to_candles() -> str:
    from candles.market_lists import MarketLists

    if MarketLists.where_fetched(hub_settings()) is None:
        return "hub candles import FILE"
    return "a running hub fetches them (hub up), or hub candles import FILE"


@conditions.command
def register(text: str, *, json_output: AsJson = False) -> None:
    """Register a condition; equal conditions get the same id."""
    settings = hub_settings()
    from candles.market_lists import MarketLists
    from common.clock import SystemClock
    from common.timeframes import show_time
    from registry.conditions import Condition
    from registry.naming import reading
    from registry.store import open_configured

    with open_configured(settings) as store:
        with reading(store.candles.directory()):
            condition = Condition.parse(as_typed(text), default_exchange=settings.default_exchange)
        if (markets := MarketLists.where_fetched(settings)) is not None:
            markets.list_new(condition.instruments, store.candles)
        (registration,) = store.registry.register(
            [condition], active_from_ms=SystemClock().now_ms(), grace_ms=settings.grace_ms
        )
        until_ms = store.registry.activity()[condition.id][-1].until_ms
        missing = _without_candles(store, condition)
    if json_output:
        print_json(
            {
                "condition_id": registration.condition_id,
                "created": registration.created,
                "data": "missing" if missing else "ready",
                "warnings": list(condition.warnings),
            }
        )
    else:
        print(registration.condition_id)
        message("registered" if registration.created else "already known: an equal condition was registered before")
        if until_ms is not None:
            message(f"it is judged until {show_time(until_ms)}, or longer if a bot subscribes to it")
        _warn(condition, missing)


@conditions.command
def retire(
    condition_id: Annotated[str, Parameter(help="The id of a registered condition.")],
    *,
    why: Annotated[str, Parameter(help="Why; its subscribers read it in the condition's status.")],
    json_output: AsJson = False,
) -> None:
    """Take a condition out: it is judged no longer, and can be neither registered nor subscribed to."""
    settings = hub_settings()
    from common.clock import SystemClock
    from registry.store import open_configured

    with open_configured(settings) as store:
        retired = store.registry.retire(condition_id.strip(), why, at_ms=SystemClock().now_ms())
        subscribers = store.registry.subscriber_count(condition_id.strip())
    if json_output:
        print_json({"condition_id": condition_id.strip(), "reason": retired.reason, "subscribers": subscribers})
    else:
        print(condition_id.strip())
        message(
            f"retired: it is not judged any more, and its {subscribers} active subscriptions get nothing;"
            " hub conditions reinstate brings it back"
        )


@conditions.command
def reinstate(
    condition_id: Annotated[str, Parameter(help="The id of a condition that was retired or is in error.")],
    *,
    json_output: AsJson = False,
) -> None:
    """Have a condition judged again that was retired, from now on, or that is in error, from where it stopped."""
    settings = hub_settings()
    from common.clock import SystemClock
    from registry.store import open_configured

    with open_configured(settings) as store:
        was_out = store.registry.reinstate(
            condition_id.strip(), active_from_ms=SystemClock().now_ms(), grace_ms=settings.grace_ms
        )
    if json_output:
        print_json({"condition_id": condition_id.strip(), "reinstated": was_out})
    else:
        print(condition_id.strip())
        message("judged again from the next tick on" if was_out else "it was neither retired nor in error")


@conditions.command(name="list")
def list_conditions(
    *,
    search: Annotated[str, Parameter(help="Words of the text, or beginnings of ids.")] = "",
    limit: Annotated[int, Parameter(help="How many at most, those with the most subscribers first.")] = 1_000,
    json_output: AsJson = False,
) -> None:
    """List registered conditions, how often they have fired, and why some are not judged.

    Those that upgrades of the hub superseded are listed as well, with what stands for them.
    """
    import polars as pl

    from registry.store.parts.condition_pages import ConditionQuery

    if limit < 1:
        raise HubError(f"--limit is {limit}; it must be at least 1")
    with open_to_read() as store:
        page = store.registry.condition_page(ConditionQuery(words=search, limit=limit))
        unjudged = store.registry.unjudged()
        superseded = [] if search else store.registry.all_superseded()
        # They keep what they fired under their own ids.
        fired = {
            name: store.triggers.condition_state(name).triggers
            for name in (each.condition.condition_id for each in superseded)
        }
    reasons = {condition_id: why.reason for condition_id, why in unjudged.items()}
    rows: list[tuple[str, str, int, str, str | None, str | None]] = [
        (name, text, triggers, state, reasons.get(name), None)
        for name, text, triggers, state in page.rows.select("condition_id", "text", "triggers", "state").iter_rows()
    ]
    rows += [
        (
            each.condition.condition_id,
            each.condition.text,
            fired[each.condition.condition_id],
            "superseded",
            f"by {each.superseded_by}: {each.reason}",
            each.superseded_by,
        )
        for each in superseded
    ]
    schema = dict.fromkeys(("condition_id", "condition", "triggers", "state", "reason", "superseded_by"), pl.String)
    frame = pl.DataFrame(rows, schema=schema | {"triggers": pl.Int64}, orient="row")
    print_frame(
        # Mostly all are judged: nobody needs two columns to be told so.
        frame
        if json_output
        else frame.drop("superseded_by")
        if (frame["state"] != "judged").any()
        else frame.drop("state", "reason", "superseded_by"),
        json_output,
        empty="No condition has these words; list all: hub conditions list"
        if search
        else 'No conditions; register one: hub conditions register "BTCUSDT 1h: rsi(14) crosses_below 30"',
    )
    if page.matching > page.rows.height:
        message(f"{page.rows.height:,} of {page.matching:,} conditions; narrow it with --search, or raise --limit")


def as_typed(text: str) -> Any:
    """A condition as typed on the command line: text or JSON."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise HubError(f"the condition starts like JSON but is not valid JSON: {error}") from None
