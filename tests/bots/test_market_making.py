"""A market making bot: where it quotes, how much, and when it does not."""

from decimal import Decimal
from typing import Any

import pytest

from bots import market_making
from bots.machine import OrderCancelled, OrderFilled
from bots.orders import Fill, MarketRules, PlaceOrder
from common.errors import BotConfigError
from tests.bots.bench import MINUTE_MS, Bench, candle

FREE = MarketRules(tick_size="0.01", lot_size="0.0001", min_notional=1, maker_fee=0, taker_fee=0)
QUOTING = {"base_amount": 10, "quote_amount": 1000, "order_amount": 1, "bid_spread": 1, "ask_spread": 1}


def bench(**changes: Any) -> Bench[market_making.State]:
    config = market_making.Config(**{**QUOTING, **changes})
    bot = market_making.MarketMakingBot("bot", config, FREE)
    return Bench(bot, base=config.base_amount, quote=config.quote_amount)


def prices(run: Bench[market_making.State]) -> dict[str, Decimal]:
    return {purpose: price for purpose, (price, _) in run.book.items()}


def test_levels_are_further_away_and_larger() -> None:
    """hummingbot: 1 % and 2 % a level are 1, 3 and 5 %; 7000 and 1000 a level are 7000, 8000 and 9000."""
    config = {"order_levels": 3, "order_level_spread": 2, "order_amount": 7000, "order_level_amount": 1000}
    run = bench(base_amount=1_000_000, quote_amount=10_000_000, **config).candle(100)
    assert {name: (price, size) for name, (price, size) in run.book.items() if "bid" in name} == {
        "bid 1": (99, 7000), "bid 2": (97, 8000), "bid 3": (95, 9000),
    }  # fmt: skip
    assert prices(run)["ask 3"] == 105


def test_quotes_follow_the_close_when_it_is_time() -> None:
    run = bench(order_refresh_time=120).candle(100).candle("100.5")
    assert prices(run) == {"bid 1": 99, "ask 1": 101}
    run.candle("100.5")
    assert prices(run) == {"bid 1": Decimal("99.49"), "ask 1": Decimal("101.51")}


def test_orders_within_the_tolerance_stay() -> None:
    """hummingbot: a tolerance of 0.1 on 1.0 % keeps orders while their spread is from 0.9 to 1.1 %."""
    run = bench(order_refresh_tolerance_pct="0.1").candle(100)
    ids = set(run.broker.account.book)
    run.candle("100.09")
    assert set(run.broker.account.book) == ids
    run.candle("100.12")
    assert set(run.broker.account.book).isdisjoint(ids)


def test_after_a_fill_it_waits() -> None:
    run = bench(filled_order_delay=180, order_refresh_time=1).candle(100).candle(100, 100, 99, 99)
    assert prices(run) == {"ask 1": 101}
    run.candle(99).candle(99)
    assert "bid 1" not in run.book
    assert prices(run.candle(99)) == {"bid 1": Decimal("98.01"), "ask 1": Decimal("99.99")}


def test_it_never_quotes_more_than_it_has() -> None:
    run = bench(base_amount="0.3", quote_amount=50).candle(100)
    assert run.book["ask 1"] == (101, Decimal("0.3"))
    assert run.book["bid 1"][1] == Decimal("0.5050")


def test_the_inventory_leads_the_sizes() -> None:
    run = bench(base_amount=12, quote_amount=800, inventory_skew_enabled=True, inventory_range_multiplier=2).candle(100)
    bid, ask = (run.book[name][1] for name in ("bid 1", "ask 1"))
    assert (bid, ask) == (Decimal("0.5"), Decimal("1.5"))


def test_a_ceiling_and_a_floor_leave_one_side() -> None:
    assert prices(bench(price_ceiling=99).candle(100)) == {"ask 1": 101}
    assert prices(bench(price_floor=101).candle(100)) == {"bid 1": 99}


def test_conditions_open_and_close_the_gate() -> None:
    run = bench(start="condition").candle(100)
    assert run.book == {}
    assert len(run.fire().book) == 2
    run.fire("exit", "x")
    assert (run.book, run.state.status) == ({}, "waiting")


