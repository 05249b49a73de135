"""A user's webhooks: addresses to which triggers are posted."""

import secrets
from dataclasses import replace

from fastapi import Response

from api.bodies.answers import NewWebhookAnswer, WebhookAnswer, WebhookPage
from api.bodies.requests import WebhookBody
from api.http.openapi import problems
from api.http.problems import ProblemError, not_found
from api.http.responding import page, respond
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import Cursor, Limit, WebhookPath
from common.errors import WebhookError
from common.webhook_signature import new_secret
from events.webhooks.public_post import check_url
from registry.store.parts.delivery import Webhook, WebhookState

router = hub_router("webhooks")
_WRITE = {"x-rate-class": "write"}
_DAY_MS = 24 * 3_600_000
_MADE_A_DAY = 10
"""Times the quota of webhooks. Those that have ended are kept, so their number needs a limit as well."""


@router.post(
    "/webhooks",
    status_code=201,
    response_model=NewWebhookAnswer,
    responses={
        200: {"model": NewWebhookAnswer, "description": "There was one already; it is active; secret is null"},
        **problems(403, 404),
    },
    openapi_extra=_WRITE,
)
async def create_webhook(body: WebhookBody, request: HubRequest) -> Response:
    """Post the triggers of all of the caller's bots, or of one of them, to an address.

    The answer has the secret that signs the posts, and no later one shows it again.
    """
    service = request.service
    try:
        check_url(body.url, allow_loopback=service.settings.webhooks_allow_loopback)
    except WebhookError as error:
        raise ProblemError(403, "webhook-refused", str(error)) from None
    if body.bot_id is not None and not _has_bot(request, body.bot_id):
        raise not_found("bot; subscribe it to a condition first, or leave bot_id out for all of your bots")
    async with service.making_webhooks:
        return await _create(body, request)


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


async def _create(body: WebhookBody, request: HubRequest) -> Response:
    service, caller = request.service, request.caller
    delivery = service.store.delivery
    made = delivery.webhooks(caller.user_id)
    existing = [one for one in made if one.state != "ended"]
    known = next((one for one in existing if (one.url, one.bot_id) == (body.url, body.bot_id)), None)
    if known is not None:
        resumed = await _set_state(request, known.webhook_id, "active")
        return respond(NewWebhookAnswer.model_validate({**_webhook_fields(resumed), "secret": None}), 200)
    most = service.settings.quota_webhooks
    if len(existing) >= most:
        raise ProblemError(403, "quota-exceeded", f"a user may have {most} webhooks; delete one first")
    since_ms = service.clock.now_ms() - _DAY_MS
    if sum(one.created_ms > since_ms for one in made) >= _MADE_A_DAY * most:
        raise ProblemError(
            429,
            "quota-exceeded",
            f"a user may create {_MADE_A_DAY * most} webhooks a day; resume an existing one instead of making another",
            headers={"Retry-After": "3600"},
        )
    webhook = Webhook(
        webhook_id=secrets.token_hex(16),
        user_id=caller.user_id,
        url=body.url,
        secret=new_secret(),
        bot_id=body.bot_id,
        state="active",
        created_ms=service.clock.now_ms(),
        from_seq=service.store.triggers.last_seq(),
        revision=1,
    )
    await service.in_store(delivery.add_webhook, webhook)
    return respond(NewWebhookAnswer.model_validate({**_webhook_fields(webhook), "secret": webhook.secret}), 201)


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
    }
