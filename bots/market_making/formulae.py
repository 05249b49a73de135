"""Where to quote, and how much, given what one has."""

from decimal import Decimal
from itertools import pairwise

from bots.arithmetic import ARITHMETIC, ONE, ZERO, decimal_of, exactly

_TWO = Decimal(2)
Numeric = Decimal | float | str
"""A number or its text; a float is what it is printed as."""


@exactly
def inventory_skew(
    base: Numeric, quote: Numeric, price: Numeric, target_share: Numeric, range_base: Numeric
) -> tuple[Decimal, Decimal]:
    """(bid ratio, ask ratio), from 0 to 2, by which the sizes of orders are multiplied to lead the inventory back.

    ``base`` and ``quote`` are what one has, ``price`` is in quote per base, ``target_share`` is the share of the value
    that should be base (0.5 is half), and ``range_base`` how far, in base, one may be off until only one side is
    quoted; it counts as at most half of the value. Both ratios are 1 at the target, and 0 without any value or range.
    Raises ``ValueError`` for a price that is not above 0, and for a share that is not from 0 to 1.
    """
    price, range_base, share = decimal_of(price), decimal_of(range_base), decimal_of(target_share)
    if price <= 0:
        raise ValueError(f"the price is {price}; it has to be above 0")
    if not 0 <= share <= 1:
        raise ValueError(f"target_share is {share}; it is a share from 0 to 1, where 0.5 is half")
    base_value = decimal_of(base) * price
    value = base_value + decimal_of(quote)
    if value <= 0 or range_base <= 0:
        return ZERO, ZERO
    width = min(range_base * price, value / _TWO)
    target = value * share
    if base_value < target:
        nearest = max(target - width, ZERO)
        bid = _TWO if base_value <= nearest else ONE + (target - base_value) / (target - nearest)
    else:
        bid = max(ONE - (base_value - target) / width, ZERO)
    return bid, _TWO - bid


@exactly
def avellaneda_stoikov(
    mid: Numeric, inventory: Numeric, gamma: Numeric, sigma: Numeric, kappa: Numeric, time_left: Numeric
) -> tuple[Decimal, Decimal]:
    """(reservation price, spread) of the paper's closed form, both in quote per base:

    ``r = s - q gamma sigma^2 tau`` and ``spread = gamma sigma^2 tau + (2 / gamma) ln(1 + gamma / kappa)``.

    ``inventory`` is in base, above what one wants to have if positive; ``sigma`` is the standard deviation of the
    price, in quote, over one unit of the time in which ``time_left`` is measured; ``gamma`` is the aversion to risk and
    ``kappa`` how fast orders further away are filled less often, both per unit of price. Bid and ask are half the
    spread away from the reservation price. Raises ``ValueError`` for gamma or kappa not above 0, and for sigma or time
    below 0.
    """
    gamma, sigma, kappa, left = (decimal_of(number) for number in (gamma, sigma, kappa, time_left))
    for name, number in (("gamma", gamma), ("kappa", kappa)):
        if number <= 0:
            raise ValueError(f"{name} is {number}; it has to be above 0")
    for name, number in (("sigma", sigma), ("time_left", left)):
        if number < 0:
            raise ValueError(f"{name} is {number}; it cannot be below 0")
    risk = gamma * sigma**2 * left
    spread = risk + _TWO / gamma * (ONE + gamma / kappa).ln(ARITHMETIC)
    return decimal_of(mid) - decimal_of(inventory) * risk, spread


@exactly
def deviation(closes: tuple[Decimal, ...]) -> Decimal:
    """Standard deviation of the changes from close to close, in quote; needs two closes."""
    changes = [after - before for before, after in pairwise(closes)]
    mean = sum(changes, ZERO) / len(changes)
    return (sum(((change - mean) ** 2 for change in changes), ZERO) / len(changes)).sqrt(ARITHMETIC)
