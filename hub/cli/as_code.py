"""``hub plan`` and ``hub apply``: a file says what you want of the hub, by HUB_API_KEY."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from hub.cli.output import AsJson, console, message, print_json

if TYPE_CHECKING:
    from hub.as_code.plan import PlannedChange

DesiredFile = Annotated[Path, Parameter(help="A YAML file: docs/conditions-as-code.md.")]


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(plan)
    app.command(apply)


def plan(
    file: DesiredFile,
    /,
    *,
    check: Annotated[
        bool, Parameter(negative="", help="Exit with 1 if the hub is not as the file says: for pull requests, cron.")
    ] = False,
    json_output: AsJson = False,
) -> None:
    """Show what `hub apply` would change: what was never applied, and what has drifted since. Changes nothing."""
    from common.errors import DesiredStateError

    changes = _planned(file)
    _show(changes, json_output)
    if not changes:
        message(f"no changes: the hub is as {file} says")
    elif check:
        raise DesiredStateError(f"the hub differs from {file} in {len(changes):,} places; hub apply {file} mends that")
    else:
        message(f"{_counted(changes)}; hub apply {file} does it")


def apply(
    file: DesiredFile,
    /,
    *,
    remove: Annotated[
        bool, Parameter(negative="", help="Remove as well what the plan removes; without it, that is only shown.")
    ] = False,
    json_output: AsJson = False,
) -> None:
    """Make the hub as a file says. The same once more changes nothing; what fails can be repeated."""
    import asyncio

    from common.console import ConsoleProgress
    from common.errors import DesiredStateError
    from condition_hub.asynchronous import AsyncHubClient
    from hub.as_code.applying import apply as make

    changes = _planned(file)
    if refused := [change for change in changes if change.verb == "refuse"]:
        raise DesiredStateError("nothing was changed: " + "; ".join(change.text for change in refused))
    doing = [change for change in changes if remove or change.verb != "remove"]
    waiting = len(changes) - len(doing)
    if doing:
        with ConsoleProgress(console(stderr=True)) as progress:
            progress.begin("applying", len(doing))

            async def run() -> None:
                async with AsyncHubClient(timeout_s=60.0, patience_s=120.0) as client:
                    await make(doing, client, lambda done, _: progress.step(done))

            asyncio.run(run())
    _show(doing, json_output)
    message(f"done: {_counted(doing, done=True)}" if doing else f"no changes: the hub is as {file} says")
    if waiting:
        message(f"{waiting:,} removals wait: hub plan {file} shows them, hub apply {file} --remove makes them")


def _planned(file: Path) -> "list[PlannedChange]":
    from condition_hub.blocking import HubClient
    from hub.as_code.desired import read_desired
    from hub.as_code.plan import plan as planned

    desired = read_desired(file)
    with HubClient(timeout_s=60.0, patience_s=120.0) as client:
        return planned(desired, client)


def _show(changes: "Sequence[PlannedChange]", json_output: bool) -> None:
    if json_output:
        shown: list[dict[str, Any]] = [
            {"verb": one.verb, "thing": one.thing, "name": one.name, "text": one.text} for one in changes
        ]
        print_json({"changes": shown})
        return
    for change in changes:
        print(change.line)


def _counted(changes: "Sequence[PlannedChange]", *, done: bool = False) -> str:
    from hub.as_code.plan import summary

    to_do = {"add": "to add", "change": "to change", "remove": "to remove", "refuse": "refused"}
    words = {"add": "added", "change": "changed", "remove": "removed"} if done else to_do
    return ", ".join(f"{number:,} {words[verb]}" for verb, number in summary(changes).items() if number)
