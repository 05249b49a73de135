"""Registering conditions, one or many."""

from collections.abc import Sequence

import msgspec
from fastapi import Response

from api.bodies.answers import BulkAnswer, ConditionAnswer
from api.bodies.requests import BulkBody, ConditionBody
from api.http.problems import invalid_condition
from api.http.responding import respond
from api.http.routing import HubRequest, hub_router
from api.service import Service
from common.errors import ConditionError, HubError, InstrumentError
from registry.conditions import Condition
from registry.instruments import Instrument, resolve
from registry.store.parts.registry import RegisterResult

router = hub_router("conditions")


@router.post(
    "/conditions/register",
    status_code=201,
    response_model=ConditionAnswer,
    responses={200: {"model": ConditionAnswer, "description": "It was known already"}},
    openapi_extra={"x-rate-class": "write"},
)
async def register(body: ConditionBody, request: HubRequest) -> Response:
    """Register a condition in any spelling. Equal conditions get the same id, whoever registers them."""
    service, caller = request.service, request.caller
    try:
        condition = service.spellings.read(body)
    except HubError as error:
        raise invalid_condition(error) from None
    fresh = int(service.store.registry.condition(condition.id) is None)
    service.quotas.take_conditions(caller.user_id, fresh)
    created = False
    try:
        created = (await service.registrar.register(condition)).created
    except InstrumentError as error:
        raise invalid_condition(error, "/symbol" if "symbol" in body else "") from None
    finally:
        service.quotas.give_back(caller.user_id, fresh - created)
    answer = condition_answer(service, condition, await service.settled_at(condition))
    location = {"Location": f"/conditions/{condition.id}/status"}
    return respond(answer, 201 if created else 200, location)


@router.post("/conditions/register/bulk", response_model=BulkAnswer, openapi_extra={"x-rate-class": "bulk"})
async def register_bulk(body: BulkBody, request: HubRequest) -> Response:
    """Register up to 1000 conditions. One that is refused does not keep the others from being registered.

    The body may have 1 MiB.
    """
    service, caller = request.service, request.caller
    outcomes = await service.in_store(_read_all, service, body.conditions)
    conditions = {outcome.id: outcome for outcome in outcomes if isinstance(outcome, Condition)}
    fresh = sum(service.store.registry.condition(condition_id) is None for condition_id in conditions)
    service.quotas.take_conditions(caller.user_id, fresh)
    registered: dict[str, RegisterResult] = {}
    try:
        answers = await service.in_store(service.register_now, list(conditions.values()))
        registered = {answer.condition_id: answer for answer in answers}
    finally:
        service.quotas.give_back(caller.user_id, fresh - sum(answer.created for answer in registered.values()))
    return Response(_bulk_answer(outcomes, registered), media_type="application/json")


def condition_answer(service: Service, condition: Condition, settled_at: int | None) -> ConditionAnswer:
    """The answer about a registered condition, the same for everybody."""
    stored = service.stored(condition.id)
    return ConditionAnswer(
        condition_id=stored.condition_id,
        condition=stored.text,
        canonical=stored.canonical,
        exchange=stored.exchange,
        symbol=stored.symbol,
        timeframe=stored.timeframe,
        series=list(condition.all_series),
        momentary=condition.momentary,
        definition_versions=stored.definition_versions,
        active_from=stored.active_from_ms,
        data="missing" if settled_at is None else "ready",
        settled_at=settled_at,
    )


def _read_all(service: Service, spellings: Sequence[object]) -> list[Condition | HubError]:
    """Each condition, or why it cannot be registered."""
    known = service.store.candles.instruments()
    checked: dict[Instrument, InstrumentError | None] = {}
    outcomes: list[Condition | HubError] = []
    for spelling in spellings:
        try:
            condition = service.spellings.read(spelling)
        except HubError as error:
            outcomes.append(error)
            continue
        problems = [_unknown(instrument, known, checked) for instrument in condition.instruments]
        outcomes.append(next((problem for problem in problems if problem is not None), condition))
    return outcomes


def _unknown(
    instrument: Instrument, known: Sequence[Instrument], checked: dict[Instrument, InstrumentError | None]
) -> InstrumentError | None:
    """Why an instrument cannot be used; ``None`` if it can."""
    if instrument not in checked:
        try:
            resolve(instrument, known)
            checked[instrument] = None
        except InstrumentError as error:
            checked[instrument] = error
    return checked[instrument]


def _bulk_answer(outcomes: Sequence[Condition | HubError], registered: dict[str, RegisterResult]) -> bytes:
    """A :class:`BulkAnswer` as JSON."""
    results: list[_Result] = []
    new = {condition_id for condition_id, registration in registered.items() if registration.created}
    created = failed = 0
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Condition):
            # A condition that is twice in the body was created once.
            is_new = outcome.id in new
            new.discard(outcome.id)
            created += is_new
            results.append(_Result(outcome.id, is_new))
        else:
            failed += 1
            own = (outcome.pointer or "") if isinstance(outcome, ConditionError) else ""
            results.append(_Result(None, False, str(outcome), f"/conditions/{number}{own}"))
    known = len(results) - created - failed
    return msgspec.json.encode({"results": results, "created": created, "known": known, "failed": failed})


class _Result(msgspec.Struct):
    """The same as :class:`api.bodies.answers.BulkResult`, which takes ten times as long to create."""

    condition_id: str | None
    created: bool
    error: str | None = None
    pointer: str | None = None
