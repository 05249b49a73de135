"""``hub webhooks``: whose triggers are posted where; an operator can pause, resume or end a webhook."""

from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import hub_settings, open_to_read
from hub.cli.output import AsJson, message, print_json, print_table

if TYPE_CHECKING:
    from registry.store.parts.delivery import Webhook

webhooks = App(name="webhooks", help="Users' webhooks. Shows hosts only: neither whole addresses nor secrets.")

WebhookId = Annotated[str, Parameter(help="The webhook's id, as `hub webhooks list` shows it.")]


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(webhooks)


@webhooks.command(name="list")
def list_webhooks(
    *,
    user: Annotated[str | None, Parameter(help="Only the webhooks of this user.")] = None,
    all_of_them: Annotated[bool, Parameter(name="--all", negative="", help="Ended ones as well.")] = False,
    json_output: AsJson = False,
) -> None:
    """List webhooks."""
    with open_to_read() as store:
        listed = store.delivery.webhooks(user)
    rows = [_row(webhook, json_output) for webhook in listed if all_of_them or webhook.state != "ended"]
    if json_output:
        print_json(rows)
    elif rows:
        print_table([tuple(rows[0]), *(tuple(value or "-" for value in row.values()) for row in rows)])
    else:
        message("no webhooks")


@webhooks.command
def pause(webhook_id: WebhookId, *, json_output: AsJson = False) -> None:
    """Post nothing to a webhook until it is resumed. What waits for it is kept."""
    _set_state(webhook_id, "paused", json_output)


@webhooks.command
def resume(webhook_id: WebhookId, *, json_output: AsJson = False) -> None:
    """Post to a paused webhook again, what waits for it first. Its user can do the same."""
    _set_state(webhook_id, "active", json_output)


@webhooks.command
def end(webhook_id: WebhookId, *, json_output: AsJson = False) -> None:
    """End a webhook for good, and discard what waits for it."""
    _set_state(webhook_id, "ended", json_output)


def _set_state(webhook_id: str, state: Literal["active", "paused", "ended"], json_output: bool) -> None:
    from common.clock import SystemClock
    from registry.store import open_configured

    with open_configured(hub_settings()) as store:
        before = store.delivery.webhook(webhook_id)
        if before is None:
            raise HubError(f"there is no webhook {webhook_id!r}; `hub webhooks list` shows all")
        if before.state == "ended" and state != "ended":
            raise HubError(
                f"webhook {webhook_id} has ended for good, and cannot be {'resumed' if state == 'active' else state}; "
                "its user can create another one"
            )
        after = store.delivery.set_webhook_state(webhook_id, state, at_ms=SystemClock().now_ms()) or before
    if json_output:
        print_json(_row(after, json_output) | {"changed": before.state != after.state})
    elif before.state == after.state:
        message(f"webhook {webhook_id} of {before.user_id} was {state} before")
    else:
        message(f"webhook {webhook_id} of {before.user_id} is {state}")


def _row(webhook: "Webhook", json_output: bool) -> dict[str, str | None]:
    from common.timeframes import iso_time, show_time

    return {
        "webhook_id": webhook.webhook_id,
        "user": webhook.user_id,
        "host": urlsplit(webhook.url).hostname,
        "bot": webhook.bot_id,
        "state": webhook.state,
        "created": (iso_time if json_output else show_time)(webhook.created_ms),
    }
