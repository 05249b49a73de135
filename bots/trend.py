"""Trend following: in with a signal, out by a stop that follows the price, or by the opposite signal.

Stops are some average true ranges away, and move on closed candles of the bot's own timeframe only. The average true
range is the hub's ``atr``: whoever runs the machine passes it with those candles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal, Self

import msgspec
from pydantic import Field, field_validator, model_validator

from bots.arithmetic import HUNDRED, Percentage, Positive, exactly
from bots.configuration import BotConfig
from bots.deals import Deal, against, better, entry_side, extremes, reached, sign_of
from bots.lifecycle import DealState, after_command, refused, rested, wound_up
from bots.machine import (
    CandleClosed,
    Commanded,
    ConditionFired,
    IndicatorReading,
    MachineEvent,
    OrderFilled,
    OrderRejected,
)
from bots.orders import Intent, MarketRules
from bots.turn import Turn, observed
from common.direction import Direction
from common.errors import TimeframeError
from common.timeframes import normalise_timeframe


class Config(BotConfig):
    """Volumes are in quote, percentages in percent, multipliers in average true ranges, times in seconds."""

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {
        "base_order_volume": "order_volume",
        "base_order_size": "order_volume",
        "order_size": "order_volume",
        "strategy": "direction",
        "stop_loss": "stop_loss_percentage",
        "take_profit_percentage": "take_profit",
    }

    order_volume: Positive
    direction: Direction = "long"
    """Where an entry condition goes; an opposite condition goes the other way."""
    opposite_signal: Literal["ignore", "close", "reverse"] = "close"

    timeframe: str = "1h"
    """Of the candles on which stops move."""
    atr_period: int = Field(default=14, ge=2, le=1000)
    stop_atr_multiplier: Positive | None = None
    """Initial stop, from the average entry price."""
    stop_loss_percentage: Percentage | None = None
    """The same in percent; of two stops the nearer one counts."""
    trailing_atr_multiplier: Positive | None = None
    trailing_from: Literal["close", "extreme"] = "close"
    """What the trailing stop is measured from: the close, or the best price since the entry (a chandelier stop)."""

    time_limit: int | None = Field(default=None, ge=60)
    cooldown: int = Field(default=0, ge=0, le=2_592_000)
    disable_after_deals_count: int | None = Field(default=None, ge=1)

    def sizes_in_quote(self) -> list[tuple[str, Decimal]]:
        """The order that enters."""
        return [("order_volume", self.order_volume)]

    @field_validator("timeframe")
    @classmethod
    def _normalised(cls, timeframe: str) -> str:
        try:
            return normalise_timeframe(timeframe)
        except TimeframeError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.trailing_from == "extreme" and self.trailing_atr_multiplier is None:
            raise ValueError("trailing_from extreme needs a trailing_atr_multiplier")
        return self

    @property
    def reads_atr(self) -> bool:
        """Whether a stop depends on the average true range."""
        return self.stop_atr_multiplier is not None or self.trailing_atr_multiplier is not None

    @property
    @exactly
    def max_funds(self) -> Decimal:
        """What a deal costs in quote, before rounding to lots and fees."""
        return self.order_volume


class State(DealState, frozen=True, kw_only=True, omit_defaults=True):
    """What a trend bot remembers."""

    atr: Decimal | None = None
    """Average true range of the last closed candle of its timeframe."""
    is_reversing: bool = False
    """Whether the end of this deal begins one in the other direction."""


@dataclass(frozen=True)
class TrendBot:
    """One trend bot in one market."""

    bot_id: str
    config: Config
    market: MarketRules

    @property
    def readings(self) -> tuple[IndicatorReading, ...]:
        """The average true range, if a stop needs it."""
        return (self._atr,) if self.config.reads_atr else ()

    @property
    def _atr(self) -> IndicatorReading:
        return IndicatorReading(self.config.timeframe, "atr", self.config.atr_period)

    def start(self) -> State:
        """Waiting for its first signal."""
        return State()

    @exactly
    def step(self, state: State, event: MachineEvent) -> tuple[State, tuple[Intent, ...]]:
        """The next state, and what is to be done; an event that comes again changes nothing."""
        seen = observed(state, event)
        if seen is None:
            return state, ()
        turn = Turn(self.bot_id, self.market, event, seen)
        seen = rested(seen, event.time_ms)
        match event:
            case OrderFilled(fill=fill):
                seen = self._with_stop(seen.with_fill(fill, state.orders.by_id[fill.client_id].order.purpose))
            case OrderRejected():
                seen = refused(seen, turn, state.orders.by_id[event.client_id].order, event.reason)
            case CandleClosed():
                seen = self._after_candle(seen, event)
            case ConditionFired():
                seen = self._after_condition(seen, turn, event)
            case Commanded(command=command):
                seen = after_command(seen, turn, command, event.time_ms)
        seen = self._settled(self._timed_out(seen, event.time_ms), turn, event)
        return msgspec.structs.replace(seen, orders=turn.orders), turn.intents

    def _after_candle(self, state: State, candle: CandleClosed) -> State:
        """The candle's worst price meets the stop as it stood before the candle, its close the stop that follows."""
        atr = candle.readings.get(self._atr.key)
        if atr is not None:
            state = msgspec.structs.replace(state, atr=atr)
        deal = state.deal
        if deal is None or deal.quantity <= 0 or deal.reason is not None:
            return state
        worst, best = extremes(deal.direction, candle)
        if deal.stop is not None and reached(deal.direction, worst, deal.stop):
            return state.closing("stop")
        extreme = best if deal.extreme is None else better(deal.direction, deal.extreme, best)
        stop = deal.stop
        if atr is not None and self.config.trailing_atr_multiplier is not None:
            anchor = extreme if self.config.trailing_from == "extreme" else candle.close
            followed = anchor - sign_of(deal.direction) * self.config.trailing_atr_multiplier * atr
            stop = followed if stop is None else better(deal.direction, stop, followed)
        is_trailing = stop != deal.stop or state.status == "trailing"
        state = state.with_deal(extreme=extreme, stop=stop, status="trailing" if is_trailing else state.status)
        if stop is not None and reached(deal.direction, candle.close, stop):
            return state.closing("stop")
        return state

    def _after_condition(self, state: State, turn: Turn, fired: ConditionFired) -> State:
        deal, direction = state.deal, self.config.direction
        match fired.role:
            case "entry":
                if deal is None:
                    return self._entered(state, turn, fired.condition_id, fired.time_ms, direction)
                if deal.direction != direction:
                    return self._opposed(state)
            case "opposite":
                if deal is None and self.config.opposite_signal == "reverse":
                    other: Direction = "short" if direction == "long" else "long"
                    return self._entered(state, turn, fired.condition_id, fired.time_ms, other)
                if deal is not None and deal.direction == direction:
                    return self._opposed(state)
            case "exit" if deal is not None and deal.quantity > 0:
                return state.closing("condition")
        return state

    def _opposed(self, state: State) -> State:
        """After a signal against the deal that is under way."""
        if self.config.opposite_signal == "ignore" or state.deal is None or state.deal.quantity <= 0:
            return state
        is_reversing = self.config.opposite_signal == "reverse" and not state.is_paused
        return msgspec.structs.replace(state.closing("opposite signal"), is_reversing=is_reversing)

    def _entered(self, state: State, turn: Turn, cause: str, time_ms: int, direction: Direction) -> State:
        if state.status != "waiting":
            return state
        if self.config.reads_atr and state.atr is None:
            turn.note(f"no deal: there is no {self._atr.key} yet")
            return state
        quantity = self.market.quantity_up(self.config.order_volume / state.price)
        if not self.market.takes(state.price, quantity):
            turn.note(f"no deal: the market takes no order of {quantity} at {state.price}")
            return state
        turn.place(entry_side(direction), quantity, None, "base")
        deal = Deal(state.deals + 1, direction, cause, time_ms)
        return msgspec.structs.replace(state, status="entering", deal=deal, refused=())

    def _with_stop(self, state: State) -> State:
        """The initial stop follows the average while the deal is being entered."""
        deal = state.deal
        if deal is None or state.status != "entering":
            return state
        stops = []
        if self.config.stop_atr_multiplier is not None and state.atr is not None:
            stops.append(deal.average - sign_of(deal.direction) * self.config.stop_atr_multiplier * state.atr)
        if self.config.stop_loss_percentage is not None:
            stops.append(against(deal.direction, deal.average, self.config.stop_loss_percentage / HUNDRED))
        if not stops:
            return state
        nearest = max(stops) if deal.direction == "long" else min(stops)
        return state.with_deal(stop=nearest)

    def _timed_out(self, state: State, time_ms: int) -> State:
        deal, limit = state.deal, self.config.time_limit
        if deal is None or deal.reason is not None or limit is None or time_ms < deal.opened_ms + limit * 1000:
            return state
        return state.closing("time limit")

    def _settled(self, state: State, turn: Turn, event: MachineEvent) -> State:
        """What follows from the state: whether the deal has begun or is over, and whether it begins the next one."""
        deal = state.deal
        if deal is None or state.status == "error":
            return state
        if deal.reason is None:
            if state.has_order(turn, "base"):
                return state
            if deal.entry_quantity > 0:
                status = "active" if state.status == "entering" else state.status
                return state.with_deal(base_price=deal.base_price or deal.average, status=status)
            state = state.closing("not entered")
        limit = self.config.disable_after_deals_count
        is_last = limit is not None and state.deals + 1 >= limit
        cooldown_s = 0 if state.is_reversing else self.config.cooldown
        state = wound_up(state, turn, self.market, event.time_ms, cooldown_s=cooldown_s, is_last=is_last)
        if state.deal is not None or not state.is_reversing:
            return state
        state = msgspec.structs.replace(state, is_reversing=False)
        other: Direction = "short" if deal.direction == "long" else "long"
        return self._entered(state, turn, deal.condition_id, event.time_ms, other)
