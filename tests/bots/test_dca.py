"""A DCA bot from its signal to its exit."""

from decimal import Decimal
from typing import Any

from bots import dca
from bots.machine import OrderCancelled, OrderFilled, OrderRejected
from bots.orders import CancelOrder, Fill, MarketRules, PlaceOrder
from tests.bots.bench import CONDITION, MARKET, MINUTE_MS, Bench, candle

LADDER = {
    "base_order_volume": 100, "safety_order_volume": 100, "max_safety_orders": 3, "safety_order_step_percentage": 2,
    "take_profit": 2,
}  # fmt: skip


def bench(*, quote: Any = 1_000_000, base: Any = 0, market: MarketRules = MARKET, **changes: Any) -> Bench[dca.State]:
    bot = dca.DcaBot("bot", dca.Config(**{**LADDER, **changes}), market)
    return Bench(bot, quote=quote, base=base, path="high_first" if changes.get("strategy") == "short" else "low_first")


def test_a_deal_from_signal_to_take_profit() -> None:
    run = bench().candle(100).fire().candle(100)
    assert sorted(run.book) == ["safety 1", "safety 2", "safety 3", "take profit"]
    run.candle(100, 100, 98, 98)
    average = (Decimal("100.1") + Decimal("98.09") * Decimal("1.001") * Decimal("1.0195")) / Decimal("2.0195")
    assert run.state.deal is not None
    assert abs(run.state.deal.average - average) < Decimal("0.01")
    run.candle(98, 110, 98, 110)
    assert run.now("status", "deals", "deal") == ("waiting", 1, None)
    assert run.book == {}
    assert run.state.last_deal is not None
    assert run.state.last_deal.deal.reason == "take profit"
    assert run.statuses == ["waiting", "entering", "active", "closing", "waiting"]
    # Two per cent of all that was paid, fees included, up to a tick.
    assert run.state.quote >= run.state.last_deal.deal.entry_quote * Decimal("0.02")
    assert run.state.quote < run.state.last_deal.deal.entry_quote * Decimal("0.0203")
    assert run.broker.balances().quote - 1_000_000 == run.state.quote


def test_the_take_profit_moves_down_with_the_average() -> None:
    run = bench().candle(100).fire().candle(100)
    before, _ = run.book["take profit"]
    run.candle(100, 100, 98, 98)
    after, quantity = run.book["take profit"]
    assert after < before
    assert quantity == run.broker.balances().base


def test_only_so_many_safety_orders_rest_in_the_book() -> None:
    run = bench(active_safety_orders_count=1).candle(100).fire().candle(100)
    assert [name for name in run.book if "safety" in name] == ["safety 1"]
    run.candle(100, 100, 98, 98)
    assert [name for name in run.book if "safety" in name] == ["safety 2"]


def test_a_stop_loss_counts_before_everything_else_of_its_candle() -> None:
    run = bench(take_profit=None, stop_loss_percentage=5, max_safety_orders=0).candle(100).fire().candle(100)
    run.candle(100, 120, 94, 118)
    assert run.state.deal is not None
    assert run.state.deal.reason == "stop loss"
    run.fire("exit", "x").candle(118)
    assert run.state.last_deal is not None
    assert run.state.last_deal.deal.reason == "stop loss"
    assert run.placed[-1].purpose == "close"


def test_a_stop_loss_may_end_the_bot() -> None:
    run = bench(stop_loss_percentage=5, stop_loss_type="stop_and_disable", max_safety_orders=0)
    run.candle(100).fire().candle(100).candle(94).candle(94)
    assert run.status == "closed"
    assert run.fire("entry", "again").status == "closed"


def test_trailing_follows_the_best_price_and_closes_below_it() -> None:
    run = bench(trailing_deviation=1, max_safety_orders=0).candle(100).fire().candle(100)
    assert "take profit" not in run.book
    run.candle(103, 104, 103, "103.9")
    assert run.status == "trailing"
    assert run.state.deal is not None
    assert run.state.deal.extreme == 104
    run.candle("103.9", 110, "103.5", "109.5")
    assert run.status == "trailing"
    run.candle("109.5", "109.6", "108.8", "109.5").candle("109.5")
    assert run.state.last_deal is not None
    assert run.state.last_deal.deal.reason == "trailing"


