"""How a condition fares, why it did not fire, and when it would have fired."""

from typing import Annotated

from fastapi import Query, Response

from analysis.explain import Explained, Explanation
from analysis.standing import Standing
from api.bodies.answers import (
    DistanceAnswer,
    ExplainAnswer,
    ExplainedAnswer,
    FreshnessAnswer,
    PreviewAnswer,
    PreviewTrigger,
    ReadingAnswer,
    StatusAnswer,
)
from api.bodies.catalogue_answers import ProblemItem
from api.bodies.requests import PreviewBody
from api.http.admission import Caller
from api.http.openapi import problems
from api.http.problems import ProblemError, invalid_condition
from api.http.responding import respond
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import ConditionPath
from api.routes.registration import condition_answer
from common.errors import CandlesMissing, HubError
from common.timeframes import DURATION_MS
from registry.activity import is_active

router = hub_router("conditions")
_COMPUTE = {"x-rate-class": "compute"}
_DAY_MS = DURATION_MS["1d"]
_At = Annotated[
    int | None,
    Query(ge=0, le=4_102_444_800_000, description="The last candle closed by this time (ms); the newest by default"),
]


@router.get(
    "/conditions/{condition_id}/status",
    response_model=StatusAnswer,
    responses=problems(404),
    openapi_extra={"x-rate-class": "read"},
)
async def status(condition_id: ConditionPath, request: HubRequest) -> Response:
    """Whether a condition is registered and judged, how far, and how often it has fired."""
    service, caller = request.service, request.caller
    stored = service.stored(condition_id)
    condition = service.condition_of(stored.canonical)
    settled_at = await service.settled_at(condition)
    spans = service.store.registry.activity_of(condition_id)
    state = service.store.triggers.condition_state(condition_id)
    answer = StatusAnswer(
        **dict(condition_answer(service, condition, settled_at)),
        active=is_active(spans, service.clock.now_ms() + 1),
        active_until=spans[-1].until_ms if spans and caller.is_operator else None,
        judged_until=service.store.ticks.watermarks(stored.timeframe).get(stored.group),
        triggers=state.triggers,
        last_trigger=state.last_close_ms,
        last_seq=state.last_seq,
        subscribers=service.shown_subscribers(condition_id, caller),
    )
    return respond(answer)


@router.get(
    "/conditions/{condition_id}/explain",
    response_model=ExplainAnswer,
    responses=problems(404, 409),
    openapi_extra=_COMPUTE,
)
async def explain(condition_id: ConditionPath, request: HubRequest, at: _At = None) -> Response:
    """Why a condition fires on a candle, or why it does not: every part of it, with its values now and before."""
    service, caller = request.service, request.caller
    condition = service.condition_of(service.stored(condition_id).canonical)
    try:
        found, standing = await service.judged(service.judging.explain, condition, at)
    except CandlesMissing as error:
        raise ProblemError(409, "candles-missing", str(error)) from None
    return respond(_explain_answer(found, standing, caller))


@router.post("/conditions/preview", response_model=PreviewAnswer, responses=problems(409), openapi_extra=_COMPUTE)
async def preview(body: PreviewBody, request: HubRequest) -> Response:
    """How often and when a condition would have fired on stored candles. Nothing is registered."""
    service, caller = request.service, request.caller
    if body.start is not None and body.end is not None and body.start >= body.end:
        detail = "start must be before end"
        raise ProblemError(422, "invalid-request", detail, errors=[ProblemItem(pointer="/start", detail=detail)])
    try:
        condition = service.spellings.read(body.condition)
    except HubError as error:
        raise invalid_condition(error, "/condition") from None
    try:
        found = await service.judged(service.judging.preview, condition, body.start, body.end)
    except CandlesMissing as error:
        raise ProblemError(409, "candles-missing", str(error)) from None
    days = found.candles * DURATION_MS[condition.timeframe] / _DAY_MS
    newest = found.triggers.tail(body.last).reverse() if body.last else found.triggers.clear()
    answer = PreviewAnswer(
        condition_id=condition.id,
        condition=str(condition),
        canonical=condition.canonical,
        registered=service.store.registry.condition(condition.id) is not None,
        start=found.start_ms,
        end=found.end_ms,
        candles=found.candles,
        triggers=found.triggers.height,
        per_day=found.triggers.height / days if days else None,
        last=[
            PreviewTrigger(open_time=opened, close_time=closed, price=price, settled=settled)
            for opened, closed, price, settled in zip(
                newest["open_time"].dt.epoch("ms"),
                newest["close_time"].dt.epoch("ms"),
                newest["price"],
                newest["settled"],
                strict=True,
            )
        ],
        subscribers=service.shown_subscribers(condition.id, caller),
    )
    return respond(answer)


def _explain_answer(found: Explanation, standing: Standing, caller: Caller) -> ExplainAnswer:
    return ExplainAnswer(
        condition_id=found.condition_id,
        condition=found.text,
        momentary=found.momentary,
        open_time=found.open_ms,
        close_time=found.close_ms,
        verdict=found.verdict,
        fires=found.fires,
        reasons=list(found.reasons),
        truth=found.truth,
        before=found.before,
        price=found.price,
        settled=found.settled,
        tree=None if found.tree is None else _explained(found.tree),
        freshness=[
            FreshnessAnswer(
                series=held.series,
                first_open_time=held.first_open_ms,
                last_close_time=held.last_close_ms,
                candles=held.candles,
            )
            for held in found.freshness
        ],
        active=is_active(standing.spans, found.close_ms),
        judged_until=standing.judged_until_ms,
        recorded=standing.recorded,
        notes=list(standing.notes(found.close_ms, with_subscribers=caller.is_operator)),
    )


def _explained(node: Explained) -> ExplainedAnswer:
    return ExplainedAnswer(
        text=node.text,
        truth=node.truth,
        before=node.before,
        readings=[
            ReadingAnswer(text=held.text, now=held.now, before=held.before, unknown=list(held.unknown))
            for held in node.readings
        ],
        distances=[
            DistanceAnswer(left=held.left, right=held.right, absolute=held.absolute, relative=held.relative)
            for held in node.distances
        ],
        children=[_explained(child) for child in node.children],
    )
