"""A user's webhooks: addresses to which triggers are posted, and in which form."""

import json
import secrets
from dataclasses import replace

from fastapi import Response

from api.bodies.answers import (
    NewWebhookAnswer,
    PresetAnswer,
    PresetsAnswer,
    WebhookAnswer,
    WebhookPage,
    WebhookPart,
    WebhookPreviewAnswer,
)
from api.bodies.requests import WebhookBody
from api.http.openapi import problems
from api.http.problems import ProblemError, not_found
from api.http.responding import page, respond
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import Cursor, Limit, WebhookPath
from common.errors import TemplateError, WebhookError
from common.webhook_signature import new_secret
from events.webhooks.posts import JSON, example_body, example_values, fields_of, filled, own_post
from events.webhooks.presets import PRESETS
from events.webhooks.public_post import check_url
from events.webhooks.templates import FILTERS, NAMES, fill_url
from registry.store.parts.delivery import Webhook, WebhookState

router = hub_router("webhooks")
_WRITE = {"x-rate-class": "write"}


@router.post(
    "/webhooks",
    status_code=201,
    response_model=NewWebhookAnswer,
    responses={
        200: {
            "model": NewWebhookAnswer,
            "description": "There was one already; it is as requested; secret is null",
        },
        **problems(403, 404),
    },
    openapi_extra=_WRITE,
)
async def create_webhook(body: WebhookBody, request: HubRequest) -> Response:
    """Post the triggers of all of the caller's bots, or of one of them, to an address.

    They are posted in the standard form, which is signed; or in that of a preset, or of a template of the caller's own:
    try it with `POST /webhook-preview`. The answer has the secret that signs the posts, and no later one shows it
    again. A request with the name of a webhook, or without a name with the url and bot_id of one that has none, makes
    that one as requested.
    """
    wanted = _wanted(body, request)
    if body.bot_id is not None and not _has_bot(request, body.bot_id):
        raise not_found("bot; subscribe it to a condition first, or leave bot_id out for all of your bots")
    async with request.service.making_webhooks:
        return await _create(wanted, request)


@router.post("/webhook-preview", response_model=WebhookPreviewAnswer, responses=problems(403), openapi_extra=_WRITE)
async def preview_webhook(body: WebhookBody, request: HubRequest) -> Response:
    """What `POST /webhooks` would change with the same body, and what would be posted. Stores and posts nothing.

    A bot that it names need not have a subscription yet.
    """
    wanted = _wanted(body, request)
    known = _known(wanted, request)
    changes = [] if known is None else _changes(known, wanted)
    own = own_post(body.url, body.preset, body.options, body.secrets, body.headers, body.body)
    if own is None:
        url, headers, media_type, text = wanted.url, {}, JSON, example_body(body.bot_id).decode()
    else:
        post = filled(own, example_values(body.bot_id), masked=True)
        url, headers, media_type, text = post.url, dict(post.headers), post.media_type, post.body.decode()
    return respond(
        WebhookPreviewAnswer(
            webhook_id=None if known is None else known.webhook_id,
            changes=changes,
            url=url,
            headers=headers,
            media_type=media_type,
            body=text,
        )
    )


@router.get("/webhook-presets", response_model=PresetsAnswer, openapi_extra={"x-rate-class": "read"})
async def webhook_presets() -> Response:
    """The presets that webhooks can be made from, and what templates can name."""
    presets = [
        PresetAnswer(
            name=preset.name,
            text=preset.text,
            options=dict(preset.options),
            defaults=dict(preset.defaults),
            secrets=dict(preset.secrets),
            url=preset.url,
            headers=dict(preset.headers),
            body=preset.body,
        )
        for preset in PRESETS.values()
    ]
    return respond(PresetsAnswer(presets=presets, names=list(NAMES), filters=list(FILTERS)))


