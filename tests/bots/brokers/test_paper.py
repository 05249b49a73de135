"""The paper broker, as a broker, and what it does within a candle."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bots.brokers.paper import PaperAccount, PaperBroker
from bots.brokers.protocol import Broker
from bots.machine import OrderFilled
from bots.orders import MarketRules
from tests.bots.bench import MINUTE_MS, candle
from tests.bots.brokers.contract import BrokerContract, OpenVenue, executed, order, told

MARKET = MarketRules(
    tick_size="0.01", lot_size="0.001", min_notional="0.1", maker_fee="0.001", taker_fee="0.002"
)  # fmt: skip


class PaperVenue:
    def __init__(self, **options: Any) -> None:
        self._options = {"volume_share": Decimal(1), **options}
        self.paper = PaperBroker(MARKET, PaperAccount(base=Decimal(10), quote=Decimal(10_000)), **self._options)
        self.broker: Broker = self.paper
        self._minute = 0
        self.trade(100)

    def trade(self, *prices: float, volume: float = 1000) -> None:
        self._minute += 1
        self.paper.move(candle(self._minute, *prices, volume=volume))

    def restart(self) -> None:
        stored = msgspec.json.encode(self.paper.account)
        self.paper = PaperBroker(MARKET, msgspec.json.decode(stored, type=PaperAccount), **self._options)
        self.paper.reports()
        self.broker = self.paper


class TestPaperBroker(BrokerContract):
    @pytest.fixture
    def open_venue(self) -> OpenVenue:
        return PaperVenue


def fills(venue: PaperVenue) -> list[tuple[str, Decimal, Decimal]]:
    """(order, price, fee as a share of the amount)."""
    return [
        (fill.client_id[0], fill.price, fill.fee_quote / (fill.price * fill.quantity))
        for fill in (report.fill for report in venue.broker.reports() if isinstance(report, OrderFilled))
    ]


def test_within_a_candle_the_worse_end_comes_first() -> None:
    venue = PaperVenue()
    venue.broker.place(order("s", "sell", 1, 105))
    venue.broker.place(order("t", "sell", 1, 103))
    venue.broker.place(order("a", "buy", 1, 95))
    venue.broker.place(order("b", "buy", 1, 97))
    venue.broker.place(order("m", "buy", 1))
    venue.trade(100, 110, 90, 100)
    assert [name for name, *_ in fills(venue)] == ["m", "b", "a", "t", "s"]


def test_for_who_is_short_the_high_comes_first() -> None:
    venue = PaperVenue(path="high_first")
    venue.broker.place(order("a", "buy", 1, 95))
    venue.broker.place(order("s", "sell", 1, 105))
    venue.trade(100, 110, 90, 100)
    assert [name for name, *_ in fills(venue)] == ["s", "a"]


def test_a_new_order_is_executed_at_the_open_and_one_that_rests_at_its_price() -> None:
    venue = PaperVenue()
    venue.broker.place(order("r", "buy", 1, 95))
    venue.trade(100)
    venue.broker.place(order("n", "buy", 1, 94))
    venue.trade(93)
    assert fills(venue) == [("n", Decimal(93), Decimal("0.002")), ("r", Decimal(95), Decimal("0.001"))]


def test_orders_share_the_volume_of_a_candle() -> None:
    venue = PaperVenue(volume_share=Decimal("0.1"))
    venue.broker.place(order("a", "buy", 1, 95))
    venue.broker.place(order("b", "buy", 1, 94))
    venue.trade(100)
    venue.trade(93, volume=15)
    assert executed(venue.broker.reports()) == Decimal("1.5")
    venue.trade(93, volume=0)
    assert venue.broker.reports() == []
    venue.trade(93, volume=5)
    assert executed(venue.broker.reports()) == Decimal("0.5")


def test_an_order_at_market_gets_no_more_than_there_is_money_for() -> None:
    venue = PaperVenue()
    venue.broker.place(order("a", "buy", 99))
    venue.trade(110)
    reports = venue.broker.reports()
    assert told(reports) == [("fill", "a"), ("cancelled", "a")]
    assert executed(reports) == Decimal("90.727")
    assert 0 <= venue.broker.balances().quote < 1


def test_a_candle_that_comes_again_changes_nothing() -> None:
    venue = PaperVenue()
    venue.broker.place(order("a", "buy", 1))
    venue.paper.move(candle(1, 100))
    assert venue.broker.reports() == []


def test_fees_may_be_taken_in_coins() -> None:
    venue = PaperVenue(fees_in="received")
    venue.broker.place(order("a", "buy", 1))
    venue.trade(100)
    assert venue.broker.balances() == (Decimal("10.998"), Decimal(9900))


def test_a_share_of_the_volume_is_one() -> None:
    with pytest.raises(ValueError, match="volume_share is 2"):
        PaperVenue(volume_share=Decimal(2))


def test_times_are_those_of_the_candle() -> None:
    venue = PaperVenue()
    venue.broker.place(order("a", "buy", 1))
    venue.trade(100)
    (report,) = venue.broker.reports()
    assert report.time_ms == 2 * MINUTE_MS
