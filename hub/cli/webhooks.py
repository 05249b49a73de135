"""``hub webhooks``: whose triggers are posted where; an operator can pause, resume or end a webhook. Whoever has
HUB_API_KEY makes and tries their own."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import hub_settings, open_to_read
from hub.cli.output import AsJson, message, print_beside, print_json, print_table

if TYPE_CHECKING:
    from condition_hub.webhook_calls import WebhookRequest
    from registry.store.parts.delivery import Webhook

webhooks = App(
    name="webhooks",
    help="Users' webhooks, for operators: hosts only, neither whole addresses nor secrets. With HUB_API_KEY: presets,"
    " preview, create and delete, for your own.",
)

Url = Annotated[str | None, Parameter(help="Where to post; not with a preset, which has its own or an option url.")]
OfBot = Annotated[str | None, Parameter(name="--bot", help="Only the triggers of this bot of yours.")]
WebhookName = Annotated[str | None, Parameter(name="--name", help="A name by which to change it later.")]
FromPreset = Annotated[str | None, Parameter(help="One of `hub webhooks presets`.")]
Options = Annotated[
    tuple[str, ...], Parameter(name="--option", negative="", help="An option of the preset: chat_id=42. Repeat it.")
]
Secrets = Annotated[
    tuple[str, ...],
    Parameter(name="--secret", negative="", help="A secret, by the environment variable that has it: token=TG_TOKEN."),
]
Headers = Annotated[
    tuple[str, ...],
    Parameter(name="--header", negative="", help='A header: "Authorization=Bearer {{ secret.token }}". Repeat it.'),
]
OwnBody = Annotated[
    Path | None, Parameter(name="--body", help="A file with what to post, and placeholders: JSON if it can be read so.")
]

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


@webhooks.command
def presets(*, json_output: AsJson = False) -> None:
    """List what webhooks can be made from: chats, freqtrade, 3Commas, lines of text."""
    import msgspec

    from condition_hub.blocking import HubClient

    with HubClient() as client:
        listed = client.webhook_presets()
    if json_output:
        print_json(msgspec.to_builtins(listed))
        return
    for preset in listed:
        print_beside(f"{preset.name}  ", preset.text)
        for name, what in preset.options.items():
            print_beside(f"  --option {name}  ", f"{what}{'; may be left out' if name in preset.defaults else ''}")
        for name, what in preset.secrets.items():
            print_beside(f"  --secret {name}  ", what)


@webhooks.command
def preview(
    *,
    url: Url = None,
    bot_id: OfBot = None,
    name: WebhookName = None,
    preset: FromPreset = None,
    options: Options = (),
    secrets: Secrets = (),
    headers: Headers = (),
    body: OwnBody = None,
    json_output: AsJson = False,
) -> None:
    """Show what a webhook would post, about an event that is made up. Nothing is stored or posted; secrets are ***."""
    import msgspec

    from condition_hub.blocking import HubClient

    request = _request(url, bot_id, name, preset, options, secrets, headers, body)
    with HubClient() as client:
        shown = client.preview_webhook(request)
    if json_output:
        print_json(msgspec.to_builtins(shown))
        return
    print(f"POST {shown.url}")
    for header, value in {"Content-Type": shown.media_type, **shown.headers}.items():
        print(f"{header}: {value}")
    print()
    print(shown.body)
    if shown.webhook_id is None:
        message("there is no such webhook yet; hub webhooks create makes it")
    elif shown.changes:
        message(f"webhook {shown.webhook_id} has another {', '.join(shown.changes)}; hub webhooks create changes it")
    else:
        message(f"webhook {shown.webhook_id} posts this already")


@webhooks.command
def create(
    *,
    url: Url = None,
    bot_id: OfBot = None,
    name: WebhookName = None,
    preset: FromPreset = None,
    options: Options = (),
    secrets: Secrets = (),
    headers: Headers = (),
    body: OwnBody = None,
    json_output: AsJson = False,
) -> None:
    """Have your triggers posted, or change the webhook of that name. `hub webhooks preview` shows what is posted."""
    import msgspec

    from condition_hub.blocking import HubClient

    request = _request(url, bot_id, name, preset, options, secrets, headers, body)
    with HubClient() as client:
        made = client.create_webhook(request)
    if json_output:
        print_json(msgspec.to_builtins(made))
        return
    print(made.webhook_id)
    if made.secret is None:
        message("there was one; it is as you asked")
    else:
        message(f"made; its posts are signed with {made.secret}, which is not shown again")


@webhooks.command
def delete(webhook_id: WebhookId, *, json_output: AsJson = False) -> None:
    """End one of your own webhooks, and discard what waits for it."""
    from condition_hub.blocking import HubClient

    with HubClient() as client:
        was_there = client.delete_webhook(webhook_id)
    if json_output:
        print_json({"webhook_id": webhook_id, "ended": was_there})
    else:
        message(f"webhook {webhook_id} {'has ended' if was_there else 'is not there, or has ended before'}")


def _request(
    url: str | None,
    bot_id: str | None,
    name: str | None,
    preset: str | None,
    options: Sequence[str],
    secrets: Sequence[str],
    headers: Sequence[str],
    body: Path | None,
) -> "WebhookRequest":
    from condition_hub.webhook_calls import WebhookRequest

    return WebhookRequest(
        url=url,
        bot_id=bot_id,
        name=name,
        preset=preset,
        options=_pairs("--option", options),
        secrets={key: secret_in(variable) for key, variable in _pairs("--secret", secrets).items()},
        headers=_pairs("--header", headers),
        body=None if body is None else _read_body(body),
    )


def secret_in(variable: str) -> str:
    """The secret that an environment variable has; raises :class:`HubError` if it has none."""
    secret = os.environ.get(variable)
    if not secret:
        raise HubError(
            f"the environment variable {variable} is not set; it has to have the secret: export {variable}=…"
        )
    return secret


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not (key and sign and value):
            raise HubError(f"{option} has to be followed by NAME=VALUE")
        pairs[key] = value
    return pairs


def _read_body(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise HubError(f"cannot read {path}: {error.strerror}") from None
    try:
        read = json.loads(text)
    except ValueError:
        return text.rstrip("\n")
    return read if isinstance(read, dict | list) else text.rstrip("\n")


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
