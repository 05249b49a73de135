"""``hub deploy``: the hub's deployments on a Prefect server."""

from typing import Annotated

from cyclopts import App, Parameter

from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, message, print_json, print_table


def add_to(app: App) -> None:
    """Add the command to the command line."""
    app.command(deploy)


def deploy(
    *,
    shards: Annotated[
        int | None, Parameter(help="Divide the instruments of a store in Postgres into so many parts, by their work.")
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Create or update pools, deployments, schedules and the automation on a Prefect server, and say what changed.

    On the one that PREFECT_API_URL names, or else that of the data folder. `hub worker` does this when it starts.
    """
    from hub.deploying import deploy_configured

    changes = deploy_configured(hub_settings(), shards)
    if json_output:
        print_json([{"kind": change.kind, "name": change.name, "done": change.done} for change in changes])
        return
    print_table([(change.kind, change.name, change.done) for change in changes])
    changed = sum(change.done != "unchanged" for change in changes)
    message(f"{changed} of {len(changes)} changed" if changed else "everything was as it should be")
