"""What a grid bot remembers."""

from decimal import Decimal
from typing import Literal

import msgspec

from bots.arithmetic import ZERO
from bots.machine import BotState


class GridInterval(msgspec.Struct, frozen=True, omit_defaults=True):
    """What lies between two neighbouring lines."""

    number: int
    """Of its lower line."""
    side: Literal["buy", "sell"] = "buy"
    coins: Decimal = ZERO
    """Bought and not yet sold, in base."""
    balance: Decimal = ZERO
    """What was received for its coins less what was paid for them, in quote."""

    @property
    def purpose(self) -> str:
        """Of its orders."""
        return f"interval {self.number} {self.side}"


class State(BotState, frozen=True, kw_only=True, omit_defaults=True):
    """What a grid bot remembers."""

    intervals: tuple[GridInterval, ...] = ()
    """Lowest first; none before the grid starts."""
    waiting_line: int = 0
    """While entering: the line that carries no order."""
    bought: Decimal = ZERO
    """While entering: coins that were bought for the lines above it."""
    paid: Decimal = ZERO
    """While entering: what they cost, in quote."""
    sold: int = 0
    """How many times an interval has bought and sold."""
    grid_profit: Decimal = ZERO
    """What these left, in quote, after fees."""
    refused: tuple[str, ...] = ()
    """Purposes of orders that the broker has rejected, until something is filled or the bot is resumed."""
    reason: str | None = None
    """Why it is being closed."""
    sells_coins: bool = False
    """Whether closing sells the coins."""
    is_final: bool = False
    """Whether it is over when it has been closed."""
