"""The parameters of a grid bot."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from bots.arithmetic import Positive
from bots.configuration import BotConfig


class Config(BotConfig):
    """Prices are in quote per base. Platforms mean two things by the number of grids, so ``counted`` has no default:

    - ``lines``: 3Commas counts the lines, so 5 from 8000 to 12000 are 1000 apart;
    - ``intervals``: Binance, KuCoin and Pionex count what lies between them, so 4 are.
    """

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {
        "lower_price": "lower",
        "upper_price": "upper",
        "grids_quantity": "count",
        "grid_type": "spacing",
        "type": "spacing",
        "base_order_size": "quantity_per_grid",
        "order_size": "quantity_per_grid",
        "order_currency_type": "order_currency",
    }
    GROUPS: ClassVar[frozenset[str]] = frozenset({"grid", "grid_settings", "grid_config"})

    lower: Positive
    upper: Positive
    count: int = Field(ge=2, le=1001)
    counted: Literal["lines", "intervals"] = Field(
        description="lines, as 3Commas counts, or intervals, as Binance, KuCoin and Pionex do"
    )
    spacing: Literal["arithmetic", "geometric"] = "arithmetic"
    """The same distance between lines, or the same ratio."""

    quantity_per_grid: Positive | None = None
    """Size of each order. A bot needs it; :func:`bots.grid.levels` does not."""
    order_currency: Literal["quote", "base"] = "quote"
    """What ``quantity_per_grid`` is in."""
    fee_mode: Literal["none", "widen_sell"] = "none"
    """``widen_sell`` sells higher by the fees of both orders, as Bitsgap does, so that a step is what remains."""
    start: Literal["at_once", "condition"] = "at_once"
    """Begin with the first candle within the range, or when an entry condition fires."""
    max_active_buy_lines: int | None = Field(default=None, ge=1)
    """How many buys rest in the book, the nearest to the price; ``None``: all."""
    max_active_sell_lines: int | None = Field(default=None, ge=1)
    lower_stop_price: Positive | None = None
    upper_stop_price: Positive | None = None
    stop_action: Literal["keep", "sell"] = "keep"
    """What happens to the coins at a stop price."""
    trailing_up: bool = False
    """Move the grid up by a line when the price closes a step above it, while its lowest interval is empty."""

    def __init__(self, lower: Any = None, upper: Any = None, count: Any = None, **parameters: Any) -> None:
        named = {"lower": lower, "upper": upper, "count": count}
        super().__init__(**{name: value for name, value in named.items() if value is not None}, **parameters)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError(f"lower {self.lower} has to be below upper {self.upper}")
        if self.lower_stop_price is not None and self.lower_stop_price >= self.lower:
            raise ValueError(f"lower_stop_price {self.lower_stop_price} has to be below lower {self.lower}")
        if self.upper_stop_price is not None and self.upper_stop_price <= self.upper:
            raise ValueError(f"upper_stop_price {self.upper_stop_price} has to be above upper {self.upper}")
        if self.trailing_up and self.order_currency != "quote":
            raise ValueError("trailing_up needs orders of a size in quote, as those in base would cost more higher up")
        if self.trailing_up and self.upper_stop_price is not None:
            raise ValueError("trailing_up and upper_stop_price exclude each other; leave one of them out")
        return self

    @property
    def intervals(self) -> int:
        """How many intervals lie between the lines."""
        return self.count - 1 if self.counted == "lines" else self.count
