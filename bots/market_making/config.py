"""The parameters of a market making bot, named as hummingbot names them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from bots.arithmetic import ONE, ZERO, DecimalNumber, NotNegative, Percentage, Positive
from bots.configuration import BotConfig

_Share = Annotated[DecimalNumber, Field(ge=0, le=100)]


class Config(BotConfig):
    """Amounts of orders are in base, percentages in percent, times in seconds.

    A bot quotes on closed candles: this is for slow quoting between gates, not for racing others. What it may use is
    ``base_amount`` and ``quote_amount`` and what it has traded since, never more.
    """

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {
        "base_order_size": "order_amount",
        "order_size": "order_amount",
        "risk_factor": "gamma",
    }

    base_amount: NotNegative = ZERO
    """Coins that the bot starts with."""
    quote_amount: NotNegative = ZERO
    """Money that the bot starts with."""
    start: Literal["at_once", "condition"] = "at_once"
    """Whether it quotes from its first candle, or from an entry condition to an exit condition."""

    order_amount: Positive
    order_levels: int = Field(default=1, ge=1, le=20)
    order_level_amount: NotNegative = ZERO
    """How much larger each level is than the one before."""
    order_level_spread: NotNegative = ZERO
    """How much further away each level is, in percent of the price."""

    model: Literal["spreads", "avellaneda_stoikov"] = "spreads"
    bid_spread: Percentage | None = None
    """Distance of the first bid from the close."""
    ask_spread: Percentage | None = None
    minimum_spread: Annotated[DecimalNumber, Field(ge=0, lt=100)] = ZERO
    """No quote is nearer to the close."""
    gamma: Positive | None = None
    """Aversion to risk, per unit of quote."""
    kappa: Positive | None = None
    """How much less often orders are filled that are further away, per unit of quote."""
    sigma: Positive | None = None
    """Standard deviation of the price over one candle, in quote; ``None``: that of the last closes."""
    volatility_candles: int = Field(default=100, ge=2, le=1000)
    """How many changes of the close ``sigma`` is measured on."""
    horizon_candles: Positive | None = None
    """The time that is left, always: the form for markets that never close."""

    inventory_skew_enabled: bool = False
    inventory_target_base_pct: _Share = Decimal(50)
    """Percent of the value that should be base; Avellaneda and Stoikov count inventory from there."""
    inventory_range_multiplier: Positive = ONE
    """Range of the skew, in multiples of all orders together."""

    order_refresh_time: int = Field(default=60, ge=1)
    order_refresh_tolerance_pct: NotNegative = ZERO
    """Orders stay in the book while their prices are nearer than that, in percent of the price, to the new ones."""
    filled_order_delay: int = Field(default=60, ge=0)
    """After a fill, no new quotes for this long."""
    price_ceiling: Positive | None = None
    """From this price on, only asks."""
    price_floor: Positive | None = None
    """From this price down, only bids."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.base_amount and not self.quote_amount:
            raise ValueError("base_amount or quote_amount is needed: what the bot may trade with")
        needed = {"spreads": ("bid_spread", "ask_spread"), "avellaneda_stoikov": ("gamma", "kappa", "horizon_candles")}
        missing = [name for name in needed[self.model] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"model {self.model} needs {' and '.join(missing)}")
        if self.price_ceiling and self.price_floor and self.price_floor >= self.price_ceiling:
            raise ValueError(f"price_floor {self.price_floor} has to be below price_ceiling {self.price_ceiling}")
        farthest = (self.order_levels - 1) * self.order_level_spread + (self.bid_spread or 0)
        if farthest >= 100:
            raise ValueError(f"bid {self.order_levels} would be {farthest} % below the price, at or below zero")
        return self
