"""Prices and quantities of safety orders and take-profits."""

from decimal import Decimal

from bots.arithmetic import HUNDRED, ONE, ZERO, decimal_of, exactly
from bots.dca.config import Config
from bots.deals import Deal, sign_of
from bots.orders import MarketRules


@exactly
def safety_orders(
    config: Config, price: Decimal | float | str, market: MarketRules | None = None
) -> list[tuple[Decimal, Decimal, Decimal]]:
    """(price, quantity, quote) of each safety order of a deal whose base order was executed at ``price``.

    With a ``market``, the base price contains its taker fee, as it does in a deal; prices are on its ticks, and
    quantities are rounded up to its lots. Without one nothing is rounded and no fee counts. The first column is in
    quote per base, the second in base, the last in quote, without the orders' own fees. Raises ``ValueError`` for a
    price that is no number above 0.
    """
    base_price = decimal_of(price)
    if base_price <= 0:
        raise ValueError(f"the price is {base_price}; it has to be above 0")
    if market is not None:
        base_price *= ONE + sign_of(config.strategy) * market.taker_fee
    return ladder(config, base_price, market)


def ladder(config: Config, base_price: Decimal, market: MarketRules | None) -> list[tuple[Decimal, Decimal, Decimal]]:
    """:func:`safety_orders` from a base price that contains the fee."""
    orders = []
    for factor, size in config.ladder:
        price = base_price * factor
        if market is not None:
            price = market.price_down(price) if config.strategy == "long" else market.price_up(price)
        if price <= 0:
            break
        quantity = size / price
        if market is not None:
            quantity = market.quantity_up(quantity)
        orders.append((price, quantity, price * quantity if market is not None else size))
    return orders


def take_profit_price(config: Config, deal: Deal, profit: Decimal, market: MarketRules) -> Decimal:
    """Where closing the rest as a maker leaves a profit, in percent, after all fees."""
    sign = sign_of(deal.direction)
    counted = deal.average
    if config.take_profit_type == "base" and deal.base_price is not None:
        counted = deal.base_price * deal.done["base"] / deal.entry_quantity
    price = (deal.average + sign * counted * profit / HUNDRED) / (ONE - sign * market.maker_fee)
    return market.price_up(price) if sign > 0 else market.price_down(price)


def take_profits(config: Config, deal: Deal, market: MarketRules) -> list[tuple[str, Decimal, Decimal]]:
    """(purpose, price, quantity) of the take-profits that are still open, nearest first.

    Quantities are shares of all that was bought, rounded down to lots; the last one takes what remains. A share that is
    too small for the market goes with the next, the last one with the one before.
    """
    if config.take_profit is not None:
        steps = [("take profit", HUNDRED, config.take_profit)]
    else:
        steps = [
            (f"take profit {number}", step.amount_percentage, step.profit_percentage)
            for number, step in enumerate(config.take_profit_steps, start=1)
        ]
    orders: list[tuple[str, Decimal, Decimal]] = []
    left = market.quantity_down(deal.quantity)
    for place, (purpose, amount, profit) in enumerate(steps, start=1):
        price = take_profit_price(config, deal, profit, market)
        share = market.quantity_down(deal.entry_quantity * amount / HUNDRED) - deal.done.get(purpose, ZERO)
        quantity = left if place == len(steps) else min(share, left)
        if market.takes(price, quantity):
            orders.append((purpose, price, quantity))
            left -= quantity
    if orders and left > 0:
        purpose, price, quantity = orders[-1]
        orders[-1] = (purpose, price, quantity + left)
    return orders
