"""The operations on webhooks, without the network; both clients use them."""

from collections.abc import Mapping

import msgspec

from condition_hub.bodies import as_json, path_part
from condition_hub.calls import Call, ResultPage, done, reader
from condition_hub.results import HubWebhook, WebhookPreset, WebhookPreview


class WebhookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Where triggers are to be posted, and in which form: a preset with its options and secrets, a body of one's own
    with placeholders, or neither for the standard body, which is signed."""

    url: str | None = None
    bot_id: str | None = None
    """``None``: for all of the user's bots."""
    name: str | None = None
    """By which it can be changed."""
    preset: str | None = None
    options: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: object = None

    def __repr__(self) -> str:
        return f"WebhookRequest(name={self.name!r}, bot_id={self.bot_id!r}, preset={self.preset!r})"


class _Presets(msgspec.Struct, frozen=True):
    presets: list[WebhookPreset]


def create(request: WebhookRequest) -> Call[HubWebhook]:
    """Make a webhook, or change the one of that name."""
    return Call("POST", "/webhooks", reader(HubWebhook), as_json(msgspec.to_builtins(request)))


def preview(request: WebhookRequest) -> Call[WebhookPreview]:
    """What it would post and change."""
    return Call("POST", "/webhook-preview", reader(WebhookPreview), as_json(msgspec.to_builtins(request)))


def webhooks(cursor: str | None) -> Call[ResultPage[HubWebhook]]:
    """One page of the user's webhooks."""
    return Call("GET", "/webhooks", reader(ResultPage[HubWebhook]), query={"cursor": cursor})


def delete(webhook_id: str) -> Call[bool]:
    """End a webhook; whether there was one."""
    return Call("DELETE", f"/webhooks/{path_part(webhook_id)}", done(HubWebhook), if_not_found=False)


def presets() -> Call[list[WebhookPreset]]:
    """What webhooks can be made from."""
    read = reader(_Presets)
    return Call("GET", "/webhook-presets", lambda response: read(response).presets)
