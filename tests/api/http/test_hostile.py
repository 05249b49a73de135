"""Whatever arrives on the socket is answered with a 4xx problem, or not at all, and the service keeps working."""

import json
import random
import re
import socket
import time
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.http import connection, routing
from api.http.json_body import DEEPEST, BodyError, read_json
from tests.api.served_hub import RSI, Hub
from tests.waiting import wait_for

JSON = {"Content-Type": "application/json"}
ROUTES = (
    "/conditions/register",
    "/conditions/register/bulk",
    "/conditions/subscribe",
    "/conditions/preview",
    "/conditions/pause",
)
DEEP = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
RAW = {
    "empty": b"",
    "not JSON": b"{",
    "two values": b"{} {}",
    "not UTF-8": b'{"condition": "\xff\xfe"}',
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"condition": "x"}'.encode("utf-16"),
    "NaN": b'{"condition": NaN}',
    "infinity": b'{"value": -Infinity}',
    "too large a number": b'{"value": 1e999}',
    "too long a number": b'{"value": ' + b"9" * 400 + b"}",
    "deep objects": DEEP,
    "deep lists": b"[" * 30_000 + b"]" * 30_000,
    "open brackets": b"[" * 60_000,
    "a field twice": b'{"condition": "a", "condition": "b"}',
    "a field twice below": b'{"bot_config": {"x": 1, "x": 2}}',
    "half a surrogate": b'{"condition": "\\ud800"}',
    "half a surrogate as a name": b'{"\\udfff": 1}',
    "a NUL": b'{"condition": "\\u0000"}',
    "a raw NUL": b'{"condition": "\x00"}',
    "a list": b"[]",
    "a text": b'"BTCUSDT 1h: close > 1"',
    "null": b"null",
    "a number": b"1",
    "many fields": json.dumps({f"f{number}": number for number in range(4_000)}).encode(),
    "a long text": json.dumps({"condition": "x" * 60_000}).encode(),
}


def is_a_refusal(answer: httpx.Response) -> bool:
    return (
        400 <= answer.status_code < 500
        and answer.headers["Content-Type"] == "application/problem+json"
        and bool(answer.json()["status"] == answer.status_code)
    )


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_raw_bodies(hub: Hub, raw: bytes) -> None:
    client = hub.as_user("hostile")
    for route in ROUTES:
        assert is_a_refusal(client.post(route, content=raw, headers=JSON)), route
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        1.5,
        1e308,
        2**63,
        -(2**63),
        "",
        " ",
        "é",
        "\u202e",
        "a\x7f",
        "x" * 200,
        [],
        [[]],
        {},
        {"a": 1},
    ],
    ids=ascii,
)
def test_wrong_values_in_every_field(hub: Hub, value: object) -> None:
    client = hub.as_user("hostile")
    whole: dict[str, dict[str, Any]] = {
        "/conditions/register": {
            **RSI,
            "params": None,
            "component": None,
            "source": "close",
            "bars": 1,
            "fire": "every_bar",
        },
        "/conditions/preview": {"condition": RSI, "start": 1, "end": 2, "last": 3},
        "/conditions/subscribe": {
            "bot_id": "b",
            "condition_id": "0" * 32,
            "bot_type": "dca",
            "bot_config": {},
            "policy": {"cooldown_s": 1, "max_fires": 1, "expires_at": 1, "max_lag_s": 1, "settled_only": True},
        },
    }
    for route, body in whole.items():
        for field in body:
            answer = client.post(route, json={**body, field: value})
            assert answer.status_code < 500, (route, field, value)
        for field in body.get("policy", {}):
            policy = {**body["policy"], field: value}
            assert client.post(route, json={**body, "policy": policy}).status_code < 500, (route, field, value)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "limit=1e2", "cursor=zz", "cursor=abc", "bot_id=%00", "condition_id=x"]
)
def test_wrong_queries(hub: Hub, query: str) -> None:
    answer = hub.as_user("hostile").get(f"/conditions/user/subscriptions?{query}")
    assert is_a_refusal(answer)
    assert answer.json()["errors"][0]["parameter"] == query.split("=", maxsplit=1)[0]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/conditions",
        "/conditions//status",
        "/conditions/%00/status",
        "/%ff",
        "/store/registry.version",
        "/a" * 500,
    ],
)
def test_wrong_paths(hub: Hub, path: str) -> None:
    assert is_a_refusal(hub.as_user("hostile").get(path))


def test_wrong_methods_and_media_types(hub: Hub) -> None:
    client = hub.as_user("hostile")
    answer = client.delete("/conditions/register")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert is_a_refusal(client.patch("/conditions/register", json={}))
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert (
            client.post("/conditions/register", content=b"{}", headers={"Content-Type": media_type}).status_code == 415
        )
    charset = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/conditions/register", content=json.dumps(RSI), headers=charset).status_code in (200, 201)


def test_a_request_id_is_adopted_only_if_it_is_harmless(hub: Hub) -> None:
    client = hub.as_user("hostile")
    assert client.get("/health/live", headers={"X-Request-ID": "bot-7.a_b"}).headers["X-Request-ID"] == "bot-7.a_b"
    for bad in (b"x" * 65, b"a b", b"<script>", "é".encode()):
        answer = client.get("/health/live", headers={b"X-Request-ID": bad})
        assert re.fullmatch("[0-9a-f]{16}-[0-9]+", answer.headers["X-Request-ID"])


