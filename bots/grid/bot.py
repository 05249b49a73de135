"""The machine of a grid bot.

A grid of N lines has N - 1 intervals, and each acts by itself: it buys at its lower line, then sells what it bought at
its upper one, then buys again. So the line at which something was executed is the one without an order, and what the
intervals own is always what the bot has.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal

import msgspec

from bots.arithmetic import ZERO, exactly
from bots.grid.config import Config
from bots.grid.lines import Lines, level
from bots.grid.state import GridInterval, State
from bots.machine import (
    BotStatus,
    CandleClosed,
    Command,
    Commanded,
    ConditionFired,
    IndicatorReading,
    MachineEvent,
    OrderFilled,
    OrderRejected,
)
from bots.orders import Fill, Intent, MarketRules
from bots.turn import Turn, WantedOrder, observed


@dataclass(frozen=True)
class GridBot:
    """One grid bot in one market. Raises :class:`common.errors.BotConfigError` for lines that it cannot have there."""

    bot_id: str
    config: Config
    market: MarketRules

    def __post_init__(self) -> None:
        _ = self.lines

    @property
    def readings(self) -> tuple[IndicatorReading, ...]:
        """It reads no indicators of its own."""
        return ()

    @cached_property
    @exactly
    def lines(self) -> Lines:
        """Its lines in the market."""
        return Lines(self.config, self.market)

    def start(self) -> State:
        """Waiting for its start."""
        return State()

    @exactly
    def step(self, state: State, event: MachineEvent) -> tuple[State, tuple[Intent, ...]]:
        """The next state, and what is to be done; an event that comes again changes nothing."""
        seen = observed(state, event)
        if seen is None:
            return state, ()
        turn = Turn(self.bot_id, self.market, event, seen)
        match event:
            case OrderFilled(fill=fill):
                seen = self._with_fill(seen, fill, state.orders.by_id[fill.client_id].order.purpose)
            case OrderRejected():
                seen = _refused(seen, turn, state.orders.by_id[event.client_id].order.purpose, event.reason)
            case CandleClosed():
                seen = self._after_candle(seen, event)
            case ConditionFired(role="entry") if seen.status == "waiting":
                seen = self._started(seen, turn)
            case ConditionFired(role="exit"):
                seen = _closing(seen, "condition", sells_coins=True, is_final=False)
            case Commanded(command=command):
                seen = _after_command(seen, turn, command)
        if self.config.start == "at_once" and seen.status == "waiting" and isinstance(event, CandleClosed):
            seen = self._started(seen, turn)
        is_quiet = isinstance(event, CandleClosed) and seen.intervals is state.intervals and not seen.refused
        if seen.status != "active" or state.status != "active" or not is_quiet:
            # Of an active grid, a candle by itself changes nothing.
            seen = self._settled(seen, turn, event)
        return msgspec.structs.replace(seen, orders=turn.orders), turn.intents

    def _started(self, state: State, turn: Turn) -> State:
        """Buy the coins that the lines above the price sell."""
        if not self.config.lower <= state.price <= self.config.upper:
            return state
        waiting = self.lines.nearest(state.price)
        coins = sum((self.lines.quantity(number) for number in range(waiting, self.config.intervals)), ZERO)
        if coins > 0:
            turn.place("buy", coins, None, "initial")
        return msgspec.structs.replace(
            state, status="entering", waiting_line=waiting, bought=ZERO, paid=ZERO, refused=(), reason=None
        )

    def _entered(self, state: State) -> State:
        """Hand the bought coins to the intervals above the line that waits; each costs what it did on average."""
        intervals = [GridInterval(number) for number in range(state.waiting_line)]
        left = state.bought
        for number in range(state.waiting_line, self.config.intervals):
            own = min(self.lines.quantity(number), left)
            left -= own
            cost = state.paid * own / state.bought if state.bought else ZERO
            intervals.append(GridInterval(number, "sell", own, -cost))
        status: BotStatus = "paused" if state.is_paused else "active"
        return msgspec.structs.replace(state, status=status, intervals=tuple(intervals))

    def _with_fill(self, state: State, fill: Fill, purpose: str) -> State:
        state = msgspec.structs.replace(state, refused=())
        if purpose == "initial":
            return msgspec.structs.replace(state, bought=state.bought + fill.base, paid=state.paid - fill.quote)
        places = [place for place, one in enumerate(state.intervals) if one.purpose == purpose]
        if not places:
            return state
        (place,) = places
        interval = state.intervals[place]
        coins, balance = interval.coins + fill.base, interval.balance + fill.quote
        is_done = fill.client_id not in state.orders.by_id
        if interval.side == "sell" and is_done:
            # Coins that are less than a lot stay with the bot, not with the interval.
            state = msgspec.structs.replace(state, sold=state.sold + 1, grid_profit=state.grid_profit + balance)
            interval = GridInterval(interval.number)
        else:
            side: Literal["buy", "sell"] = "sell" if is_done else interval.side
            interval = GridInterval(interval.number, side, coins, balance)
        return msgspec.structs.replace(
            state, intervals=(*state.intervals[:place], interval, *state.intervals[place + 1 :])
        )

    def _after_candle(self, state: State, candle: CandleClosed) -> State:
        if state.status not in ("entering", "active", "paused"):
            return state
        sells = self.config.stop_action == "sell"
        if (low := self.config.lower_stop_price) is not None and candle.low <= self._moved(low, state):
            return _closing(state, "lower stop", sells_coins=sells, is_final=True)
        if (high := self.config.upper_stop_price) is not None and candle.high >= high:
            return _closing(state, "upper stop", sells_coins=sells, is_final=True)
        while self.config.trailing_up and state.status == "active":
            lowest, top = state.intervals[0], state.intervals[-1].number + 1
            if lowest.side == "sell" or self._can_sell(lowest) or candle.close < self.lines.price(top + 1):
                break
            state = msgspec.structs.replace(
                state,
                intervals=(*state.intervals[1:], GridInterval(top)),
                grid_profit=state.grid_profit + lowest.balance,
            )
        return state

    def _moved(self, stop: Decimal, state: State) -> Decimal:
        """The lower stop price after the grid has moved up."""
        first = state.intervals[0].number if state.intervals else 0
        if self.config.spacing == "arithmetic":
            return stop + level(self.config, first) - self.config.lower
        return stop * level(self.config, first) / self.config.lower

    def _settled(self, state: State, turn: Turn, event: MachineEvent) -> State:
        """What follows from the state: whether the grid has begun or is over, and the orders that it wants."""
        if state.status == "entering":
            if len(turn.orders):
                return state
            state = self._entered(state)
        if state.status == "active" and not isinstance(event, OrderRejected):
            state = self._without_remains(state, turn)
            turn.converge(self._wanted(state))
        if state.status == "paused":
            turn.converge([])
        if state.status != "closing":
            return state
        if len(turn.orders):
            turn.cancel([name for name, working in turn.orders.by_id.items() if working.order.purpose != "close"])
            return state
        coins = self.market.quantity_down(max(state.base, ZERO))
        if state.sells_coins and self.market.takes(state.price, coins):
            turn.place("sell", coins, None, "close")
            return state
        turn.note(f"grid ended by {state.reason}: {state.sold} intervals sold with a profit of {state.grid_profit:.8f}")
        over = state.is_final or state.is_stopping
        return msgspec.structs.replace(state, status="closed" if over else "waiting", intervals=())

    def _without_remains(self, state: State, turn: Turn) -> State:
        """An interval goes on if what is left of its order, after a pause, is less than the market takes.

        Coins that are too few to be sold stay with their interval: it buys that much less, and sells them with the
        rest. Only if that is too little to be bought do they stay with the bot.
        """
        working = {one.order.purpose for one in turn.orders.by_id.values()}
        intervals, profit = [], state.grid_profit
        for interval in state.intervals:
            if interval.purpose not in working and (interval.side == "sell" or interval.coins > 0):
                side: Literal["buy", "sell"] = interval.side
                if side == "buy" and not self._can_buy(interval):
                    side = "sell"
                if side == "sell" and not self._can_sell(interval):
                    side = "buy"
                if side == "buy" and not self._can_buy(interval):
                    profit += interval.balance
                    interval = GridInterval(interval.number)  # noqa: PLW2901
                elif side != interval.side:
                    interval = msgspec.structs.replace(interval, side=side)  # noqa: PLW2901
            intervals.append(interval)
        return msgspec.structs.replace(state, intervals=tuple(intervals), grid_profit=profit)

    def _to_buy(self, interval: GridInterval) -> Decimal:
        """What an interval lacks, in base."""
        return self.market.quantity_down(self.lines.quantity(interval.number) - interval.coins)

    def _can_buy(self, interval: GridInterval) -> bool:
        """Whether the market takes an order for what an interval lacks."""
        return self.market.takes(self.lines.price(interval.number), self._to_buy(interval))

    def _can_sell(self, interval: GridInterval) -> bool:
        """Whether the market takes an order for the coins of an interval."""
        coins = self.market.quantity_down(interval.coins)
        return self.market.takes(self.lines.selling_price(interval.number), coins)

    def _wanted(self, state: State) -> list[WantedOrder]:
        buys, sells = [], []
        for interval in state.intervals:
            number = interval.number
            if interval.purpose in state.refused:
                continue
            if interval.side == "buy":
                buys.append(WantedOrder("buy", self.lines.price(number), self._to_buy(interval), interval.purpose))
            else:
                rest = self.market.quantity_down(interval.coins)
                sells.append(WantedOrder("sell", self.lines.selling_price(number), rest, interval.purpose))
        nearest_buys = buys[::-1][: self.config.max_active_buy_lines]
        return [*nearest_buys, *sells[: self.config.max_active_sell_lines]]


def _closing(state: State, reason: str, *, sells_coins: bool, is_final: bool) -> State:
    if state.status in ("waiting", "closed") or (state.status == "closing" and not sells_coins):
        return state
    return msgspec.structs.replace(
        state, status="closing", reason=reason, sells_coins=sells_coins, is_final=is_final, error=None
    )


def _refused(state: State, turn: Turn, purpose: str, reason: str) -> State:
    turn.note(f"order rejected: {purpose}: {reason}")
    if purpose == "close":
        return msgspec.structs.replace(state, status="error", error=reason)
    if purpose == "initial":
        state = _closing(state, "a rejected order", sells_coins=True, is_final=False)
        return msgspec.structs.replace(state, status="error", error=reason)
    return msgspec.structs.replace(state, refused=(*state.refused, purpose))


def _after_command(state: State, turn: Turn, command: Command) -> State:
    """A pause takes the orders out of the book and keeps the coins, and so does a stop; a kill sells them."""
    if state.status == "closed":
        return state
    turn.note(f"command: {command}")
    status = state.status
    match command:
        case "pause":
            paused: BotStatus = "paused" if status in ("waiting", "active") else status
            return msgspec.structs.replace(state, is_paused=True, status=paused)
        case "resume":
            if status == "error":
                status = "closing"
            elif status == "paused":
                status = "active" if state.intervals else "waiting"
            return msgspec.structs.replace(state, is_paused=False, refused=(), error=None, status=status)
    if not state.intervals and not len(state.orders) and status in ("waiting", "paused"):
        return msgspec.structs.replace(state, status="closed")
    is_kill = command == "kill"
    state = msgspec.structs.replace(state, is_stopping=True)
    return _closing(state, "killed" if is_kill else "stopped", sells_coins=is_kill, is_final=True)
