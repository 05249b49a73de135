"""What a whole configuration says of a bot, and what it may not say."""

from decimal import Decimal
from typing import Any

import pytest

from bots.definition import define_bot
from common.errors import BotConfigError
from registry.instruments import Instrument, Listing

BOT: dict[str, Any] = {
    "bot_type": "dca", "symbol": "BTCUSDT", "baseOrderSize": 100, "entryConditions": ["BTCUSDT 1h: rsi < 30"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"symbol": 5}, "symbol is the name of a market as text"),
        ({"symbol": ["BTCUSDT"]}, "symbol is the name of a market as text"),
        ({"symbols": ["BTCUSDT", 5]}, "symbols is the name of a market as text"),
        ({"paper": {"qoute": 1}}, r"paper.qoute is no parameter of this bot \(did you mean quote\?\)"),
        ({"paper": {"quote": -1}}, r"paper.quote: Input should be greater than or equal to 0 \(it is -1\)"),
        ({"paper": [1]}, "paper should be an object"),
        ({"protections": {"cooldown": 1}}, r"protections.cooldown is no parameter .*did you mean cooldown_s"),
        ({"protections": 5}, "protections should be an object"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BotConfigError, match=message):
        define_bot({**BOT, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseOrderSize": "4.99"}, "base_order_volume is 4.99, and the market takes 5 in quote at least"),
        (
            {"safetyOrderSize": 4, "maxSafetyOrders": 3, "safetyOrderStepPercentage": 1},
            "safety order 1 is 4, and the market takes 5",
        ),
        ({"bot_type": "trend", "baseOrderSize": 1}, "order_volume is 1, and the market takes 5"),
        (
            {"bot_type": "grid", "lower": 9, "upper": 10, "count": 5, "counted": "lines", "baseOrderSize": 4},
            "the order at line 1, .* is too small",
        ),
    ],
)
def test_orders_that_a_market_never_takes_are_refused(changes: dict[str, Any], message: str) -> None:
    definition = define_bot({**BOT, "paper": {"min_notional": 5}, **changes}).definition
    with pytest.raises(BotConfigError, match=message):
        definition.check(definition.market(None))


def test_a_paper_account_may_say_the_steps_of_its_market() -> None:
    listing = Listing(Instrument("BINANCE", "BTCUSDT"), tick_size=0.01, lot_size=0.00001)
    market = define_bot({**BOT, "paper": {"lot_size": "0.001"}}).definition.market(listing)
    assert (market.tick_size, market.lot_size) == (Decimal("0.01"), Decimal("0.001"))
