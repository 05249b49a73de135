"""How bots that make deals begin and end them: what DCA and trend have in common."""

from typing import Any, Self, TypeVar

import msgspec

from bots.deals import ClosedDeal, Deal, entry_side, exit_side
from bots.machine import BotState, BotStatus, Command
from bots.orders import Fill, MarketRules, Order
from bots.turn import Turn


class DealState(BotState, frozen=True, kw_only=True, omit_defaults=True):
    """What a bot remembers that makes one deal at a time."""

    deal: Deal | None = None
    deals: int = 0
    """How many have ended."""
    last_deal: ClosedDeal | None = None
    rest_until_ms: int = 0
    """End of the cooldown."""
    refused: tuple[str, ...] = ()
    """Purposes of entering orders of this deal that the broker has rejected."""

    def with_fill(self, fill: Fill, purpose: str) -> Self:
        """After a fill of one of the deal's orders."""
        return self if self.deal is None else msgspec.structs.replace(self, deal=self.deal.with_fill(fill, purpose))

    def with_deal(self, *, status: BotStatus | None = None, **changes: Any) -> Self:
        """With changes of the deal, and of the status if one is named."""
        if self.deal is None:
            return self
        deal = msgspec.structs.replace(self.deal, **changes)
        return msgspec.structs.replace(self, deal=deal, status=status or self.status)

    def closing(self, reason: str) -> Self:
        """On its way out; the first reason stays."""
        if self.deal is None or self.deal.reason is not None:
            return self
        return self.with_deal(reason=reason, status="closing")

    def has_order(self, turn: Turn, purpose: str) -> bool:
        """Whether an order of that purpose is working."""
        return any(working.order.purpose == purpose for working in turn.orders.by_id.values())


D = TypeVar("D", bound=DealState)
_RESUMED: dict[BotStatus, BotStatus] = {"error": "closing", "paused": "cooldown"}


def rested(state: D, time_ms: int) -> D:
    """After the cooldown, if it is over."""
    if state.status == "cooldown" and time_ms >= state.rest_until_ms:
        return msgspec.structs.replace(state, status="waiting")
    return state


def refused(state: D, turn: Turn, order: Order, reason: str) -> D:
    """After the broker has rejected an order.

    An order that would enter is not tried again in this deal, a take-profit is with the next candle. A rejected closing
    order leaves a position that nobody closes: an error, until somebody resumes or kills the bot.
    """
    turn.note(f"order rejected: {order.purpose}, {order.side} {order.quantity} at {order.price or 'market'}: {reason}")
    if order.purpose == "close":
        return msgspec.structs.replace(state, status="error", error=reason)
    if state.deal is not None and order.side == entry_side(state.deal.direction):
        return msgspec.structs.replace(state, refused=(*state.refused, order.purpose))
    return state


def after_command(state: D, turn: Turn, command: Command, time_ms: int) -> D:
    """After a command of the owner. A bot that is closed stays closed."""
    if state.status == "closed":
        return state
    turn.note(f"command: {command}")
    match command:
        case "pause":
            idle: BotStatus = "paused" if state.status in ("waiting", "cooldown") else state.status
            return msgspec.structs.replace(state, is_paused=True, status=idle)
        case "resume":
            resumed = _RESUMED.get(state.status, state.status)
            state = msgspec.structs.replace(
                state, is_paused=False, is_stopping=False, refused=(), error=None, status=resumed
            )
            return rested(state, time_ms)
    if state.deal is None:
        return msgspec.structs.replace(state, status="closed", is_stopping=True)
    state = msgspec.structs.replace(state, is_stopping=True)
    if command == "kill":
        state = msgspec.structs.replace(state, status="closing", error=None).closing("killed")
    return state


def wound_up(state: D, turn: Turn, market: MarketRules, time_ms: int, *, cooldown_s: int, is_last: bool) -> D:
    """The next step of a deal that is being closed: no more orders, then no more position, then no more deal."""
    deal = state.deal
    if deal is None:
        return state
    if len(turn.orders):
        # A closing order at market is on its way out already.
        turn.cancel([name for name, working in turn.orders.by_id.items() if working.order.purpose != "close"])
        return state
    quantity = market.quantity_down(deal.quantity)
    if market.takes(state.price, quantity):
        turn.place(exit_side(deal.direction), quantity, None, "close")
        return state
    return _ended(state, turn, deal, time_ms, cooldown_s=cooldown_s, is_last=is_last)


def _ended(state: D, turn: Turn, deal: Deal, time_ms: int, *, cooldown_s: int, is_last: bool) -> D:
    """After a deal. One that was never entered does not count."""
    rest_ms = 0
    if deal.entry_quantity > 0:
        rest_ms = cooldown_s * 1000
        turn.note(f"deal {deal.number} ended by {deal.reason} with a profit of {deal.profit:.8f}")
        if deal.quantity > 0:
            turn.note(f"{deal.quantity} are left over: the market takes no order as small as that")
        state = msgspec.structs.replace(state, deals=state.deals + 1, last_deal=ClosedDeal(deal, time_ms))
    status: BotStatus = "waiting"
    if state.is_stopping or (is_last and deal.entry_quantity > 0):
        status = "closed"
    elif state.is_paused:
        status = "paused"
    elif rest_ms:
        status = "cooldown"
    return msgspec.structs.replace(state, deal=None, status=status, rest_until_ms=time_ms + rest_ms)