def exchange(hub: Hub, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """What comes back for raw bytes; nothing if the service just closes."""
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as sender:
        try:
            for part in parts:
                sender.sendall(part)
                time.sleep(pause_s)
            return sender.recv(65_536)
        except (ConnectionError, TimeoutError):
            return b""


def head(hub: Hub, route: str, **headers: object) -> bytes:
    lines = {
        "Host": "x",
        "Authorization": f"Bearer {hub.key('hostile')}",
        "Content-Type": "application/json",
        **headers,
    }
    return (
        f"POST {route} HTTP/1.1\r\n".encode()
        + b"".join(f"{name}: {value}\r\n".encode() for name, value in lines.items())
        + b"\r\n"
    )


def refused(hub: Hub, route: str, status: int) -> float:
    """How many requests to a route have been answered with a status."""
    labels = {"method": "POST", "route": route, "status": str(status)}
    return hub.service.request_metrics.registry.get_sample_value("hub_http_requests_total", labels) or 0.0


@pytest.mark.parametrize(
    ("route", "limit"), [("/conditions/subscribe", 64 * 1024), ("/conditions/register/bulk", 1024 * 1024)]
)
def test_large_bodies_are_refused_before_they_are_read(hub: Hub, route: str, limit: int) -> None:
    announced = exchange(hub, head(hub, route, **{"Content-Length": 10**12}), b"{")
    assert announced.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in announced.lower()
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    before = refused(hub, route, 413)
    chunked = exchange(hub, head(hub, route, **{"Transfer-Encoding": "chunked"}), *[chunk] * (limit // 0x10000 + 2))
    # The answer may be lost when the service closes the connection while more is being sent.
    assert not chunked or chunked.startswith(b"HTTP/1.1 413 ")
    wait_for(lambda: refused(hub, route, 413) == before + 1, "the refusal to be counted")
    body = json.dumps({"x": " " * limit}).encode()
    assert is_a_refusal(hub.as_user("hostile").post(route, content=body, headers=JSON))


def test_a_body_that_does_not_come_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "BODY_PATIENCE_S", 0.2)
    answer = exchange(hub, head(hub, "/conditions/register", **{"Content-Length": 100}), b'{"a"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as gone:
        gone.sendall(head(hub, "/conditions/register", **{"Content-Length": 100}) + b"{")
    assert hub.nobody().get("/health/live").status_code == 200


def test_a_head_that_does_not_come_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_PATIENCE_S", 0.3)
    whole = head(hub, "/conditions/register", **{"Content-Length": 0})
    for parts in ([], [whole[:-2]], [whole[:1], whole[1:9]]):
        answer = exchange(hub, *parts, pause_s=0.05)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n"), parts
        assert b"application/problem+json" in answer
        assert b"slow-head" in answer
    get = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as kept:
        kept.sendall(get)
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.6)
        kept.sendall(get)
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 "), "an idle connection is not a slow head"
        kept.sendall(get[:-2])
        assert kept.recv(65_536).startswith(b"HTTP/1.1 408 "), "the head of a later request has the same time"


@pytest.mark.parametrize("line", [b"X: " + b"x" * 1_000 + b"\r\n", b"x" * 1_000], ids=["many lines", "one line"])
def test_a_head_without_an_end_is_refused(hub: Hub, line: bytes) -> None:
    begun = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
    answer = exchange(hub, begun if line.endswith(b"\n") else begun + b"X: ", *[line * 16] * 6)
    assert not answer or answer.startswith(b"HTTP/1.1 431 ")
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as sender:
        sender.sendall(begun)
        with pytest.raises(ConnectionError):
            sender.sendall(b"X: " * (not line.endswith(b"\n")) + line * 30_000)
    assert hub.nobody().get("/health/live").status_code == 200


def test_what_is_not_http_is_answered_with_a_problem(hub: Hub) -> None:
    answer = exchange(hub, b"SSH-2.0-OpenSSH_9.2\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    lines, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in lines.lower()
    told = json.loads(body)
    assert told["type"] == "urn:condition-hub:problem:not-http"
    assert f"x-request-id: {told['request_id']}".encode() in lines


def test_random_bytes(hub: Hub) -> None:
    chance = random.Random(5)
    whole = head(hub, "/conditions/register", **{"Content-Length": 30}) + b'{"condition": "BTCUSDT 1h: 1"}'
    answered = 0
    for _ in range(60):
        noise = bytearray(whole if chance.random() < 0.7 else chance.randbytes(chance.randrange(1, 400)))
        for _ in range(chance.randrange(1, 8)):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as sender:
            sender.sendall(bytes(noise))
            sender.shutdown(socket.SHUT_WR)
            try:
                answer = sender.recv(65_536)
            except ConnectionError:
                continue
        assert not answer or answer.split()[1][:1] in (b"2", b"4"), (bytes(noise), answer)
        answered += bool(answer)
    assert answered > 30
    assert hub.nobody().get("/health/live").status_code == 200


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES)
@settings(deadline=None, max_examples=150)
def test_json_is_read_as_it_is_written(value: object) -> None:
    try:
        raw = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raw = json.dumps(value).encode()
        with pytest.raises(BodyError):
            read_json(raw)
    else:
        assert read_json(raw) == value
        assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\ud8019eE+-.NaInfity ', max_size=40).map(str.encode))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_anything_else_is_refused_as_a_body(raw: bytes) -> None:
    try:
        value = read_json(raw)
    except BodyError:
        return
    assert json.loads(raw) == value


def test_depth_is_counted_outside_texts() -> None:
    assert read_json(b'["' + b"[" * 100 + b'\\"["]') == ["[" * 100 + '"[']
    read_json(b"[" * DEEPEST + b"]" * DEEPEST)
    with pytest.raises(BodyError, match="too deeply"):
        read_json(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))
