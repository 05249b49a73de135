"""Orders at an exchange, by real ccxt over HTTP: the simulated exchange has Binance's signed API, and its faults."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest

from bots import dca
from bots.brokers.accounts import ExchangeAccounts
from bots.brokers.ccxt import CcxtBroker
from bots.brokers.ccxt_connection import WINDOW_MS
from bots.brokers.protocol import Balances, Broker
from bots.machine import ConditionFired, OrderFilled, OrderRejected
from bots.running import Runner
from common.clock import ReplayClock
from common.errors import BotConfigError, BrokerError, ExchangeError, NoSuchMarket, SettingsError
from common.settings import Settings, load_settings
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from hub.demo.simulated_orders import OrderFault, SimulatedOrders
from registry.instruments import Instrument
from tests.bots.bench import candle
from tests.bots.brokers.contract import BrokerContract, OpenVenue, executed, order, told
from tests.candles.simulators import served

PAIR = Pair("BTC", lot_size="0.001", min_notional="0.1")
INSTRUMENT = Instrument("BINANCE", "BTCUSDT")
START_MS = 1_722_816_000_000
KEY, SECRET = "the-key-of-alice", "the-secret-of-alice"
CUT = OrderFault(0)


class ExchangeVenue:
    """An account at the simulated exchange; a minute passes with every price."""

    def __init__(self, url: str, exchange: SimulatedExchange, clock: ReplayClock) -> None:
        self.url, self.exchange, self.clock = url, exchange, clock
        assert exchange.orders is not None
        self.orders = exchange.orders
        self.orders.trade("BTCUSDT", Decimal(100), Decimal(0))
        self.restart()

    def settings(self, **account: Any) -> Settings:
        named = {"exchange": "binance", "user": "alice", "key": KEY, "secret": SECRET, **account}
        return load_settings(exchange_accounts={"main": named}, exchange_urls={"binance": self.url})

    def restart(self) -> None:
        self.ccxt = ExchangeAccounts(self.settings(), self.clock).broker("alice", "main", INSTRUMENT)
        self.ccxt._sleep = self.wait
        self.broker: Broker = self.ccxt

    def trade(self, *prices: float, volume: float = 1000) -> None:
        for price in prices:
            self.orders.trade("BTCUSDT", Decimal(str(price)), Decimal(str(volume)))
        self.wait(60)

    def wait(self, seconds: float) -> None:
        self.clock.move_to(self.clock.now_ms() + int(seconds * 1000))

    def fault(self, request: str, *faults: OrderFault) -> None:
        self.orders.faults[request].extend(faults)

    def asked(self, request: str) -> int:
        return self.orders.requests.count(request)


@pytest.fixture
def open_venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], ExchangeVenue]]:
    # With a clock that stands still, ccxt would wait before every request.
    monkeypatch.setattr("ccxt.Exchange.throttle", lambda *_: None)
    with ExitStack() as stack:

        def opened() -> ExchangeVenue:
            clock = ReplayClock(START_MS)
            balances = {"BTC": Decimal(10), "USDT": Decimal(10_000)}
            orders = SimulatedOrders([PAIR], clock.now_ms, {KEY: SECRET}, balances, fees_in="USDT")
            exchange = SimulatedExchange([PAIR], clock.now_ms, orders=orders)
            return ExchangeVenue(stack.enter_context(served(exchange)), exchange, clock)

        yield opened


@pytest.fixture
def venue(open_venue: Callable[[], ExchangeVenue]) -> ExchangeVenue:
    return open_venue()


class TestCcxtBroker(BrokerContract):
    @pytest.fixture
    def open_venue(self, open_venue: OpenVenue) -> OpenVenue:
        return open_venue


def test_rules_are_those_of_the_market(venue: ExchangeVenue) -> None:
    rules = venue.broker.market
    assert (rules.tick_size, rules.lot_size, rules.min_notional) == (
        Decimal("0.01"), Decimal("0.001"), Decimal("0.1"),
    )  # fmt: skip
    with pytest.raises(NoSuchMarket, match="no spot market BINANCE:ETHUSDT"):
        ExchangeAccounts(venue.settings(), venue.clock).broker("alice", "main", Instrument("BINANCE", "ETHUSDT"))


@pytest.mark.parametrize(
    "fault",
    [CUT, OrderFault(503, code=-1001), OrderFault(504, code=-1007), OrderFault(500, code=-2010)],
    ids=["cut", "503", "504", "500 that looks like a refusal"],
)
def test_an_order_that_was_accepted_without_an_answer_is_not_sent_again(
    venue: ExchangeVenue, fault: OrderFault
) -> None:
    venue.fault("POST order", OrderFault(fault.status, "carried out", code=fault.code))
    venue.broker.place(order("a", "buy", 1))
    assert executed(venue.broker.reports()) == 1
    venue.wait(60)
    assert venue.broker.reports() == []
    assert venue.asked("POST order") == 1
    assert venue.broker.balances().base == 11


def test_an_order_that_was_lost_is_sent_again_once_it_cannot_arrive_any_more(venue: ExchangeVenue) -> None:
    venue.fault("POST order", CUT)
    venue.broker.place(order("a", "buy", 1))
    assert venue.broker.reports() == []
    venue.wait(WINDOW_MS / 1000)
    assert venue.broker.reports() == []
    assert venue.asked("POST order") == 1
    venue.wait(2)
    assert executed(venue.broker.reports()) == 1
    assert venue.asked("POST order") == 2


def test_an_order_that_arrives_late_is_executed_once(venue: ExchangeVenue) -> None:
    venue.fault("POST order", OrderFault(0, "carried out late"))
    venue.broker.place(order("a", "buy", 1))
    assert venue.broker.reports() == []
    venue.wait(4)
    venue.orders.deliver()
    assert executed(venue.broker.reports()) == 1
    venue.wait(60)
    assert venue.broker.reports() == []
    assert venue.broker.balances().base == 11


def test_what_is_unsure_is_settled_before_anything_else_is_reported(venue: ExchangeVenue) -> None:
    venue.broker.place(order("a", "buy", 1, 95))
    venue.fault("POST order", CUT)
    venue.broker.place(order("b", "buy", 1, 90))
    venue.orders.trade("BTCUSDT", Decimal(94), Decimal(10))
    assert venue.broker.reports() == []
    venue.wait(7)
    assert told(venue.broker.reports()) == [("fill", "a")]
    assert venue.ccxt.trouble is None


def test_a_filled_order_is_not_executed_again_although_the_exchange_would(venue: ExchangeVenue) -> None:
    venue.broker.place(order("a", "buy", 1))
    assert executed(venue.broker.reports()) == 1
    venue.restart()
    venue.broker.place(order("a", "buy", 1))
    assert venue.asked("POST order") == 1
    assert venue.broker.balances().base == 11


def test_a_duplicate_that_is_refused_is_there(venue: ExchangeVenue) -> None:
    venue.broker.place(order("a", "buy", 1, 95))
    venue.restart()
    # The exchange does not show at first what it has.
    venue.fault("GET order", OrderFault(400, code=-2013, message="Order does not exist."))
    venue.broker.place(order("a", "buy", 1, 95))
    venue.trade(94)
    assert told(venue.broker.reports()) == [("fill", "a")]
    assert venue.asked("POST order") == 2
    assert len(venue.orders.orders) == 1


@pytest.mark.parametrize("status", [429, 418])
def test_an_exchange_that_wants_to_be_left_alone_is(venue: ExchangeVenue, status: int) -> None:
    venue.fault("POST order", OrderFault(status, code=-1003, message="Too many requests.", retry_after_s=30))
    venue.broker.place(order("a", "buy", 1))
    made = len(venue.orders.requests)
    venue.wait(29)
    assert venue.broker.reports() == []
    assert len(venue.orders.requests) == made
    assert venue.ccxt.trouble == "account main asks its exchange again in 1 s"
    venue.wait(2)
    assert executed(venue.broker.reports()) == 1
    assert venue.asked("POST order") == 2
    assert venue.ccxt.trouble is None


def test_clocks_that_disagree_are_brought_together(venue: ExchangeVenue) -> None:
    here = ReplayClock(START_MS - 3_600_000)
    broker = ExchangeAccounts(venue.settings(), here).broker("alice", "main", INSTRUMENT)
    broker.place(order("a", "buy", 1))
    assert executed(broker.reports()) == 1
    assert venue.asked("POST order") == 1


def test_a_market_order_that_finds_too_little_ends_with_what_it_got(venue: ExchangeVenue) -> None:
    venue.orders.at_once = Decimal("0.4")
    venue.broker.place(order("a", "buy", 1))
    reports = venue.broker.reports()
    assert told(reports) == [("fill", "a"), ("cancelled", "a")]
    assert executed(reports) == Decimal("0.4")


def test_an_order_ends_when_all_its_trades_are_there(venue: ExchangeVenue) -> None:
    venue.orders.trades_are_late = True
    venue.broker.place(order("a", "buy", 3, 95))
    venue.trade(95, volume=1)
    venue.broker.cancel("a" * 32)
    assert venue.broker.reports() == []
    venue.orders.trades_are_late = False
    reports = venue.broker.reports()
    assert told(reports) == [("fill", "a"), ("cancelled", "a")]
    assert executed(reports) == 1


def test_each_execution_of_an_order_is_reported_once(venue: ExchangeVenue) -> None:
    venue.broker.place(order("a", "buy", 3, 95))
    parts = []
    for _ in range(3):
        venue.trade(95, volume=1)
        parts.append(executed(venue.broker.reports()))
    assert parts == [1, 1, 1]
    made = len(venue.orders.requests)
    assert venue.broker.reports() == []
    assert len(venue.orders.requests) == made


def test_a_cancel_without_an_answer_is_repeated(venue: ExchangeVenue) -> None:
    venue.broker.place(order("a", "buy", 1, 95))
    venue.fault("DELETE order", CUT, OrderFault(0, "carried out"))
    venue.broker.cancel("a" * 32)
    assert venue.broker.reports() == []
    assert told(venue.broker.reports()) == [("cancelled", "a")]
    venue.trade(90)
    assert venue.broker.reports() == []


def test_an_order_may_be_taken_back_while_it_is_unsure_whether_it_arrived(venue: ExchangeVenue) -> None:
    venue.fault("POST order", OrderFault(0, "carried out late"), CUT)
    venue.broker.place(order("a", "buy", 1, 95))
    venue.broker.place(order("b", "buy", 1, 94))
    venue.broker.cancel("a" * 32)
    venue.broker.cancel("b" * 32)
    venue.orders.deliver()
    venue.wait(7)
    assert sorted(told(venue.broker.reports())) == [("cancelled", "a"), ("cancelled", "b")]
    venue.trade(90)
    assert venue.broker.reports() == []
    assert venue.asked("POST order") == 2


def test_orders_survive_a_restart_of_the_exchange(venue: ExchangeVenue) -> None:
    venue.broker.place(order("a", "buy", 1, 95))
    venue.exchange.is_down = True
    venue.broker.place(order("b", "buy", 1, 90))
    venue.broker.cancel("a" * 32)
    assert venue.broker.reports() == []
    assert "did not answer" in str(venue.ccxt.trouble)
    with pytest.raises(BrokerError, match="did not answer"):
        venue.broker.balances()
    with pytest.raises(BrokerError, match="did not answer"):
        venue.broker.past(["a" * 32])
    venue.exchange.is_down = False
    assert told(venue.broker.reports()) == [("cancelled", "a")]
    venue.trade(89)
    assert told(venue.broker.reports()) == [("fill", "b")]


def test_what_happened_while_nobody_looked_is_delivered_after_a_restart(venue: ExchangeVenue) -> None:
    """A bot's process dies when its order has been sent, and its state has been stored."""
    config = dca.Config(base_order_volume=100, take_profit=2)
    bot = dca.DcaBot("b", config, venue.broker.market)
    runner = Runner(bot, venue.broker, bot.start())
    runner.deliver(candle(1, 100))
    venue.fault("POST order", OrderFault(0, "carried out late"))
    runner.deliver(ConditionFired(60_000, "c" * 32, "entry", Decimal(100)))
    stored = runner.state
    assert stored.status == "entering"
    venue.restart()
    venue.orders.deliver()
    again = Runner(bot, venue.broker, stored)
    again.resume()
    assert again.state.deal is not None
    venue.trade(103)
    again.catch_up()
    assert again.state.deal is None
    assert again.state.quote > 0
    assert venue.broker.balances().base == 10
    assert [one.side for one in venue.orders.orders] == ["BUY", "SELL"]


