"""API keys."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

Role = Literal["user", "operator"]


@dataclass(frozen=True)
class ApiKey:
    """One key of a user; :mod:`registry.keys` makes and checks its text, which is not stored."""

    key_id: str
    user_id: str
    role: Role
    label: str
    secret_sha256: str = field(repr=False)
    """Hex digits."""
    created_ms: int
    revoked_ms: int | None


class AccountStore(Protocol):
    """API keys; :mod:`registry.keys` makes and checks them."""

    def add_key(self, key: ApiKey) -> None:
        """Store a key. Raises :class:`common.errors.UserNameError` for a name that no user may have."""
        ...

    def key(self, key_id: str) -> ApiKey | None:
        """A key, even if it is revoked."""
        ...

    def keys(self, user_id: str | None = None) -> list[ApiKey]:
        """All keys, or those of a user, oldest first, including revoked ones."""
        ...

    def revoke_key(self, key_id: str, *, at_ms: int) -> bool:
        """Invalidate a key for good. Returns whether it was valid before."""
        ...

    def forget_user(self, user_id: str) -> int:
        """Remove all keys of a user, so that none of them is valid any more. Returns how many there were."""
        ...
