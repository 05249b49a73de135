"""What is carried out when, and what travels between processes."""

from decimal import Decimal
from typing import get_args

import msgspec
import pytest

from bots.machine import (
    Commanded,
    ConditionFired,
    ConditionRole,
    MachineEvent,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    TimePassed,
)
from bots.orders import CancelOrder, Fill, Intent, Note, Order, PlaceOrder, client_order_id
from bots.running import in_order
from tests.bots.bench import candle

EVENTS: list[MachineEvent] = [
    ConditionFired(1, "c", "entry", Decimal("0.10")),
    candle(2, "1.5", atr="0.1"),
    OrderFilled(Fill("7", "id", "sell", 3, Decimal("1.10"), Decimal("2"), Decimal("0.001"))),
    OrderCancelled(4, "id"),
    OrderRejected(5, "id", "too small"),
    TimePassed(6),
    Commanded(7, "kill"),
]
INTENTS: list[Intent] = [
    PlaceOrder(Order("id", "buy", Decimal("0.1"), None, "base")),
    CancelOrder("id"),
    Note("said"),
]


def test_triggers_of_one_close_are_seen_by_role_then_by_condition() -> None:
    roles: list[tuple[str, ConditionRole]] = [
        ("b", "entry"), ("a", "entry"), ("c", "safety"), ("d", "opposite"), ("z", "exit"),
    ]  # fmt: skip
    fired = [ConditionFired(1, condition, role, Decimal(1)) for condition, role in roles]
    assert [(one.role, one.condition_id) for one in in_order(fired)] == [
        ("exit", "z"), ("opposite", "d"), ("safety", "c"), ("entry", "a"), ("entry", "b"),
    ]  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_travel_as_json(event: MachineEvent) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=MachineEvent) == event


@pytest.mark.parametrize("intent", INTENTS, ids=lambda intent: type(intent).__name__)
def test_intents_travel_as_json(intent: Intent) -> None:
    assert msgspec.json.decode(msgspec.json.encode(intent), type=Intent) == intent


def test_all_events_are_here() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(MachineEvent))


def test_ids_of_orders_are_pinned() -> None:
    """An exchange knows orders by them: another version of the hub has to give the same ones."""
    assert (
        client_order_id("bot", "c" * 32, 1_722_816_000_000, "base buy 0.1 None") == "3a7a87abf2c545c9a7bb5dddb79ce09c"
    )
    assert client_order_id("bot", "a", 1, "b") != client_order_id("bot", "a", 1, "c")
