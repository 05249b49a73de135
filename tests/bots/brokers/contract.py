"""What every broker does. A broker's own test module makes a :class:`Venue` and imports these tests."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

import pytest

from bots.brokers.protocol import Broker, BrokerReport
from bots.machine import OrderCancelled, OrderFilled, OrderRejected
from bots.orders import Order, Side


class Venue(Protocol):
    """A broker and the market behind it. Prices have steps of 0.01, quantities of 0.001; the account starts with 10
    coins and 10,000 in quote, at a price of 100."""

    broker: Broker

    def trade(self, *prices: float, volume: float = 1000) -> None:
        """Let the market trade: (price), or (open, high, low, close)."""
        ...

    def restart(self) -> None:
        """Lose everything that is not at the exchange or stored."""
        ...


OpenVenue = Callable[[], Venue]


def order(client_id: str, side: Side, quantity: Any, price: Any = None) -> Order:
    limit = None if price is None else Decimal(str(price))
    return Order(client_id * 32, side, Decimal(str(quantity)), limit, "test")


def told(reports: list[BrokerReport]) -> list[tuple[str, str]]:
    """(what, order) of reports."""
    return [
        ("fill", report.fill.client_id[0]) if isinstance(report, OrderFilled) else (_what(report), report.client_id[0])
        for report in reports
    ]


def _what(report: OrderCancelled | OrderRejected) -> str:
    return "cancelled" if isinstance(report, OrderCancelled) else "rejected"


def executed(reports: list[BrokerReport]) -> Decimal:
    return sum((report.fill.quantity for report in reports if isinstance(report, OrderFilled)), Decimal(0))


class BrokerContract:
    """The tests; a subclass has the fixture ``open_venue``."""

    @pytest.fixture
    def venue(self, open_venue: OpenVenue) -> Venue:
        return open_venue()

    def test_an_order_at_market_is_executed(self, venue: Venue) -> None:
        venue.broker.place(order("a", "buy", 1))
        venue.trade(100)
        reports = venue.broker.reports()
        assert set(told(reports)) == {("fill", "a")}
        assert executed(reports) == 1
        assert venue.broker.reports() == []

    def test_balances_change_by_what_the_fills_say(self, venue: Venue) -> None:
        before = venue.broker.balances()
        venue.broker.place(order("a", "buy", 2))
        venue.broker.place(order("b", "sell", 1, 101))
        venue.trade(100, 102, 99, 102)
        fills = [report.fill for report in venue.broker.reports() if isinstance(report, OrderFilled)]
        after = venue.broker.balances()
        assert after.base - before.base == sum(fill.base for fill in fills) == 1
        assert after.quote - before.quote == sum(fill.quote for fill in fills)
        assert all(fill.fee_quote + fill.fee_base > 0 for fill in fills)

    def test_a_limit_order_waits_for_its_price(self, venue: Venue) -> None:
        venue.broker.place(order("a", "buy", 1, 95))
        venue.trade(100, 101, 96, 100)
        assert venue.broker.reports() == []
        venue.trade(100, 100, 94, 96)
        (report,) = venue.broker.reports()
        assert isinstance(report, OrderFilled)
        assert report.fill.price <= 95

    def test_an_order_that_is_sent_twice_is_one(self, venue: Venue) -> None:
        for _ in range(3):
            venue.broker.place(order("a", "buy", 1))
        venue.trade(100)
        venue.broker.place(order("a", "buy", 1))
        venue.trade(100)
        assert executed(venue.broker.reports()) == 1

    def test_a_cancelled_order_is_gone(self, venue: Venue) -> None:
        venue.broker.place(order("a", "buy", 1, 95))
        venue.trade(100)
        venue.broker.cancel("a" * 32)
        venue.broker.cancel("a" * 32)
        venue.trade(90)
        assert told(venue.broker.reports()) == [("cancelled", "a")]

    def test_a_cancel_that_comes_too_late_changes_nothing(self, venue: Venue) -> None:
        venue.broker.place(order("a", "buy", 1, 95))
        venue.trade(94)
        venue.broker.cancel("a" * 32)
        reports = venue.broker.reports()
        assert told(reports) == [("fill", "a")]
        assert executed(reports) == 1

    def test_an_order_that_never_arrived_is_cancelled_and_never_arrives(self, venue: Venue) -> None:
        venue.broker.cancel("a" * 32)
        venue.broker.place(order("a", "buy", 1))
        venue.trade(100)
        assert told(venue.broker.reports()) == [("cancelled", "a")]

    def test_a_thin_market_fills_in_parts(self, venue: Venue) -> None:
        venue.broker.place(order("a", "buy", 3, 95))
        venue.trade(100)
        venue.trade(95, volume=1)
        first = venue.broker.reports()
        assert set(told(first)) == {("fill", "a")}
        assert 0 < executed(first) < 3
        venue.broker.cancel("a" * 32)
        assert told(venue.broker.reports()) == [("cancelled", "a")]
        assert venue.broker.balances().base == 10 + executed(first)

    @pytest.mark.parametrize(
        "refused",
        [order("a", "buy", 1000), order("a", "sell", 11), order("a", "buy", "0.0005"), order("a", "buy", 1, "95.005")],
    )
    def test_what_is_not_taken_is_reported(self, venue: Venue, refused: Order) -> None:
        before = venue.broker.balances()
        venue.broker.place(refused)
        venue.trade(100)
        assert told(venue.broker.reports()) == [("rejected", "a")]
        assert venue.broker.balances() == before

    def test_money_of_other_orders_is_not_free(self, venue: Venue) -> None:
        venue.broker.place(order("a", "buy", 90, 98))
        venue.broker.place(order("b", "buy", 90, 97))
        assert told(venue.broker.reports()) == [("rejected", "b")]

    def test_the_past_is_known_after_a_restart(self, venue: Venue) -> None:
        venue.broker.place(order("a", "buy", 1))
        venue.broker.place(order("b", "buy", 1, 90))
        venue.trade(100)
        venue.broker.cancel("b" * 32)
        reports = venue.broker.reports()
        venue.restart()
        past = venue.broker.past(["a" * 32, "b" * 32, "c" * 32])
        assert past.reports == reports
        assert past.missing == {"c" * 32}
        venue.broker.place(order("a", "buy", 1))
        venue.trade(100)
        assert venue.broker.balances().base == 11
