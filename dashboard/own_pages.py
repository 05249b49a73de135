"""Lets nobody in but the dashboard's own pages, opened under a name that it is known by.

A browser on this machine reaches it, and with it any page that the browser shows: one whose name was made to point here
(its ``Host`` is foreign), or one that opens a websocket to this port (its ``Origin`` is).
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HERE = ("localhost", "127.0.0.1", "::1")


class OwnPagesOnly:
    """Refuses requests and websockets with a foreign ``Host`` or ``Origin``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = _refusal(Headers(scope=scope)) if scope["type"] in ("http", "websocket") else None
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(reason, 403)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 4403, "reason": "foreign Host or Origin"})


def _refusal(headers: Headers) -> str | None:
    """Why a request is refused, for the person who sees it; ``None`` if it is not."""
    host, origin = headers.get("host", ""), headers.get("origin")
    hosts = st.get_option("server.allowedHosts") or HERE
    if not is_listed(hostname_of(host), hosts):
        return (
            f"The dashboard is not known by the name {hostname_of(host)!a}. If it should be, start it with "
            f"--server.allowedHosts set to that name; now it is: {' '.join(hosts)}\n"
        )
    if origin is None or urlsplit(origin).netloc == host or origin in st.get_option("server.corsAllowedOrigins"):
        return None
    return "Only the dashboard's own pages may ask it for anything.\n"


def is_listed(hostname: str, hosts: Iterable[str]) -> bool:
    """Whether a name is in a list that may have ``*.example.org``, for all names below it, and ``*``."""
    names = [name.strip().lower() for name in hosts]
    return bool(hostname) and any(
        name in ("*", hostname) or (name.startswith("*.") and hostname.endswith(name[1:])) for name in names
    )


def hostname_of(host: str) -> str:
    """The name in a ``Host`` header, without its port; empty if it is no plain name."""
    try:
        parts = urlsplit(f"//{host}")
        # Reading the port checks it.
        is_plain = parts.port is None or parts.port > 0
    except ValueError:
        return ""
    is_plain = is_plain and parts.username is None and not (parts.path or parts.query or parts.fragment)
    return (parts.hostname or "").rstrip(".") if is_plain else ""
