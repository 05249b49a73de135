"""Signatures of webhook deliveries. Uses the standard library alone: a bot may copy this file.

    from common.webhook_signature import verify

    if not verify(secret, request.headers, request.body):
        return 401

A delivery has three headers:

    Hub-Delivery    its id, the same for every attempt: a receiver uses it to recognise repeats
    Hub-Timestamp   when this attempt was made, in seconds since the epoch
    Hub-Signature   v1=<hex of HMAC-SHA256(secret, "<timestamp>.<delivery>.<body>")>, several separated by commas
"""

import hashlib
import hmac
import time
from collections.abc import Mapping

DELIVERY, TIMESTAMP, SIGNATURE = "Hub-Delivery", "Hub-Timestamp", "Hub-Signature"

TOLERANCE_S = 300
"""How old an attempt may be: one that somebody recorded and replays later is refused."""


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
    received: Mapping[str, str],
    body: bytes,
    *,
    tolerance_s: int = TOLERANCE_S,
    now_s: float | None = None,
) -> bool:
    """Whether a request comes from the hub, is unchanged, and was sent at most ``tolerance_s`` seconds ago.

    ``received`` are its headers, in any case; ``body`` is its raw bytes, before any JSON is decoded from them.
    """
    by_name = {name.lower(): value for name, value in received.items()}
    delivery_id, timestamp = by_name.get(DELIVERY.lower(), ""), by_name.get(TIMESTAMP.lower(), "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
        return False
    if abs((time.time() if now_s is None else now_s) - int(timestamp)) > tolerance_s:
        return False
    expected = sign(secret, int(timestamp), delivery_id, body).encode()
    signatures = [part.strip().encode() for part in by_name.get(SIGNATURE.lower(), "").split(",")]
    # All are compared, so that the time taken reveals nothing.
    return sum(hmac.compare_digest(expected, signature) for signature in signatures) > 0
