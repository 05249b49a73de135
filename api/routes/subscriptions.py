"""A user's bots and the conditions whose triggers they want."""

from dataclasses import replace

from fastapi import Response

from api.bodies.answers import NowAnswer, SubscribedAnswer, SubscriptionAnswer, SubscriptionPage
from api.bodies.requests import BotCondition, PolicyBody, SubscribeBody
from api.http.openapi import problems
from api.http.problems import ProblemError, not_found
from api.http.responding import page, respond
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import BotQuery, ConditionQuery, Cursor, Limit
from api.service import Service
from registry.store.parts.registry import StoredSubscription, SubscriptionRequest
from registry.subscriptions import DeliveryPolicy

router = hub_router("subscriptions")
_WRITE = {"x-rate-class": "write"}


@router.post(
    "/conditions/subscribe",
    status_code=201,
    response_model=SubscribedAnswer,
    responses={
        200: {"model": SubscribedAnswer, "description": "There was one already; it is as asked for"},
        **problems(403, 404),
    },
    openapi_extra=_WRITE,
)
async def subscribe(body: SubscribeBody, request: HubRequest) -> Response:
    """Subscribe one of the caller's bots to a condition; a paused subscription goes on. Answers what it is now."""
    service, caller = request.service, request.caller
    service.stored(body.condition_id)
    wish = SubscriptionRequest(
        user_id=caller.user_id,
        bot_id=body.bot_id,
        condition_id=body.condition_id,
        bot_type=body.bot_type,
        bot_config=body.bot_config,
        policy=_policy(body.policy),
    )
    with service.quotas.subscribing(caller.user_id, body.bot_id, body.condition_id):
        (subscribed,) = await service.in_store(
            service.store.registry.subscribe, [wish], active_from_ms=service.clock.now_ms()
        )
    now = await _now(service, body.condition_id)
    held = subscribed.subscription
    # A repeated request is told the same while the candle is the same, and nothing of later ones: those are triggers.
    is_then = now.close_time is not None and now.close_time <= held.active_from_ms
    answer = _with_truth(held, now, deliver=held.policy.fire_if_true and is_then)
    location = {"Location": f"/conditions/{held.condition_id}/status"}
    return respond(answer, 201 if subscribed.created else 200, location)


@router.post(
    "/conditions/unsubscribe", response_model=SubscriptionAnswer, responses=problems(404), openapi_extra=_WRITE
)
async def unsubscribe(body: BotCondition, request: HubRequest) -> Response:
    """End a subscription. The second time there is none any more: 404."""
    service, caller = request.service, request.caller
    registry, which = service.store.registry, (caller.user_id, body.bot_id, body.condition_id)
    held = registry.subscription(*which)
    ended = await service.in_store(
        registry.unsubscribe, *which, at_ms=service.clock.now_ms(), grace_ms=service.settings.grace_ms
    )
    if held is None or not ended:
        raise not_found("subscription")
    return respond(_answer(replace(held, state="ended", revision=held.revision + 1)))


@router.post("/conditions/pause", response_model=SubscriptionAnswer, responses=problems(404), openapi_extra=_WRITE)
async def pause(body: BotCondition, request: HubRequest) -> Response:
    """Deliver nothing until the subscription is resumed."""
    return await _set_paused(body, request, paused=True)


@router.post("/conditions/resume", response_model=SubscriptionAnswer, responses=problems(404), openapi_extra=_WRITE)
async def resume(body: BotCondition, request: HubRequest) -> Response:
    """Deliver again, from the next candle on."""
    return await _set_paused(body, request, paused=False)


@router.post("/conditions/rearm", response_model=SubscribedAnswer, responses=problems(404, 409), openapi_extra=_WRITE)
async def rearm(body: BotCondition, request: HubRequest) -> Response:
    """Arm a subscription with `while_true` again: if the condition is still TRUE, the answer says to act now."""
    service, caller = request.service, request.caller
    held = service.store.registry.subscription(caller.user_id, body.bot_id, body.condition_id)
    if held is None:
        raise not_found("subscription")
    if not held.policy.while_true:
        raise ProblemError(409, "not-while-true", "the subscription cannot be armed again; subscribe with while_true")
    now = await _now(service, body.condition_id)
    return respond(_with_truth(held, now, deliver=held.state == "active"))


@router.get("/conditions/user/subscriptions", response_model=SubscriptionPage, openapi_extra={"x-rate-class": "read"})
async def subscriptions(
    request: HubRequest,
    bot_id: BotQuery = None,
    condition_id: ConditionQuery = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """The caller's subscriptions that have not ended, by bot and condition."""
    service, caller = request.service, request.caller
    held = [
        one
        for one in service.store.registry.subscriptions_of(caller.user_id)
        if (bot_id is None or one.bot_id == bot_id) and (condition_id is None or one.condition_id == condition_id)
    ]
    items, following = page(held, lambda one: f"{one.bot_id}\n{one.condition_id}", cursor, limit)
    return respond(SubscriptionPage(items=[_answer(one) for one in items], next_cursor=following))


async def _set_paused(body: BotCondition, request: HubRequest, *, paused: bool) -> Response:
    service, caller = request.service, request.caller
    held = await service.in_store(
        service.store.registry.set_paused,
        caller.user_id,
        body.bot_id,
        body.condition_id,
        paused,
        at_ms=service.clock.now_ms(),
    )
    if held is None:
        raise not_found("subscription")
    return respond(_answer(held))


async def _now(service: Service, condition_id: str) -> NowAnswer:
    condition = service.condition_of(service.stored(condition_id).canonical)
    return await service.judged(service.judging.now, condition)


def _policy(body: PolicyBody) -> DeliveryPolicy:
    given = body.model_dump()
    return DeliveryPolicy(expires_ms=given.pop("expires_at"), **given)


def _fields(held: StoredSubscription) -> dict[str, object]:
    policy = held.policy
    return {
        "bot_id": held.bot_id,
        "condition_id": held.condition_id,
        "bot_type": held.bot_type,
        "state": held.state,
        "policy": PolicyBody.model_construct(
            cooldown_s=policy.cooldown_s,
            max_fires=policy.max_fires,
            expires_at=policy.expires_ms,
            max_lag_s=policy.max_lag_s,
            settled_only=policy.settled_only,
            fire_if_true=policy.fire_if_true,
            while_true=policy.while_true,
        ),
        "active_from": held.active_from_ms,
        "created_at": held.created_ms,
        "revision": held.revision,
    }


def _answer(held: StoredSubscription) -> SubscriptionAnswer:
    return SubscriptionAnswer.model_validate(_fields(held))


def _with_truth(held: StoredSubscription, now: NowAnswer, *, deliver: bool) -> SubscribedAnswer:
    deliver = deliver and now.truth == "TRUE"
    trigger_id = f"{held.condition_id}:{now.close_time}" if deliver else None
    return SubscribedAnswer.model_validate({**_fields(held), "now": now, "deliver": deliver, "trigger_id": trigger_id})
