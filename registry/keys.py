"""API keys: ``hub_<key_id>_<secret>``. The text is shown once; the store keeps only a digest of the secret."""

import base64
import re
import secrets
from hashlib import sha256
from hmac import compare_digest

from registry.store.parts.accounts import ApiKey, Role

_TEXT = re.compile(r"hub_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


def new_key(user_id: str, role: Role, label: str, now_ms: int) -> tuple[ApiKey, str]:
    """A key with 256 random bits, and its text."""
    key_id = secrets.token_hex(6)
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return ApiKey(key_id, user_id, role, label, _digest(secret), now_ms, None), f"hub_{key_id}_{secret}"


def read_key_text(text: str) -> tuple[str, str] | None:
    """(key id, secret) of a key's text; ``None`` for any other text."""
    match = _TEXT.fullmatch(text)
    return None if match is None else (match[1], match[2])


def matches(key: ApiKey, secret: str) -> bool:
    """Whether the secret is the key's and the key is not revoked; takes the same time for every secret."""
    return compare_digest(key.secret_sha256, _digest(secret)) and key.revoked_ms is None


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
