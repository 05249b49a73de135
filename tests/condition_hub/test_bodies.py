"""What the client sends is JSON; what cannot be is refused with its place."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.errors import BodyNotJson, HubError
from condition_hub.bodies import as_json

KEYS = st.text("abcxyz_/~ é", min_size=1, max_size=6)
PLAIN: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(KEYS, parts, max_size=3),
    max_leaves=8,
)
PLACES = st.lists(KEYS | st.integers(0, 2), max_size=5)
NO_JSON: list[object] = [
    float("nan"),
    float("-inf"),
    {1},
    b"x",
    Decimal(1),
    datetime.now(UTC),
    object(),
    "\ud800",
    {..., 1},
]


def put(value: object, places: list[str | int]) -> object:
    for place in reversed(places):
        value = {"first": 1, place: value} if isinstance(place, str) else [None] * place + [value]
    return value


def pointer(places: list[str | int]) -> str:
    return "".join("/" + ascii(str(place))[1:-1].replace("~", "~0").replace("/", "~1") for place in places)


@given(PLAIN)
def test_json_is_sent_as_it_is(body: object) -> None:
    assert json.loads(as_json(body)) == body


@given(PLACES, st.sampled_from(NO_JSON))
def test_what_json_cannot_hold_is_refused_with_its_place(places: list[str | int], value: object) -> None:
    with pytest.raises(BodyNotJson) as caught:
        as_json(put(value, places))
    assert str(caught.value).startswith(f"{pointer(places) or 'the body'} is ")
    assert isinstance(caught.value, HubError)


@given(PLACES, st.sampled_from([({...}, {}), ([...], []), ((...,), []), (..., None)]))
def test_the_dots_of_a_printed_example_are_empty(places: list[str | int], dots: tuple[Any, Any]) -> None:
    printed, empty = dots
    # A list of nothing but dots is empty; it does not contain null.
    assume(printed is not ... or places[-1:] != [0])
    assert json.loads(as_json(put(printed, places))) == put(empty, places)


def test_the_log_says_which_dots_were_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        as_json({"bot_config": {"secret": "s3cret", "dcaRules": {...}, "grid": [...]}})
    assert [record.getMessage() for record in caplog.records] == [
        "/bot_config/dcaRules is {...}, as in a printed example; sent as an empty object",
        "/bot_config/grid is [...], as in a printed example; sent as an empty list",
    ]


def test_any_mapping_is_an_object() -> None:
    assert as_json(MappingProxyType({"a": MappingProxyType({"b": (1, 2)})})) == b'{"a":{"b":[1,2]}}'


def endless() -> object:
    loop: dict[str, object] = {}
    loop["again"] = loop
    return loop


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: {"a": {(1, 2): 3}}, "/a has a key of type tuple; keys are text"),
        (endless, "is nested too deeply, or contains itself"),
    ],
)
def test_other_bodies_that_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BodyNotJson) as caught:
        as_json(make())
    assert message in str(caught.value)
