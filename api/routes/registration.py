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
    """Register up to 1000 conditions; what is wrong with one does not hinder the others. The body may have 1 MiB."""
    service, caller = request.service, request.caller
    read = await service.in_store(_read_all, service, body.conditions)
    conditions = {held.id: held for held in read if isinstance(held, Condition)}
    fresh = sum(service.store.registry.condition(condition_id) is None for condition_id in conditions)
    service.quotas.take_conditions(caller.user_id, fresh)
    registered: dict[str, RegisterResult] = {}
    try:
        answers = await service.in_store(service.register_now, list(conditions.values()))
        registered = {answer.condition_id: answer for answer in answers}
    finally:
        service.quotas.give_back(caller.user_id, fresh - sum(answer.created for answer in registered.values()))
    return Response(_bulk_answer(read, registered), media_type="application/json")


def condition_answer(service: Service, condition: Condition, settled_at: int | None) -> ConditionAnswer:
    """A registered condition for everybody."""
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
    found: dict[Instrument, InstrumentError | None] = {}
    read: list[Condition | HubError] = []
    for spelling in spellings:
        try:
            condition = service.spellings.read(spelling)
        except HubError as error:
            read.append(error)
            continue
        problems = [_unknown(instrument, known, found) for instrument in condition.instruments]
        read.append(next((problem for problem in problems if problem is not None), condition))
    return read


def _unknown(
    instrument: Instrument, known: Sequence[Instrument], found: dict[Instrument, InstrumentError | None]
) -> InstrumentError | None:
    if instrument not in found:
        try:
            resolve(instrument, known)
            found[instrument] = None
        except InstrumentError as error:
            found[instrument] = error
    return found[instrument]


def _bulk_answer(read: Sequence[Condition | HubError], registered: dict[str, RegisterResult]) -> bytes:
    """A :class:`BulkAnswer` as JSON."""
    results: list[_Result] = []
    left = {name for name, registration in registered.items() if registration.created}
    created = failed = 0
    for number, held in enumerate(read):
        if isinstance(held, Condition):
            # The same condition twice in a body was created once.
            is_new = held.id in left
            left.discard(held.id)
            created += is_new
            results.append(_Result(held.id, is_new))
        else:
            failed += 1
            own = (held.pointer or "") if isinstance(held, ConditionError) else ""
            results.append(_Result(None, False, str(held), f"/conditions/{number}{own}"))
    known = len(results) - created - failed
    return msgspec.json.encode({"results": results, "created": created, "known": known, "failed": failed})


class _Result(msgspec.Struct):
    """An :class:`api.bodies.answers.BulkResult`, which takes ten times as long to make."""

    condition_id: str | None
    created: bool
    error: str | None = None
    pointer: str | None = None
