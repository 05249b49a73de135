"""API keys: ``hub_<key_id>_<secret>``. The text is shown once; the store keeps only a digest of the secret."""

import base64
import re
import secrets
import unicodedata
from hashlib import sha256
from hmac import compare_digest

from common.errors import UserNameError
from registry.store.parts.accounts import ApiKey, Role

_TEXT = re.compile(r"hub_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_LONGEST_NAME = 128


def check_user(user_id: str, label: str = "") -> None:
    """Raises :class:`UserNameError` unless this is a user's name, and a label of a key, that every list, log and table
    shows as one and the same word: visible characters, in the one spelling that Unicode prefers."""
    if not user_id:
        raise UserNameError("the name of a user is empty; give it 1 to 128 visible characters")
    for what, text in (("the name of a user", user_id), ("the label of a key", label)):
        if not text.isprintable() or text != text.strip():
            raise UserNameError(
                f"{what} may have neither line breaks, other control characters nor spaces at its ends, got "
                f"{text[:_LONGEST_NAME]!a}; leave them out"
            )
        if len(text) > _LONGEST_NAME:
            raise UserNameError(f"{what} has {len(text)} characters; {_LONGEST_NAME} are allowed: shorten it")
        usual = unicodedata.normalize("NFC", text)
        if text != usual:
            raise UserNameError(f"{what} is spelled {text!a}, which looks like {usual!a}; use the latter")


def new_key(user_id: str, role: Role, label: str, now_ms: int) -> tuple[ApiKey, str]:
    """A key with 256 random bits, and its text. Raises :class:`UserNameError`."""
    check_user(user_id, label)
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
