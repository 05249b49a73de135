"""What a broker is to a bot. Every implementation runs through ``tests/bots/brokers/contract.py``."""

from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple, Protocol

from bots.machine import OrderCancelled, OrderFilled, OrderRejected
from bots.orders import MarketRules, Order

BrokerReport = OrderFilled | OrderCancelled | OrderRejected
"""What a broker says about orders."""


class Balances(NamedTuple):
    """What an account has, with what is bound by its orders."""

    base: Decimal
    quote: Decimal


class Past(NamedTuple):
    """What has happened to some orders."""

    reports: list[BrokerReport]
    """In the order in which it happened."""
    missing: set[str]
    """Those that never arrived."""


class Broker(Protocol):
    """Executes the orders of one bot in one market.

    - Every call may be repeated, and changes nothing then: orders are known by their client ids for good.
    - An order ends in one of three ways: its fills add up to its quantity, it is reported as cancelled, or as rejected.
      Nothing is reported about it afterwards.
    - A broker that does not know whether an order arrived finds out before it reports anything.
    """

    @property
    def market(self) -> MarketRules:
        """Its rules."""
        ...

    def place(self, order: Order) -> None:
        """Send an order. That it was not taken is reported, never raised."""
        ...

    def cancel(self, client_id: str) -> None:
        """Take an order back. If it was filled in the meantime, its fills are the answer; an order that never arrived
        is reported as cancelled, and never arrives."""
        ...

    def reports(self) -> list[BrokerReport]:
        """What has happened since the last call, in the order in which it did."""
        ...

    def past(self, client_ids: Collection[str]) -> Past:
        """All that has happened to orders so far, for whoever was away."""
        ...

    def balances(self) -> Balances:
        """What the account has now."""
        ...
