"""How both clients set up httpx."""

from collections.abc import Mapping
from typing import Any

import httpx

from condition_hub.address import Address
from condition_hub.errors import ApiUnreachable
from condition_hub.trigger_feed import QUIET_S

# For each request httpx goes through its connections several times: with a hundred of them a request costs twice as
# much CPU as with ten, and the hub answers no faster.
MOST_CONNECTIONS = 10


def for_requests(address: Address, timeout_s: float) -> dict[str, Any]:
    """Arguments of an httpx client for requests that are each answered at once."""
    # Waiting for the client's own other requests is not the hub's fault: the pool has no timeout.
    limits = httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_CONNECTIONS)
    return _common(address) | {"timeout": httpx.Timeout(timeout_s, pool=None), "limits": limits}


def for_a_stream(address: Address, timeout_s: float) -> dict[str, Any]:
    """Arguments of an httpx client for one stream of events, which occupies its connection until it ends."""
    return _common(address) | {"timeout": httpx.Timeout(timeout_s, read=QUIET_S)}


def _common(address: Address) -> dict[str, Any]:
    return {"base_url": address.url, "headers": address.headers, "trust_env": address.through_proxies}


def request_of(
    http: httpx.Client | httpx.AsyncClient,
    method: str,
    path: str,
    body: bytes | None,
    query: Mapping[str, str | int | None] | None,
) -> httpx.Request:
    """A request with ``body``, which is JSON, and the parameters of ``query`` that have a value."""
    params = {name: value for name, value in (query or {}).items() if value is not None}
    if body is None:
        return http.build_request(method, path, params=params or None)
    headers = {"Content-Type": "application/json"}
    return http.build_request(method, path, params=params or None, content=body, headers=headers)


def failed(address: Address, error: httpx.TransportError) -> ApiUnreachable:
    """The error for when no attempt got an answer."""
    reason = str(error) or type(error).__name__
    return ApiUnreachable(
        f"the hub at {address.url} does not answer ({reason}); start it with `hub up`, or set HUB_API_URL to its"
        " address"
    )
