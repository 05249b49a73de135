"""What bots that the hub runs have gained, from how they stand in their markets."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from bots.arithmetic import ZERO, exactly
from registry.instruments import Instrument
from registry.store.parts.bots import BotStanding

QuoteOf = Callable[[Instrument], str | None]
"""What an instrument is priced in, as :meth:`registry.directory.Directory.quote_currency` knows it."""


class Gain(NamedTuple):
    """What was gained in the markets of one quote currency. Amounts of several currencies are never added up."""

    quote_currency: str | None
    """``None`` for a market of which nobody says what it is priced in; each such market has a gain of its own."""
    instruments: tuple[str, ...]
    gain: Decimal
    """After fees; coins at the last close."""
    fees: Decimal


@exactly
def gain_in(market: BotStanding) -> Decimal:
    """In quote, after fees: the money gained in one market, and the coins gained there at its last close."""
    return Decimal(market.quote) + Decimal(market.base) * Decimal(market.price)


@exactly
def gains(markets: Iterable[BotStanding], quote_of: QuoteOf) -> list[Gain]:
    """The exact sums over markets, one for each quote currency, in the order in which the markets name them."""
    by_currency: dict[tuple[str | None, str], list[BotStanding]] = {}
    for market in markets:
        currency = quote_of(Instrument.parse(market.instrument))
        by_currency.setdefault((currency, "" if currency else market.instrument), []).append(market)
    return [
        Gain(
            currency,
            tuple(dict.fromkeys(market.instrument for market in together)),
            sum(map(gain_in, together), ZERO),
            sum((Decimal(market.fees) for market in together), ZERO),
        )
        for (currency, _), together in by_currency.items()
    ]


def not_begun(instrument: str, *, is_active: bool) -> BotStanding:
    """How a bot stands in a market before its first step there."""
    status = "waiting" if is_active else "closed"
    return BotStanding(instrument, 0, status, 0, "0", "0", "0", "0", 0, 0, None, 0)
