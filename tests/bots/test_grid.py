"""A grid bot: what its lines do, and what it owns."""

from decimal import Decimal
from typing import Any

import pytest

from bots import grid
from bots.orders import MarketRules
from common.errors import BotConfigError
from tests.bots.bench import MARKET, Bench

FREE = MarketRules(tick_size="0.01", lot_size="0.0001", maker_fee=0, taker_fee=0)


def bench(*, market: MarketRules = MARKET, quote: Any = 1_000_000, **changes: Any) -> Bench[grid.State]:
    config = grid.Config(**{
        "lower": 90, "upper": 110, "count": 5, "counted": "lines", "quantity_per_grid": 100, **changes,
    })  # fmt: skip
    return Bench(grid.GridBot("bot", config, market), quote=quote)


def orders(run: Bench[grid.State]) -> dict[str, Decimal]:
    return {purpose: price for purpose, (price, _) in run.book.items()}


def test_it_buys_what_its_sells_need_and_leaves_one_line_free() -> None:
    run = bench().candle(100)
    assert (run.placed[0].purpose, run.placed[0].kind) == ("initial", "market")
    run.candle(100)
    assert orders(run) == {
        "interval 0 buy": 90, "interval 1 buy": 95, "interval 2 sell": 105, "interval 3 sell": 110,
    }  # fmt: skip
    assert run.broker.balances().base == sum(one.coins for one in run.state.intervals)


def test_what_was_bought_is_sold_a_line_above_and_bought_again() -> None:
    run = bench().candle(100).candle(100).candle(100, 100, 95, 95)
    assert orders(run) == {
        "interval 0 buy": 90, "interval 1 sell": 100, "interval 2 sell": 105, "interval 3 sell": 110,
    }  # fmt: skip
    run.candle(95, 100, 95, 100)
    assert orders(run)["interval 1 buy"] == 95
    assert run.state.sold == 1
    quantity = Decimal("1.0526")
    assert run.state.grid_profit == quantity * (100 - 95) - quantity * (100 + 95) * MARKET.maker_fee


def test_two_lines_in_one_candle() -> None:
    run = bench().candle(100).candle(100).candle(100, 100, 89, 89)
    assert orders(run) == {
        "interval 0 sell": 95, "interval 1 sell": 100, "interval 2 sell": 105, "interval 3 sell": 110,
    }  # fmt: skip
    run.candle(89, 111, 89, 111)
    assert orders(run) == {
        "interval 0 buy": 90, "interval 1 buy": 95, "interval 2 buy": 100, "interval 3 buy": 105,
    }  # fmt: skip
    assert run.state.base == 0
    assert run.state.sold == 4


def test_a_line_that_is_filled_in_part_sells_when_it_is_complete() -> None:
    run = bench().candle(100).candle(100).candle(100, 100, 95, 95, volume="0.5")
    assert run.book["interval 1 buy"] == (Decimal(95), Decimal("0.5526"))
    assert run.state.intervals[1].coins == Decimal("0.5")
    run.candle(95)
    assert run.book["interval 1 sell"] == (Decimal(100), Decimal("1.0526"))


def test_coins_that_are_too_few_to_be_sold_after_a_pause_stay_with_their_interval() -> None:
    market = FREE.model_copy(update={"min_notional": Decimal(1)})
    run = bench(market=market).candle(100).candle(100).candle(100, 105, 100, 105, volume="0.995")
    assert run.book["interval 2 sell"] == (Decimal(105), Decimal("0.005"))
    run.command("pause").candle(103).command("resume").candle(103)
    interval = run.state.intervals[2]
    assert (interval.side, interval.coins) == ("buy", Decimal("0.005"))
    assert run.book["interval 2 buy"] == (Decimal(100), Decimal("0.995"))
    assert run.state.base == sum(one.coins for one in run.state.intervals)
    run.candle(103, 105, 100, 105)
    run.candle(105)
    assert run.state.sold == 1
    # Both times, and all of it.
    assert run.state.grid_profit == Decimal("0.995") * 5 + 5


def test_it_waits_for_a_price_within_its_range() -> None:
    run = bench().candle(120).candle(120)
    assert (run.state.status, run.placed) == ("waiting", [])
    assert run.candle(103).status == "entering"


def test_it_may_wait_for_a_condition_and_end_by_one() -> None:
    run = bench(start="condition").candle(100)
    assert run.status == "waiting"
    run.fire().candle(100).fire("exit", "x").candle(100)
    assert (*run.now("status", "base"), run.book) == ("waiting", 0, {})
    assert run.fire("entry", "again").status == "entering"


@pytest.mark.parametrize(("action", "coins"), [("keep", True), ("sell", False)])
def test_a_stop_price_ends_it(action: str, coins: bool) -> None:
    run = bench(lower_stop_price=85, stop_action=action).candle(100).candle(100).candle(100, 100, 85, 86).candle(86)
    assert run.status == "closed"
    assert run.book == {}
    assert (run.state.base > 0) is coins


def test_only_so_many_lines_rest_in_the_book() -> None:
    run = bench(max_active_buy_lines=1, max_active_sell_lines=1).candle(100).candle(100)
    assert orders(run) == {"interval 1 buy": 95, "interval 2 sell": 105}


