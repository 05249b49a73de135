"""Where the hub is, and the key to it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from condition_hub.dotenv import DOTENV, read_dotenv
from condition_hub.errors import SettingsError

DEFAULT_URL = "http://127.0.0.1:8000"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Address:
    """The hub's URL, and the key that is shown to nobody else."""

    url: str
    api_key: str = field(repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of every request."""
        return {"Authorization": f"Bearer {self.api_key}", "Accept": "application/json"}

    @property
    def through_proxies(self) -> bool:
        """Whether the environment's proxies apply: none of them can reach this machine's own loopback address."""
        return httpx.URL(self.url).host not in _LOOPBACK


def find_address(url: str | None, api_key: str | None) -> Address:
    """``url`` and ``api_key``, by default ``HUB_API_URL`` and ``HUB_API_KEY`` of the environment or of ``.env``.

    Raises :class:`condition_hub.errors.SettingsError` if one is unusable.
    """
    if url is None or api_key is None:
        settings = read_dotenv(DOTENV) | {name.upper(): value for name, value in os.environ.items()}
        url = url or settings.get("HUB_API_URL") or DEFAULT_URL
        api_key = api_key or settings.get("HUB_API_KEY")
    if not api_key:
        raise SettingsError(
            "there is no key to the hub's API: create one with `hub keys create USER` and set HUB_API_KEY (environment "
            "or .env), or pass api_key="
        )
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise SettingsError(
            "the key to the hub's API contains spaces or other characters that no key has; copy it again"
        )
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SettingsError(f"the address of the hub's API is not a URL ({error}); write http://HOST:PORT") from None
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        shown = parsed.copy_with(userinfo=b"", query=None, fragment=None)
        raise SettingsError(f"the address of the hub's API is {str(shown)!r}; write http://HOST:PORT or https://HOST")
    return Address(url.rstrip("/"), api_key)
