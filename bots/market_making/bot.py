"""The machine of a market making bot. It quotes around the close of the last candle, and only there."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from bots.arithmetic import HUNDRED, ONE, ZERO, exactly
from bots.machine import (
    BotState,
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
from bots.market_making.config import Config
from bots.market_making.formulae import avellaneda_stoikov, deviation, inventory_skew
from bots.orders import Fill, Intent, MarketRules
from bots.turn import Turn, WantedOrder, observed


class State(BotState, frozen=True, kw_only=True, omit_defaults=True):
    """What a market making bot remembers."""

    quotes: tuple[WantedOrder, ...] = ()
    """What is quoted, less what was filled of it."""
    next_quote_ms: int = 0
    """When it is time for new quotes."""
    is_open: bool = False
    """Whether the gate is open: quoting has begun and no exit condition has fired since."""
    closes: tuple[Decimal, ...] = ()
    """The last closes, as far as ``sigma`` is measured."""
    trades_back: bool = False
    """Whether closing trades back to the coins that it started with."""


@dataclass(frozen=True)
class MarketMakingBot:
    """One market making bot in one market."""

    bot_id: str
    config: Config
    market: MarketRules

    @property
    def readings(self) -> tuple[IndicatorReading, ...]:
        """It measures volatility on the closes that it sees."""
        return ()

    def start(self) -> State:
        """Waiting for its first candle or its entry condition."""
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
            case ConditionFired(role="entry"):
                seen = self._opened(seen, event.time_ms)
            case ConditionFired(role="exit"):
                status: BotStatus = "waiting" if seen.status == "active" else seen.status
                seen = msgspec.structs.replace(seen, is_open=False, status=status, quotes=())
            case Commanded(command=command):
                seen = _after_command(seen, turn, command)
        seen = self._settled(seen, turn, event)
        return msgspec.structs.replace(seen, orders=turn.orders), turn.intents

    def inventory(self, state: State) -> tuple[Decimal, Decimal]:
        """(base, quote) that the bot has now."""
        return self.config.base_amount + state.base, self.config.quote_amount + state.quote

    def _with_fill(self, state: State, fill: Fill, purpose: str) -> State:
        quotes = [
            one._replace(quantity=one.quantity - fill.quantity) if one.purpose == purpose else one
            for one in state.quotes
        ]
        left = tuple(one for one in self._affordable(state, quotes) if one.quantity > 0)
        delayed = max(state.next_quote_ms, fill.time_ms + self.config.filled_order_delay * 1000)
        return msgspec.structs.replace(state, quotes=left, next_quote_ms=delayed)

    def _opened(self, state: State, time_ms: int) -> State:
        """After the gate was opened, which a bot that is paused only remembers."""
        state = msgspec.structs.replace(state, is_open=True)
        if state.status != "waiting":
            return state
        return self._quoting(msgspec.structs.replace(state, status="active"), time_ms)

    def _after_candle(self, state: State, candle: CandleClosed) -> State:
        if self.config.model == "avellaneda_stoikov" and self.config.sigma is None:
            closes = (*state.closes, candle.close)[-self.config.volatility_candles - 1 :]
            state = msgspec.structs.replace(state, closes=closes)
        if state.status == "active" and candle.time_ms >= state.next_quote_ms:
            return self._quoting(state, candle.time_ms)
        return self._opened(state, candle.time_ms) if self.config.start == "at_once" else state

    def _quoting(self, state: State, time_ms: int) -> State:
        """With new quotes, unless the old ones are still near enough."""
        quotes = self._quotes(state)
        refresh_ms = time_ms + self.config.order_refresh_time * 1000
        old = {one.purpose: one for one in state.quotes}
        near = self.config.order_refresh_tolerance_pct / HUNDRED * state.price
        if old.keys() == {one.purpose for one in quotes} and all(
            abs(old[one.purpose].price - one.price) <= near for one in quotes
        ):
            quotes = state.quotes
        return msgspec.structs.replace(state, quotes=quotes, next_quote_ms=refresh_ms)

    def _quotes(self, state: State) -> tuple[WantedOrder, ...]:
        """Bids and asks around the last close, the nearest first, within what the bot has."""
        config, price = self.config, state.price
        best = self._best(state)
        if best is None or price <= 0:
            return ()
        bid_ratio, ask_ratio = self._ratios(state)
        quotes = []
        for number in range(config.order_levels):
            away = number * config.order_level_spread / HUNDRED * price
            amount = config.order_amount + number * config.order_level_amount
            bid, ask = self.market.price_down(max(best[0] - away, ZERO)), self.market.price_up(best[1] + away)
            if bid > 0 and (config.price_ceiling is None or price < config.price_ceiling):
                quotes.append(WantedOrder("buy", bid, amount * bid_ratio, f"bid {number + 1}"))
            if config.price_floor is None or price > config.price_floor:
                quotes.append(WantedOrder("sell", ask, amount * ask_ratio, f"ask {number + 1}"))
        return tuple(one for one in self._affordable(state, quotes) if self.market.takes(one.price, one.quantity))

    def _affordable(self, state: State, quotes: Sequence[WantedOrder]) -> list[WantedOrder]:
        """Quotes of whole lots, none of them larger than what the bot has allows after those before it.

        An order that was to be taken back may still be filled, so quotes that wait for it can become too large.
        """
        coins, money = self.inventory(state)
        affordable = []
        for one in quotes:
            most = coins if one.side == "sell" else self._bought_with(money, one.price)
            quantity = self.market.quantity_down(max(min(one.quantity, most), ZERO))
            if one.side == "sell":
                coins -= quantity
            else:
                money -= quantity * one.price * (ONE + self.market.taker_fee)
            affordable.append(one._replace(quantity=quantity))
        return affordable

    def _bought_with(self, money: Decimal, price: Decimal) -> Decimal:
        """How many coins money pays for with the fee."""
        return money / (price * (ONE + self.market.taker_fee))

    def _best(self, state: State) -> tuple[Decimal, Decimal] | None:
        """The nearest bid and ask; ``None`` while the volatility is not known."""
        config, price = self.config, state.price
        least = config.minimum_spread / HUNDRED
        if config.bid_spread is not None and config.ask_spread is not None and config.model == "spreads":
            below, above = max(config.bid_spread / HUNDRED, least), max(config.ask_spread / HUNDRED, least)
            return price * (ONE - below), price * (ONE + above)
        if config.gamma is None or config.kappa is None or config.horizon_candles is None:
            return None
        if (sigma := config.sigma) is None:
            if len(state.closes) <= config.volatility_candles:
                return None
            sigma = deviation(state.closes)
        coins, money = self.inventory(state)
        wanted = (coins * price + money) * config.inventory_target_base_pct / HUNDRED / price
        middle, spread = avellaneda_stoikov(
            price, coins - wanted, config.gamma, sigma, config.kappa, config.horizon_candles
        )
        return min(middle - spread / 2, price * (ONE - least)), max(middle + spread / 2, price * (ONE + least))

    def _ratios(self, state: State) -> tuple[Decimal, Decimal]:
        config = self.config
        if not config.inventory_skew_enabled:
            return ONE, ONE
        levels = config.order_levels
        total = 2 * (levels * config.order_amount + Decimal(levels * (levels - 1)) / 2 * config.order_level_amount)
        coins, money = self.inventory(state)
        target = config.inventory_target_base_pct / HUNDRED
        return inventory_skew(coins, money, state.price, target, config.inventory_range_multiplier * total)

    def _settled(self, state: State, turn: Turn, event: MachineEvent) -> State:
        if state.status in ("active", "waiting", "paused") and not isinstance(event, OrderRejected):
            turn.converge(state.quotes if state.status == "active" else ())
        if state.status != "closing":
            return state
        if len(turn.orders):
            turn.cancel([name for name, working in turn.orders.by_id.items() if working.order.purpose != "close"])
            return state
        if state.trades_back and self._trades_back(state, turn):
            return state
        turn.note(f"quoting ended with a gain of {state.equity:.8f}")
        return msgspec.structs.replace(state, status="closed")

    def _trades_back(self, state: State, turn: Turn) -> bool:
        """Order what leads back to the coins at the start, as far as the bot's own money pays for it; whether there
        is anything to order."""
        wanted = self.market.quantity_down(abs(state.base))
        quantity = wanted
        if state.base < 0 and state.price > 0:
            payable = self._bought_with(self.inventory(state)[1], state.price)
            quantity = self.market.quantity_down(max(min(wanted, payable), ZERO))
        if self.market.takes(state.price, quantity):
            turn.place("sell" if state.base > 0 else "buy", quantity, None, "close")
            return True
        if self.market.takes(state.price, wanted):
            turn.note(f"{wanted} of its coins are not bought back: its money does not pay for them")
        return False


def _refused(state: State, turn: Turn, purpose: str, reason: str) -> State:
    """A quote that was rejected comes again with the next ones."""
    turn.note(f"order rejected: {purpose}: {reason}")
    if purpose == "close":
        return msgspec.structs.replace(state, status="error", error=reason)
    return msgspec.structs.replace(state, quotes=tuple(one for one in state.quotes if one.purpose != purpose))


def _after_command(state: State, turn: Turn, command: Command) -> State:
    """A pause and a stop take the quotes out of the book; a kill trades back, too."""
    if state.status == "closed":
        return state
    turn.note(f"command: {command}")
    status = state.status
    if command == "pause":
        paused: BotStatus = "paused" if status in ("waiting", "active") else status
        return msgspec.structs.replace(state, is_paused=True, status=paused, quotes=())
    if command == "resume":
        if status == "error":
            status = "closing"
        elif status == "paused":
            status = "active" if state.is_open else "waiting"
        return msgspec.structs.replace(state, is_paused=False, error=None, status=status, next_quote_ms=0)
    return msgspec.structs.replace(
        state, status="closing", quotes=(), is_stopping=True, error=None, trades_back=command == "kill"
    )
