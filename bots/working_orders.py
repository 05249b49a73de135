"""The orders that a bot has at its broker, as far as it knows."""

from decimal import Decimal

import msgspec

from bots.arithmetic import ZERO
from bots.orders import Fill, Order


class WorkingOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """An order that is at the broker, or on its way there."""

    order: Order
    filled: Decimal = ZERO
    fills: tuple[str, ...] = ()
    """Ids of its fills so far, so that each counts once."""
    is_cancelling: bool = False
    """Whether it has been taken back, and the broker has not confirmed that yet."""

    @property
    def remaining(self) -> Decimal:
        """What may still be executed."""
        return self.order.quantity - self.filled


class WorkingOrders(msgspec.Struct, frozen=True, omit_defaults=True):
    """Client id -> order, in the order in which they were placed. Changes give new values."""

    by_id: dict[str, WorkingOrder] = {}

    def __len__(self) -> int:
        return len(self.by_id)

    def with_placed(self, order: Order) -> "WorkingOrders":
        """With one more order."""
        return WorkingOrders({**self.by_id, order.client_id: WorkingOrder(order)})

    def with_cancelling(self, client_id: str) -> "WorkingOrders":
        """With one of them taken back."""
        changed = msgspec.structs.replace(self.by_id[client_id], is_cancelling=True)
        return WorkingOrders({**self.by_id, client_id: changed})

    def without(self, client_id: str) -> "WorkingOrders":
        """Without one that has left the book."""
        return WorkingOrders({known: order for known, order in self.by_id.items() if known != client_id})

    def knows(self, fill: Fill) -> bool:
        """Whether a fill is a new one of an order that is here."""
        working = self.by_id.get(fill.client_id)
        return working is not None and fill.fill_id not in working.fills

    def with_fill(self, fill: Fill) -> "WorkingOrders":
        """After a fill that :meth:`knows` knows; an order that is filled to its end is gone."""
        working = self.by_id[fill.client_id]
        filled = working.filled + fill.quantity
        if filled >= working.order.quantity:
            return self.without(fill.client_id)
        changed = msgspec.structs.replace(working, filled=filled, fills=(*working.fills, fill.fill_id))
        return WorkingOrders({**self.by_id, fill.client_id: changed})

    def remaining(self, side: str) -> Decimal:
        """What may still be bought or sold by the orders here, in base."""
        return sum((one.remaining for one in self.by_id.values() if one.order.side == side), ZERO)
