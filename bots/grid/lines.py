"""Where the lines of a grid are, and what it needs when it starts."""

from decimal import Decimal
from typing import NamedTuple

from bots.arithmetic import ARITHMETIC, ONE, ZERO, decimal_of, exactly
from bots.grid.config import Config
from bots.orders import MarketRules
from common.errors import BotConfigError

_GUARD_DIGITS = 12


@exactly
def levels(config: Config) -> list[Decimal]:
    """The prices of the lines, lowest first, in quote per base, to sixty digits and not rounded to ticks.

    The first is ``lower`` and the last ``upper``.
    """
    return [*(level(config, number) for number in range(config.intervals)), config.upper]


def level(config: Config, number: int) -> Decimal:
    """The price of a line; 0 is the lowest of the configuration. Numbers above the top go on in the same way."""
    if config.spacing == "arithmetic":
        return config.lower + (config.upper - config.lower) * number / config.intervals
    wide = ARITHMETIC.copy()
    wide.prec += _GUARD_DIGITS
    ratio = wide.divide(config.upper, config.lower)
    return +wide.multiply(config.lower, wide.power(ratio, wide.divide(Decimal(number), Decimal(config.intervals))))


class Lines:
    """The lines of a grid in its market: prices on ticks, quantities in lots, computed once each."""

    def __init__(self, config: Config, market: MarketRules) -> None:
        self._config = config
        self._market = market
        self._prices: dict[int, Decimal] = {}
        self._quantities: dict[int, Decimal] = {}
        self._selling: dict[int, Decimal] = {}
        if config.quantity_per_grid is None:
            raise BotConfigError("quantity_per_grid is needed: the size of each order")
        self._size = config.quantity_per_grid
        for number in range(config.intervals):
            price, above = self.price(number), self.price(number + 1)
            if price == above or price <= 0:
                raise BotConfigError(
                    f"lines {number + 1} and {number + 2} of the grid are both at {price}: the market has steps of"
                    f" {market.tick_size}; have fewer lines"
                )
            if not market.takes(price, self.quantity(number)):
                raise BotConfigError(
                    f"the order at line {number + 1}, {self.quantity(number)} at {price}, is too small: the market"
                    f" takes {market.lot_size} and {market.min_notional} in quote at least; have larger orders"
                )

    def price(self, number: int) -> Decimal:
        """Of a line, on its tick."""
        if number not in self._prices:
            exact = self._config.upper if number == self._config.intervals else level(self._config, number)
            self._prices[number] = self._market.price_down(exact)
        return self._prices[number]

    def quantity(self, number: int) -> Decimal:
        """What is bought at a line, in base."""
        if number not in self._quantities:
            size = self._size if self._config.order_currency == "base" else self._size / self.price(number)
            self._quantities[number] = self._market.quantity_down(size)
        return self._quantities[number]

    def selling_price(self, number: int) -> Decimal:
        """Where coins bought at a line are sold: one line up, and higher by both fees if so configured."""
        if number not in self._selling:
            above = self.price(number + 1)
            if self._config.fee_mode == "widen_sell":
                above = self._market.price_up(above + self.price(number) * self._market.maker_fee * 2)
            self._selling[number] = above
        return self._selling[number]

    def nearest(self, price: Decimal) -> int:
        """The line next to a price; it carries no order when the grid starts."""
        return min(range(self._config.intervals + 1), key=lambda number: (abs(self.price(number) - price), number))


class Start(NamedTuple):
    """A grid at its start: which line waits, and what the orders need."""

    waiting: int
    """Place of the line without an order among all lines; buys are at those before it, sells at those after it."""
    base: Decimal
    """Coins for the sells."""
    quote: Decimal
    """Money for the buys, without fees."""


@exactly
def starting(config: Config, price: Decimal | float | str, market: MarketRules | None = None) -> Start:
    """What a grid needs that starts at a price. Raises :class:`common.errors.BotConfigError` without an order size."""
    lines = Lines(config, market or MarketRules())
    waiting = lines.nearest(decimal_of(price))
    coins = sum((lines.quantity(number) for number in range(waiting, config.intervals)), ZERO)
    money = sum((lines.price(number) * lines.quantity(number) for number in range(waiting)), ZERO)
    return Start(waiting, coins, money)


@exactly
def profit_per_grid(config: Config, market: MarketRules) -> tuple[Decimal, Decimal]:
    """The least and the greatest net profit of one interval, as a share of what its coins cost with the fee."""
    lines = Lines(config, market)
    kept, paid = ONE - market.maker_fee, ONE + market.maker_fee
    shares = [
        lines.selling_price(number) * kept / (lines.price(number) * paid) - ONE for number in range(config.intervals)
    ]
    return min(shares), max(shares)