def test_a_gate_that_opens_in_a_pause_is_remembered() -> None:
    run = bench(start="condition").candle(100).command("pause").fire()
    assert run.book == {}
    run.command("resume").candle(100)
    assert len(run.book) == 2


def test_avellaneda_and_stoikov_lean_against_the_inventory() -> None:
    model = {"model": "avellaneda_stoikov", "gamma": "0.1", "kappa": "1.5", "sigma": 2, "horizon_candles": 1}
    balanced = prices(bench(**model, base_amount=10, quote_amount=1000).candle(100))
    assert balanced == {"bid 1": Decimal("99.15"), "ask 1": Decimal("100.85")}
    long = prices(bench(**model, base_amount=12, quote_amount=800).candle(100))
    assert long == {"bid 1": Decimal("98.35"), "ask 1": Decimal("100.05")}


def test_volatility_is_measured_on_the_closes_that_it_saw() -> None:
    model = {"model": "avellaneda_stoikov", "gamma": "0.1", "kappa": "1.5", "horizon_candles": 1}
    run = bench(**model, volatility_candles=2).candle(100).candle(102)
    assert run.book == {}
    run.candle(100)
    # Changes of 2 and -2: a standard deviation of 2.
    assert prices(run) == {"bid 1": Decimal("99.15"), "ask 1": Decimal("100.85")}


def test_a_stop_keeps_the_inventory_and_a_kill_trades_back() -> None:
    stopped = bench().candle(100).candle(100, 100, 99, 99).command("stop")
    assert (*stopped.now("status", "base"), stopped.book) == ("closed", 1, {})
    killed = bench().candle(100).candle(100, 100, 99, 99).command("kill").candle(98)
    assert killed.now("status", "base", "quote") == ("closed", 0, -1)


def test_a_kill_buys_back_no_more_than_its_money_pays_for() -> None:
    """Two coins were sold at 101, which is 0.808 at 250: the rest would cost money that it was never given."""
    run = bench(base_amount=2, quote_amount=0, order_amount=2, filled_order_delay=3600)
    run.candle(100).candle(100, 101, 100, 101).candle(101, 250, 101, 250)
    assert run.state.base == -2
    run.command("kill").candle(250, 250, 240, 240).candle(240)
    assert [(order.purpose, order.quantity) for order in run.placed if order.price is None] == [
        ("close", Decimal("0.808"))
    ]
    assert run.status == "closed"
    assert any("1.1920 of its coins are not bought back" in text for text in run.notes)
    assert run.broker.balances().quote >= 0


def test_an_order_that_is_filled_while_it_is_taken_back_leaves_less_for_the_next() -> None:
    config = market_making.Config(**{**QUOTING, "base_amount": 0, "quote_amount": 100, "order_amount": 5})
    bot = market_making.MarketMakingBot("bot", config, FREE)
    state, (first,) = bot.step(bot.start(), candle(1, 100))
    assert isinstance(first, PlaceOrder)
    order = first.order
    state, _ = bot.step(state, candle(2, 80))
    half = Fill("1", order.client_id, "buy", 2 * MINUTE_MS, Decimal(99), Decimal("0.5"))
    state, _ = bot.step(state, OrderFilled(half))
    state, intents = bot.step(state, OrderCancelled(2 * MINUTE_MS, order.client_id))
    (after,) = (one.order for one in intents if isinstance(one, PlaceOrder))
    assert after.price == Decimal("79.2")
    left = bot.inventory(state)[1]
    assert left == Decimal("50.5")
    assert left - FREE.lot_size * 80 < after.quantity * after.price <= left


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_amount": 0, "quote_amount": 0}, "base_amount or quote_amount is needed"),
        ({"bid_spread": None}, "model spreads needs bid_spread"),
        ({"model": "avellaneda_stoikov"}, "needs gamma and kappa and horizon_candles"),
        ({"order_levels": 11, "order_level_spread": 10}, "bid 11 would be 101 % below the price"),
        ({"price_ceiling": 10, "price_floor": 11}, "has to be below price_ceiling"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BotConfigError, match=message):
        bench(**changes)


@pytest.mark.parametrize(
    ("price", "share", "message"), [(0, "0.5", "the price is 0"), (100, 50, "target_share is 50; it is a share")]
)
def test_a_share_in_percent_is_no_target(price: int, share: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        market_making.inventory_skew(1, 100, price, share, 1)
