"""What holds on any prices, for any configuration, and when anything dies. ``HUB_TEST_EFFORT=20`` tries more."""

import os
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bots import dca, grid
from bots.brokers.paper import PaperBroker
from bots.deals import entry_side
from bots.machine import BotState, CandleClosed, Commanded, MachineEvent
from bots.orders import Intent, Note, Order, PlaceOrder
from bots.running import Runner
from tests.bots.lives import (
    BASE,
    BOTS,
    MARKET,
    QUOTE,
    Crash,
    CrashingBroker,
    Life,
    SlowBroker,
    dca_configs,
    lives,
)

EFFORT = int(os.environ.get("HUB_TEST_EFFORT", "1"))
KINDS = list(BOTS)


class Watched:
    """A life as it is lived, checked after each step."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.broker = life.open_broker()
        self.placed: list[Order] = []
        self.prices: dict[str, Decimal] = {}
        self.notes: list[str] = []
        self.stored = b""
        self.runner: Runner[Any] = Runner(life.bot, self.broker, life.bot.start(), self._stepped)

    def live(self) -> "Watched":
        for event in self.life.events:
            happen(self.runner, self.broker, event)
        return self

    def _stepped(self, event: MachineEvent, state: BotState, intents: tuple[Intent, ...]) -> None:
        for intent in intents:
            if isinstance(intent, PlaceOrder):
                self.placed.append(intent.order)
                self.prices[intent.order.client_id] = intent.order.price or state.price
            elif isinstance(intent, Note):
                self.notes.append(intent.text)
        assert msgspec.json.decode(msgspec.json.encode(state), type=type(state)) == state


def happen(runner: Runner[Any], broker: PaperBroker, event: MachineEvent) -> None:
    if isinstance(event, CandleClosed):
        broker.move(event)
        runner.catch_up()
    runner.deliver(event)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12 * EFFORT)
@given(data=st.data())
def test_money_and_coins_are_conserved_to_the_last_unit(kind: str, data: st.DataObject) -> None:
    life = Watched(data.draw(lives(kind))).live()
    balances, state = life.broker.balances(), life.runner.state
    assert (balances.base - BASE, balances.quote - QUOTE) == (state.base, state.quote)
    assert balances.base >= 0
    assert balances.quote >= 0


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8 * EFFORT)
@given(data=st.data())
def test_no_order_is_placed_twice_and_none_is_forgotten(kind: str, data: st.DataObject) -> None:
    life = Watched(data.draw(lives(kind))).live()
    ids = [order.client_id for order in life.placed]
    assert len(ids) == len(set(ids))
    assert set(life.broker.account.history) == set(ids)
    assert set(life.broker.account.book) == set(life.runner.state.orders.by_id)


@pytest.mark.parametrize("kind", ["dca", "trend"])
@settings(max_examples=12 * EFFORT)
@given(data=st.data())
def test_a_deal_orders_no_more_than_its_configuration_says(kind: str, data: st.DataObject) -> None:
    life = data.draw(lives(kind))
    watched = Watched(life)
    orders = 1 + len(getattr(life.bot.config, "ladder", ()))
    for event in life.events:
        happen(watched.runner, watched.broker, event)
        deal = watched.runner.state.deal
        if deal is None:
            continue
        # What was executed, and what may still be, at the prices at which it was ordered.
        side = entry_side(deal.direction)
        working = [one for one in watched.runner.state.orders.by_id.values() if one.order.side == side]
        committed = sum((one.remaining * watched.prices[one.order.client_id] for one in working), Decimal(0))
        executed = sum(
            (
                fill.quantity * watched.prices[fill.client_id]
                for fill in fills_of(watched, deal.opened_ms)
                if fill.side == side
            ),
            Decimal(0),
        )
        # Each order is rounded up to a lot, at prices below 500.
        assert committed + executed <= life.bot.config.max_funds + orders * MARKET.lot_size * 500


def fills_of(watched: Watched, since_ms: int) -> list[Any]:
    """Fills of orders that were placed for the deal that began at a time."""
    past = watched.broker.past(list(watched.prices)).reports
    return [report.fill for report in past if hasattr(report, "fill") and report.fill.time_ms > since_ms]


@settings(max_examples=12 * EFFORT)
@given(lives("grid"))
def test_the_intervals_of_a_grid_own_what_the_bot_has(life: Life) -> None:
    watched = Watched(life)
    config: grid.Config = life.bot.config
    for event in life.events:
        happen(watched.runner, watched.broker, event)
        state: grid.State = watched.runner.state
        if state.status not in ("active", "paused") or not state.intervals:
            continue
        numbers = [one.number for one in state.intervals]
        assert numbers == list(range(numbers[0], numbers[0] + config.intervals))
        assert all(0 <= one.coins <= life.bot.lines.quantity(one.number) for one in state.intervals)
        left = state.base - sum(one.coins for one in state.intervals)
        # Where fees are taken in coins, sales leave less than a lot each. A line that the grid has moved away from, and
        # a grid that has ended, leave what was too little to be sold, at prices that never fall below 18.
        ended = sum(text.startswith("grid ended") for text in watched.notes)
        smallest = MARKET.quantity_up(MARKET.min_notional / 18)
        assert 0 <= left <= state.sold * MARKET.lot_size + (numbers[0] + ended) * smallest
        if not ended:
            money = state.grid_profit + sum(one.balance for one in state.intervals)
            assert abs(money - state.quote) < Decimal("1e-20")
        purposes = [working.order.purpose for working in state.orders.by_id.values() if not working.is_cancelling]
        assert len(purposes) == len(set(purposes)) <= config.intervals
        assert set(purposes) <= {one.purpose for one in state.intervals}
        cost = sum(
            (life.bot.lines.price(one.number) * life.bot.lines.quantity(one.number) for one in state.intervals),
            Decimal(0),
        )
        buys = [one for one in state.orders.by_id.values() if one.order.side == "buy"]
        assert sum((one.remaining * (one.order.price or 0) for one in buys), Decimal(0)) <= cost


@settings(max_examples=12 * EFFORT)
@given(lives("market_making"))
def test_a_market_maker_never_has_less_than_nothing(life: Life) -> None:
    watched = Watched(life)
    for event in life.events:
        happen(watched.runner, watched.broker, event)
        base, quote = life.bot.inventory(watched.runner.state)
        assert base >= 0
        # What closes is an order at market, whose price nobody knows before.
        assert quote >= 0 or watched.runner.state.is_stopping
        asks = sum(
            (
                one.remaining
                for one in watched.runner.state.orders.by_id.values()
                if one.order.purpose.startswith("ask")
            ),
            Decimal(0),
        )
        assert asks <= base


@settings(max_examples=30 * EFFORT)
@given(dca_configs, st.integers(1, 10**6))
def test_a_ladder_goes_one_way_and_stays_above_zero(config: dca.Config, price: int) -> None:
    prices = [rung[0] for rung in dca.safety_orders(config, price, MARKET)]
    assert all(price > 0 for price in prices)
    assert prices == sorted(prices, reverse=config.strategy == "long")
    exact = [rung[0] for rung in dca.safety_orders(config, price)]
    assert len(set(exact)) == len(exact)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20 * EFFORT)
@given(data=st.data())
def test_a_crash_at_any_call_changes_nothing(kind: str, data: st.DataObject) -> None:
    life = data.draw(lives(kind))
    expected = Watched(life).live()
    stored: list[bytes] = [msgspec.json.encode(life.bot.start())]

    def store(_event: MachineEvent, state: BotState, _intents: tuple[Intent, ...]) -> None:
        stored[0] = msgspec.json.encode(state)

    def decoded() -> Any:
        return msgspec.json.decode(stored[0], type=type(life.bot.start()))

    broker = life.open_broker()
    calls = data.draw(st.integers(1, 60))
    dying: Any = CrashingBroker(broker, calls, after=data.draw(st.booleans()))
    runner: Runner[Any] = Runner(life.bot, dying, decoded(), store)
    crashes = 0
    for event in life.events:
        try:
            if isinstance(event, CandleClosed):
                broker.move(event)
                runner.catch_up()
            runner.deliver(event)
        except Crash:
            crashes += 1
            runner = Runner(life.bot, broker, decoded(), store)
            runner.resume()
            happen(runner, broker, event)
    assume(crashes)
    assert msgspec.structs.asdict(runner.state) == msgspec.structs.asdict(expected.runner.state)
    assert broker.account == expected.broker.account


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6 * EFFORT)
@given(data=st.data())
def test_a_life_may_be_taken_up_anywhere(kind: str, data: st.DataObject) -> None:
    life = data.draw(lives(kind))
    expected = Watched(life).live()
    cut = data.draw(st.integers(0, len(life.events)))
    first = Watched(life)
    for event in life.events[:cut]:
        happen(first.runner, first.broker, event)
    state = first.runner.state
    stored = msgspec.json.decode(msgspec.json.encode(state), type=type(state))
    bot = type(life.bot)("bot", type(life.bot.config).model_validate_json(life.bot.config.model_dump_json()), MARKET)
    runner = Runner(bot, first.broker, stored)
    runner.resume()
    for event in life.events[cut:]:
        happen(runner, first.broker, event)
    assert runner.state == expected.runner.state
    assert first.broker.account == expected.broker.account


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15 * EFFORT)
@given(data=st.data())
def test_late_reports_and_late_cancels_lose_nothing(kind: str, data: st.DataObject) -> None:
    life = data.draw(lives(kind))
    broker = SlowBroker(life.open_broker(), data.draw(st.lists(st.booleans(), max_size=5)))
    placed: list[str] = []

    def stepped(_event: MachineEvent, _state: BotState, intents: tuple[Intent, ...]) -> None:
        placed.extend(intent.order.client_id for intent in intents if isinstance(intent, PlaceOrder))

    runner: Runner[Any] = Runner(life.bot, broker, life.bot.start(), stepped)
    for event in life.events:
        if isinstance(event, CandleClosed):
            broker.move(event)
            runner.catch_up()
        runner.deliver(event)
    last = life.events[-1]
    broker.settle()
    runner.catch_up()
    was_over = runner.state.status == "closed"
    runner.deliver(Commanded(last.time_ms, "kill"))
    for minute in range(1, 8):
        price = runner.state.price
        broker.move(CandleClosed(last.time_ms + minute * 60_000, price, price, price, price, Decimal(10**9)))
        runner.catch_up()
    state, balances = runner.state, broker.balances()
    assert (balances.base - BASE, balances.quote - QUOTE) == (state.base, state.quote)
    assert len(placed) == len(set(placed))
    assert state.status in ("closed", "error")
    assert set(broker.paper.account.book) == set(state.orders.by_id) == set()
    if state.status == "closed" and not was_over and kind in ("grid", "market_making"):
        # What is left is less than the market takes; the others may leave that much in each of their deals.
        assert not MARKET.takes(state.price, MARKET.quantity_down(abs(state.base)))
