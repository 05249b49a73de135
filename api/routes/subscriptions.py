"""A user's bots and the conditions whose triggers they want."""

from collections.abc import Sequence
from dataclasses import replace

from fastapi import Response

from api.bodies.answers import SubscribedAnswer, SubscribedBulkAnswer, SubscriptionAnswer, SubscriptionPage
from api.bodies.requests import BotCondition, PolicyBody, SubscribeBody, SubscribeBulkBody
from api.http.openapi import problems
from api.http.problems import ProblemError, not_found
from api.http.rates import cost_of_unfolding
from api.http.responding import page, respond
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import BotQuery, Cursor, Limit, OfCondition
from common.errors import WebhookError
from condition_hub.explanation import Now
from registry.store.parts.registry import StoredSubscription, SubscriptionRequest
from registry.subscriptions import DeliveryPolicy

router = hub_router("subscriptions")
_WRITE = {"x-rate-class": "write"}


@router.post(
    "/conditions/subscribe",
    status_code=201,
    response_model=SubscribedAnswer,
    responses={
        200: {"model": SubscribedAnswer, "description": "There was one already; it is as requested"},
        **problems(403, 404, 409, 503),
    },
    openapi_extra=_WRITE,
)
async def subscribe(body: SubscribeBody, request: HubRequest) -> Response:
    """Subscribe one of the caller's bots to a condition, or resume its subscription. The answer has its truth.

    Where an upgrade of the hub gave the condition another id, that one is subscribed to; the answer says which.
    """
    service, caller = request.service, request.caller
    condition_id, superseded_by = service.current(body.condition_id)
    await request.take_more(cost_of_unfolding(service.stored(condition_id).canonical))
    await service.condition(condition_id, caller)
    subscription_request = await _subscription_request(body, condition_id, request)
    # Afterwards it would be too late to refuse.
    service.judging.check_room(caller.user_id)
    (subscribed,) = await service.in_store(
        service.store.registry.subscribe,
        [subscription_request],
        active_from_ms=service.clock.now_ms(),
        quota=service.quotas.subscriptions,
    )
    now = await _now(request, condition_id)
    subscription = subscribed.subscription
    # Repeating the request on the same candle gives the same answer; on later candles, triggers are delivered instead.
    is_then = now.close_time is not None and now.close_time <= subscription.active_from_ms
    deliver = subscription.policy.fire_if_true and is_then
    answer = _with_truth(request, subscription, now, superseded_by, deliver=deliver)
    location = {"Location": f"/conditions/{subscription.condition_id}/status"}
    return respond(answer, 201 if subscribed.created else 200, location)


@router.post(
    "/conditions/subscribe/bulk",
    response_model=SubscribedBulkAnswer,
    responses=problems(403, 404, 409),
    openapi_extra={"x-rate-class": "bulk"},
)
async def subscribe_bulk(body: SubscribeBulkBody, request: HubRequest) -> Response:
    """Subscribe the caller's bots to up to 100 conditions, all or none; or resume and change those subscriptions.

    The answer has no truths, and asks for nothing to be done at once: `fire_if_true` tells webhooks only.
    """
    service = request.service
    asked: list[SubscriptionRequest] = []
    for each in body.subscriptions:
        condition_id, _ = service.current(each.condition_id)
        service.stored(condition_id)
        asked.append(await _subscription_request(each, condition_id, request))
    results = await service.in_store(
        service.store.registry.subscribe,
        asked,
        active_from_ms=service.clock.now_ms(),
        quota=service.quotas.subscriptions,
    )
    items = _answers(request, [result.subscription for result in results])
    return respond(SubscribedBulkAnswer(items=items, created=sum(result.created for result in results)))


@router.post(
    "/conditions/unsubscribe", response_model=SubscriptionAnswer, responses=problems(404), openapi_extra=_WRITE
)
async def unsubscribe(body: BotCondition, request: HubRequest) -> Response:
    """End a subscription. If it has already ended, the answer is 404."""
    service, caller = request.service, request.caller
    registry = service.store.registry
    which = caller.user_id, body.bot_id, registry.successor(body.condition_id)
    subscription = registry.subscription(*which)
    ended = await service.in_store(
        registry.unsubscribe, *which, at_ms=service.clock.now_ms(), grace_ms=service.settings.grace_ms
    )
    if subscription is None or not ended:
        raise not_found("subscription")
    return respond(_answer(request, replace(subscription, state="ended", revision=subscription.revision + 1)))


@router.post("/conditions/pause", response_model=SubscriptionAnswer, responses=problems(404), openapi_extra=_WRITE)
async def pause(body: BotCondition, request: HubRequest) -> Response:
    """Deliver nothing until the subscription is resumed."""
    return await _set_paused(body, request, paused=True)


@router.post("/conditions/resume", response_model=SubscriptionAnswer, responses=problems(404), openapi_extra=_WRITE)
async def resume(body: BotCondition, request: HubRequest) -> Response:
    """Deliver again, starting with the next candle."""
    return await _set_paused(body, request, paused=False)


