"""The parameters of a DCA bot, named as 3Commas names them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bots.arithmetic import HUNDRED, ONE, ZERO, DecimalNumber, NotNegative, Percentage, Positive, exactly
from bots.configuration import BotConfig
from common.direction import Direction
from common.errors import BotConfigError

_YEAR_S = 365 * 24 * 3_600
_Coefficient = Annotated[DecimalNumber, Field(ge=Decimal("0.1"), le=10)]


class SafetyStep(BaseModel):
    """One safety order of an explicit ladder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deviation: Positive
    """Percent away from the base price."""
    size: Positive
    """In quote."""


class TakeProfitStep(BaseModel):
    """A part of the position and the profit at which it is sold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_percentage: Annotated[DecimalNumber, Field(gt=0, le=100)]
    profit_percentage: Positive


class Config(BotConfig):
    """Volumes are in quote, percentages in percent (1.5 is 1.5 %), times in seconds.

    A ladder of a long bot that would fall to zero or below is refused, with the safety order that would be there first.
    """

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {
        "base_order_size": "base_order_volume",
        "base_order_amount": "base_order_volume",
        "safety_order_size": "safety_order_volume",
        "safety_order_amount": "safety_order_volume",
        "order_size": "safety_order_volume",
        "take_profit_percentage": "take_profit",
        "stop_loss": "stop_loss_percentage",
        "direction": "strategy",
    }
    GROUPS: ClassVar[frozenset[str]] = frozenset({"dca_rules"})

    base_order_volume: Positive
    strategy: Direction = "long"
    start: Literal["condition", "at_once"] = "condition"
    """A deal begins when an entry condition fires, or as soon as the one before is over."""

    safety_order_volume: Positive | None = None
    max_safety_orders: int = Field(default=0, ge=0, le=200)
    active_safety_orders_count: int | None = Field(default=None, ge=1, le=200)
    """How many of them rest in the book at a time; ``None``: all."""
    safety_order_step_percentage: NotNegative = ZERO
    martingale_step_coefficient: _Coefficient = ONE
    martingale_volume_coefficient: _Coefficient = ONE
    custom_safety_steps: tuple[SafetyStep, ...] = Field(default=(), max_length=200)
    """Instead of volume, number, step and coefficients."""
    deviation_from: Literal["base", "previous"] = "base"
    """Whether steps add up from the base price, or each is a share of the price before."""
    safety_orders_by_condition: bool = False
    """Safety orders are executed at market when a safety condition fires: all whose deviation is met, or, without a
    step, the next one."""

    take_profit: Positive | None = None
    """Without one, and without steps, a deal ends by a condition, a stop or a command."""
    take_profit_type: Literal["total", "base"] = "total"
    """Percent of all that was bought, or of the base order."""
    take_profit_steps: tuple[TakeProfitStep, ...] = Field(default=(), max_length=4)
    trailing_deviation: Percentage | None = None
    """From the take-profit on follow the best price, and close when it is lost by that much."""
    min_profit_percentage: DecimalNumber | None = None
    """Exit conditions are ignored below this profit after fees."""

    stop_loss_percentage: Positive | None = None
    stop_loss_from: Literal["average", "base"] = "average"
    stop_loss_type: Literal["stop", "stop_and_disable"] = "stop"

    cooldown: int = Field(default=0, ge=0, le=2_592_000)
    close_deals_timeout: int | None = Field(default=None, ge=60, le=_YEAR_S)
    disable_after_deals_count: int | None = Field(default=None, ge=1)
    min_price: Positive | None = None
    max_price: Positive | None = None
    pairs: tuple[str, ...] = ()
    """What it trades; whoever runs it has one machine for each of them."""
    max_active_deals: int = Field(default=1, ge=1, le=199)
    """Deals over all pairs at a time."""

    @classmethod
    def of_group(cls, group: object) -> dict[str, object]:
        """``dcaRules``: parameters, and safety conditions with the ``orderSize`` of their orders."""
        parameters = super().of_group(group)
        rules = (
            [group] if isinstance(group, list | tuple) else list(group.values()) if isinstance(group, Mapping) else []
        )
        sizes = [
            rule[key]
            for listed in rules
            if isinstance(listed, list | tuple)
            for rule in listed
            if isinstance(rule, Mapping)
            for key in ("orderSize", "order_size")
            if key in rule
        ]
        if not sizes:
            return parameters
        if len(set(map(str, sizes))) > 1:
            raise BotConfigError(f"the rules of dcaRules have orders of {len(set(map(str, sizes)))} sizes; write one")
        by_rules = {
            "safety_orders_by_condition": True,
            "safety_order_volume": sizes[0],
            "max_safety_orders": len(sizes),
        }
        return {**by_rules, **parameters}

    @model_validator(mode="after")
    @exactly
    def _fits_together(self) -> Self:
        for one, other, has_both in (
            ("take_profit", "take_profit_steps", self.take_profit and self.take_profit_steps),
            ("trailing_deviation", "take_profit_steps", self.trailing_deviation and self.take_profit_steps),
            ("custom_safety_steps", "max_safety_orders", self.custom_safety_steps and self.max_safety_orders),
            ("custom_safety_steps", "deviation_from previous", self.custom_safety_steps and self._is_chained),
        ):
            if has_both:
                raise ValueError(f"{one} and {other} exclude each other; leave one of them out")
        if self.max_safety_orders and self.safety_order_volume is None:
            raise ValueError(f"max_safety_orders is {self.max_safety_orders}, so safety_order_volume is needed")
        if self.max_safety_orders and not self.safety_order_step_percentage and not self.safety_orders_by_condition:
            raise ValueError("safety orders need a safety_order_step_percentage above 0")
        if self.trailing_deviation and not self.take_profit:
            raise ValueError("trailing_deviation needs a take_profit from which trailing begins")
        if self.take_profit_steps and sum(step.amount_percentage for step in self.take_profit_steps) != HUNDRED:
            raise ValueError("the amounts of take_profit_steps have to add up to 100 %")
        if self.strategy == "short" and self.take_profit and self.take_profit >= HUNDRED:
            raise ValueError(f"take_profit is {self.take_profit} %, but a price cannot fall below zero")
        if self.strategy == "long" and self.stop_loss_percentage and self.stop_loss_percentage >= HUNDRED:
            raise ValueError(f"stop_loss_percentage is {self.stop_loss_percentage} %, a stop at or below zero")
        if self.min_price and self.max_price and self.min_price > self.max_price:
            raise ValueError(f"min_price {self.min_price} is above max_price {self.max_price}")
        self._check_ladder()
        return self

    def _check_ladder(self) -> None:
        last = ZERO
        for number, (factor, _) in enumerate(self.ladder, start=1):
            lost = (ONE - factor) * HUNDRED
            if factor <= 0:
                raise ValueError(
                    f"safety order {number} would be {lost.normalize():f} % below the base price, at or below zero;"
                    f" have at most {number - 1} safety orders, or smaller steps"
                )
            if abs(lost) < last:
                raise ValueError(f"safety order {number} would be nearer to the base price than the one before it")
            last = abs(lost)

    @property
    def _is_chained(self) -> bool:
        return self.deviation_from == "previous"

    @property
    @exactly
    def ladder(self) -> tuple[tuple[Decimal, Decimal], ...]:
        """(price as a share of the base price, size in quote) of each safety order, nearest first."""
        sign = ONE if self.strategy == "long" else -ONE
        if self.custom_safety_steps:
            return tuple((ONE - sign * one.deviation / HUNDRED, one.size) for one in self.custom_safety_steps)
        rungs: list[tuple[Decimal, Decimal]] = []
        step, size, factor = self.safety_order_step_percentage / HUNDRED, self.safety_order_volume or ZERO, ONE
        for _ in range(self.max_safety_orders):
            factor = factor * (ONE - sign * step) if self._is_chained else factor - sign * step
            rungs.append((factor, size))
            step, size = step * self.martingale_step_coefficient, size * self.martingale_volume_coefficient
            if factor <= 0:
                break
        return tuple(rungs)

    def sizes_in_quote(self) -> list[tuple[str, Decimal]]:
        """The base order and each safety order."""
        safety = [(f"safety order {number}", size) for number, (_, size) in enumerate(self.ladder, start=1)]
        return [("base_order_volume", self.base_order_volume), *safety]

    @property
    @exactly
    def max_funds(self) -> Decimal:
        """What all orders of a deal cost in quote, before rounding to lots and fees."""
        return self.base_order_volume + sum((size for _, size in self.ladder), ZERO)
