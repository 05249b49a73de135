"""The four bots of the demo that act: one of each kind, on the triggers that the replay has recorded.

They are the first of the population. Each trades on paper, on the stored candles; beside that, a simulation finds its
triggers by itself, and its orders have to be the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from bots.configured_simulation import simulate_bot
from bots.definition import define_bot
from bots.simulation import Simulation
from bots.simulation_figures import won
from registry.store.protocol import Store

_OVERSOLD = "BTCUSDT 1h: rsi(14) crosses_below 30"
ACTING: Mapping[str, Mapping[str, Any]] = {
    "dca": {
        "symbol": "BTCUSDT",
        "baseOrderSize": 1000,
        "dcaRules": {
            "safetyOrderVolume": 500, "maxSafetyOrders": 5, "safetyOrderStepPercentage": 1.5,
            "martingaleStepCoefficient": 1.4, "martingaleVolumeCoefficient": 1.5,
        },
        "takeProfit": 1.5,
        "entryConditions": [_OVERSOLD],
    },
    "grid": {
        "symbol": "BTCUSDT",
        "baseOrderSize": 250,
        "lower": 48_000, "upper": 62_000, "count": 29, "counted": "lines",
        "start": "condition",
        "entryConditions": [_OVERSOLD],
    },
    "trend": {
        "symbol": "BTCUSDT",
        "baseOrderSize": 5000,
        "direction": "short",
        "opposite_signal": "reverse",
        "stop_atr_multiplier": 3,
        "entryConditions": ["BTCUSDT 5m: ema(20) crosses_below ema(50)"],
        "oppositeCondition": "BTCUSDT 5m: ema(20) crosses_above ema(50)",
        "paper": {"base": 1},
    },
    "market_making": {
        "symbol": "BTCUSDT",
        "baseOrderSize": 0.01,
        "base_amount": 0.1, "quote_amount": 6000,
        "bid_spread": 0.3, "ask_spread": 0.3, "order_refresh_time": 300, "filled_order_delay": 300,
        "start": "condition",
        "entryConditions": ["BTCUSDT 5m: bbands(20, 2).bandwidth < 0.01"],
        "exitConditions": ["BTCUSDT 5m: bbands(20, 2).bandwidth > 0.02"],
    },
}  # fmt: skip
"""Kind -> configuration, as a user sends it."""


@dataclass(frozen=True)
class ActedBot:
    """What one of them came to; amounts in quote, as exact text."""

    kind: str
    symbol: str
    triggers: int
    """That it acted on, or could have."""
    deals: int
    won: int
    orders: int
    fills: int
    profit: str
    """After fees, coins at the last close."""
    fees: str
    drawdown: float
    status: str
    is_as_simulated: bool
    """Whether a simulation places the same orders, with the same executions."""


def conditions_of(kind: str) -> tuple[str, ...]:
    """The conditions of one of them, as it registers them."""
    config = ACTING[kind]
    listed = [*config.get("entryConditions", ()), *config.get("exitConditions", ())]
    return tuple([*listed, config["oppositeCondition"]] if "oppositeCondition" in config else listed)


def acted(store: Store, kinds: list[str], start_ms: int, end_ms: int) -> Iterator[ActedBot]:
    """Let them act on what is recorded from one time to another."""
    recorded = store.triggers.after(0, store.triggers.last_seq())
    for kind in kinds:
        config = ACTING[kind]
        ids = {condition.id for condition, _ in define_bot(config, kind).conditions}
        own = recorded.filter(pl.col("condition_id").is_in(ids))
        live, simulated = (
            simulate_bot(config, store, kind=kind, since=start_ms, until=end_ms, triggers=triggers)
            for triggers in (own, None)
        )
        yield _acted(kind, own.height, live, simulated)


def _acted(kind: str, triggers: int, live: Simulation[Any], simulated: Simulation[Any]) -> ActedBot:
    same = (
        live.state == simulated.state
        and live.orders.equals(simulated.orders)
        and live.fills.equals(simulated.fills)
        and live.deals.equals(simulated.deals)
    )
    return ActedBot(
        kind=kind,
        symbol=live.series.instrument.symbol,
        triggers=triggers,
        deals=live.deals.height,
        won=won(live),
        orders=live.orders.height,
        fills=live.fills.height,
        profit=format(live.profit, "f"),
        fees=format(live.fees, "f"),
        drawdown=live.drawdown,
        status=live.state.status,
        is_as_simulated=same,
    )
