"""Money is decimal: numbers as people write them, in sixty digits, rounded only to the steps of a market.

Prices, quantities and fees of exchanges have at most some twenty digits each, so sums and products of them are exact.
Quotients, such as an average price, have sixty digits and are never stored: states hold sums.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, localcontext
from functools import wraps
from typing import Annotated, ParamSpec, TypeVar

from pydantic import BeforeValidator, Field

ARITHMETIC = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""What every public function of ``bots`` computes in, whatever the caller's context is."""

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)
_LARGEST = Decimal("1e18")

P = ParamSpec("P")
R = TypeVar("R")


def exactly(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function compute in :data:`ARITHMETIC`."""

    @wraps(function)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(ARITHMETIC):
            return function(*args, **kwargs)

    return computed


def decimal_of(number: object) -> Decimal:
    """The decimal of a number or its text; that of a float is what it is printed as: 0.1 is 0.1.

    Raises ``ValueError`` for what is not a finite number below 1e18.
    """
    if isinstance(number, bool) or not isinstance(number, Decimal | int | float | str):
        raise ValueError(f"{number!r} is no number")
    try:
        read = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    except InvalidOperation:
        raise ValueError(f"{number!r} is no number") from None
    if not read.is_finite() or abs(read) >= _LARGEST:
        raise ValueError(f"{number!r} is no finite number below 1e18")
    return read


def round_down(amount: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` that is not above a positive ``amount``."""
    return amount // step * step


def round_up(amount: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of ``step`` that is not below a positive ``amount``."""
    lower = round_down(amount, step)
    return lower if lower == amount else lower + step


DecimalNumber = Annotated[Decimal, BeforeValidator(decimal_of)]
"""A decimal in a configuration, written as a number or as text."""
Positive = Annotated[DecimalNumber, Field(gt=0)]
NotNegative = Annotated[DecimalNumber, Field(ge=0)]
Percentage = Annotated[DecimalNumber, Field(gt=0, lt=100)]
"""Percent, so that 1.5 is 1.5 %; above 0 and below 100."""
