"""Beyond its own machine, the dashboard asks for a key, and its pages know whose it was."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from dashboard import key_gate
from dashboard.key_gate import COOKIE, KeyGate
from dashboard.viewer import KEY_HEADER
from registry.keys import new_key
from registry.store.parts.accounts import ApiKey

OPERATOR, OPERATORS_TEXT = new_key("ops", "operator", "", 0)
USER, USERS_TEXT = new_key("somebody", "user", "", 0)
KEYS = {OPERATOR.key_id: OPERATOR, USER.key_id: USER}
HUB = "http://hub.example.org"


@pytest.fixture(autouse=True)
def bound_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by default, whatever folder Streamlit has read its configuration from."""
    monkeypatch.setattr("dashboard.key_gate.st.get_option", {"server.address": "localhost"}.get)


def client(
    base_url: str = HUB, key_of: Callable[[str], ApiKey | None] = KEYS.get, address: str = "10.0.0.7"
) -> httpx.AsyncClient:
    """A browser at an address."""

    def figures(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"figures for {','.join(request.headers.getlist(KEY_HEADER))}")

    routes = [Route("/{path:path}", figures)]
    app = Starlette(routes=routes, middleware=[Middleware(KeyGate, key_of=key_of)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 5000)), base_url=base_url)


@pytest.mark.parametrize(
    ("base_url", "address", "headers", "status"),
    [
        ("http://localhost:8501", "127.0.0.1", {}, 200),
        ("http://127.0.0.1:8501", "127.0.0.1", {}, 200),
        (HUB, "127.0.0.1", {}, 401),
        ("http://localhost:8501", "10.0.0.7", {}, 401),
        # A proxy on this machine that keeps no name.
        ("http://localhost:8501", "127.0.0.1", {"X-Forwarded-For": "10.0.0.7"}, 401),
        ("http://localhost:8501", "127.0.0.1", {"Forwarded": "for=10.0.0.7"}, 401),
    ],
)
async def test_only_a_browser_of_this_machine_needs_no_key(
    base_url: str, address: str, headers: dict[str, str], status: int
) -> None:
    async with client(base_url, address=address) as browser:
        answer = await browser.get("/conditions", headers=headers)
    assert answer.status_code == status
    assert ("figures" in answer.text) == (status == 200)


async def test_bound_to_all_addresses_it_asks_even_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.key_gate.st.get_option", {"server.address": "0.0.0.0"}.get)
    async with client("http://localhost:8501", address="127.0.0.1") as browser:
        assert (await browser.get("/")).status_code == 401


@pytest.mark.parametrize(
    ("key", "text"), [(OPERATOR, OPERATORS_TEXT), (USER, USERS_TEXT)], ids=["an operator's", "a user's"]
)
async def test_a_key_opens_it_for_a_session_that_knows_whose_it_is(key: ApiKey, text: str) -> None:
    async with client() as browser:
        form = await browser.get("/conditions?id=abc")
        assert form.status_code == 401
        action = re.search(r'action="([^"]*)"', form.text)
        assert action is not None
        answer = await browser.post(action[1], data={"key": text})
        assert (answer.status_code, answer.headers["location"]) == (303, "/conditions?id=abc")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
        assert text.rsplit("_", 1)[1] not in cookie
        # What a browser claims itself does not count.
        claimed = {KEY_HEADER: "000000000000"}
        assert (await browser.get("/conditions?id=abc", headers=claimed)).text == f"figures for {key.key_id}"


async def test_a_browser_of_this_machine_cannot_claim_a_key() -> None:
    async with client("http://localhost:8501", address="127.0.0.1") as browser:
        answer = await browser.get("/", headers={KEY_HEADER: OPERATOR.key_id})
    assert answer.text == "figures for "


@pytest.mark.parametrize(
    ("text", "status"),
    [("", 401), ("hub_nonsense", 401), (OPERATORS_TEXT[:-1] + "-", 401), ("x" * 10_000, 401)],
    ids=["none", "nonsense", "another character", "very long"],
)
async def test_other_keys_open_nothing(text: str, status: int) -> None:
    async with client() as browser:
        answer = await browser.post("/", data={"key": text})
        assert answer.status_code == status
        assert COOKIE not in answer.cookies
        assert not text or text not in answer.text
        assert (await browser.get("/")).status_code == 401


async def test_a_revoked_key_ends_its_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = dict(KEYS)
    async with client(key_of=keys.get) as browser:
        await browser.post("/", data={"key": OPERATORS_TEXT})
        monkeypatch.setattr(key_gate, "_CHECKED_S", -1.0)
        assert (await browser.get("/")).status_code == 200
        keys[OPERATOR.key_id] = replace(OPERATOR, revoked_ms=1)
        assert (await browser.get("/")).status_code == 401


async def test_wrong_keys_are_not_looked_up_without_end() -> None:
    looked_up: list[str] = []

    def key_of(key_id: str) -> None:
        looked_up.append(key_id)

    async with client(key_of=key_of) as browser:
        statuses = [(await browser.post("/", data={"key": OPERATORS_TEXT})).status_code for _ in range(65)]
    assert statuses == [401] * 60 + [429] * 5
    assert len(looked_up) == 60


async def test_the_way_back_stays_on_this_host() -> None:
    async with client() as browser:
        answer = await browser.post(f"{HUB}//evil.example/x", data={"key": OPERATORS_TEXT})
    assert answer.headers["location"] == "/evil.example/x"


def test_a_websocket_without_a_session_is_closed() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def never(*_: object) -> None:
        raise AssertionError("it was let in")

    scope: Scope = {"type": "websocket", "path": "/_stcore/stream", "headers": [(b"host", b"hub.example.org")]}
    asyncio.run(KeyGate(never, key_of=KEYS.get)(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 4401, "reason": "no key"}]
