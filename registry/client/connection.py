"""What both clients tell httpx."""

from collections.abc import Mapping

import httpx

from registry.client.address import Address
from registry.client.trigger_feed import QUIET_S
from registry.errors import ApiUnreachable

# As many connections may stay open as may be opened: what is closed after each burst has to be opened for the next.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100)


def timeout_of(timeout_s: float) -> httpx.Timeout:
    """Bounds connecting, sending and answering; waiting for one's own other requests is no fault of the hub."""
    return httpx.Timeout(timeout_s, pool=None)


STREAM_TIMEOUT = httpx.Timeout(10.0, read=QUIET_S)


def request_of(
    http: httpx.Client | httpx.AsyncClient,
    method: str,
    path: str,
    body: bytes | None,
    query: Mapping[str, str | int | None] | None,
) -> httpx.Request:
    """A request with ``body``, which is JSON, and of ``query`` what has a value."""
    params = {name: value for name, value in (query or {}).items() if value is not None}
    if body is None:
        return http.build_request(method, path, params=params or None)
    headers = {"Content-Type": "application/json"}
    return http.build_request(method, path, params=params or None, content=body, headers=headers)


def failed(address: Address, error: httpx.TransportError) -> ApiUnreachable:
    """What is said when no attempt got an answer."""
    reason = str(error) or type(error).__name__
    return ApiUnreachable(
        f"the hub at {address.url} does not answer ({reason}); start it with `hub up`, or set HUB_API_URL to where it"
        " is"
    )
