"""Worked examples that platforms and papers have published, to the last digit.

Each test names its source. Where a published number is wrong by itself, the test says so.
"""

from decimal import Decimal, localcontext

import pytest

from bots import dca, grid
from bots.dca.ladder import take_profits
from bots.deals import Deal, against
from bots.market_making import avellaneda_stoikov, inventory_skew
from bots.orders import Fill, MarketRules
from tests.bots.bench import Bench

ETH = MarketRules(tick_size="0.01", lot_size="0.0001", maker_fee="0.001", taker_fee="0.001")
DEAL_OF_3COMMAS = dca.Config(
    base_order_volume="100.0",
    safety_order_volume="15.0",
    max_safety_orders=3,
    safety_order_step_percentage="1.0",
    martingale_volume_coefficient="1.7",
    martingale_step_coefficient="4.0",
    stop_loss_percentage="4.0",
    take_profit_steps=[
        {"amount_percentage": 40, "profit_percentage": 2},
        {"amount_percentage": 50, "profit_percentage": 3},
        {"amount_percentage": 10, "profit_percentage": 4},
    ],
)
"""3Commas API documentation, deal 1234567890, ETH/USDT."""


def agrees(number: Decimal, published: str) -> bool:
    """Whether a number is the published one as far as that is printed, rounded or cut off."""
    return abs(number - Decimal(published)) < Decimal(1).scaleb(int(Decimal(published).as_tuple().exponent))


def decimals(*texts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, texts))


def test_safety_orders_of_a_3commas_deal() -> None:
    assert dca.safety_orders(DEAL_OF_3COMMAS, "3095.40", ETH) == [
        decimals("3067.51", "0.0049", "15.030799"),
        decimals("2943.57", "0.0087", "25.609059"),
        decimals("2447.81", "0.0178", "43.571018"),
    ]


def test_base_order_and_average_of_a_3commas_deal() -> None:
    bench = Bench(dca.DcaBot("bot", DEAL_OF_3COMMAS, ETH)).candle("3095.40").fire().candle("3095.40")
    deal = bench.state.deal
    assert deal is not None
    assert (deal.entry_quantity, deal.entry_quote, deal.average) == decimals("0.0324", "100.39125096", "3098.4954")
    assert bench.book["safety 1"] == decimals("3067.51", "0.0049")
    assert bench.book["safety 3"] == decimals("2447.81", "0.0178")


def test_take_profit_steps_and_stop_loss_of_a_3commas_deal() -> None:
    fill = Fill("1", "base", "buy", 0, Decimal("3095.40"), Decimal("0.0324"), fee_quote=Decimal("0.10029096"))
    deal = Deal(1, "long", "c", 0).with_fill(fill, "base")
    assert take_profits(DEAL_OF_3COMMAS, deal, ETH) == [
        ("take profit 1", *decimals("3163.63", "0.0129")),
        ("take profit 2", *decimals("3194.65", "0.0162")),
        ("take profit 3", *decimals("3225.67", "0.0033")),
    ]
    assert against("long", deal.average, Decimal("0.04")) == Decimal("2974.555584")


def test_unrealised_profit_of_a_3commas_deal() -> None:
    """The percentage that is published with it, -0.61, leaves out the fee of the exit, which the amount contains."""
    fill = Fill("1", "base", "buy", 0, Decimal("3095.40"), Decimal("0.0324"), fee_quote=Decimal("0.10029096"))
    deal = Deal(1, "long", "c", 0).with_fill(fill, "base")
    assert round(deal.value_at(Decimal("3079.65"), Decimal("0.001")), 8) == Decimal("-0.71037162")


def test_deviation_from_the_previous_order() -> None:
    """HXR: 2 % from the base are 98 and 96, 2 % from the previous order 98 and 96.04."""
    ladder = {"base_order_volume": 10, "safety_order_volume": 10, "max_safety_orders": 2}
    from_base = dca.Config(**ladder, safety_order_step_percentage=2)
    chained = dca.Config(**ladder, safety_order_step_percentage=2, deviation_from="previous")
    assert [price for price, *_ in dca.safety_orders(from_base, 100)] == [98, 96]
    assert [price for price, *_ in dca.safety_orders(chained, 100)] == [98, Decimal("96.04")]


def test_safety_orders_that_a_condition_executes_together() -> None:
    """3Commas help 9663694: steps of 1 %, 15 USDT each; a signal after a fall of more than 3 % buys 45 USDT at once."""
    config = dca.Config(
        base_order_volume=100, safety_order_volume=15, max_safety_orders=5, safety_order_step_percentage=1,
        safety_orders_by_condition=True,
    )  # fmt: skip
    free = MarketRules(tick_size="0.01", lot_size="0.0001", maker_fee=0, taker_fee=0)
    bench = Bench(dca.DcaBot("bot", config, free)).candle(100).fire().candle(100).candle("96.9")
    order = bench.fire("safety", "s").placed[-1]
    assert (order.purpose, order.kind) == ("safety 1 to 3", "market")
    assert abs(order.quantity * Decimal("96.9") - 45) < Decimal("0.01")


def test_arithmetic_grid_of_3commas_counts_lines() -> None:
    """3Commas API: 56000 to 72000 with 50 lines; 39 digits are published."""
    lines = grid.levels(grid.Config(56000, 72000, 50, counted="lines"))
    assert len(lines) == 50
    with localcontext(prec=60):
        assert agrees(lines[1] - lines[0], "326.530612244897959183673469387755102040")
    assert lines[-1] == 72000


