"""``hub users``: everything about one user, shown or removed."""

from typing import Annotated

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, message, print_json

users = App(name="users", help="What the hub has of one user: export it, delete it.")

UserName = Annotated[str, Parameter(help="The user's name, as in `hub keys list`.")]


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(users)


@users.command
def export(name: UserName) -> None:
    """Print as JSON everything of a user: keys and webhooks without their secrets, subscriptions with configurations.

    Deliveries to webhooks are in a file of the running service: stop it to export those too.
    """
    from hub.users import export_user
    from registry.store import open_configured

    settings = hub_settings()
    with open_configured(settings, read_only=True) as store:
        exported = export_user(store, settings, name)
    print_json(exported)
    if exported["dead_letters"] is None:
        message("dead letters are not included: the event log is not running; start the hub to export them")


@users.command
def delete(
    name: UserName,
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do it; nothing of it can be brought back.")] = False,
    force: Annotated[
        bool, Parameter(negative="", help="Also if orders at exchanges cannot be taken back; it says which.")
    ] = False,
    json_output: AsJson = False,
) -> None:
    """End a user's subscriptions, and remove keys, configurations, webhooks and deliveries. Others lose nothing.

    Orders of the user's bots at exchanges are taken back first; what the bots bought there stays in the account.
    """
    from dataclasses import asdict

    from common.clock import SystemClock
    from hub.users import STAYS, delete_user
    from registry.store import open_configured

    if not yes:
        raise HubError(
            f"this removes everything of user {name!r} for good; see it first with `hub users export {name}`, then "
            "repeat the command with --yes"
        )
    settings = hub_settings()
    with open_configured(settings) as store:
        deleted = delete_user(store, settings, name, SystemClock(), force=force)
    if json_output:
        print_json({"user_id": name, **asdict(deleted), "stays": STAYS})
        return
    print(
        f"{deleted.subscriptions} subscriptions ended; {deleted.keys} keys, {deleted.webhooks} webhooks and"
        f" {deleted.bots} bots removed"
    )
    if deleted.consumers is None:
        message("the event log is not running: repeat the command while the hub runs, to remove dead letters there")
    elif deleted.consumers:
        message(f"each consumer forgets the user within a second if it runs: {', '.join(deleted.consumers)}")
    for orders in deleted.orders_left:
        message(f"orders may be left at an exchange; cancel them there: {orders}")
    for coins in deleted.coins_left:
        message(f"what was bought stays in the account: {coins}")
    message("what stays:")
    for what in STAYS:
        message(f"- {what}")
