"""Keys of the API."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

Role = Literal["user", "operator"]


@dataclass(frozen=True)
class ApiKey:
    """One key of a user; :mod:`registry.keys` makes and checks its text, which is kept nowhere."""

    key_id: str
    user_id: str
    role: Role
    label: str
    secret_sha256: str = field(repr=False)
    """Hex digits."""
    created_ms: int
    revoked_ms: int | None


class AccountStore(Protocol):
    """Keys of the API; :mod:`registry.keys` makes and checks them."""

    def add_key(self, key: ApiKey) -> None:
        """Keep a key."""
        ...

    def key(self, key_id: str) -> ApiKey | None:
        """A key, revoked ones too."""
        ...

    def keys(self, user_id: str | None = None) -> list[ApiKey]:
        """All keys, or those of a user, oldest first, revoked ones too."""
        ...

    def revoke_key(self, key_id: str, *, at_ms: int) -> bool:
        """Make a key useless for good; whether it was of use before."""
        ...
