"""What a simulation shows of itself in a notebook: the right figures, offline, on light and dark pages."""

import re
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

from bots import dca
from bots.orders import MarketRules
from bots.simulation import Simulation, simulate
from bots.simulation_figures import SHOWN_DEALS, as_json, facts_of
from bots.simulation_html import page, simulation_html, simulation_plot

MARKET = MarketRules(tick_size="0.01", lot_size="0.001", maker_fee=0, taker_fee=0)
CONFIG = dca.Config(base_order_volume=100, take_profit=1, start="at_once")


def waves(candles: int, symbol: str = "BTCUSDT") -> pl.DataFrame:
    """Prices that rise by a tenth in ten minutes, and fall back in ten."""
    prices = [100.0 + min(number % 20, 20 - number % 20) for number in range(candles)]
    return pl.DataFrame(
        {
            "symbol": symbol, "timeframe": "1m", "open_time": [60_000 * number for number in range(candles)],
            "open": prices, "high": [price + 0.5 for price in prices], "low": [price - 0.5 for price in prices],
            "close": prices, "volume": 1000.0,
        }
    ).with_columns(pl.from_epoch("open_time", "ms"))  # fmt: skip


def run(candles: int, bot_id: str = "waves") -> Simulation[Any]:
    return simulate(dca.DcaBot(bot_id, CONFIG, MARKET), waves(candles))


def test_figures_are_those_of_the_simulation() -> None:
    simulation = run(400)
    facts = dict(facts_of(simulation))
    shown = simulation._repr_html_()
    assert simulation.deals.height > SHOWN_DEALS
    assert facts["profit"].startswith(f"{simulation.profit:+,.2f} after fees")
    assert facts["deals"] == f"{simulation.deals.height}, {simulation.deals.height} of them with a profit"
    assert all(text in shown for text in (*facts.values(), "take profit"))
    assert shown.count("<td") == 2 * len(facts) + 8 * SHOWN_DEALS
    assert f"and {simulation.deals.height - SHOWN_DEALS} before" in shown


def test_every_execution_is_marked_where_it_was() -> None:
    simulation = run(20)
    marks = re.findall(r"<title>([^<]*)</title>", simulation_plot(simulation))
    assert marks == [
        f"{fill['purpose']}: {fill['side']} {fill['quantity']:,.8g} at {fill['price']:,.2f}"
        for fill in simulation.fills.iter_rows(named=True)
    ]


def test_drawdown_is_the_largest_fall_from_the_top() -> None:
    simulation = run(5)
    gains = [1.0, -2.0, 4.0, 3.0, -1.0]
    shown = Simulation(
        simulation.bot_id, simulation.series, simulation.state, simulation.account, simulation.deals, simulation.orders,
        simulation.fills, simulation.equity.with_columns(pl.Series("gain", gains)), simulation.notes,
    )  # fmt: skip
    assert shown.drawdown == 5
    falling = Simulation(**{**vars(shown), "equity": shown.equity.with_columns(pl.Series("gain", [-1.0] * 5))})
    assert falling.drawdown == 1


def test_a_page_needs_nothing_from_elsewhere_and_no_colour_of_a_theme() -> None:
    shown = page(run(30))
    assert not re.search(r"(src|href|url\()|https?:|@import|<script", shown)
    assert "color-scheme" in shown
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', shown))
    assert colours == {"currentColor", "none", "#14a08f", "#94a3b8", "#e0524d"}
    ElementTree.fromstring(simulation_plot(run(30)))


def test_names_are_text() -> None:
    shown = page(run(5, bot_id="<script>alert('x')</script> & \""))
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize("candles", [1, 2])
def test_a_simulation_in_which_nothing_happened_shows_that(candles: int) -> None:
    idle = dca.Config(base_order_volume=100, take_profit=1, min_price=1_000, start="at_once")
    simulation = simulate(dca.DcaBot("idle", idle, MARKET), waves(candles))
    shown = simulation_html(simulation)
    assert "none" in dict(facts_of(simulation))["deals"]
    assert "nan" not in shown


def test_a_long_history_stays_small() -> None:
    shown = simulation_html(run(5_000))
    assert len(shown) < 150_000
    lines = re.findall(r'<polyline points="([^"]*)"', shown)
    assert [len(line.split()) <= 600 for line in lines] == [True, True]


def test_amounts_for_machines_are_exact() -> None:
    simulation = run(2_000)
    told = as_json(simulation)
    assert Decimal(str(told["profit_quote"])) == simulation.profit
    assert (told["since"], told["candles"]) == ("1970-01-01T00:01:00Z", 2_000)
    assert len(told["orders"]) == simulation.orders.height  # type: ignore[arg-type]
    assert len(told["equity"]) <= 500  # type: ignore[arg-type]
