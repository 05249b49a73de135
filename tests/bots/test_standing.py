"""Gains over markets: exact, and never added up over several quote currencies."""

from decimal import Decimal

import pytest

from bots.standing import Gain, gains, not_begun
from registry.directory import Directory
from registry.instruments import Instrument, Listing
from registry.store.parts.bots import BotStanding


def stands(instrument: str, base: str, quote: str, price: str, fees: str) -> BotStanding:
    return BotStanding(instrument, 3, "active", 60_000, price, base, quote, fees, 0, 1, None, 0)


def test_amounts_of_several_currencies_stay_apart() -> None:
    directory = Directory([Listing(Instrument("NYSE", "AAPL"))])
    markets = [
        stands("BINANCE:BTCUSDT", "0.1", "-5000", "60000", "5.1"),
        stands("BINANCE:ETHBTC", "2", "-0.1", "0.04", "0.0001"),
        stands("BINANCE:ETHUSDT", "-1", "3000.5", "3000", "3"),
        stands("NYSE:AAPL", "1", "-200", "201", "0.5"),
        not_begun("NYSE:MSFT", is_active=True),
    ]
    assert gains(markets, directory.quote_currency) == [
        Gain("USDT", ("BINANCE:BTCUSDT", "BINANCE:ETHUSDT"), Decimal("1000.5"), Decimal("8.1")),
        Gain("BTC", ("BINANCE:ETHBTC",), Decimal("-0.02"), Decimal("0.0001")),
        Gain(None, ("NYSE:AAPL",), Decimal(1), Decimal("0.5")),
        Gain(None, ("NYSE:MSFT",), Decimal(0), Decimal(0)),
    ]


def test_sums_are_exact() -> None:
    parts = [stands("BINANCE:BTCUSDT", "0", "0.1", "0", "1e-20"), stands("BINANCE:ETHUSDT", "0", "1e15", "0", "1e8")]
    (gain,) = gains(parts, Directory().quote_currency)
    assert (gain.gain, gain.fees) == (Decimal("1000000000000000.1"), Decimal("100000000.00000000000000000001"))


@pytest.mark.parametrize(("is_active", "status"), [(True, "waiting"), (False, "closed")], ids=["active", "ended"])
def test_a_market_before_its_first_step_has_gained_nothing(is_active: bool, status: str) -> None:
    market = not_begun("BINANCE:BTCUSDT", is_active=is_active)
    assert (market.status, market.deals, market.orders) == (status, 0, 0)
    assert [gain.gain for gain in gains([market], Directory().quote_currency)] == [0]
