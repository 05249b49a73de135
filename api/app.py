"""The application: routes, problems and the outermost layer around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api.http.edge import Edge
from api.http.openapi import describe
from api.http.problems import add_handlers
from api.routes import catalogue, health, insight, registration, subscriptions, triggers, webhooks
from api.service import Service


def create_app(service: Service) -> FastAPI:
    """The public API on a service, which starts and stops with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="Condition Hub",
        version="1",
        summary="Shared condition evaluation for trading bots.",
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        # One address a route: a redirect would drop the body of a post.
        redirect_slashes=False,
    )
    app.state.service = service
    add_handlers(app)
    for topic in (registration, subscriptions, insight, triggers, webhooks, catalogue, health):
        # An included router is asked route by route at every request; its routes alone cost a tenth.
        app.router.routes.extend(topic.router.routes)
    describe(app)
    app.add_middleware(Edge, measures=service.measures)
    return app


_DESCRIPTION = """
Equal conditions of all users have one id and are judged once a candle; every bot that subscribed is told.

All times are milliseconds since the epoch, UTC. A post that is repeated does nothing the second time. Errors are
RFC 9457 problems: `detail` says what was wrong and how to mend it, `errors` which field. Requests are limited by class
(`x-rate-class`); `RateLimit-Policy`, `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` say what is left,
and `Retry-After` when to come back.
"""
