"""The application: its routes, its problems, and the outermost layer around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api.exchange.binance import PATH as BINANCE_PATH
from api.exchange.binance import BinanceFace
from api.http.docs_page import serve_docs
from api.http.edge import Edge
from api.http.openapi import describe
from api.http.problems import add_handlers
from api.http.proxies import TrustedProxies
from api.routes import bots, catalogue, figures, health, insight, registration, subscriptions, triggers, webhooks
from api.service import Service


def create_app(service: Service) -> FastAPI:
    """The public API of a service, which starts and stops with the application."""

    binance = BinanceFace(service)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await binance.stop()
        await service.stop()

    app = FastAPI(
        title="Condition Hub",
        version="1",
        summary="Shared condition evaluation for trading bots.",
        description=_DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's pages fetch their scripts from a server of others.
        docs_url=None,
        redoc_url=None,
        # Each route has one address: a redirect would drop the body of a POST.
        redirect_slashes=False,
    )
    app.state.service = service
    add_handlers(app)
    for topic in (registration, subscriptions, insight, triggers, webhooks, bots, catalogue, figures, health):
        # FastAPI searches an included router on every request; adding its routes directly takes a tenth of the time.
        app.router.routes.extend(topic.router.routes)
    app.mount(BINANCE_PATH, binance)
    describe(app)
    serve_docs(app)
    proxies = TrustedProxies(service.settings.api_trusted_proxies)
    app.add_middleware(Edge, metrics=service.request_metrics, proxies=proxies)
    return app


_DESCRIPTION = """
Equal conditions of all users have one id and are judged once per candle; every subscribed bot is told.

All times are milliseconds since the epoch, UTC. Repeating a POST has no further effect. Errors are RFC 9457 problems:
`detail` says what was wrong and how to fix it, `errors` names the fields. Requests are rate-limited by class
(`x-rate-class`); `RateLimit-Policy`, `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` say how many are
left, and `Retry-After` says when to try again.
"""