def test_a_candle_does_not_say_that_its_low_came_after_its_high() -> None:
    """The low meets the stop as it stood before the candle; had it come after the high, it would be below the next."""
    run = bench(trailing_deviation=1, max_safety_orders=0).candle(100).fire().candle(100).candle(103, 104, 103, 104)
    run.candle(104, 120, 103, 120)
    assert run.status == "trailing"


def test_an_exit_condition_needs_its_least_profit() -> None:
    run = bench(take_profit=None, min_profit_percentage=1, max_safety_orders=0).candle(100).fire().candle(100)
    run.fire("exit", "x")
    assert run.status == "active"
    assert "at a profit of" in run.notes[-1]
    run.candle(103).fire("exit", "x")
    assert run.status == "closing"


def test_a_signal_during_a_deal_changes_nothing() -> None:
    run = bench().candle(100).fire().candle(100)
    before = run.state
    run.fire("entry", "other")
    assert run.state.deal == before.deal
    assert run.state.orders == before.orders


def test_a_cooldown_ends_by_time() -> None:
    run = bench(cooldown=120).candle(100).fire().candle(100).candle(110)
    assert run.status == "cooldown"
    assert run.fire("entry", "early").status == "cooldown"
    run.candle(110).candle(110)
    assert run.fire("entry", "late").status == "entering"


def test_a_deal_has_a_time_limit() -> None:
    run = bench(close_deals_timeout=180).candle(100).fire().candle(100).candle(100).candle(100)
    assert run.state.deal is not None
    assert run.state.deal.reason == "time limit"


def test_the_last_deal_ends_the_bot() -> None:
    run = bench(disable_after_deals_count=1).candle(100).fire().candle(100).candle(110)
    assert run.status == "closed"


def test_prices_outside_of_the_gates_begin_no_deal() -> None:
    run = bench(min_price=99, max_price=101).candle(102).fire()
    assert run.status == "waiting"
    assert run.candle(100).fire().status == "entering"


def test_a_short_deal_is_the_mirror() -> None:
    run = bench(strategy="short", base=100).candle(100).fire().candle(100)
    assert run.book["safety 1"][0] > 101
    assert run.book["take profit"][0] < 99
    run.candle(100, "102.5", 100, "102.5").candle(90)
    assert run.state.last_deal is not None
    deal = run.state.last_deal.deal
    assert deal.profit > 0
    assert run.now("base", "quote") == (0, deal.profit)


def test_conditions_may_execute_safety_orders_one_by_one() -> None:
    config = dca.Config.parse({
        "baseOrderSize": 100,
        "dcaRules": {"rules": [
            {"indicator": "RSI", "operator": "crosses_below", "value": 25, "orderSize": 50},
            {"indicator": "RSI", "operator": "crosses_below", "value": 20, "orderSize": 50},
        ]},
    })  # fmt: skip
    run = Bench(dca.DcaBot("bot", config, MARKET)).candle(100).fire().candle(100)
    run.fire("safety", "s").candle(99).fire("safety", "s").candle(98).fire("safety", "s")
    assert [order.purpose for order in run.placed] == ["base", "safety 1", "safety 2"]


def test_a_bot_may_begin_at_once() -> None:
    run = bench(start="at_once").candle(100).candle(100).candle(110)
    assert run.now("deals", "status") == (1, "entering")


class TestCommands:
    def test_a_pause_begins_nothing_and_ends_nothing(self) -> None:
        run = bench().candle(100).fire().candle(100).command("pause")
        assert run.status == "active"
        run.candle(110)
        assert run.now("status", "deals") == ("paused", 1)
        assert run.fire("entry", "e").status == "paused"
        assert run.command("resume").fire("entry", "f").status == "entering"

    def test_a_stop_lets_the_deal_end(self) -> None:
        run = bench().candle(100).fire().candle(100).command("stop").candle(110)
        assert run.status == "closed"
        assert run.state.base == 0

    def test_a_kill_closes_at_market(self) -> None:
        run = bench().candle(100).fire().candle(100).command("kill")
        assert run.book == {}
        run.candle(95)
        assert run.now("status", "base") == ("closed", 0)
        assert run.state.last_deal is not None
        assert run.state.last_deal.deal.reason == "killed"

    def test_a_kill_takes_back_an_entry_that_is_on_its_way(self) -> None:
        run = bench().candle(100).fire().command("kill")
        assert (run.state.status, run.broker.account.book) == ("closed", {})


