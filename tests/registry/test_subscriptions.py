"""The bounds of delivery policies, which are the same for Python and for the HTTP API; configurations as texts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.bodies.requests import PolicyBody
from common.errors import SubscriptionError
from registry.subscriptions import (
    _BETWEEN,
    COOLDOWN_S,
    EXPIRES_MS,
    MAX_FIRES,
    MAX_LAG_S,
    Bounds,
    DeliveryPolicy,
    config_text,
    config_texts,
)

BOUNDS = [
    ("cooldown_s", "cooldown_s", COOLDOWN_S),
    ("max_fires", "max_fires", MAX_FIRES),
    ("expires_ms", "expires_at", EXPIRES_MS),
    ("max_lag_s", "max_lag_s", MAX_LAG_S),
]


def policy(name: str, value: int) -> DeliveryPolicy:
    fields: dict[str, Any] = {name: value}
    return DeliveryPolicy(**fields)


@pytest.mark.parametrize(("name", "published", "bounds"), BOUNDS, ids=[name for name, _, _ in BOUNDS])
def test_a_policy_is_within_its_bounds(name: str, published: str, bounds: Bounds) -> None:
    for value in bounds:
        assert getattr(policy(name, value), name) == value
        assert getattr(PolicyBody.model_validate({published: value}), published) == value
    for value in (bounds.lowest - 1, bounds.highest + 1):
        with pytest.raises(SubscriptionError, match=f"{name} is {value}"):
            policy(name, value)
        with pytest.raises(ValidationError, match=published):
            PolicyBody.model_validate({published: value})


@given(st.lists(st.dictionaries(st.text(), st.one_of(st.text(), st.floats(allow_nan=False, allow_infinity=False)))))
def test_texts_of_many_configurations_are_those_of_each(configs: list[dict[str, object]]) -> None:
    assert config_texts(configs) == [config_text(config) for config in configs]


def test_a_configuration_may_contain_what_stands_between_two() -> None:
    tricky: dict[str, object] = {"list": ["a", _BETWEEN, "b", {"x": [_BETWEEN, _BETWEEN]}]}
    short: dict[str, object] = {_BETWEEN: _BETWEEN}
    for configs in ([tricky], [tricky, {}], [{}, tricky, tricky], [short, short]):
        assert config_texts(configs) == [config_text(config) for config in configs]


@pytest.mark.parametrize("wrong", [{"a": float("nan")}, {"a": {1, 2}}, {"a": object()}])
def test_one_configuration_that_is_no_json_is_refused_among_many(wrong: object) -> None:
    with pytest.raises(SubscriptionError, match="JSON"):
        config_texts([{"a": 1}, wrong, {"b": 2}])  # type: ignore[list-item]
