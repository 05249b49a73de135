"""What a bot that the hub runs has gained, from how it stands in its markets."""

from collections.abc import Iterable
from decimal import Decimal

from bots.arithmetic import ZERO, exactly
from registry.store.parts.bots import BotStanding


@exactly
def gain_in(market: BotStanding) -> Decimal:
    """In quote, after fees: the money gained in one market, and the coins gained there at its last close."""
    return Decimal(market.quote) + Decimal(market.base) * Decimal(market.price)


@exactly
def total_of(amounts: Iterable[Decimal | str]) -> Decimal:
    """The exact sum of amounts."""
    return sum((Decimal(amount) for amount in amounts), ZERO)
