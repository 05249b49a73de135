"""Whether a condition is judged and fires, why it did or did not fire, and when it would have fired."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import TypeAdapter

from analysis.preview import PreviewScan, as_bulk_preview, as_preview
from analysis.standing import Standing
from api.bodies.answers import BacktestAnswer, StatusAnswer
from api.bodies.requests import BacktestBody, BulkPreviewBody, PreviewBody
from api.http.admission import Caller
from api.http.openapi import problems
from api.http.problem_details import ProblemItem
from api.http.problems import ProblemError, invalid_condition
from api.http.rates import cost_of_refusal, cost_of_unfolding
from api.http.responding import respond
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import ConditionPath
from api.routes.registration import condition_answer, unreadable_answer
from api.service import Service
from common.errors import BacktestError, CandlesMissing, HubError, TooMuchWork
from condition_hub.explanation import BulkPreview, CandleExplanation, Explanation, Preview
from registry.activity import is_active
from registry.conditions import Condition
from registry.store.parts.registry import Superseded

router = hub_router("conditions")
_EXPLANATION, _PREVIEW, _BULK_PREVIEW = TypeAdapter(Explanation), TypeAdapter(Preview), TypeAdapter(BulkPreview)
_MOST_PREVIEWED_TRIGGERS = 50_000
_COMPUTE = {"x-rate-class": "compute"}
_TOLD_APART = frozenset({"condition_id", "condition", "forward", "cautions"})
_At = Annotated[
    int | None,
    Query(ge=0, le=4_102_444_800_000, description="The last candle closed by this time (ms); by default the newest"),
]


@router.get(
    "/conditions/{condition_id}/status",
    response_model=StatusAnswer,
    responses=problems(404),
    openapi_extra={"x-rate-class": "read"},
)
async def status(condition_id: ConditionPath, request: HubRequest) -> Response:
    """Whether a condition is registered and judged, how far, and how often it has fired.

    Of one that an upgrade of the hub gave another id, it says how it was, and `superseded_by` what stands for it.
    """
    service, caller = request.service, request.caller
    if service.current(condition_id)[1] is not None:
        superseded = await service.in_store(service.store.registry.superseded, condition_id)
        if superseded is not None:
            return respond(_superseded_status(service, superseded))
    stored = service.stored(condition_id)
    await request.take_more(cost_of_unfolding(stored.canonical))
    why: str | None = None
    unjudged = service.store.registry.unjudged_of(condition_id)
    try:
        condition = await service.condition(condition_id, caller)
    except ProblemError as error:
        # Also of a condition that cannot be read any more, the status says what is known.
        known, why = unreadable_answer(stored), error.detail
    else:
        known = await condition_answer(service, condition, caller)
    spans = service.store.registry.activity_of(condition_id)
    state = service.store.triggers.condition_state(condition_id)
    answer = StatusAnswer(
        **dict(known),
        state="judged" if unjudged is None and why is None else "err" if unjudged is None else unjudged.state,
        reason=why if unjudged is None else unjudged.reason,
        state_since=None if unjudged is None else unjudged.since_ms,
        active=is_active(spans, service.clock.now_ms() + 1),
        active_until=spans[-1].until_ms if spans and caller.is_operator else None,
        judged_until=service.store.ticks.watermark(stored.group),
        triggers=state.triggers,
        last_trigger=state.last_close_ms,
        last_seq=state.last_seq,
        subscribers=service.shown_subscribers(condition_id, caller),
    )
    return respond(answer)


@router.get(
    "/conditions/{condition_id}/explain",
    response_model=Explanation,
    responses=problems(404, 409, 503),
    openapi_extra=_COMPUTE,
)
async def explain(condition_id: ConditionPath, request: HubRequest, at: _At = None) -> Response:
    """Why a condition fires on a candle, or why it does not: every part of it, with its values now and before."""
    service, caller = request.service, request.caller
    current_id, superseded_by = service.current(condition_id)
    condition = await service.condition(current_id, caller)
    try:
        explanation, standing = await service.judged(caller, service.on_demand.explain, condition, at)
    except CandlesMissing as error:
        raise ProblemError(409, "candles-missing", str(error)) from None
    except TooMuchWork as error:
        raise ProblemError(422, "too-much-work", str(error)) from None
    return _json(_EXPLANATION.dump_json(_with_standing(explanation, standing, superseded_by, caller)))


@router.post(
    "/conditions/backtest", response_model=BacktestAnswer, responses=problems(409, 503), openapi_extra=_COMPUTE
)
async def backtest(body: BacktestBody, request: HubRequest) -> Response:
    """What a condition would have done on stored candles if its triggers had been traded. Nothing is registered.

    How many conditions were tried on the same candles counts, by whomever: the best of many looks good by chance.
    """
    service, caller = request.service, request.caller
    condition = await _read(request, body.condition, "/condition")
    exit_condition = None if body.exit is None else await _read(request, body.exit, "/exit")
    rules = body.model_dump(exclude={"condition", "exit", "start", "end"})
    try:
        report = await service.judged(
            caller,
            service.on_demand.backtest,
            condition,
            exit_condition,
            (body.start, body.end),
            rules,
            service.trials_of(caller.user_id),
        )
    except CandlesMissing as error:
        raise ProblemError(409, "candles-missing", str(error)) from None
    except TooMuchWork as error:
        raise ProblemError(422, "too-much-work", str(error)) from None
    except BacktestError as error:
        raise ProblemError(422, "invalid-request", str(error)) from None
    told = report.to_dict()
    (part,) = told["conditions"]
    return respond(
        BacktestAnswer(
            condition_id=condition.id,
            condition=str(condition),
            rules=told["rules"],
            figures={name: value for name, value in part.items() if name not in _TOLD_APART},
            forward=part["forward"],
            cautions=[caution["text"] for caution in part["cautions"]],
            lines=list(report.lines()),
        )
    )


@router.post("/conditions/preview", response_model=Preview, responses=problems(409, 503), openapi_extra=_COMPUTE)
async def preview(body: PreviewBody, request: HubRequest) -> Response:
    """How often and when a condition would have fired on stored candles. Nothing is registered."""
    service, caller = request.service, request.caller
    _check_span(body.start, body.end)
    condition = await _read(request, body.condition, "/condition")
    scan = await _previewed(request, condition, body.start, body.end)
    answer = as_preview(
        scan,
        condition,
        last=body.last,
        registered=service.store.registry.condition(condition.id) is not None,
        subscribers=service.shown_subscribers(condition.id, caller),
    )
    return _json(_PREVIEW.dump_json(answer))


@router.post(
    "/conditions/preview/bulk", response_model=BulkPreview, responses=problems(409, 503), openapi_extra=_COMPUTE
)
async def preview_bulk(body: BulkPreviewBody, request: HubRequest) -> Response:
    """Every trigger that some conditions would have had on stored candles, in pages. Nothing is registered.

    A page has 50,000 triggers and says in `until` how far it goes. Each condition counts as one request.
    """
    _check_span(body.start, body.end)
    await request.take_more(len(body.conditions) - 1)
    spelled = enumerate(body.conditions)
    conditions = [await _read(request, spelling, f"/conditions/{number}") for number, spelling in spelled]
    # One by one: between two of them it may be somebody else's turn.
    scans = [(each, await _previewed(request, each, body.start, body.end)) for each in conditions]
    answer = await request.apart(
        as_bulk_preview, scans, start_ms=body.start, end_ms=body.end, most=_MOST_PREVIEWED_TRIGGERS
    )
    return _json(await request.apart(_BULK_PREVIEW.dump_json, answer))


def _check_span(start: int | None, end: int | None) -> None:
    if start is not None and end is not None and start >= end:
        detail = "start must be before end"
        raise ProblemError(422, "invalid-request", detail, errors=[ProblemItem(pointer="/start", detail=detail)])


async def _read(request: HubRequest, spelling: object, pointer: str) -> Condition:
    """The condition at a place of the body; raises a 422 problem."""
    try:
        return await request.service.read(spelling, request.caller)
    except HubError as error:
        await request.charge(cost_of_refusal(len(await request.body())))
        raise invalid_condition(error, pointer) from None


async def _previewed(request: HubRequest, condition: Condition, start: int | None, end: int | None) -> PreviewScan:
    """When a condition would have fired; raises a 409 or 422 problem."""
    service = request.service
    try:
        scan = await service.judged(request.caller, service.on_demand.preview, condition, start, end)
    except CandlesMissing as error:
        raise ProblemError(409, "candles-missing", str(error)) from None
    except TooMuchWork as error:
        item = ProblemItem(pointer="/start", detail=str(error))
        raise ProblemError(422, "too-much-work", str(error), errors=[item]) from None
    service.note_tried(condition)
    return scan


def _superseded_status(service: Service, superseded: Superseded) -> StatusAnswer:
    """The status of a condition that another one stands for: how it was, and what it had fired."""
    state = service.store.triggers.condition_state(superseded.condition.condition_id)
    return StatusAnswer(
        **dict(unreadable_answer(superseded.condition)),
        state="superseded",
        superseded_by=superseded.superseded_by,
        reason=superseded.reason,
        state_since=superseded.since_ms,
        active=False,
        active_until=None,
        judged_until=None,
        triggers=state.triggers,
        last_trigger=state.last_close_ms,
        last_seq=state.last_seq,
        subscribers=None,
    )


def _with_standing(
    explanation: CandleExplanation, standing: Standing, superseded_by: str | None, caller: Caller
) -> Explanation:
    return Explanation(
        **vars(explanation),
        superseded_by=superseded_by,
        active=is_active(standing.spans, explanation.close_time),
        judged_until=standing.judged_until_ms,
        recorded=standing.recorded,
        notes=standing.notes(explanation.close_time, with_subscribers=caller.is_operator),
    )


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