def test_an_order_that_never_left_is_sent_after_a_restart_and_not_before_it_is_certain(venue: ExchangeVenue) -> None:
    began_ms = venue.clock.now_ms()
    assert venue.broker.past(["a" * 32]).missing == {"a" * 32}
    assert venue.clock.now_ms() > began_ms + WINDOW_MS


def test_fees_in_what_was_bought_lessen_what_was_bought(venue: ExchangeVenue) -> None:
    venue.orders.fees_in = None
    venue.broker.place(order("a", "buy", 1))
    (report,) = venue.broker.reports()
    assert isinstance(report, OrderFilled)
    assert (report.fill.fee_base, report.fill.fee_quote) == (Decimal("0.001"), Decimal(0))
    assert venue.broker.balances() == Balances(Decimal("10.999"), Decimal(9_900))


def test_fees_in_a_third_coin_are_said(venue: ExchangeVenue, caplog: pytest.LogCaptureFixture) -> None:
    venue.orders.balances["BNB"] = Decimal(1_000)
    venue.orders.fees_in = "BNB"
    for name in "ab":
        venue.broker.place(order(name, "buy", 1))
    assert executed(venue.broker.reports()) == 2
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == ["account main pays fees in BNB"]


def test_numbers_are_exact(venue: ExchangeVenue) -> None:
    venue.trade(33.33)
    venue.broker.place(order("a", "buy", "0.123"))
    (report,) = venue.broker.reports()
    assert isinstance(report, OrderFilled)
    assert report.fill.quote == -(Decimal("33.33") * Decimal("0.123") * Decimal("1.001"))


