"""Registering conditions, one or many."""

import time
from collections.abc import Collection, Mapping, Sequence

import msgspec
from fastapi import Response

from api.bodies.answers import BulkAnswer, ConditionAnswer, ConditionCheck, ConditionChecks, Data
from api.bodies.requests import BulkBody, ConditionBody
from api.http.admission import Caller
from api.http.openapi import problems
from api.http.problems import invalid_condition
from api.http.rates import cost_of_many, cost_of_refusal, cost_of_unfolding
from api.http.responding import respond
from api.http.routing import HubRequest, hub_router
from api.http.turns import SLICE_S
from api.service import Service
from common.errors import ConditionError, ConditionRetired, HubError, InstrumentError
from registry.conditions import Condition
from registry.directory import Directory
from registry.store.parts.registry import RegisterResult, StoredCondition, retired_text

router = hub_router("conditions")


@router.post(
    "/conditions/register",
    status_code=201,
    response_model=ConditionAnswer,
    responses={200: {"model": ConditionAnswer, "description": "It was known already"}, **problems(409)},
    openapi_extra={"x-rate-class": "write"},
)
async def register(body: ConditionBody, request: HubRequest) -> Response:
    """Register a condition in any spelling. Equal conditions get the same id, whoever registers them."""
    service, caller = request.service, request.caller
    try:
        condition = await service.read(body, caller)
    except HubError as error:
        await request.charge(cost_of_refusal(len(await request.body())))
        raise invalid_condition(error) from None
    await request.take_more(cost_of_unfolding(condition.canonical))
    try:
        created = (await service.registrar.register(condition, caller.user_id)).created
    except InstrumentError as error:
        raise invalid_condition(error, "/symbol" if "symbol" in body else "") from None
    answer = await condition_answer(service, condition, caller)
    location = {"Location": f"/conditions/{condition.id}/status"}
    return respond(answer, 201 if created else 200, location)


@router.post("/conditions/register/bulk", response_model=BulkAnswer, openapi_extra={"x-rate-class": "bulk"})
async def register_bulk(body: BulkBody, request: HubRequest) -> Response:
    """Register up to 1000 conditions. One that is refused does not keep the others from being registered.

    The body may have 1 MiB. The request counts in its rate once for each started 8 KiB or 50 conditions, whichever are
    more, and once for each refused condition.
    """
    service, caller = request.service, request.caller
    await request.take_more(cost_of_many(len(body.conditions), len(await request.body())))
    reading = _Reading(service, body.conditions)
    while not reading.is_done:
        await request.take_more(await request.apart(reading.go_on))
    outcomes = reading.outcomes
    conditions = {outcome.id: outcome for outcome in outcomes if isinstance(outcome, Condition)}
    registering = [(condition, caller.user_id) for condition in conditions.values()]
    answers = await service.in_store(service.register_now, registering)
    registered = {answer.condition_id: answer for answer in answers}
    ready = await service.in_store(service.on_demand.with_candles, conditions.values())
    return Response(_bulk_answer(outcomes, registered, ready, reading.warnings), media_type="application/json")


@router.post("/conditions/check", response_model=ConditionChecks, openapi_extra={"x-rate-class": "bulk"})
async def check(body: BulkBody, request: HubRequest) -> Response:
    """What up to 1000 conditions mean, and whether they are registered. Registers nothing.

    The request counts in its rate like a bulk registration.
    """
    service = request.service
    await request.take_more(cost_of_many(len(body.conditions), len(await request.body())))
    reading = _Reading(service, body.conditions)
    while not reading.is_done:
        await request.take_more(await request.apart(reading.go_on))
    conditions = {outcome.id: outcome for outcome in reading.outcomes if isinstance(outcome, Condition)}
    ready = await service.in_store(service.on_demand.with_candles, conditions.values())
    results = [
        ConditionCheck.model_construct(
            condition_id=outcome.id,
            known=service.store.registry.condition(outcome.id) is not None,
            condition=str(outcome),
            canonical=outcome.canonical,
            series=list(map(str, outcome.all_series)),
            momentary=outcome.momentary,
            data="ready" if outcome.id in ready else "missing",
            warnings=list(reading.warnings[outcome.id]),
        )
        if isinstance(outcome, Condition)
        else ConditionCheck(condition_id=None, error=str(outcome), pointer=_pointer(number, outcome))
        for number, outcome in enumerate(reading.outcomes)
    ]
    return respond(ConditionChecks.model_construct(results=results))


