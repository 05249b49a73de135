"""What a history says of each deal that has ended: one row, the same in a simulation and in the store."""

from decimal import Decimal
from typing import NamedTuple

from bots.grid import State as GridState
from bots.lifecycle import DealState
from bots.machine import BotState, MachineEvent
from common.direction import Direction


class DealRow(NamedTuple):
    """A deal that has ended; of a grid, an interval that has bought and sold. Quote amounts contain the fees."""

    number: int
    direction: Direction
    condition_id: str | None
    opened_ms: int | None
    closed_ms: int
    reason: str | None
    entry_quantity: Decimal | None
    """In base; ``None`` for an interval, as are the other amounts but the profit."""
    entry_quote: Decimal | None
    exit_quantity: Decimal | None
    exit_quote: Decimal | None
    profit: Decimal
    """In quote, after fees."""


def deal_ended_by(before: BotState, event: MachineEvent, after: BotState) -> DealRow | None:
    """The deal that a step has ended; ``None`` if it ended none."""
    if isinstance(after, DealState) and isinstance(before, DealState):
        ended = after.last_deal
        if ended is None or after.deals == before.deals:
            return None
        deal = ended.deal
        return DealRow(
            deal.number, deal.direction, deal.condition_id, deal.opened_ms, ended.closed_ms, deal.reason,
            deal.entry_quantity, deal.entry_quote, deal.exit_quantity, deal.exit_quote, deal.profit,
        )  # fmt: skip
    if isinstance(after, GridState) and isinstance(before, GridState) and after.sold > before.sold:
        profit = after.grid_profit - before.grid_profit
        return DealRow(after.sold, "long", None, None, event.time_ms, "interval", None, None, None, None, profit)
    return None