@router.get("/webhooks", response_model=WebhookPage, openapi_extra={"x-rate-class": "read"})
async def webhooks(request: HubRequest, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """The caller's webhooks."""
    items, following = page(_webhooks_of(request), lambda webhook: webhook.webhook_id, cursor, limit)
    answers = [WebhookAnswer.model_validate(_webhook_fields(webhook)) for webhook in items]
    return respond(WebhookPage(items=answers, next_cursor=following))


@router.post(
    "/webhooks/{webhook_id}/resume", response_model=WebhookAnswer, responses=problems(404), openapi_extra=_WRITE
)
async def resume_webhook(webhook_id: WebhookPath, request: HubRequest) -> Response:
    """Resume a webhook that was paused after failing for long. `GET /triggers` has what fired meanwhile."""
    return respond(WebhookAnswer.model_validate(_webhook_fields(await _set_state(request, webhook_id, "active"))))


@router.delete("/webhooks/{webhook_id}", response_model=WebhookAnswer, responses=problems(404), openapi_extra=_WRITE)
async def delete_webhook(webhook_id: WebhookPath, request: HubRequest) -> Response:
    """Delete a webhook. If it has already been deleted, the answer is 404."""
    ended = await _set_state(request, webhook_id, "ended")
    return respond(WebhookAnswer.model_validate(_webhook_fields(replace(ended, state="ended"))))


def _wanted(body: WebhookBody, request: HubRequest) -> Webhook:
    """The webhook that a request describes, as if it were made now; raises problems for what cannot be."""
    service, caller = request.service, request.caller
    try:
        own = own_post(body.url, body.preset, body.options, body.secrets, body.headers, body.body)
        if own is not None:
            filled(own, example_values(body.bot_id))
    except TemplateError as error:
        raise ProblemError(422, "invalid-template", str(error)) from None
    url = own.url if own is not None else body.url or ""
    try:
        check_url(fill_url(url, body.secrets), allow_loopback=service.settings.webhooks_allow_loopback)
    except WebhookError as error:
        raise ProblemError(403, "webhook-refused", str(error)) from None
    return Webhook(
        webhook_id=secrets.token_hex(16),
        user_id=caller.user_id,
        url=url,
        secret=new_secret(),
        bot_id=body.bot_id,
        state="active",
        created_ms=service.clock.now_ms(),
        from_seq=service.store.triggers.last_seq(),
        revision=1,
        name=body.name,
        preset=body.preset,
        **fields_of(own),
    )


def _known(wanted: Webhook, request: HubRequest) -> Webhook | None:
    """The caller's webhook that a request is about: that of its name or, without one, of its address and bot."""

    def identity(webhook: Webhook) -> tuple[str | None, ...]:
        return (webhook.name,) if webhook.name is not None else (None, webhook.url, webhook.bot_id)

    return next((one for one in _webhooks_of(request) if identity(one) == identity(wanted)), None)


def _changes(known: Webhook, wanted: Webhook) -> list[WebhookPart]:
    """What is not yet as it is wanted."""
    pairs: list[tuple[WebhookPart, object, object]] = [
        ("url", known.url, wanted.url),
        ("bot_id", known.bot_id, wanted.bot_id),
        ("preset", known.preset, wanted.preset),
        ("headers", known.headers, wanted.headers),
        ("secrets", known.secrets, wanted.secrets),
        ("body", known.template, wanted.template),
        ("state", known.state, wanted.state),
    ]
    return [part for part, before, after in pairs if before != after]


async def _create(wanted: Webhook, request: HubRequest) -> Response:
    service = request.service
    delivery = service.store.delivery
    known = _known(wanted, request)
    if known is not None:
        replacing = replace(wanted, webhook_id=known.webhook_id)
        await service.in_store(delivery.replace_webhook, replacing, at_ms=service.clock.now_ms())
        resumed = await _set_state(request, known.webhook_id, "active")
        return respond(NewWebhookAnswer.model_validate({**_webhook_fields(resumed), "secret": None}), 200)
    await service.in_store(delivery.add_webhook, wanted, service.quotas.webhooks)
    return respond(NewWebhookAnswer.model_validate({**_webhook_fields(wanted), "secret": wanted.secret}), 201)


def _has_bot(request: HubRequest, bot_id: str) -> bool:
    """Whether the caller has a bot, which is to say a subscription of it."""
    subscriptions = request.service.store.registry.subscriptions_of(request.caller.user_id)
    return any(one.bot_id == bot_id for one in subscriptions)


def _webhooks_of(request: HubRequest) -> list[Webhook]:
    """The caller's webhooks that have not ended."""
    return [one for one in request.service.store.delivery.webhooks(request.caller.user_id) if one.state != "ended"]


async def _set_state(request: HubRequest, webhook_id: str, state: WebhookState) -> Webhook:
    service = request.service
    webhook = service.store.delivery.webhook(webhook_id)
    if webhook is None or webhook.user_id != request.caller.user_id or webhook.state == "ended":
        raise not_found("webhook")
    changed = await service.in_store(
        service.store.delivery.set_webhook_state, webhook_id, state, at_ms=service.clock.now_ms()
    )
    return changed or webhook


def _webhook_fields(webhook: Webhook) -> dict[str, object]:
    return {
        "webhook_id": webhook.webhook_id,
        "url": webhook.url,
        "bot_id": webhook.bot_id,
        "state": webhook.state,
        "created_at": webhook.created_ms,
        "name": webhook.name,
        "preset": webhook.preset,
        "headers": sorted(webhook.headers),
        "secrets": sorted(webhook.secrets),
        "body": None if webhook.template is None else json.loads(webhook.template),
    }
