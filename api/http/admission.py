"""Admission: who may make a request, and how often."""

from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from api.http.moving_windows import RateLimit
from api.http.problems import ProblemError
from api.http.proxies import sender
from api.http.rates import RateClass, RateLimiter
from registry.keys import matches, read_key_text
from registry.store.parts.accounts import AccountStore, ApiKey, Role

_HOW = "send the header Authorization: Bearer hub_<id>_<secret>; `hub keys create` makes a key"


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of the key that a request was sent with."""

    user_id: str
    role: Role
    key_id: str

    @property
    def is_operator(self) -> bool:
        """Whether they may see the figures of the whole platform."""
        return self.role == "operator"


class Admission:
    """Checks keys and applies the rate limits."""

    def __init__(self, accounts: AccountStore, limiter: RateLimiter) -> None:
        self._accounts = accounts
        self._limiter = limiter

    async def admit(
        self, scope: Scope, rate: RateClass, *, operators_only: bool, allow_basic: bool = False
    ) -> tuple[Caller, dict[str, str]]:
        """The caller of a request, and the headers that say how many more requests are allowed.

        With ``allow_basic``, the key may also come as the password of HTTP's basic scheme, which clients make of an
        address like ``http://hub:KEY@HOST``.

        Raises a problem: 401 without a valid key, 403 for users on an operators' route, 429 beyond the rate.
        """
        authorization = Headers(scope=scope).get("authorization")
        key = self._key(_bearer(authorization) if allow_basic else authorization)
        if key is None:
            address = sender(scope["client"][0]) if scope.get("client") else ""
            await self._limiter.take_refused(address)
            detail = f"the key is missing, wrong or revoked; {_HOW}"
            raise ProblemError(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
        caller = Caller(key.user_id, key.role, key.key_id)
        scope["hub.caller"] = caller
        scope["hub.rate"] = rate
        headers = await self._limiter.take(rate, caller.user_id)
        if operators_only and not caller.is_operator:
            raise ProblemError(403, "operators-only", "this is for operators; ask one for a key with their role")
        return caller, headers

    def limit(self, rate: RateClass) -> RateLimit:
        """How much of a class a user may use."""
        return self._limiter.limit(rate)

    async def take_more(self, scope: Scope, cost: int) -> None:
        """Count an admitted request more often, as soon as its cost is known. Raises a 429 problem beyond the rate."""
        if cost:
            user_id = scope["hub.caller"].user_id
            scope["hub.headers"] = await self._limiter.take_more(scope["hub.rate"], user_id, cost)

    async def charge(self, scope: Scope, cost: int) -> None:
        """Count an admitted request more often for what it has cost already, even beyond the rate."""
        if cost:
            user_id = scope["hub.caller"].user_id
            scope["hub.headers"] = await self._limiter.charge(scope["hub.rate"], user_id, cost)

    def _key(self, header: str | None) -> ApiKey | None:
        scheme, _, text = (header or "").partition(" ")
        read = read_key_text(text.strip()) if scheme.lower() == "bearer" else None
        if read is None:
            return None
        key_id, secret = read
        key = self._accounts.key(key_id)
        return key if key is not None and matches(key, secret) else None


def _bearer(header: str | None) -> str | None:
    """The header with the password of the basic scheme as its key; any other header as it is."""
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return header
    try:
        said = b64decode(text.strip(), validate=True).decode()
    except (NotBase64, UnicodeDecodeError):
        return None
    return f"Bearer {said.partition(':')[2]}"