class TestFaults:
    def test_repeated_events_change_nothing(self) -> None:
        run = bench().candle(100).fire().candle(100)
        fill = next(report for report in run.broker.past([run.placed[0].client_id]).reports)
        before, placed = run.state, len(run.placed)
        assert isinstance(fill, OrderFilled)
        run.runner.deliver(fill)
        run.runner.deliver(candle(run.minute, 90))
        run.minute -= 1
        run.fire()
        assert run.state == before
        assert len(run.placed) == placed

    def test_a_trigger_that_comes_again_executes_no_second_safety_order(self) -> None:
        run = bench(safety_orders_by_condition=True, safety_order_step_percentage=0).candle(100).fire().candle(100)
        run.fire("safety", "s").fire("safety", "s")
        assert [order.purpose for order in run.placed if "safety" in order.purpose] == ["safety 1"]

    def test_an_entry_that_is_rejected_is_no_deal(self) -> None:
        run = bench(quote=10).candle(100).fire()
        assert run.now("status", "deals", "deal") == ("waiting", 0, None)
        assert "rejected" in run.notes[0]

    def test_a_safety_order_that_is_rejected_is_not_tried_again(self) -> None:
        run = bench(quote=310).candle(100).fire().candle(100)
        assert "safety 3" not in run.book
        tries = sum(order.purpose == "safety 3" for order in run.placed)
        run.candle(100).candle(100)
        assert sum(order.purpose == "safety 3" for order in run.placed) == tries == 1

    def test_a_close_that_is_rejected_is_an_error_until_somebody_resumes(self) -> None:
        run = bench(max_safety_orders=0).candle(100).fire().candle(100)
        run.broker.account.base = Decimal(0)
        run.command("kill")
        assert (run.state.status, run.state.error is None) == ("error", False)
        run.broker.account.base = run.state.base
        run.command("resume").candle(100)
        assert run.now("base", "status") == (0, "waiting")

    def test_a_base_order_that_is_filled_in_part_is_entering(self) -> None:
        run = bench().candle(100).fire().candle(100, volume="0.5")
        assert run.status == "entering"
        run.candle(100)
        assert run.status == "active"
        assert run.state.deal is not None
        assert run.state.deal.entry_quantity == Decimal("1")

    def test_fees_in_coins_leave_fewer_coins_to_sell(self) -> None:
        bot = dca.DcaBot("bot", dca.Config(**LADDER), MARKET)
        run = Bench(bot, fees_in="received").candle(100).fire().candle(100)
        assert run.book["take profit"][1] <= run.broker.balances().base
        run.candle(110)
        assert run.state.deals == 1
        assert 0 <= run.state.base < MARKET.lot_size

    def test_an_unknown_order_is_not_ours(self) -> None:
        run = bench().candle(100)
        run.runner.deliver(OrderFilled(Fill("1", "strange", "buy", MINUTE_MS, Decimal(1), Decimal(1))))
        run.runner.deliver(OrderRejected(MINUTE_MS, "strange", "no"))
        assert run.now("base", "quote") == (0, 0)


def test_coins_are_offered_again_when_the_broker_has_confirmed_that_they_are_free() -> None:
    """An exchange binds the coins of an order until it is really gone."""
    bot = dca.DcaBot("bot", dca.Config(**LADDER), MARKET)
    run = Bench(bot).candle(100).fire().candle(100)
    first = next(order for order in run.placed if order.purpose == "take profit")
    bought = next(order for order in run.placed if order.purpose == "safety 1")
    assert bought.price is not None
    fill = Fill("1", bought.client_id, "buy", 3 * MINUTE_MS, bought.price, bought.quantity)
    state, intents = bot.step(run.state, OrderFilled(fill))
    assert intents == (CancelOrder(first.client_id),)
    state, intents = bot.step(state, OrderCancelled(3 * MINUTE_MS, first.client_id))
    (place,) = intents
    assert isinstance(place, PlaceOrder)
    assert place.order.quantity == first.quantity + bought.quantity


def test_the_condition_of_a_deal_is_in_its_ids() -> None:
    first, second = (bench().candle(100).fire("entry", name).placed[0].client_id for name in (CONDITION, "d" * 32))
    again = bench().candle(100).fire("entry", CONDITION).placed[0].client_id
    assert first == again != second
    assert len(first) == 32
