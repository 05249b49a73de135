"""Who sent a request that came through a proxy: ``X-Forwarded-For`` counts as far as trusted proxies wrote it."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_ONE_CLIENT = 64
"""Bits of an IPv6 address that name a network; whoever has one has all of its addresses."""


class TrustedProxies:
    """The networks of the proxies in front of the service; without any, the header is never looked at."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """The address that a request came from: ``peer`` is whoever connected, ``forwarded`` the header's lines.

        Each proxy appends the address that it was called from. So the list is read from its end, and only while the
        one who wrote the entry is trusted: what stands before that may be made up by the client.
        """
        entries = [entry.strip() for line in forwarded for entry in line.split(",")]
        address = _read(peer)
        while entries and address is not None and self._is_trusted(address):
            before = _read(entries.pop())
            if before is None:
                break
            address = before
        return peer if address is None else str(address)

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def sender(address: str) -> str:
    """What the requests of one client have in common: its IPv4 address, or its network of IPv6 addresses."""
    read = _read(address)
    return str(ip_network((read, _ONE_CLIENT), strict=False)) if isinstance(read, IPv6Address) else address


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
