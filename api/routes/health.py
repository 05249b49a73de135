"""Health and metrics of the service."""

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.bodies.health_answers import CheckAnswer, LiveAnswer, ReadyAnswer
from api.http.openapi import problems
from api.http.responding import respond
from api.http.routing import HubRequest, hub_router
from api.service import Service
from common.errors import HubError
from common.timeframes import DURATION_MS
from events.metrics import METRICS

router = hub_router("service")


@router.get("/health/live", response_model=LiveAnswer)
async def live() -> Response:
    """The process is running and answers."""
    return respond(LiveAnswer(status="ok"))


@router.get(
    "/health/ready", response_model=ReadyAnswer, responses={503: {"model": ReadyAnswer, "description": "Not ready"}}
)
async def ready(request: HubRequest) -> Response:
    """Whether the store answers. Without the event log it is degraded: triggers are published later."""
    service = request.service
    answer = await service.in_store(_ready, service)
    return respond(answer, 503 if answer.status == "unavailable" else 200)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(403)},
    openapi_extra={"x-rate-class": "read", "x-operators-only": True},
)
async def metrics(request: HubRequest) -> Response:
    """Metrics of the hub and of this service in Prometheus' text format, for operators."""
    service = request.service
    text = await service.judged(service.hub_metrics.text, service.request_metrics.registry, METRICS)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _ready(service: Service) -> ReadyAnswer:
    store, event_log = _store(service), _event_log(service)
    marks = [mark for timeframe in DURATION_MS for mark in service.store.ticks.watermarks(timeframe).values()]
    return ReadyAnswer(
        status="unavailable" if not store.ok else "ok" if event_log.ok else "degraded",
        store=store,
        event_log=event_log,
        last_tick_age_s=(service.clock.now_ms() - max(marks)) / 1000 if marks else None,
    )


def _store(service: Service) -> CheckAnswer:
    try:
        service.store.ticks.unit_costs()
    except HubError:
        return CheckAnswer(ok=False, detail="it does not answer")
    return CheckAnswer(ok=True, detail=f"newest trigger {service.store.triggers.last_seq()}")


def _event_log(service: Service) -> CheckAnswer:
    try:
        published = service.log.last_seq()
    except HubError:
        return CheckAnswer(ok=False, detail="it does not answer")
    if service.log_problem() is not None:
        return CheckAnswer(ok=False, detail="recorded triggers cannot be published; the service's log says why")
    waiting = max(0, service.store.triggers.last_seq() - published)
    return CheckAnswer(ok=True, detail=f"{waiting} triggers wait to be published")
