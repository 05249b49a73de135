"""What a simulation comes to, in figures: for people as text, for machines as JSON."""

from collections.abc import Callable
from typing import Any

import polars as pl

from bots.market_making import State as MarketMakingState
from bots.simulation import Simulation
from common.timeframes import iso_time, show_time, to_ms

_MOST_POINTS = 500
SHOWN_DEALS = 20


def won(simulation: Simulation[Any]) -> int:
    """How many deals ended with a profit."""
    return simulation.deals.filter(pl.col("profit") > 0).height


def at_stake(simulation: Simulation[Any]) -> float | None:
    """The most money that was in coins at once, or got for coins that were sold first, in quote; ``None`` for a bot
    that trades with coins and money of its own."""
    if isinstance(simulation.state, MarketMakingState):
        return None
    largest = simulation.equity["quote"].abs().max()
    return float(largest) if isinstance(largest, float) and largest else None


def facts_of(simulation: Simulation[Any]) -> list[tuple[str, str]]:
    """(what, how much) for people."""
    equity, state = simulation.equity, simulation.state
    most = at_stake(simulation)
    share = f"; {float(simulation.profit) / most:+.2%} of {money(most)}, the most at stake" if most else ""
    deals = simulation.deals.height
    facts = [
        ("candles", f"{equity.height:,}, {_shown(equity['time'][0])} to {_shown(equity['time'][-1])} UTC"),
        ("profit", f"{money(float(simulation.profit), signed=True)} after fees{share}"),
        ("fees", money(float(simulation.fees))),
        ("drawdown", f"{money(simulation.drawdown)} at most"),
        ("deals", f"{deals:,}, {won(simulation):,} of them with a profit" if deals else "none"),
        ("orders", f"{simulation.orders.height:,}, {simulation.fills.height:,} executions"),
        ("at the end", f"{state.status}, {float(state.base):+,.8g} coins at {money(float(state.price))}"),
    ]
    if simulation.notes.height:
        facts.append(("notes", f"{simulation.notes.height:,}, the last: {simulation.notes['text'][-1]}"))
    return facts


def as_json(simulation: Simulation[Any]) -> dict[str, object]:
    """Everything for machines; exact amounts as text, the equity in at most 500 points."""
    state = simulation.state
    return {
        "bot": simulation.bot_id,
        "symbol": str(simulation.series.instrument),
        "timeframe": simulation.series.timeframe,
        "since": iso_time(to_ms(simulation.equity["time"][0])),
        "until": iso_time(to_ms(simulation.equity["time"][-1])),
        "candles": simulation.equity.height,
        "status": state.status,
        "error": state.error,
        "profit_quote": format(simulation.profit, "f"),
        "fees_quote": format(simulation.fees, "f"),
        "base": format(state.base, "f"),
        "quote": format(state.quote, "f"),
        "price": format(state.price, "f"),
        "drawdown_quote": simulation.drawdown,
        "won": won(simulation),
        "deals": simulation.deals.to_dicts(),
        "orders": simulation.orders.to_dicts(),
        "fills": simulation.fills.to_dicts(),
        "notes": simulation.notes.to_dicts(),
        "equity": simulation.equity.gather_every(-(-simulation.equity.height // _MOST_POINTS)).to_dicts(),
    }


def deal_columns(simulation: Simulation[Any]) -> dict[str, list[str]]:
    """Header -> cells of the last deals, the newest first, without columns in which there is nothing."""
    deals = simulation.deals.tail(SHOWN_DEALS).reverse()

    def shown(name: str, show: Callable[[Any], str]) -> list[str]:
        return ["" if value is None else show(value) for value in deals[name]]

    columns = {
        "deal": shown("number", str),
        "opened": shown("opened", _shown),
        "closed": shown("closed", _shown),
        "reason": shown("reason", str),
        "quantity": shown("entry_quantity", lambda quantity: f"{quantity:,.8g}"),
        "entry": shown("entry_price", money),
        "exit": shown("exit_price", money),
        "profit": shown("profit", lambda profit: money(profit, signed=True)),
    }
    return {name: cells for name, cells in columns.items() if any(cells)}


LEFT = ("opened", "closed", "reason")
"""Columns of text and time; the others are numbers."""


def money(amount: float, *, signed: bool = False) -> str:
    """An amount in quote: cents, and more digits for small ones."""
    digits = 2 if abs(amount) >= 1 or not amount else 6
    return f"{amount:{'+' if signed else ''},.{digits}f}"


def _shown(moment: Any) -> str:
    return show_time(to_ms(moment))
