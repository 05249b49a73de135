"""Orders and fills, and the rules of a market: steps of price and quantity, smallest order, fees."""

from decimal import Decimal
from hashlib import sha256
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from bots.arithmetic import ZERO, DecimalNumber, NotNegative, Positive, round_down, round_up
from registry.instruments import Listing

Side = Literal["buy", "sell"]
OrderKind = Literal["limit", "market"]

_FINEST = Decimal("1e-8")
"""Step where an exchange names none: no exchange is known to have a finer one."""


class MarketRules(BaseModel):
    """The rules of one instrument. Fees are shares of the quote amount: 0.001 is 0.1 %.

    Rounding is exact in any decimal context of 28 digits or more, which is what Python has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tick_size: Positive = _FINEST
    """Smallest step of a price."""
    lot_size: Positive = _FINEST
    """Smallest step of a quantity."""
    min_quantity: NotNegative = ZERO
    """Smallest quantity of an order, in base, where that is more than a step."""
    min_notional: NotNegative = ZERO
    """Smallest price x quantity of an order, in quote."""
    maker_fee: DecimalNumber = Field(default=Decimal("0.001"), ge=0, lt=1)
    """Of an order that rested in the book when it was filled."""
    taker_fee: DecimalNumber = Field(default=Decimal("0.001"), ge=0, lt=1)
    """Of an order that was filled at once."""

    @classmethod
    def of(cls, listing: Listing, **rules: object) -> "MarketRules":
        """The market of a listed instrument; ``rules`` are what a listing does not say."""
        sizes = {"tick_size": listing.tick_size, "lot_size": listing.lot_size}
        return cls.model_validate({**{name: size for name, size in sizes.items() if size is not None}, **rules})

    def price_down(self, price: Decimal) -> Decimal:
        """The next price at or below one."""
        return round_down(price, self.tick_size)

    def price_up(self, price: Decimal) -> Decimal:
        """The next price at or above one."""
        return round_up(price, self.tick_size)

    def quantity_down(self, quantity: Decimal) -> Decimal:
        """The next quantity at or below one."""
        return round_down(quantity, self.lot_size)

    def quantity_up(self, quantity: Decimal) -> Decimal:
        """The next quantity at or above one."""
        return round_up(quantity, self.lot_size)

    def takes(self, price: Decimal, quantity: Decimal) -> bool:
        """Whether an order of that size is large enough."""
        smallest = max(self.lot_size, self.min_quantity)
        return quantity >= smallest and price > 0 and price * quantity >= self.min_notional


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """An order as a broker gets it. Repeating it is harmless: the broker knows it by ``client_id``."""

    client_id: str
    side: Side
    quantity: Decimal
    """In base."""
    price: Decimal | None
    """Limit, in quote; ``None`` for an order at market."""
    purpose: str
    """What the bot wants with it: ``base``, ``safety 2``, ``take profit 1``, ``close``."""

    @property
    def kind(self) -> OrderKind:
        """``market`` if it has no price."""
        return "market" if self.price is None else "limit"


class Fill(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of an order, or all of it, that was executed. Fees are above 0, each in its own currency."""

    fill_id: str
    client_id: str
    side: Side
    time_ms: int
    price: Decimal
    quantity: Decimal
    """Executed, before any fee in base."""
    fee_quote: Decimal = ZERO
    fee_base: Decimal = ZERO

    @property
    def base(self) -> Decimal:
        """What the balance in base changed by."""
        return (self.quantity if self.side == "buy" else -self.quantity) - self.fee_base

    @property
    def quote(self) -> Decimal:
        """What the balance in quote changed by."""
        amount = self.price * self.quantity
        return (-amount if self.side == "buy" else amount) - self.fee_quote


class PlaceOrder(msgspec.Struct, frozen=True, tag="place"):
    """Intent: send an order to the broker."""

    order: Order


class CancelOrder(msgspec.Struct, frozen=True, tag="cancel"):
    """Intent: take an order back. The broker answers with its last fills, then that it is cancelled."""

    client_id: str


class Note(msgspec.Struct, frozen=True, tag="note"):
    """Intent: tell the owner of the bot, who reads it in the bot's history."""

    text: str


Intent = PlaceOrder | CancelOrder | Note


def client_order_id(bot_id: str, cause: str, time_ms: int, action: str) -> str:
    """The id of an order: 32 hexadecimal digits, which every exchange takes, of what makes the order the same.

    ``cause`` is the condition, fill or command that the bot acts on, ``time_ms`` the close of its candle, ``action``
    the order's purpose and size.
    """
    return sha256("\n".join((bot_id, cause, str(time_ms), action)).encode()).hexdigest()[:32]
