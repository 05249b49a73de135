"""The bounds of delivery policies, which are the same for Python and for the HTTP API."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.bodies.requests import PolicyBody
from common.errors import SubscriptionError
from registry.subscriptions import COOLDOWN_S, EXPIRES_MS, MAX_FIRES, MAX_LAG_S, Bounds, DeliveryPolicy

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
