"""A bot that trades at an exchange by ccxt, and whose process dies whenever its orders are about to be sent."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from bots.brokers.accounts import ExchangeAccounts
from bots.executor.registered import OpenBroker
from common import failpoints
from common.settings import load_settings
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from hub.demo.simulated_orders import SimulatedOrders
from registry.instruments import Instrument
from tests.bots.executor.lab import Lab
from tests.candles.simulators import served

KEY, SECRET = "the-key-of-ann", "the-secret-of-ann"
CONFIG: dict[str, Any] = {
    "symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 1000, "takeProfit": 2, "start": "at_once",
    "disableAfterDealsCount": 1, "account": "main",
}  # fmt: skip


class Death(BaseException):
    """Nothing of the process goes on."""


@pytest.fixture
def orders(lab: Lab) -> SimulatedOrders:
    balances = {"BTC": Decimal(1), "USDT": Decimal(10_000)}
    return SimulatedOrders([Pair("BTC")], lab.clock.now_ms, {KEY: SECRET}, balances, fees_in="USDT")


@pytest.fixture
def open_broker(lab: Lab, orders: SimulatedOrders, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenBroker]:
    # With a clock that stands still, ccxt would wait before every request.
    monkeypatch.setattr("ccxt.Exchange.throttle", lambda *_: None)
    account = {"exchange": "binance", "user": "ann", "key": KEY, "secret": SECRET}
    with served(SimulatedExchange([Pair("BTC")], lab.clock.now_ms, orders=orders)) as url:
        settings = load_settings(exchange_accounts={"main": account}, exchange_urls={"binance": url})

        def opened(user: str, name: str, instrument: Instrument) -> Any:
            # As in a process of its own, nothing is known of the one before.
            broker = ExchangeAccounts(settings, lab.clock).broker(user, name, instrument)
            broker._sleep = lambda seconds: lab.clock.move_to(lab.clock.now_ms() + int(seconds * 1000))
            return broker

        yield opened


def test_a_process_that_dies_before_its_orders_are_sent_has_each_order_once(
    lab: Lab, crash: pl.DataFrame, orders: SimulatedOrders, open_broker: OpenBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths: list[int] = []

    def die(name: str) -> None:
        if name == "before_orders":
            deaths.append(len(orders.orders))
            raise Death

    monkeypatch.setattr(failpoints, "reach", die)
    lab.store.candles.upsert(crash.head(2))
    bot = lab.create(CONFIG)
    lab.arrive(crash.head(100))
    orders.trade("BTCUSDT", Decimal(60_000), Decimal(0))
    for purposes in (["base"], ["base", "take profit"]):
        with pytest.raises(Death), lab.executor(open_broker=open_broker) as driven:
            driven.settle()
        assert lab.told(bot, "orders")["purpose"].to_list() == purposes
    # What is on record was not sent yet, and the next process sent it.
    assert deaths == [0, 1]
    with lab.executor(open_broker=open_broker) as driven:
        driven.settle()
        assert lab.status(bot) == ["active"]
        orders.trade("BTCUSDT", Decimal(63_000), Decimal(1_000))
        driven.settle()
    # Its end is told in a note, for which nothing has to be on record first.
    assert deaths == [0, 1]
    assert lab.status(bot) == ["closed"]
    recorded = lab.told(bot, "orders")
    assert recorded["purpose"].to_list() == ["base", "take profit"]
    assert [one.client_id for one in orders.orders] == recorded["client_id"].to_list()
    assert [(one.side, one.state) for one in orders.orders] == [("buy", "filled"), ("sell", "filled")]
    assert orders.balances["BTC"] == 1
    (deal,) = lab.told(bot, "deals").iter_rows(named=True)
    assert Decimal(deal["profit"]) == orders.balances["USDT"] - 10_000 > 0
