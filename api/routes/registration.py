"""Registering conditions, one or many."""

from collections.abc import Sequence

from fastapi import APIRouter, Response

from api.answers import BulkAnswer, BulkResult, ConditionAnswer
from api.models import BulkBody, ConditionBody
from api.problems import invalid_condition
from api.responding import respond
from api.routing import HubRoute, TheCaller, TheService
from api.service import Service
from registry.conditions import Condition
from registry.errors import ConditionError, HubError, InstrumentError
from registry.instruments import Instrument, resolve
from registry.store.records import Registration

router = APIRouter(route_class=HubRoute, tags=["conditions"])


@router.post(
    "/conditions/register",
    status_code=201,
    response_model=ConditionAnswer,
    responses={200: {"model": ConditionAnswer, "description": "It was known already"}},
    openapi_extra={"x-rate-class": "write"},
)
async def register(body: ConditionBody, service: TheService, caller: TheCaller) -> Response:
    """Register a condition in any spelling. Equal conditions get the same id, whoever registers them."""
    try:
        condition = service.spellings.read(body)
    except HubError as error:
        raise invalid_condition(error) from None
    fresh = int(service.store.registry.condition(condition.id) is None)
    service.quotas.take_conditions(caller.user_id, fresh)
    created = False
    try:
        registration, settled_at = await service.in_store(_register, service, condition)
        created = registration.created
    except InstrumentError as error:
        raise invalid_condition(error, "/symbol" if "symbol" in body else "") from None
    finally:
        service.quotas.give_back(caller.user_id, fresh - created)
    answer = condition_answer(service, condition, settled_at)
    location = {"Location": f"/conditions/{condition.id}/status"}
    return respond(answer, 201 if created else 200, location)


@router.post("/conditions/register/bulk", response_model=BulkAnswer, openapi_extra={"x-rate-class": "bulk"})
async def register_bulk(body: BulkBody, service: TheService, caller: TheCaller) -> Response:
    """Register up to 1000 conditions; what is wrong with one does not hinder the others. The body may have 1 MiB."""
    read = await service.in_store(_read_all, service, body.conditions)
    conditions = {held.id: held for held in read if isinstance(held, Condition)}
    fresh = sum(service.store.registry.condition(condition_id) is None for condition_id in conditions)
    service.quotas.take_conditions(caller.user_id, fresh)
    registered: dict[str, Registration] = {}
    try:
        answers = await service.in_store(_register_all, service, list(conditions.values()))
        registered = {answer.condition_id: answer for answer in answers}
    finally:
        service.quotas.give_back(caller.user_id, fresh - sum(answer.created for answer in registered.values()))
    return respond(_bulk_answer(read, registered))


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
        series=[str(series) for series in condition.all_series],
        momentary=condition.momentary,
        definition_versions=stored.definition_versions,
        active_from=stored.active_from_ms,
        data="missing" if settled_at is None else "ready",
        settled_at=settled_at,
    )


def _register(service: Service, condition: Condition) -> tuple[Registration, int | None]:
    (registration,) = _register_all(service, [condition])
    return registration, service.judging.settled_at(condition)


def _register_all(service: Service, conditions: Sequence[Condition]) -> list[Registration]:
    return service.store.registry.register(
        conditions, active_from_ms=service.clock.now_ms(), grace_ms=service.settings.grace_ms
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


def _bulk_answer(read: Sequence[Condition | HubError], registered: dict[str, Registration]) -> BulkAnswer:
    results: list[BulkResult] = []
    first: set[str] = set()
    for number, held in enumerate(read):
        if isinstance(held, Condition):
            # The same condition twice in a body was created once.
            created = registered[held.id].created and held.id not in first
            first.add(held.id)
            results.append(BulkResult.model_construct(condition_id=held.id, created=created, error=None, pointer=None))
        else:
            own = (held.pointer or "") if isinstance(held, ConditionError) else ""
            pointer = f"/conditions/{number}{own}"
            results.append(
                BulkResult.model_construct(condition_id=None, created=False, error=str(held), pointer=pointer)
            )
    created_count = sum(result.created for result in results)
    failed = sum(result.condition_id is None for result in results)
    return BulkAnswer.model_construct(
        results=results, created=created_count, known=len(results) - created_count - failed, failed=failed
    )
