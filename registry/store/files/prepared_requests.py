"""Requests for subscriptions in the form in which they are stored."""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from registry.store.files.subscription_index import SubscriptionKey
from registry.store.parts.registry import SubscriptionRequest
from registry.subscriptions import POLICY_FIELDS, DeliveryPolicy, config_texts


class PreparedRequest(NamedTuple):
    """A request, and what follows from it alone."""

    key: SubscriptionKey
    bot_type: str
    policy: DeliveryPolicy
    """One object for many equal ones."""
    config: str
    content: int
    """The digest that recognises it when it is repeated."""


def prepare(requests: Sequence[SubscriptionRequest]) -> list[PreparedRequest]:
    """Requests with their configurations as texts.

    Raises :class:`SubscriptionError` for a configuration that cannot be JSON.
    """
    prepared = []
    policy, bot_type, terms = None, "", ""
    configs = config_texts([request.bot_config for request in requests])
    for request, config in zip(requests, configs, strict=True):
        # Requests of one call are mostly alike.
        if request.policy != policy or request.bot_type != bot_type:
            policy, bot_type = request.policy, request.bot_type
            terms = json.dumps([bot_type, [getattr(policy, name) for name in POLICY_FIELDS]])
        digest = hashlib.sha256((terms + config).encode()).digest()
        key = request.user_id, request.bot_id, request.condition_id
        prepared.append(PreparedRequest(key, bot_type, policy, config, int.from_bytes(digest[:8], "big")))
    return prepared