@router.post(
    "/conditions/rearm", response_model=SubscribedAnswer, responses=problems(404, 409, 503), openapi_extra=_WRITE
)
async def rearm(body: BotCondition, request: HubRequest) -> Response:
    """Rearm a subscription with `while_true`: if the condition is still TRUE, the answer says to act now.

    The bot's webhooks get a delivery with the same `trigger_id` in that case.
    """
    service, caller = request.service, request.caller
    condition_id, superseded_by = service.current(body.condition_id)
    subscription = service.store.registry.subscription(caller.user_id, body.bot_id, condition_id)
    if subscription is None:
        raise not_found("subscription")
    if not subscription.policy.while_true:
        raise ProblemError(409, "not-while-true", "the subscription cannot be rearmed; subscribe with while_true")
    await request.take_more(cost_of_unfolding(service.stored(condition_id).canonical))
    now = await _now(request, condition_id)
    if now.truth == "TRUE" and subscription.state == "active":
        try:
            await service.in_store(service.rearm_webhooks, caller.user_id, body.bot_id, condition_id)
        except WebhookError as error:
            raise ProblemError(503, "webhooks-unavailable", str(error), headers={"Retry-After": "5"}) from None
    deliver = subscription.state == "active"
    return respond(_with_truth(request, subscription, now, superseded_by, deliver=deliver))


@router.get("/conditions/user/subscriptions", response_model=SubscriptionPage, openapi_extra={"x-rate-class": "read"})
async def subscriptions(
    request: HubRequest,
    bot_id: BotQuery = None,
    condition_id: OfCondition = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """The caller's subscriptions that have not ended, by bot and condition."""
    service, caller = request.service, request.caller
    condition_id = None if condition_id is None else service.store.registry.successor(condition_id)
    matches = [
        one
        for one in service.store.registry.subscriptions_of(caller.user_id)
        if (bot_id is None or one.bot_id == bot_id) and (condition_id is None or one.condition_id == condition_id)
    ]
    items, following = page(matches, lambda one: f"{one.bot_id}\n{one.condition_id}", cursor, limit)
    return respond(SubscriptionPage(items=_answers(request, items), next_cursor=following))


async def _subscription_request(body: SubscribeBody, condition_id: str, request: HubRequest) -> SubscriptionRequest:
    """What the caller asks for; without a configuration, that of the subscription which is there stays."""
    service, user_id = request.service, request.caller.user_id
    bot_config = body.bot_config
    if bot_config is None:
        kept = await service.in_store(service.store.registry.bot_config, user_id, body.bot_id, condition_id)
        bot_config = kept or {}
    return SubscriptionRequest(
        user_id=user_id,
        bot_id=body.bot_id,
        condition_id=condition_id,
        bot_type=body.bot_type,
        bot_config=bot_config,
        policy=_policy(body.policy),
    )


async def _set_paused(body: BotCondition, request: HubRequest, *, paused: bool) -> Response:
    service, caller = request.service, request.caller
    subscription = await service.in_store(
        service.store.registry.set_paused,
        caller.user_id,
        body.bot_id,
        service.store.registry.successor(body.condition_id),
        paused,
        at_ms=service.clock.now_ms(),
    )
    if subscription is None:
        raise not_found("subscription")
    return respond(_answer(request, subscription))


async def _now(request: HubRequest, condition_id: str) -> Now:
    service, caller = request.service, request.caller
    return await service.judged(caller, service.on_demand.now, await service.condition(condition_id, caller))


def _policy(body: PolicyBody) -> DeliveryPolicy:
    fields = body.model_dump()
    return DeliveryPolicy(expires_ms=fields.pop("expires_at"), **fields)


def _subscription_fields(subscription: StoredSubscription) -> dict[str, object]:
    policy = subscription.policy
    return {
        "bot_id": subscription.bot_id,
        "condition_id": subscription.condition_id,
        "bot_type": subscription.bot_type,
        "state": subscription.state,
        "policy": PolicyBody.model_construct(
            cooldown_s=policy.cooldown_s,
            max_fires=policy.max_fires,
            expires_at=policy.expires_ms,
            max_lag_s=policy.max_lag_s,
            settled_only=policy.settled_only,
            fire_if_true=policy.fire_if_true,
            while_true=policy.while_true,
        ),
        "active_from": subscription.active_from_ms,
        "created_at": subscription.created_ms,
        "revision": subscription.revision,
    }


def _answer(request: HubRequest, subscription: StoredSubscription) -> SubscriptionAnswer:
    (answer,) = _answers(request, [subscription])
    return answer


def _answers(request: HubRequest, subscriptions: Sequence[StoredSubscription]) -> list[SubscriptionAnswer]:
    registry, replaced = request.service.store.registry, dict[tuple[str, str], list[str]]()
    for was in registry.moved_of(request.caller.user_id):
        replaced.setdefault((was.bot_id, registry.successor(was.condition_id)), []).append(was.condition_id)
    return [
        SubscriptionAnswer.model_validate(
            {**_subscription_fields(one), "replaces": replaced.get((one.bot_id, one.condition_id), [])}
        )
        for one in subscriptions
    ]


def _with_truth(
    request: HubRequest, subscription: StoredSubscription, now: Now, superseded_by: str | None, *, deliver: bool
) -> SubscribedAnswer:
    deliver = deliver and now.truth == "TRUE"
    trigger_id = f"{subscription.condition_id}:{now.close_time}" if deliver else None
    fields = dict(_answer(request, subscription))
    more = {"superseded_by": superseded_by, "now": now, "deliver": deliver, "trigger_id": trigger_id}
    return SubscribedAnswer.model_validate({**fields, **more})
