"""What exchanges say in their answers beyond what ccxt reads in them: that they cannot answer now, and when they can.

Bybit's codes and rules are those of its documentation, https://bybit-exchange.github.io/docs/v5/error and
https://bybit-exchange.github.io/docs/v5/rate-limit.
"""

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

_SERVER_ERROR = 500
_TOO_MANY = (418, 429)
_BYBIT_UNAVAILABLE = frozenset({5004, 10000, 10016})
"""Time-outs and faults of its servers, which ccxt takes for refusals."""
_BYBIT_TOO_FREQUENT, _BYBIT_BAN_S = 403, 600.0
"""An address that asks too often gets this status, and is to ask nothing for ten minutes."""
_BYBIT_RESET = "x-bapi-limit-reset-timestamp"


def is_unavailable(exchange: str, status: int, answer: Any) -> bool:
    """Whether an exchange cannot answer now, whatever else its answer says: in maintenance, some look like refusals."""
    if status >= _SERVER_ERROR or status in _TOO_MANY:
        return True
    if exchange != "BYBIT":
        return False
    code = answer.get("retCode") if isinstance(answer, Mapping) else None
    return status == _BYBIT_TOO_FREQUENT or code in _BYBIT_UNAVAILABLE


def wants_rest_s(exchange: str, status: int, headers: Mapping[str, str], exchange_ms: int) -> float | None:
    """For how long an exchange wants to be asked nothing, in seconds; ``None`` if it does not say. ``exchange_ms`` is
    the time by its own clock."""
    lower = {name.lower(): value for name, value in headers.items()}
    asked_for = retry_after_s(lower.get("retry-after", ""))
    if asked_for is not None or exchange != "BYBIT":
        return asked_for
    if status == _BYBIT_TOO_FREQUENT:
        return _BYBIT_BAN_S
    # Of an answer that is no refusal, this is about the time at which it was given.
    left_s = (int(lower.get(_BYBIT_RESET) or 0) - exchange_ms) / 1000
    return left_s if left_s > 1 else None


def retry_after_s(retry_after: str) -> float | None:
    """How long a ``Retry-After`` header asks to wait, which is a number of seconds or a date."""
    if retry_after.isdigit():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, until.replace(tzinfo=until.tzinfo or UTC).timestamp() - time.time())
