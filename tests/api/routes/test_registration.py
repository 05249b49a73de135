"""Registering: any spelling, one id, no harm in doing it twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from api.bodies.condition_spellings import Spellings, is_short
from registry.directory import Directory
from tests.api.served_hub import RSI, Hub, id_of

SPELLINGS = [
    RSI,
    {"symbol": "btc/usdt", "timeframe": "60m", "when": {"left": "rsi", "operator": "crosses_under", "right": 30.0}},
    {"symbol": "BTC-USDT", "timeframe": "1h", "when": "rsi(14) crosses_below 30"},
    {"condition": "BINANCE:BTCUSDT 1h: rsi crosses_below 30"},
]


def test_all_spellings_are_one_condition(hub: Hub) -> None:
    ann = hub.as_user("registration-ann")
    answers = [ann.post("/conditions/register", json=spelling) for spelling in SPELLINGS]
    assert {answer.json()["condition_id"] for answer in answers} == {id_of(RSI)}
    assert [answer.status_code for answer in answers[1:]] == [200, 200, 200]
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].headers["Location"] == f"/conditions/{id_of(RSI)}/status"
    assert ann.get(answers[0].headers["Location"]).status_code == 200


def test_new_is_201_and_known_is_200_with_the_same_body(hub: Hub) -> None:
    ann, bob = hub.as_user("registration-ann"), hub.as_user("registration-bob")
    condition = {"condition": "ETHUSDT 1h: rsi(21) > 71.5"}
    first, again = ann.post("/conditions/register", json=condition), bob.post("/conditions/register", json=condition)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.text == again.text
    assert first.json()["data"] == "ready"


def test_a_condition_without_candles_is_registered_and_says_so(hub: Hub) -> None:
    answer = hub.as_user("registration-ann").post("/conditions/register", json={"condition": "BTCUSDT 1m: rsi > 70"})
    assert answer.status_code == 201
    assert (answer.json()["data"], answer.json()["settled_at"]) == ("missing", None)


def test_what_is_valid_and_probably_not_meant_is_told(hub: Hub) -> None:
    ann = hub.as_user("registration-ann")
    texts = ["BTCUSDT 1h: rsi < 300", "BTCUSDT 1h: rsi < 30", "BTCUSDT 1m: rsi > 170", "BTCUSDT 1h: rsj < 1"]
    told: tuple[list[str], ...] = (
        ["rsi(14) < 300 is always TRUE: rsi goes from 0 to 100"],
        [],
        ["rsi(14) > 170 is never TRUE: rsi goes from 0 to 100"],
    )
    for text, warnings in zip(texts, told, strict=False):
        answer = ann.post("/conditions/register", json={"condition": text})
        assert answer.json()["warnings"] == warnings
        assert ann.get(answer.headers["Location"]).json()["warnings"] == warnings
    results = ann.post("/conditions/register/bulk", json={"conditions": texts}).json()["results"]
    assert [(one["data"], one["warnings"]) for one in results] == [
        ("ready", told[0]), ("ready", []), ("missing", told[2]), (None, [])
    ]  # fmt: skip


def test_one_created_when_many_register_it_at_once(hub: Hub) -> None:
    clients = [hub.as_user(f"registration-{number}") for number in range(16)]
    condition = {"condition": "SOLUSDT 1h: rsi(9) < 12.25"}
    with ThreadPoolExecutor(len(clients)) as threads:
        answers = list(threads.map(lambda client: client.post("/conditions/register", json=condition), clients))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]


def test_a_refused_condition_does_not_fail_those_registered_with_it(hub: Hub) -> None:
    clients = [hub.as_user(f"registration-{number}") for number in range(8)]
    texts = [f"{'BTCUSDT' if number % 4 else 'XYZ'} 1h: close > {3_100 + number}" for number in range(32)]

    def register(number: int) -> int:
        return clients[number % 8].post("/conditions/register", json={"condition": texts[number]}).status_code

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(register, range(32))) == [201 if number % 4 else 422 for number in range(32)]


def test_a_bulk_answers_each_in_order(hub: Hub) -> None:
    ann = hub.as_user("registration-ann")
    fresh = "AVAXUSDT 1h: close > 1234.5"
    conditions = [
        RSI,
        fresh,
        {"condition": fresh},
        "BTCUSDT 1h: rsj(14) < 30",
        7,
        {**RSI, "user_id": "bob"},
        "XYZ 1h: close > 1",
    ]
    answer = ann.post("/conditions/register/bulk", json={"conditions": conditions}).json()
    results = answer["results"]
    assert [result["condition_id"] for result in results] == [id_of(RSI), id_of(fresh), id_of(fresh), *[None] * 4]
    assert [result["created"] for result in results[1:3]] == [True, False]
    assert [result["pointer"] for result in results[3:]] == [
        "/conditions/3",
        "/conditions/4",
        "/conditions/5/user_id",
        "/conditions/6",
    ]
    assert "did you mean rsi" in results[3]["error"]
    assert answer["created"] + answer["known"] + answer["failed"] == len(conditions)
    assert answer["failed"] == 4


def test_a_bulk_has_1_to_1000(hub: Hub) -> None:
    ann = hub.as_user("registration-ann")
    many = [f"BTCUSDT 1h: close > {number}" for number in range(1, 1002)]
    assert ann.post("/conditions/register/bulk", json={"conditions": many[:1000]}).json()["failed"] == 0
    for conditions in ([], many):
        refused = ann.post("/conditions/register/bulk", json={"conditions": conditions})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/conditions"


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({**RSI, "indicator": "RSJ"}, "/indicator", "did you mean rsi"),
        ({**RSI, "timeframe": "7m"}, "/timeframe", "1m 3m 5m"),
        ({**RSI, "period": 1}, "/period", "between 2 and 1000"),
        ({**RSI, "symbol": "BTCUSD"}, "/symbol", "did you mean BINANCE:BTCUSDT"),
        ({**RSI, "operator": "crosss_below"}, "/operator", "did you mean"),
        ({**RSI, "user_id": "bob"}, "/user_id", "the fields are symbol"),
        ({**RSI, "value": "30%"}, "/value", "'30%' is a percentage"),
        ({"symbol": "BTCUSDT", "timeframe": "1h"}, "/indicator", "missing"),
        ({"condition": "BTCUSDT 1h: rsi(14"}, "", "rsi(14\n"),
        ({"condition": 7}, "/condition", "must be text, got 7"),
        ({"condition": "BTCUSDT 1h: close > 1", "symbol": "BTCUSDT"}, "", "stands alone"),
        ({"symbol": "BTCUSDT", "timeframe": "1h", "when": {"al": []}}, "/when/operator", "at_least"),
    ],
)
def test_an_invalid_condition_is_a_problem_that_names_the_field(
    hub: Hub, body: dict[str, object], pointer: str, says: str
) -> None:
    answer = hub.as_user("registration-ann").post("/conditions/register", json=body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:condition-hub:problem:invalid-condition"
    assert problem["status"] == 422
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem["errors"][0]["pointer"] == pointer
    assert says in problem["detail"]


def test_spellings_are_cached_by_bytes() -> None:
    directory = Directory()
    spellings = Spellings("BINANCE", lambda: directory, size=1_500_000)
    for number in range(1, 9):
        spellings.read(f"BTCUSDT 1h: close rises_by {number}% within 500 bars")
        assert spellings.memory <= 1_500_000
    assert spellings.memory > 500_000
    tree = {"symbol": "BTCUSDT", "timeframe": "1h", "when": {"all": ["close > 1", " " * 3_000 + "close > 2"]}}
    assert spellings.read(tree) is spellings.read(tree)


@pytest.mark.parametrize(
    ("spelling", "short"),
    [
        ("BTCUSDT 1h: rsi(14) crosses_below 30", True),
        ({"condition": "BTCUSDT 1h: rsi(14) crosses_below 30"}, True),
        (RSI, True),
        ({**RSI, "params": {"period": 14}}, True),
        ({**RSI, "value": [1, 2]}, True),
        ("BTCUSDT 1h: close rises_by 1% WITHIN 500 bars", False),
        ({"condition": "BTCUSDT 1h: close rises_by 1% within 500 bars"}, False),
        (' {"symbol": "BTCUSDT", "\\u0062ars": 500}', False),
        ({**RSI, "bars": 500}, False),
        ({**RSI, "value": " " * 300}, False),
        ({**RSI, "value": ["x" * 3_000, 2]}, False),
        ({"symbol": "BTCUSDT", "timeframe": "1h", "when": "close > 1"}, False),
        ("close > 1 and " * 20, False),
        (None, False),
        ("BTCUSDT 1h: rsi < 30 and during(mon-fri)", False),
    ],
)
def test_only_what_is_read_at_once_is_short(spelling: object, short: bool) -> None:
    assert is_short(spelling) is short


def test_conditions_are_checked_without_being_registered(hub: Hub) -> None:
    zoe = hub.as_user("check-zoe")
    texts = ["BTCUSDT 1h: close > 31415", "BTCUSDT 1h: rsj < 1", "BTCUSDT 1h: close > 31415.0"]
    change = hub.store.registry.last_change()
    first, wrong, second = zoe.post("/conditions/check", json={"conditions": texts}).json()["results"]
    assert hub.store.registry.last_change() == change
    assert (first["condition_id"], first["known"], first["data"]) == (second["condition_id"], False, "ready")
    assert (wrong["condition_id"], wrong["pointer"], "did you mean rsi" in wrong["error"]) == (
        None,
        "/conditions/1",
        True,
    )
    registered = zoe.post("/conditions/register", json={"condition": texts[0]}).json()
    (after,) = zoe.post("/conditions/check", json={"conditions": texts[:1]}).json()["results"]
    same = ("condition_id", "condition", "canonical", "series", "momentary", "warnings")
    assert after["known"] is True
    assert {name: after[name] for name in same} == {name: registered[name] for name in same}
