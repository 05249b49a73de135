"""Which names and origins the dashboard answers to."""

import asyncio

import httpx
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dashboard.own_pages import HERE, OwnPagesOnly, is_listed


async def status(**headers: str) -> int:
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("page"))], middleware=[Middleware(OwnPagesOnly)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return (await client.get("/", headers=headers)).status_code


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("localhost:8501", None, 200),
        ("LOCALHOST.:8501", None, 200),
        ("127.0.0.1", None, 200),
        ("[::1]:8501", None, 200),
        ("localhost:8501", "http://localhost:8501", 200),
        ("localhost:8501", "http://localhost:3000", 403),
        ("localhost:8501", "null", 403),
        ("localhost:8501", "http://evil.example", 403),
        ("evil.example:8501", None, 403),
        ("evil.example:8501", "http://evil.example:8501", 403),
        ("localhost.evil.example", None, 403),
        ("localhost@evil.example", None, 403),
        ("localhost:x", None, 403),
        ("localhost/", None, 403),
        ("", None, 403),
    ],
)
def test_foreign_hosts_and_origins_are_refused(host: str, origin: str | None, expected: int) -> None:
    headers = {"Host": host} | ({"Origin": origin} if origin is not None else {})
    assert asyncio.run(status(**headers)) == expected


def test_an_operator_can_give_it_other_names() -> None:
    assert set(st.get_option("server.allowedHosts") or HERE) == set(HERE)
    assert is_listed("hub.example.org", ["hub.example.org"])
    assert is_listed("hub.example.org", ["*.Example.org "])
    assert is_listed("anything", ["*"])
    assert not is_listed("example.org", ["*.example.org"])
    assert not is_listed("evilexample.org", ["*.example.org"])
    assert not is_listed("", ["*"])
