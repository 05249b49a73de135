"""The machine of a DCA bot. ``docs/bots.md`` has its diagram and says in which order exits count."""

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from bots.arithmetic import HUNDRED, ZERO, exactly
from bots.dca.config import Config
from bots.dca.ladder import ladder, take_profit_price, take_profits
from bots.deals import Deal, against, better, entry_side, exit_side, extremes, reached
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
from bots.turn import Turn, WantedOrder, observed


class State(DealState, frozen=True, kw_only=True, omit_defaults=True):
    """What a DCA bot remembers."""

    safety_used: int = 0
    """Safety orders of this deal that were executed by a condition."""


@dataclass(frozen=True)
class DcaBot:
    """One DCA bot in one market."""

    bot_id: str
    config: Config
    market: MarketRules

    @property
    def readings(self) -> tuple[IndicatorReading, ...]:
        """It reads no indicators of its own."""
        return ()

    def start(self) -> State:
        """Waiting for its first deal."""
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
                purpose = state.orders.by_id[fill.client_id].order.purpose
                seen = seen.with_fill(fill, purpose)
            case OrderRejected():
                seen = refused(seen, turn, state.orders.by_id[event.client_id].order, event.reason)
            case CandleClosed() if seen.deal is None and self.config.start == "at_once":
                seen = self._entered(seen, turn, "at once", event.time_ms)
            case CandleClosed():
                seen = self._after_candle(seen, event)
            case ConditionFired():
                seen = self._after_condition(seen, turn, event)
            case Commanded(command=command):
                seen = after_command(seen, turn, command, event.time_ms)
        seen = self._settled(self._timed_out(seen, event.time_ms), turn, event)
        return msgspec.structs.replace(seen, orders=turn.orders), turn.intents

    def _after_candle(self, state: State, candle: CandleClosed) -> State:
        """Stop loss first, then trailing: a candle does not tell in which order its prices came."""
        deal = state.deal
        if deal is None or deal.quantity <= 0 or deal.reason is not None:
            return state
        worst, best = extremes(deal.direction, candle)
        if self.config.stop_loss_percentage is not None:
            is_from_base = self.config.stop_loss_from == "base" and deal.base_price is not None
            anchor = deal.base_price if is_from_base and deal.base_price is not None else deal.average
            stop = against(deal.direction, anchor, self.config.stop_loss_percentage / HUNDRED)
            if reached(deal.direction, worst, stop):
                return state.closing("stop loss")
        if self.config.trailing_deviation is None or self.config.take_profit is None or state.status == "entering":
            return state
        target = take_profit_price(self.config, deal, self.config.take_profit, self.market)
        if deal.extreme is None and not reached(deal.direction, target, best):
            return state
        return self._trailed(state, deal, candle, self.config.trailing_deviation / HUNDRED)

    def _trailed(self, state: State, deal: Deal, candle: CandleClosed, lost: Decimal) -> State:
        """The candle's worst price meets the stop as it stood before the candle, its close the stop that follows."""
        worst, best = extremes(deal.direction, candle)
        if deal.extreme is not None and reached(deal.direction, worst, against(deal.direction, deal.extreme, lost)):
            return state.closing("trailing")
        extreme = best if deal.extreme is None else better(deal.direction, deal.extreme, best)
        state = state.with_deal(extreme=extreme, status="trailing")
        if reached(deal.direction, candle.close, against(deal.direction, extreme, lost)):
            return state.closing("trailing")
        return state

    def _after_condition(self, state: State, turn: Turn, fired: ConditionFired) -> State:
        if fired.role == "entry":
            return self._entered(state, turn, fired.condition_id, fired.time_ms)
        deal = state.deal
        if deal is None or deal.quantity <= 0 or deal.reason is not None:
            return state
        if fired.role == "exit":
            least = self.config.min_profit_percentage
            profit = deal.value_at(fired.price, self.market.taker_fee)
            if least is not None and profit * HUNDRED < least * deal.entry_quote:
                turn.note(f"an exit condition fired at a profit of {profit / deal.entry_quote * HUNDRED:.2f} %")
                return state
            return state.closing("condition")
        if fired.role == "safety" and self.config.safety_orders_by_condition and state.status in ("active", "trailing"):
            return self._with_safety_order(state, turn, fired)
        return state

    def _entered(self, state: State, turn: Turn, cause: str, time_ms: int) -> State:
        config, price = self.config, state.price
        if state.status != "waiting":
            return state
        if not (config.min_price or ZERO) <= price <= (config.max_price or price):
            turn.note(f"no deal at {price}: outside of {config.min_price} to {config.max_price}")
            return state
        quantity = self.market.quantity_up(config.base_order_volume / price)
        if not self.market.takes(price, quantity):
            turn.note(f"no deal: the market takes no order of {quantity} at {price}")
            return state
        turn.place(entry_side(config.strategy), quantity, None, "base")
        deal = Deal(state.deals + 1, config.strategy, cause, time_ms)
        return msgspec.structs.replace(state, status="entering", deal=deal, refused=(), safety_used=0)

    def _with_safety_order(self, state: State, turn: Turn, fired: ConditionFired) -> State:
        """All safety orders whose deviation is met, as one order at market."""
        deal = state.deal
        if deal is None or deal.base_price is None:
            return state
        rungs = ladder(self.config, deal.base_price, None)[state.safety_used :]
        if self.config.safety_order_step_percentage or self.config.custom_safety_steps:
            due = [size for price, _, size in rungs if reached(deal.direction, fired.price, price)]
        else:
            due = [size for _, _, size in rungs[:1]]
        if not due:
            return state
        first, last = state.safety_used + 1, state.safety_used + len(due)
        purpose = f"safety {first}" if first == last else f"safety {first} to {last}"
        quantity = self.market.quantity_up(sum(due, ZERO) / fired.price)
        turn.place(entry_side(deal.direction), quantity, None, purpose)
        return msgspec.structs.replace(state, safety_used=last)

    def _timed_out(self, state: State, time_ms: int) -> State:
        deal, limit = state.deal, self.config.close_deals_timeout
        if deal is None or deal.reason is not None or limit is None or time_ms < deal.opened_ms + limit * 1000:
            return state
        return state.closing("time limit")

    def _settled(self, state: State, turn: Turn, event: MachineEvent) -> State:
        """What follows from the state: whether the deal has begun or is over, and the orders that it wants."""
        deal = state.deal
        if deal is None or state.status == "error":
            return state
        if deal.reason is None and not state.has_order(turn, "base"):
            if state.status == "entering" and deal.entry_quantity > 0:
                state = state.with_deal(base_price=deal.average, status="active")
            elif deal.entry_quantity == 0:
                state = state.closing("not entered")
            elif deal.exit_quantity > 0 and not self.market.takes(
                state.price, self.market.quantity_down(deal.quantity)
            ):
                state = state.closing("take profit")
        deal = state.deal
        if deal is None or deal.reason is None:
            if state.status != "entering" and not isinstance(event, OrderRejected):
                turn.converge(self._wanted(state))
            return state
        disables = deal.reason == "stop loss" and self.config.stop_loss_type == "stop_and_disable"
        limit = self.config.disable_after_deals_count
        is_last = disables or (limit is not None and state.deals + 1 >= limit)
        return wound_up(state, turn, self.market, event.time_ms, cooldown_s=self.config.cooldown, is_last=is_last)

    def _wanted(self, state: State) -> list[WantedOrder]:
        deal = state.deal
        if deal is None or deal.base_price is None:
            return []
        wanted = []
        if not self.config.safety_orders_by_condition:
            for number, (price, quantity, _) in enumerate(ladder(self.config, deal.base_price, self.market), start=1):
                purpose = f"safety {number}"
                rest = quantity - deal.done.get(purpose, ZERO)
                if rest > 0:
                    wanted.append(WantedOrder(entry_side(deal.direction), price, rest, purpose))
            wanted = wanted[: self.config.active_safety_orders_count]
        if self.config.trailing_deviation is None:
            for purpose, price, quantity in take_profits(self.config, deal, self.market):
                wanted.append(WantedOrder(exit_side(deal.direction), price, quantity, purpose))
        return [one for one in wanted if one.purpose not in state.refused]
