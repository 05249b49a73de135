"""NautilusTrader with an actor of ``docs/nautilus.md``, run by an interpreter of its own.

    python nautilus_run.py live|backtest PAGE CONDITION START END

prints a line for each signal and bar that a strategy gets: what it is, its name or price, its time in milliseconds. The
live run ends after three signals.
"""

# mypy: ignore-errors
# It runs where NautilusTrader is installed, and is checked where it is not.

import asyncio
import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

MODE, PAGE, CONDITION, START, END = sys.argv[1:]
BARS = BarType.from_str("BTCUSDT.BINANCE-1-MINUTE-LAST-EXTERNAL")
MINUTE_NS = 60 * 10**9
NAMES = {}
for block in re.findall(r"^```python\n(.*?)^```$", Path(PAGE).read_text(), re.MULTILINE | re.DOTALL):
    if "class " in block:
        exec(block, NAMES)


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Listener(Strategy):
    """Prints what it gets."""

    def on_start(self):
        self.signals = 0
        self.subscribe_signal("rising")
        self.subscribe_bars(BARS)

    def on_signal(self, signal):
        self.signals += 1
        say(type(signal).__name__, signal.value, signal.ts_event // 10**6)
        if MODE == "live" and self.signals == 3:
            asyncio.get_running_loop().call_soon(node.stop)

    def on_bar(self, bar):
        say("bar", bar.close, bar.ts_event // 10**6)


def bars():
    """Rising bars of a minute from ``START`` to ``END``."""
    first, last = (int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9 for text in (START, END))
    prices = [Price(Decimal(text), 2) for text in ("1", "2", "1", "2")]
    closes = range(first + MINUTE_NS, last + MINUTE_NS, MINUTE_NS)
    return [Bar(BARS, *prices, Quantity(Decimal(10), 6), close, close) for close in closes]


logging, listener = LoggingConfig(log_level="ERROR"), Listener(StrategyConfig(strategy_id="L-1"))
if MODE == "live":
    node = TradingNode(TradingNodeConfig(trader_id="T-1", logging=logging))
    node.trader.add_actor(NAMES["HubActor"](NAMES["HubActorConfig"](conditions={"rising": CONDITION})))
    node.trader.add_strategy(listener)
    node.build()
    node.run()
    node.dispose()
else:
    engine = BacktestEngine(BacktestEngineConfig(trader_id="T-1", logging=logging))
    engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.CASH, [Money(1_000, USDT)])
    engine.add_instrument(TestInstrumentProvider.btcusdt_binance())
    engine.add_data(bars())
    config = NAMES["HubPreviewActorConfig"](conditions={"rising": CONDITION}, start=START, end=END)
    engine.add_actor(NAMES["HubPreviewActor"](config))
    engine.add_strategy(listener)
    engine.run()
    engine.dispose()