async def condition_answer(service: Service, condition: Condition, caller: Caller) -> ConditionAnswer:
    """The answer about a registered condition, the same for everybody; computed in the caller's turn."""
    stored = service.stored(condition.id)
    settling = await service.settling(condition, caller)
    warnings = await service.warnings(condition, caller)
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
        data=settling.data,
        settled_at=settling.at_ms,
        warnings=list(warnings),
    )


def unreadable_answer(stored: StoredCondition) -> ConditionAnswer:
    """The answer about a registered condition whose text cannot be read any more, so that it never fires."""
    return ConditionAnswer(
        condition_id=stored.condition_id,
        condition=stored.text,
        canonical=stored.canonical,
        exchange=stored.exchange,
        symbol=stored.symbol,
        timeframe=stored.timeframe,
        series=list(stored.group.series),
        momentary=False,
        definition_versions=stored.definition_versions,
        active_from=stored.active_from_ms,
        data="missing",
        settled_at=None,
        warnings=[],
    )


class _Reading:
    """Many spellings on their way to conditions, a slice of time after the other."""

    def __init__(self, service: Service, spellings: Sequence[object]) -> None:
        self._service = service
        self._spellings = spellings
        self._directory: Directory | None = None
        self.outcomes: list[Condition | HubError] = []
        """Each condition, or why it cannot be registered."""
        self.warnings: dict[str, tuple[str, ...]] = {}
        """Condition id -> what is valid and probably not meant."""

    @property
    def is_done(self) -> bool:
        """Whether all have been read."""
        return len(self.outcomes) == len(self._spellings)

    def go_on(self) -> int:
        """Read some more; returns how often the request counts for them beyond their number and bytes."""
        if self._directory is None:
            self._directory = self._service.store.candles.directory()
        cost, until = 0, time.monotonic() + SLICE_S
        while not self.is_done and time.monotonic() < until:
            outcome = self._read(self._spellings[len(self.outcomes)], self._directory)
            cost += cost_of_unfolding(outcome.canonical) if isinstance(outcome, Condition) else 1
            if isinstance(outcome, Condition) and outcome.id not in self.warnings:
                self.warnings[outcome.id] = outcome.warnings
            self.outcomes.append(outcome)
        return cost

    def _read(self, spelling: object, directory: Directory) -> Condition | HubError:
        try:
            condition, registry = self._service.spellings.read(spelling), self._service.store.registry
            if registry.condition(condition.id) is None:
                condition.check_reads_back()
            elif (why := registry.unjudged_of(condition.id)) is not None and why.state == "retired":
                raise ConditionRetired(retired_text(condition.id, why))
            for instrument in condition.instruments:
                self._service.check_known(instrument, directory)
        except HubError as error:
            return error
        return condition


def _bulk_answer(
    outcomes: Sequence[Condition | HubError],
    registered: dict[str, RegisterResult],
    ready: Collection[str],
    warnings: Mapping[str, tuple[str, ...]],
) -> bytes:
    """A :class:`BulkAnswer` as JSON; ``ready`` are the ids of the conditions whose series have candles."""
    results: list[_Result] = []
    new = {condition_id for condition_id, registration in registered.items() if registration.created}
    created = failed = 0
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Condition):
            # A condition that is twice in the body was created once.
            is_new = outcome.id in new
            new.discard(outcome.id)
            created += is_new
            data: Data = "ready" if outcome.id in ready else "missing"
            results.append(_Result(outcome.id, is_new, data=data, warnings=warnings[outcome.id]))
        else:
            failed += 1
            results.append(_Result(None, False, str(outcome), _pointer(number, outcome)))
    known = len(results) - created - failed
    return msgspec.json.encode({"results": results, "created": created, "known": known, "failed": failed})


def _pointer(number: int, error: HubError) -> str:
    """The place of what is wrong with one condition, from the root of the body."""
    own = (error.pointer or "") if isinstance(error, ConditionError) else ""
    return f"/conditions/{number}{own}"


class _Result(msgspec.Struct):
    """The same as :class:`api.bodies.answers.BulkResult`, which takes ten times as long to create."""

    condition_id: str | None
    created: bool
    error: str | None = None
    pointer: str | None = None
    data: Data | None = None
    warnings: tuple[str, ...] = ()
