"""A deal: bought to be sold again, or, if short, sold to be bought back. DCA and trend bots make them one by one."""

from decimal import Decimal

import msgspec

from bots.arithmetic import ONE, ZERO
from bots.machine import CandleClosed
from bots.orders import Fill, Side
from common.direction import Direction


def sign_of(direction: Direction) -> int:
    """1 for long, -1 for short."""
    return 1 if direction == "long" else -1


def entry_side(direction: Direction) -> Side:
    """The side that opens a position."""
    return "buy" if direction == "long" else "sell"


def exit_side(direction: Direction) -> Side:
    """The side that closes a position."""
    return "sell" if direction == "long" else "buy"


def against(direction: Direction, price: Decimal, share: Decimal) -> Decimal:
    """The price at which a position has lost a share: below for long, above for short."""
    return price * (ONE - sign_of(direction) * share)


class Deal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One position from its first order to its last. Quote amounts are above 0 and contain the fees."""

    number: int
    """1 for a bot's first."""
    direction: Direction
    condition_id: str
    """What it was entered for."""
    opened_ms: int
    entry_quantity: Decimal = ZERO
    entry_quote: Decimal = ZERO
    """Paid if long, received if short."""
    exit_quantity: Decimal = ZERO
    exit_quote: Decimal = ZERO
    """Received if long, paid if short."""
    done: dict[str, Decimal] = {}
    """Purpose of an order -> how much of it was executed."""
    base_price: Decimal | None = None
    """Average of the base order with its fees, once that is complete: what safety orders are reckoned from."""
    extreme: Decimal | None = None
    """The best price since trailing began."""
    stop: Decimal | None = None
    reason: str | None = None
    """Why it is being closed."""

    @property
    def quantity(self) -> Decimal:
        """What is still to be closed, in base."""
        return self.entry_quantity - self.exit_quantity

    @property
    def average(self) -> Decimal:
        """Average entry price with fees."""
        return self.entry_quote / self.entry_quantity

    @property
    def profit(self) -> Decimal:
        """What it has gained, in quote; what is left of the position counts as nothing."""
        return sign_of(self.direction) * (self.exit_quote - self.entry_quote)

    def value_at(self, price: Decimal, fee: Decimal) -> Decimal:
        """What it would have gained if the rest were closed at a price now, with that fee."""
        sign = sign_of(self.direction)
        return self.profit + sign * self.quantity * price * (ONE - sign * fee)

    def with_fill(self, fill: Fill, purpose: str) -> "Deal":
        """After a fill of one of its orders."""
        done = {**self.done, purpose: self.done.get(purpose, ZERO) + fill.quantity}
        if fill.side == entry_side(self.direction):
            return msgspec.structs.replace(
                self,
                done=done,
                entry_quantity=self.entry_quantity + abs(fill.base),
                entry_quote=self.entry_quote + abs(fill.quote),
            )
        return msgspec.structs.replace(
            self,
            done=done,
            exit_quantity=self.exit_quantity + abs(fill.base),
            exit_quote=self.exit_quote + abs(fill.quote),
        )


class ClosedDeal(msgspec.Struct, frozen=True):
    """What remains of a deal in its bot's history."""

    deal: Deal
    closed_ms: int


def better(direction: Direction, first: Decimal, second: Decimal) -> Decimal:
    """The price that is better for a position."""
    return max(first, second) if direction == "long" else min(first, second)


def reached(direction: Direction, price: Decimal, stop: Decimal) -> bool:
    """Whether a price is at a stop, or beyond it."""
    return price <= stop if direction == "long" else price >= stop


def extremes(direction: Direction, candle: CandleClosed) -> tuple[Decimal, Decimal]:
    """The worst and the best price of a candle for a position."""
    return (candle.low, candle.high) if direction == "long" else (candle.high, candle.low)