def test_geometric_grid_of_3commas_counts_lines() -> None:
    """3Commas API, bot 2338357: 0.016352 to 0.022503 with 81 lines. Its ratio drifts after 38 digits."""
    config = grid.Config("0.016352", "0.022503", 81, counted="lines", spacing="geometric")
    lines = grid.levels(config)
    with localcontext(prec=60):
        assert agrees(lines[1] / lines[0], "1.003999205812109161460415427391")
        assert agrees(lines[80] / lines[79], "1.003999205812109161460415427391")


def test_grid_of_kucoin_counts_intervals() -> None:
    """KuCoin help: 8000 to 12000 with 4 grids are 1000 apart, on five levels; 9.1 to 12.5 % gross."""
    config = grid.Config(8000, 12000, 4, counted="intervals", quantity_per_grid=1000)
    assert grid.levels(config) == [8000, 9000, 10000, 11000, 12000]
    least, greatest = grid.profit_per_grid(config, MarketRules(maker_fee=0, taker_fee=0))
    assert round(least, 3) == Decimal("0.091")
    assert round(greatest, 3) == Decimal("0.125")


def test_line_next_to_the_price_waits() -> None:
    """3Commas help: 6200 to 7800, nine levels, price 7000: level 5 waits. API: at 65229.37 it is line 65142.86."""
    nine = grid.Config(6200, 7800, 9, counted="lines", quantity_per_grid=100)
    assert grid.starting(nine, 7000).waiting == 4
    fifty = grid.Config(56000, 72000, 50, counted="lines", quantity_per_grid=100)
    waiting = grid.starting(fifty, "65229.37").waiting
    assert round(grid.levels(fifty)[waiting], 2) == Decimal("65142.86")


def test_balances_that_a_grid_of_binance_needs() -> None:
    """Binance help: buys at 0.7696 to 0.7484 of 14 each need 53.13 USDT, 26 sells of 14 need 364 coins."""
    config = grid.Config(
        "0.7484", "0.9127", 31, counted="intervals", quantity_per_grid=14, order_currency="base"
    )  # fmt: skip
    start = grid.starting(config, "0.7749", MarketRules(tick_size="0.0001", lot_size=1))
    assert grid.levels(config)[:5] == [*decimals("0.7484", "0.7537", "0.7590", "0.7643", "0.7696")]
    assert (start.base, start.quote) == (Decimal(364), Decimal("53.13"))


def test_grid_of_bitsgap_widens_sells_by_the_fees() -> None:
    """Bitsgap help: a step of 0.5 % and a fee of 0.1 % sell 0.7 % above the buy, and 0.5 % remain."""
    config = grid.Config(
        100, "100.5", 1 + 1, counted="lines", fee_mode="widen_sell", quantity_per_grid=1000
    )  # fmt: skip
    market = MarketRules(tick_size="0.001", maker_fee="0.001", taker_fee="0.001")
    lines = grid.GridBot("bot", config, market).lines
    assert lines.selling_price(0) / lines.price(0) == Decimal("1.007")
    assert round(grid.profit_per_grid(config, market)[0], 3) == Decimal("0.005")


@pytest.mark.parametrize(
    ("base", "quote", "price", "target", "width", "bid", "ask"),
    [
        (85000, 10000, "0.0036", "0.03", 20000, "1.04416667", "0.95583333"),
        (95000, 10000, "0.0036", "0.03", 20000, "0.55916667", "1.44083333"),
        (70000, 10000, "0.0036", "0.03", 20000, "1.77166667", "0.22833333"),
        (8500, 10000, "0.0036", "0.03", 20000, "2", "0"),
        (200000, 10000, "0.0036", "0.03", 20000, "0", "2"),
        (100, 10, 1, "0.35", 200, "0", "2"),
        (10, 100, 1, "0.75", 200, "2", "0"),
        (0, 0, "0.0036", "0.03", 20000, "0", "0"),
        (0, 10000, "0.0036", "0.03", 20000, "2", "0"),
        (85000, 10000, "0.0036", "0.03", 0, "0", "0"),
    ],
)
def test_inventory_skew_of_hummingbot(
    base: int, quote: int, price: str, target: str, width: int, bid: str, ask: str
) -> None:
    """hummingbot, test_inventory_skew_calculator.py."""
    ratios = inventory_skew(base, quote, price, target, width)
    assert tuple(round(ratio, 8) for ratio in ratios) == decimals(bid, ask)


@pytest.mark.parametrize(
    ("inventory", "left", "reservation", "spread"),
    [(0, 1, "100", "1.690770"), (2, "0.5", "99.6", "1.490770"), (-3, 1, "101.2", "1.690770")],
)
def test_closed_form_of_avellaneda_and_stoikov(inventory: int, left: str, reservation: str, spread: str) -> None:
    """Avellaneda and Stoikov, High-frequency trading in a limit order book (2008), with their parameters s = 100,
    sigma = 2, gamma = 0.1, k = 1.5."""
    price, width = avellaneda_stoikov(100, inventory, "0.1", 2, "1.5", left)
    assert (price, round(width, 6)) == decimals(reservation, spread)
