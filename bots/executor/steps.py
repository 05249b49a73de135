"""What the steps of a bot's machines leave behind, as rows for the store."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import get_args

import msgspec
import polars as pl

from bots.deal_rows import deal_ended_by
from bots.machine import BotState, ConditionFired, MachineEvent, OrderFilled
from bots.orders import Intent, Note, PlaceOrder
from bots.protections import EndedDeal
from registry.store.parts.bots import HISTORY_SCHEMAS, STATE_SCHEMA, BotChanges, HistoryKind

_TIMES = {
    "orders": "placed_at", "fills": "filled_at", "deals": "closed_at", "actions": "closed_at", "notes": "noted_at",
}  # fmt: skip
_ENCODER = msgspec.json.Encoder()
KINDS: tuple[HistoryKind, ...] = get_args(HistoryKind)
Row = tuple[object, ...]


def encoded(value: object) -> str:
    """JSON of a state or an account."""
    return _ENCODER.encode(value).decode()


@dataclass
class Steps:
    """Rows of each kind, in the order in which they came about; a row begins with number and instrument."""

    rows: dict[HistoryKind, list[Row]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    states: list[Row] = field(default_factory=list)

    def add(self, other: "Steps") -> None:
        """Add the rows of another one."""
        for kind in KINDS:
            self.rows[kind] += other.rows[kind]
        self.states += other.states

    def changes(self) -> BotChanges:
        """All of it, for the store."""
        frames = {kind: pl.DataFrame(self.rows[kind], HISTORY_SCHEMAS[kind], orient="row") for kind in KINDS}
        return BotChanges(pl.DataFrame(self.states, STATE_SCHEMA, orient="row"), **frames)

    def step(
        self, key: tuple[int, str], before: BotState, event: MachineEvent, after: BotState, intents: tuple[Intent, ...]
    ) -> EndedDeal | None:
        """Add what a step did; returns the deal that it ended, if it did."""
        rows, placed = self.rows, 0
        for intent in intents:
            if isinstance(intent, PlaceOrder):
                order, placed = intent.order, placed + 1
                price = None if order.price is None else str(order.price)
                rows["orders"].append(
                    (*key, event.time_ms, order.client_id, order.purpose, order.side, str(order.quantity), price)
                )
            elif isinstance(intent, Note):
                rows["notes"].append((*key, event.time_ms, intent.text))
        if isinstance(event, OrderFilled) and before.orders.knows(event.fill):
            fill = event.fill
            purpose = before.orders.by_id[fill.client_id].order.purpose
            amounts = map(str, (fill.price, fill.quantity, fill.fee_quote, fill.fee_base))
            rows["fills"].append((*key, fill.time_ms, fill.fill_id, fill.client_id, purpose, fill.side, *amounts))
        elif isinstance(event, ConditionFired) and after is not before:
            rows["actions"].append((*key, event.condition_id, event.time_ms, event.role, str(event.price), placed))
        return self._deal(key, before, event, after)

    def _deal(self, key: tuple[int, str], before: BotState, event: MachineEvent, after: BotState) -> EndedDeal | None:
        row = deal_ended_by(before, event, after)
        if row is None:
            return None
        self.rows["deals"].append((*key, *(str(value) if isinstance(value, Decimal) else value for value in row)))
        if row.entry_quote is None:
            # Protections look at deals, not at the intervals of a grid.
            return None
        return EndedDeal(row.closed_ms, row.reason == "stop loss", row.profit, row.entry_quote)