def test_it_moves_up_with_the_price() -> None:
    """3Commas: a step above the top, the top line becomes a buy and the lowest buy is cancelled."""
    run = bench(trailing_up=True).candle(100).candle(100).candle(100, 112, 100, 112)
    assert orders(run) == {
        "interval 0 buy": 90, "interval 1 buy": 95, "interval 2 buy": 100, "interval 3 buy": 105,
    }  # fmt: skip
    run.candle(112, 115, 112, 115)
    assert orders(run) == {
        "interval 1 buy": 95, "interval 2 buy": 100, "interval 3 buy": 105, "interval 4 buy": 110,
    }  # fmt: skip


def test_its_lower_stop_moves_up_with_it() -> None:
    run = bench(trailing_up=True, lower_stop_price=85).candle(100).candle(100).candle(100, 112, 100, 112)
    run.candle(112, 115, 112, 115)
    assert run.candle(115, 115, 91, 91).status == "active"
    assert run.candle(91, 91, 90, 90).status == "closed"


class TestCommands:
    def test_a_pause_takes_the_orders_and_keeps_the_coins(self) -> None:
        run = bench().candle(100).candle(100)
        before, coins = orders(run), run.state.base
        run.command("pause")
        assert (run.book, run.state.base, run.state.status) == ({}, coins, "paused")
        run.candle(80).command("resume")
        assert orders(run) == before

    def test_a_pause_in_the_middle_of_a_fill_is_taken_up_again(self) -> None:
        run = bench().candle(100).candle(100).candle(100, 100, 95, 95, volume="0.5").command("pause").candle(97)
        run.command("resume")
        assert run.book["interval 1 buy"] == (Decimal(95), Decimal("0.5526"))
        run.candle(95)
        assert run.book["interval 1 sell"] == (Decimal(100), Decimal("1.0526"))

    def test_a_rest_that_the_market_does_not_take_is_left(self) -> None:
        run = bench().candle(100).candle(100).candle(100, 100, 95, 95, volume="1.05").command("pause").candle(97)
        run.command("resume")
        assert run.book["interval 1 sell"] == (Decimal(100), Decimal("1.05"))

    def test_a_stop_keeps_the_coins_and_a_kill_sells_them(self) -> None:
        stopped = bench().candle(100).candle(100).command("stop")
        assert stopped.status == "closed"
        assert stopped.state.base > 0
        killed = bench().candle(100).candle(100).command("kill").candle(99)
        assert killed.now("status", "base") == ("closed", 0)

    def test_a_kill_before_its_start_ends_it(self) -> None:
        assert bench(start="condition").candle(100).command("kill").status == "closed"


class TestFaults:
    def test_a_line_that_is_rejected_waits_for_a_fill(self) -> None:
        run = bench(quote=320).candle(100).candle(100)
        assert "interval 0 buy" not in run.book
        tries = sum(order.purpose == "interval 0 buy" for order in run.placed)
        run.candle(100).candle(100)
        assert sum(order.purpose == "interval 0 buy" for order in run.placed) == tries == 1
        run.candle(100, 106, 100, 106)
        assert sum(order.purpose == "interval 0 buy" for order in run.placed) == 2

    def test_a_start_that_is_rejected_is_an_error(self) -> None:
        run = bench(quote=10).candle(100)
        assert (run.state.status, run.book) == ("error", {})


class TestConfigurations:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"lower": 110}, "lower 110 has to be below upper 110"),
            ({"count": 1}, "count: Input should be greater than or equal to 2"),
            ({"lower_stop_price": 95}, "has to be below lower 90"),
            ({"upper_stop_price": 105}, "has to be above upper 110"),
            ({"trailing_up": True, "order_currency": "base"}, "trailing_up needs orders of a size in quote"),
            ({"lower": -1}, "lower: Input should be greater than 0"),
            ({"quantity_per_grid": None}, "quantity_per_grid is needed"),
            ({"quantity_per_grid": "0.5"}, "the order at line 1, .* is too small"),
            ({"upper": "90.03"}, "lines 1 and 2 of the grid are both at 90.00"),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(BotConfigError, match=message):
            bench(**changes)

    def test_what_is_counted_has_to_be_said(self) -> None:
        with pytest.raises(BotConfigError, match="counted is needed: lines, as 3Commas counts, or intervals"):
            grid.Config(90, 110, 5)

    def test_names_of_the_mission_and_of_platforms_are_read(self) -> None:
        config = grid.Config.parse({
            "symbol": "BTCUSDT", "gridSettings": {"lowerPrice": 90, "upperPrice": 110, "gridsQuantity": 5},
            "counted": "lines", "baseOrderSize": 100, "conditions": ["rsi < 30", "rsi > 70"],
        })  # fmt: skip
        assert config == grid.Config(90, 110, 5, counted="lines", quantity_per_grid=100)

    def test_lines_rise(self) -> None:
        for spacing in ("arithmetic", "geometric"):
            lines = grid.levels(grid.Config("0.001", 5, 301, counted="lines", spacing=spacing))
            assert lines == sorted(set(lines))
            assert [lines[0], lines[-1]] == [Decimal("0.001"), Decimal(5)]
            assert len(lines) == 301
