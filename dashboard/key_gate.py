"""Asks for a key wherever the dashboard is reached from beyond this machine.

It shows what only operators may see, and to users their own bots. A browser on this machine that opens it by a loopback
name is let in, as whoever works here can read the data folder anyway. Everybody else (another name, another address, a
proxy in between) enters a key once, and gets a cookie for a working day. The key itself is kept neither in the cookie
nor here. What is let in by a key carries the key's id in a header, by which the pages know whose it is.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

import streamlit as st
from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from common.errors import HubError
from common.settings import load_settings
from dashboard.data.reading import opened
from dashboard.own_pages import HERE, hostname_of
from dashboard.viewer import KEY_HEADER
from registry.keys import matches, read_key_text
from registry.store.owner import url_of
from registry.store.parts.accounts import ApiKey

COOKIE = "hub_dashboard"
_SESSION_S = 12 * 3600.0
_CHECKED_S = 60.0
"""How long a session is good before its key is looked at again: it may have been revoked."""
_MOST_REFUSED, _REFUSED_S = 60, 60.0
_LONGEST_BODY = 4_096
_OPEN = ("/_stcore/health",)
_PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Condition Hub: key</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>
:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:20vh auto;padding:0 1rem}}
input,button{{font:inherit;padding:.5rem .7rem;width:100%;box-sizing:border-box;margin-top:.5rem}}
</style></head><body><h1>Condition Hub</h1><p>{said}</p>
<form method="post" action="{action}"><label>Key<input name="key" type="password" required autofocus
autocomplete="current-password" placeholder="hub_..."></label><button>Open the dashboard</button></form>
<p>A user's key opens the page of the user's bots, an operator's key all pages. <code>hub keys create NAME</code> makes
one; with <code>--operator</code>, an operator's.</p></body></html>"""


@dataclass
class _Session:
    key_id: str
    ends_s: float
    checked_s: float


class KeyGate:
    """Middleware that lets in who is on this machine, or has shown a key."""

    def __init__(self, app: ASGIApp, key_of: Callable[[str], ApiKey | None] | None = None) -> None:
        """``key_of`` looks a key up by its id; by default in the store that the settings name."""
        self._app = app
        self._key_of = key_of or _stored_key
        self._sessions: dict[str, _Session] = {}
        self._refused: deque[float] = deque(maxlen=_MOST_REFUSED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
        elif is_local(scope):
            await self._app(_with_key(scope, None), receive, send)
        elif (session := await self._session(HTTPConnection(scope))) is not None:
            await self._app(_with_key(scope, session.key_id), receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401, "reason": "no key"})
        else:
            await (await self._asked(Request(scope, receive)))(scope, receive, send)

    async def _session(self, connection: HTTPConnection) -> _Session | None:
        session = self._sessions.get(connection.cookies.get(COOKIE, ""))
        now = time.monotonic()
        if session is None or session.ends_s < now:
            return None
        if session.checked_s + _CHECKED_S < now:
            key = await self._look_up(session.key_id)
            if key is None or key.revoked_ms is not None:
                return None
            session.checked_s = now
        return session

    async def _asked(self, request: Request) -> Response:
        """The form, or the answer to it."""
        if request.method != "POST":
            return _form(request, "From beyond its own machine, the dashboard asks for a key.", 401)
        now = time.monotonic()
        if len(self._refused) == _MOST_REFUSED and now - self._refused[0] < _REFUSED_S:
            return _form(request, "Too many wrong keys; try again in a minute.", 429)
        read = read_key_text(await _posted_key(request))
        key = None if read is None else await self._look_up(read[0])
        if read is None or key is None or not matches(key, read[1]):
            self._refused.append(now)
            return _form(request, "This key is wrong or revoked.", 401)
        for token in [token for token, session in self._sessions.items() if session.ends_s < now]:
            del self._sessions[token]
        token = secrets.token_urlsafe(32)
        self._sessions[token] = _Session(key.key_id, now + _SESSION_S, now)
        answer = RedirectResponse(_address(request), status_code=303)
        is_secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        answer.set_cookie(
            COOKIE, token, max_age=int(_SESSION_S), httponly=True, samesite="strict", secure=is_secure, path="/"
        )
        return answer

    async def _look_up(self, key_id: str) -> ApiKey | None:
        try:
            return await to_thread.run_sync(self._key_of, key_id)
        except HubError:
            return None


def is_local(scope: Scope) -> bool:
    """Whether a request comes from a browser on this machine that opened the dashboard by a loopback name."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    return (
        (st.get_option("server.address") or "") in HERE
        and hostname_of(headers.get("host", "")) in HERE
        and client is not None
        and client[0] in HERE
        and not any(name in headers for name in _PROXIED)
    )


def _with_key(scope: Scope, key_id: str | None) -> Scope:
    """A request that names the key it came in with, whatever it said itself."""
    name = KEY_HEADER.encode()
    headers = [each for each in scope["headers"] if each[0].lower() != name]
    return {**scope, "headers": headers if key_id is None else [*headers, (name, key_id.encode())]}


async def _posted_key(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            return ""
    return parse_qs(body.decode("latin-1")).get("key", [""])[0].strip()


def _form(request: Request, said: str, status: int) -> HTMLResponse:
    # Only the path and the query of this very request, whose characters a URL has escaped.
    action = _address(request).replace("&", "&amp;").replace('"', "%22").replace("<", "%3C")
    return HTMLResponse(_PAGE.format(said=said, action=action), status, headers=_HEADERS)


def _address(request: Request) -> str:
    """Path and query, as one that leads to this host whatever the path begins with."""
    return "/" + request.url.path.lstrip("/\\") + (f"?{request.url.query}" if request.url.query else "")


def _stored_key(key_id: str) -> ApiKey | None:
    with opened(url_of(load_settings())) as store:
        return store.accounts.key(key_id)
