"""A user who is deleted leaves no orders at an exchange, or whoever deletes is told which."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bots.brokers.accounts import ExchangeAccounts
from bots.executor.report import ExecutorReport
from common.errors import HubError
from common.settings import Settings, load_settings
from hub.alone import alone
from hub.demo.simulated_account import OrderFault
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from hub.demo.simulated_orders import SimulatedOrders
from hub.user_orders import UserOrders
from hub.users import delete_user
from registry.keys import new_key
from tests.bots.executor.conftest import crash, lab
from tests.bots.executor.lab import Lab
from tests.candles.simulators import served

__all__ = ["crash", "lab"]

KEY, SECRET = "the-key-of-ann", "the-secret-of-ann"
CONFIG: dict[str, Any] = {
    "symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 1000, "takeProfit": 2, "start": "at_once",
    "safetyOrderSize": 500, "maxSafetyOrders": 2, "safetyOrderStepPercentage": 5, "account": "main",
}  # fmt: skip


@pytest.fixture
def exchange(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> SimulatedExchange:
    # With a clock that stands still, ccxt would wait before every request.
    monkeypatch.setattr("ccxt.Exchange.throttle", lambda *_: None)
    balances = {"BTC": Decimal(1), "USDT": Decimal(10_000)}
    orders = SimulatedOrders([Pair("BTC")], lab.clock.now_ms, {KEY: SECRET}, balances, fees_in="USDT")
    orders.trade("BTCUSDT", Decimal(60_000), Decimal(0))
    return SimulatedExchange([Pair("BTC")], lab.clock.now_ms, orders=orders)


@pytest.fixture
def settings(exchange: SimulatedExchange, tmp_path: Path) -> Iterator[Settings]:
    account = {"exchange": "binance", "user": "ann", "key": KEY, "secret": SECRET}
    with served(exchange) as url:
        yield load_settings(data_dir=tmp_path, exchange_accounts={"main": account}, exchange_urls={"binance": url})


@pytest.fixture
def orders(exchange: SimulatedExchange, settings: Settings, lab: Lab, crash: pl.DataFrame) -> SimulatedOrders:
    """The account, in which a bot of ann has a take-profit and two safety orders. Bob has a bot on paper."""
    lab.store.accounts.add_key(new_key("ann", "user", "", 0)[0])
    lab.store.candles.upsert(crash.head(2))
    lab.create(CONFIG)
    lab.create({key: value for key, value in CONFIG.items() if key != "account"}, user="bob")
    lab.arrive(crash.head(100))
    with lab.executor(open_broker=ExchangeAccounts(settings, lab.clock).broker) as driven:
        driven.settle()
    assert isinstance(exchange.orders, SimulatedOrders)
    assert open_orders(exchange.orders) == ["buy", "buy", "sell"]
    return exchange.orders


def open_orders(orders: SimulatedOrders) -> list[str]:
    return sorted(one.side for one in orders.orders if one.is_open)


def never(_: float) -> None:
    raise AssertionError("nobody is waited for")


def test_open_orders_are_taken_back_and_coins_are_named(lab: Lab, settings: Settings, orders: SimulatedOrders) -> None:
    deleted = delete_user(lab.store, settings, "ann", lab.clock)
    assert open_orders(orders) == []
    assert (deleted.orders_left, deleted.bots, deleted.keys) == ([], 1, 1)
    (coins,) = deleted.coins_left
    assert Decimal(coins.split()[0]) == orders.balances["BTC"] - 1 > 0
    assert "BINANCE:BTCUSDT in account main, of bot b1" in coins
    assert [bot.life for bot in lab.store.bots.bots_of("bob")] == ["active"]


def test_an_exchange_that_is_away_keeps_the_user_whole_unless_forced(
    lab: Lab, settings: Settings, orders: SimulatedOrders, exchange: SimulatedExchange
) -> None:
    exchange.is_down = True
    with pytest.raises(HubError) as refused:
        delete_user(lab.store, settings, "ann", lab.clock)
    told = str(refused.value)
    assert "3 of bot b1 in BINANCE:BTCUSDT, account main: the exchange of account main did not answer" in told
    assert "nothing was changed" in told
    assert "--force" in told
    assert [bot.life for bot in lab.store.bots.bots_of("ann")] == ["active"]
    assert len(lab.store.accounts.keys("ann")) == 1
    deleted = delete_user(lab.store, settings, "ann", lab.clock, force=True)
    assert [left.partition(":")[0] for left in deleted.orders_left] == ["3 of bot b1 in BINANCE"]
    assert lab.store.accounts.keys("ann") == []
    assert open_orders(orders) == ["buy", "buy", "sell"]


def test_cancels_that_are_not_confirmed_keep_the_bots_and_a_repetition_ends_it(
    lab: Lab, settings: Settings, orders: SimulatedOrders
) -> None:
    orders.faults["DELETE order"].extend([OrderFault(0)] * 100)
    taking = UserOrders(lab.store, settings, "ann", lab.clock, sleep=lambda _: None)
    assert taking.why_not() == []
    (left,) = taking.take_back()
    assert left.startswith("3 of bot b1 in BINANCE:BTCUSDT, account main: ")
    assert [bot.life for bot in lab.store.bots.bots_of("ann")] == ["ended"]
    orders.faults.clear()
    assert taking.take_back() == []
    assert open_orders(orders) == []
    assert taking.take_back() == []


def test_an_account_that_is_gone_from_the_settings_is_said(
    lab: Lab, settings: Settings, orders: SimulatedOrders
) -> None:
    without = settings.model_copy(update={"exchange_accounts": {}})
    with pytest.raises(HubError, match="3 of bot b1 in BINANCE:BTCUSDT, account main: there is no account 'main'"):
        delete_user(lab.store, without, "ann", lab.clock)
    assert len(orders.orders) == 4


def test_whoever_runs_the_bots_is_waited_for(lab: Lab, settings: Settings, orders: SimulatedOrders) -> None:
    """Until then it may send more."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            ExecutorReport(round_ms=lab.clock.now_ms() + 1).write(settings.data_dir)

    ExecutorReport(round_ms=lab.clock.now_ms()).write(settings.data_dir)
    with alone(settings.data_dir, "bots"):
        assert UserOrders(lab.store, settings, "ann", lab.clock, sleep=sleep).take_back() == []
        assert len(waits) == 3
        (settings.data_dir / "bots.json").unlink()
        (left,) = UserOrders(lab.store, settings, "ann", lab.clock, sleep=lambda _: None).take_back()
    assert "may send more" in left
    assert open_orders(orders) == []


def test_bots_on_paper_are_not_waited_for(lab: Lab, settings: Settings, orders: SimulatedOrders) -> None:
    assert orders.orders
    taking = UserOrders(lab.store, settings, "bob", lab.clock, sleep=never)
    with alone(settings.data_dir, "bots"):
        assert (taking.why_not(), taking.take_back(), taking.coins()) == ([], [], [])
