"""Health and metrics of the service."""

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.bodies.health_answers import LiveAnswer, ReadyAnswer
from api.http.openapi import problems
from api.http.responding import respond
from api.http.routing import HubRequest, hub_router
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
    """Whether the store answers and takes writes, and all loops of the service work; at most a second old.

    Without the event log it is degraded: triggers are published later.
    """
    answer = await request.service.readiness.answer()
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
    collectors = (service.bot_metrics, service.operating_metrics, service.request_metrics)
    text = await service.figured(service.hub_metrics.text, *(one.registry for one in collectors), METRICS)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
