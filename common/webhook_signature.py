"""Signatures of webhook deliveries, as Standard Webhooks (https://www.standardwebhooks.com) defines them.

Uses the standard library alone: a bot may copy this file, or use a library of Standard Webhooks in its own language.

    from common.webhook_signature import verify

    if not verify(secret, request.headers, request.body):
        return 401

A delivery has three headers:

    webhook-id          its id, the same for every attempt: a receiver uses it to recognise repeats
    webhook-timestamp   when this attempt was made, in seconds since the epoch
    webhook-signature   v1,<base64 of HMAC-SHA256(key, "<id>.<timestamp>.<body>")>, several separated by spaces

The key is what the secret ``whsec_<base64>`` encodes.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

TOLERANCE_S = 300
"""How old an attempt may be: one that somebody recorded and replays later is refused."""

_PREFIX = "whsec_"
_KEY_BYTES = 32


def new_secret() -> str:
    """A random secret."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def sign(secret: str, timestamp: int, message_id: str, body: bytes) -> str:
    """One signature, as it stands in ``webhook-signature``."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()}"


def headers(secret: str, timestamp: int, message_id: str, body: bytes) -> dict[str, str]:
    """The three headers of a delivery."""
    return {
        ID: message_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: sign(secret, timestamp, message_id, body),
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
    message_id, timestamp = by_name.get(ID, ""), by_name.get(TIMESTAMP, "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
        return False
    if abs((time.time() if now_s is None else now_s) - int(timestamp)) > tolerance_s:
        return False
    expected = sign(secret, int(timestamp), message_id, body).encode()
    signatures = [part.encode() for part in by_name.get(SIGNATURE, "").split()]
    # All are compared, so that the time taken reveals nothing.
    return sum(hmac.compare_digest(expected, signature) for signature in signatures) > 0


def _key(secret: str) -> bytes:
    """The bytes that a secret stands for: base64 in either alphabet, padded or not. Text without the prefix is itself
    the key."""
    encoded = secret.removeprefix(_PREFIX)
    if encoded == secret:
        return secret.encode()
    text = encoded.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            "the webhook's secret is not whsec_ followed by base64; copy it whole, as it was shown"
        ) from None
