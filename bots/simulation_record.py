"""What happens in a simulation, gathered into frames."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Generic

import polars as pl

from bots.deal_rows import deal_ended_by
from bots.machine import CandleClosed, MachineEvent, OrderFilled, S
from bots.orders import Intent, Note, PlaceOrder

_TIME = pl.Datetime("ms", "UTC")
SCHEMAS: Mapping[str, dict[str, pl.DataType | type[pl.DataType]]] = {
    "deals": {
        "number": pl.Int64, "direction": pl.String, "condition_id": pl.String, "opened": _TIME, "closed": _TIME,
        "reason": pl.String, "entry_quantity": pl.Float64, "entry_price": pl.Float64, "exit_price": pl.Float64,
        "profit": pl.Float64,
    },
    "orders": {
        "time": _TIME, "client_id": pl.String, "purpose": pl.String, "side": pl.String, "kind": pl.String,
        "quantity": pl.Float64, "price": pl.Float64,
    },
    "fills": {
        "time": _TIME, "client_id": pl.String, "purpose": pl.String, "side": pl.String, "price": pl.Float64,
        "quantity": pl.Float64, "fee": pl.Float64,
    },
    "equity": {"time": _TIME, "price": pl.Float64, "base": pl.Float64, "quote": pl.Float64, "gain": pl.Float64},
    "notes": {"time": _TIME, "text": pl.String},
}  # fmt: skip


class Record(Generic[S]):
    """Rows of each frame, in the order in which they came about."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in SCHEMAS}
        self._purposes: dict[str, str] = {}
        self._before: S | None = None

    def step(self, event: MachineEvent, state: S, intents: tuple[Intent, ...]) -> None:
        """After a step."""
        if isinstance(event, OrderFilled):
            fill = event.fill
            fee = float(fill.fee_quote + fill.fee_base * fill.price)
            amounts = float(fill.price), float(fill.quantity), fee
            purpose = self._purposes[fill.client_id]
            self._rows["fills"].append((fill.time_ms, fill.client_id, purpose, fill.side, *amounts))
        for intent in intents:
            if isinstance(intent, PlaceOrder):
                order = intent.order
                self._purposes[order.client_id] = order.purpose
                price = None if order.price is None else float(order.price)
                named = order.client_id, order.purpose, order.side, order.kind
                self._rows["orders"].append((event.time_ms, *named, float(order.quantity), price))
            elif isinstance(intent, Note):
                self._rows["notes"].append((event.time_ms, intent.text))
        self._deal(event, state)
        self._before = state

    @property
    def candles(self) -> int:
        """How many were seen."""
        return len(self._rows["equity"])

    def candle(self, candle: CandleClosed, state: S) -> None:
        """After all that a candle brought about."""
        amounts = (candle.close, state.base, state.quote, state.equity)
        self._rows["equity"].append((candle.time_ms, *map(float, amounts)))

    def frames(self) -> dict[str, pl.DataFrame]:
        """Name -> frame, for :class:`bots.simulation.Simulation`."""
        return {name: pl.DataFrame(self._rows[name], schema=schema, orient="row") for name, schema in SCHEMAS.items()}

    def _deal(self, event: MachineEvent, state: S) -> None:
        row = None if self._before is None else deal_ended_by(self._before, event, state)
        if row is None:
            return
        self._rows["deals"].append((
            row.number, row.direction, row.condition_id, row.opened_ms, row.closed_ms, row.reason,
            None if row.entry_quantity is None else float(row.entry_quantity),
            _price(row.entry_quote, row.entry_quantity), _price(row.exit_quote, row.exit_quantity), float(row.profit),
        ))  # fmt: skip


def _price(quote: Decimal | None, quantity: Decimal | None) -> float | None:
    """The average price of what was traded, if anything was."""
    return float(quote / quantity) if quote is not None and quantity else None
