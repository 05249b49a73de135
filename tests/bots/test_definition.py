"""What a whole configuration says of a bot, and what it may not say."""

from typing import Any

import pytest

from bots.definition import define_bot
from common.errors import BotConfigError

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
