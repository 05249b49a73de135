"""A step under way: what an event changes in any bot, and the intents that the bot answers with."""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec

from bots.machine import (
    BotState,
    CandleClosed,
    Commanded,
    ConditionFired,
    MachineEvent,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
)
from bots.orders import CancelOrder, Intent, MarketRules, Note, Order, PlaceOrder, Side, client_order_id

S = TypeVar("S", bound=BotState)


class WantedOrder(NamedTuple):
    """An order that should be in the book."""

    side: Side
    price: Decimal
    quantity: Decimal
    purpose: str


def observed(state: S, event: MachineEvent) -> S | None:  # noqa: PLR0911 - one return for each kind of event
    """The state after what an event says about orders, prices and triggers; ``None`` if it says nothing new."""
    match event:
        case OrderFilled(fill=fill):
            if not state.orders.knows(fill):
                return None
            paid = fill.fee_quote + fill.fee_base * fill.price
            return msgspec.structs.replace(
                state,
                orders=state.orders.with_fill(fill),
                base=state.base + fill.base,
                quote=state.quote + fill.quote,
                fees=state.fees + paid,
            )
        case OrderCancelled(client_id=client_id) | OrderRejected(client_id=client_id):
            if client_id not in state.orders.by_id:
                return None
            return msgspec.structs.replace(state, orders=state.orders.without(client_id))
        case CandleClosed(time_ms=time_ms, close=close):
            if time_ms <= state.candle_ms:
                return None
            return msgspec.structs.replace(state, candle_ms=time_ms, price=close)
        case ConditionFired(time_ms=time_ms, condition_id=condition_id, price=price):
            if time_ms <= state.acted_ms.get(condition_id, 0):
                return None
            acted = {**state.acted_ms, condition_id: time_ms}
            return msgspec.structs.replace(state, acted_ms=acted, price=price)
    return state


class Turn:
    """Gathers the intents of one step and keeps the list of working orders in line with them."""

    def __init__(self, bot_id: str, market: MarketRules, event: MachineEvent, state: BotState) -> None:
        self.orders = state.orders
        self._bot_id = bot_id
        self._market = market
        self._time_ms = event.time_ms
        self._cause = _cause(event)
        self._intents: list[Intent] = []

    @property
    def intents(self) -> tuple[Intent, ...]:
        """What has been answered so far, in order."""
        return tuple(self._intents)

    def note(self, text: str) -> None:
        """Tell the owner."""
        self._intents.append(Note(text))

    def place(self, side: Side, quantity: Decimal, price: Decimal | None, purpose: str) -> None:
        """Send an order; ``None`` as its price is at market."""
        action = f"{purpose} {side} {quantity} {price}"
        order = Order(client_order_id(self._bot_id, self._cause, self._time_ms, action), side, quantity, price, purpose)
        if order.client_id not in self.orders.by_id:
            self.orders = self.orders.with_placed(order)
            self._intents.append(PlaceOrder(order))

    def cancel(self, client_ids: Iterable[str]) -> None:
        """Take orders back that have not been yet."""
        for client_id in client_ids:
            if not self.orders.by_id[client_id].is_cancelling:
                self.orders = self.orders.with_cancelling(client_id)
                self._intents.append(CancelOrder(client_id))

    def cancel_all(self) -> None:
        """Take all orders back."""
        self.cancel(list(self.orders.by_id))

    def converge(self, wanted: Sequence[WantedOrder], *, kept: Collection[str] = ()) -> None:
        """Let the book have the wanted limit orders, and only these and those of the purposes ``kept``.

        What is there and wanted stays as it is. A side on which an order is being cancelled gets new ones when that is
        confirmed, as its money or coins are bound until then. Orders that the market would refuse are left out; one
        that was filled but for less than that stays.
        """
        missing = list(wanted)
        needless = []
        for client_id, working in self.orders.by_id.items():
            order = working.order
            if order.price is None or order.purpose in kept or working.is_cancelling:
                continue
            same = WantedOrder(order.side, order.price, working.remaining, order.purpose)
            if same in missing:
                missing.remove(same)
            else:
                needless.append(client_id)
        self.cancel(needless)
        busy = {working.order.side for working in self.orders.by_id.values() if working.is_cancelling}
        for one in missing:
            if one.side not in busy and self._market.takes(one.price, one.quantity):
                self.place(one.side, one.quantity, one.price, one.purpose)


def _cause(event: MachineEvent) -> str:
    match event:
        case ConditionFired(condition_id=condition_id):
            return condition_id
        case OrderFilled(fill=fill):
            return f"fill {fill.client_id} {fill.fill_id}"
        case OrderCancelled(client_id=client_id) | OrderRejected(client_id=client_id):
            return f"without {client_id}"
        case Commanded(command=command):
            return command
    return "candle" if isinstance(event, CandleClosed) else "time"
