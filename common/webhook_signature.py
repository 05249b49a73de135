"""Signatures of webhook deliveries. The standard library alone: a bot may copy this file.

    from common.webhook_signature import verify

    if not verify(secret, request.headers, request.body):
        return 401

A delivery has three headers:

    Hub-Delivery    its id, the same on every attempt: what has been acted on is known by it
    Hub-Timestamp   seconds since the epoch when this attempt was made
    Hub-Signature   v1=<hex of HMAC-SHA256(secret, "<timestamp>.<delivery>.<body>")>, several separated by commas
"""

import hashlib
import hmac
import time
from collections.abc import Mapping

DELIVERY, TIMESTAMP, SIGNATURE = "Hub-Delivery", "Hub-Timestamp", "Hub-Signature"

TOLERANCE_S = 300
"""How old an attempt may be: one that is recorded and sent again later is refused."""


def sign(secret: str, timestamp: int, delivery_id: str, body: bytes) -> str:
    """The value of ``Hub-Signature``."""
    signed = f"{timestamp}.{delivery_id}.".encode() + body
    return f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def headers(secret: str, timestamp: int, delivery_id: str, body: bytes) -> dict[str, str]:
    """The three headers of a delivery."""
    return {
        DELIVERY: delivery_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: sign(secret, timestamp, delivery_id, body),
    }


def verify(
    secret: str,
    given: Mapping[str, str],
    body: bytes,
    *,
    tolerance_s: int = TOLERANCE_S,
    now_s: float | None = None,
) -> bool:
    """Whether a request comes from the hub, is unchanged, and was sent at most ``tolerance_s`` seconds ago.

    ``given`` are the headers, in whatever case; ``body`` the bytes as they came, before any JSON is read from them.
    """
    found = {name.lower(): value for name, value in given.items()}
    delivery_id, timestamp = found.get(DELIVERY.lower(), ""), found.get(TIMESTAMP.lower(), "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
        return False
    if abs((time.time() if now_s is None else now_s) - int(timestamp)) > tolerance_s:
        return False
    expected = sign(secret, int(timestamp), delivery_id, body).encode()
    signatures = [part.strip().encode() for part in found.get(SIGNATURE.lower(), "").split(",")]
    # Every one is compared, so that the time tells nothing.
    return sum(hmac.compare_digest(expected, signature) for signature in signatures) > 0