def test_a_key_that_is_not_accepted_is_named_and_not_shown(
    venue: ExchangeVenue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = venue.settings(key="another-key", secret="another-secret")
    broker = ExchangeAccounts(settings, venue.clock).broker("alice", "main", INSTRUMENT)
    broker.place(order("a", "buy", 1))
    assert broker.trouble == "the exchange does not accept the key of account main; correct HUB_EXCHANGE_ACCOUNTS"
    venue.broker.place(order("b", "buy", 1))
    logged = caplog.text + repr(settings) + str(settings) + broker.trouble
    for secret in ("another-key", "another-secret", KEY, SECRET):
        assert secret not in logged


def test_a_refusal_has_the_reason_of_the_exchange(venue: ExchangeVenue) -> None:
    venue.broker.place(order("a", "sell", 11))
    (report,) = venue.broker.reports()
    assert isinstance(report, OrderRejected)
    assert "insufficient balance" in report.reason


def test_an_account_is_its_users_alone(venue: ExchangeVenue) -> None:
    accounts = ExchangeAccounts(venue.settings(), venue.clock)
    for user, name in (("bob", "main"), ("alice", "other")):
        with pytest.raises(BotConfigError, match=f"there is no account '{name}' of yours"):
            accounts.broker(user, name, INSTRUMENT)
    with pytest.raises(BotConfigError, match="account main is at BINANCE"):
        accounts.broker("alice", "main", Instrument("OKX", "BTCUSDT"))


def test_real_money_has_to_be_asked_for_in_words() -> None:
    def urls(**account: Any) -> str:
        settings = load_settings(
            exchange_accounts={"a": {"exchange": "binance", "user": "alice", "key": "k", "secret": "s", **account}}
        )
        from bots.brokers.ccxt_connection import CcxtConnection

        connection = CcxtConnection("a", settings.exchange_accounts["a"], ReplayClock(0))
        return str(connection._api.urls["api"]["private"])

    assert urls() == "https://testnet.binance.vision/api/v3"
    assert urls(trades="with real money") == "https://api.binance.com/api/v3"
    with pytest.raises(SettingsError, match="HUB_EXCHANGE_ACCOUNTS"):
        urls(trades="live")


def test_an_exchange_without_a_sandbox_is_named(venue: ExchangeVenue) -> None:
    for exchange, problem in (("kraken", 'has no sandbox; account main trades there only "with real money"'),
                              ("binanse", "is not known to ccxt")):  # fmt: skip
        accounts = ExchangeAccounts(venue.settings(exchange=exchange), venue.clock)
        with pytest.raises(ExchangeError, match=problem):
            accounts.broker("alice", "main", Instrument(exchange.upper(), "BTCUSDT"))


def test_ccxt_leaves_the_arithmetic_alone(venue: ExchangeVenue) -> None:
    from decimal import getcontext

    before = getcontext().copy()
    broker: CcxtBroker = venue.ccxt
    broker.place(order("a", "buy", "0.123", "90.01"))
    broker.reports()
    assert (getcontext().rounding, getcontext().traps) == (before.rounding, before.traps)
