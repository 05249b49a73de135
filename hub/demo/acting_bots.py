"""The four bots of the demo that act: one of each kind, the first of the population.

They are made as the API makes bots, and run by the hub's own executor, on paper, with the triggers that the replay has
published. A simulation, which finds the triggers by itself, has to place the same orders.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from bots.arithmetic import ZERO
from bots.configured_simulation import simulate_bot
from bots.definition import define_bot
from bots.executor.consuming import CONSUMER, BotTriggers
from bots.executor.executor import Executor
from bots.executor.inbox import Inbox
from bots.executor.registered import RegisteredBots
from bots.orders import Fill
from bots.simulation import Simulation
from common.clock import Clock
from common.errors import BrokerError
from common.timeframes import from_ms, to_ms
from events.consuming.consumer import Consumer
from events.consuming.ledger import Ledger
from events.log.redis_log import RedisEventLog
from registry.store.parts.bots import ConditionUse, HistoryKind, NewBot, StoredBot
from registry.store.protocol import Store
from registry.subscriptions import DeliveryPolicy

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


_MOST_ROWS = 100_000


@dataclass(frozen=True)
class ActedBot:
    """What one of them came to; amounts in quote, as exact text."""

    kind: str
    symbol: str
    triggers: int
    """That it saw, and that changed something."""
    deals: int
    won: int
    orders: int
    fills: int
    profit: str
    """After fees, coins at the last close."""
    fees: str
    drawdown: float
    """Of the simulation."""
    is_as_simulated: bool
    """Whether a simulation places the same orders, with the same executions."""


def conditions_of(kind: str) -> tuple[str, ...]:
    """The conditions of one of them, as it registers them."""
    config = ACTING[kind]
    listed = [*config.get("entryConditions", ()), *config.get("exitConditions", ())]
    return tuple([*listed, config["oppositeCondition"]] if "oppositeCondition" in config else listed)


def make_bot(store: Store, user_id: str, bot_id: str, kind: str, *, at_ms: int) -> None:
    """Make one of them, whose conditions are registered; once made, it stays."""
    defined = define_bot(ACTING[kind], kind)
    uses = (ConditionUse(str(where), condition.id, role) for where, condition, role in defined.roles())
    bot = NewBot(
        user_id, bot_id, kind, defined.definition.account, tuple(map(str, defined.instruments)), tuple(uses),
        dict(ACTING[kind]),
    )  # fmt: skip
    store.bots.create(bot, DeliveryPolicy(), active_from_ms=at_ms)


def let_bots_act(store: Store, log: RedisEventLog, ledger_path: Path, clock: Clock) -> None:
    """Run all bots of a store until they have seen everything that there is."""

    def no_account(_: str, account: str, __: object) -> Any:
        raise BrokerError(f"the demo trades on paper, and has no account {account!r}")

    with Ledger(ledger_path, now_ms=clock.now_ms) as ledger:
        inbox = Inbox(ledger)
        triggers = BotTriggers(RegisteredBots(store, no_account), inbox, threading.Event())
        consumer = Consumer(
            CONSUMER, log, store, ledger, triggers, clock, start=0, start_change=0, flush=triggers.flush,
            is_for=triggers.is_for,
        )  # fmt: skip
        executor = Executor(
            store, inbox, clock, applied=lambda: consumer.recorded_seq, open_broker=no_account, rearm=consumer.rearm
        )
        is_busy = True
        while is_busy:
            while consumer.step():
                pass
            is_busy = executor.look() or bool(consumer.step())


def acted(store: Store, start_ms: int, end_ms: int) -> Iterator[ActedBot]:
    """What the bots of a store came to by a time, beside simulations of the same time."""
    for bot in store.bots.changed_after(0, len(ACTING)):
        simulated = simulate_bot(bot.bot_config, store, kind=bot.kind, since=start_ms, until=end_ms)
        yield _acted(store, bot, simulated, end_ms)


def _acted(store: Store, bot: StoredBot, simulated: Simulation[Any], end_ms: int) -> ActedBot:
    def done(kind: HistoryKind, time: str) -> list[dict[str, Any]]:
        # The sample goes on, and bots see the candles after the last one that was judged.
        rows = store.bots.history(bot.number, kind, _MOST_ROWS).reverse()
        return rows.filter(pl.col(time) <= from_ms(end_ms)).to_dicts()

    orders, executions = done("orders", "placed_at"), done("fills", "filled_at")
    fills = [
        Fill(
            row["fill_id"], row["client_id"], row["side"], to_ms(row["filled_at"]),
            *(Decimal(row[name]) for name in ("price", "quantity", "fee_quote", "fee_base")),
        )
        for row in executions
    ]  # fmt: skip
    profits = [Decimal(row["profit"]) for row in done("deals", "closed_at")]
    quote, base = sum((fill.quote for fill in fills), ZERO), sum((fill.base for fill in fills), ZERO)
    return ActedBot(
        kind=bot.kind,
        symbol=simulated.series.instrument.symbol,
        triggers=len(done("actions", "closed_at")),
        deals=len(profits),
        won=sum(profit > 0 for profit in profits),
        orders=len(orders),
        fills=len(fills),
        profit=format(quote + base * simulated.state.price, "f"),
        fees=format(sum((fill.fee_quote + fill.fee_base * fill.price for fill in fills), ZERO), "f"),
        drawdown=simulated.drawdown,
        is_as_simulated=_told(orders, "placed_at") == _told(simulated.orders.to_dicts(), "time")
        and _told(executions, "filled_at") == _told(simulated.fills.to_dicts(), "time"),
    )


def _told(rows: list[dict[str, Any]], time: str) -> list[tuple[Any, ...]]:
    """What orders or executions say: amounts are text in the store, and numbers in a simulation."""
    return [
        (to_ms(row[time]), row["purpose"], row["side"], float(row["quantity"]), _number(row["price"])) for row in rows
    ]


def _number(said: str | float | None) -> float | None:
    return None if said is None else float(said)
