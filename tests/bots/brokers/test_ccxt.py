"""Orders at an exchange, by real ccxt over HTTP: the simulated exchange has the signed APIs of Binance and OKX, and
their faults."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from bots import dca
from bots.brokers.accounts import ExchangeAccounts
from bots.brokers.ccxt import CcxtBroker
from bots.brokers.ccxt_connection import LONG_WINDOW_MS, WINDOW_MS
from bots.brokers.protocol import Balances, Broker
from bots.machine import ConditionFired, OrderFilled, OrderRejected
from bots.running import Runner
from common.clock import ReplayClock
from common.errors import BotConfigError, BrokerError, ExchangeError, NoSuchMarket, SettingsError
from common.settings import Settings, load_settings
from hub.demo.simulated_account import OrderFault, SimulatedAccount
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from hub.demo.simulated_orders import SimulatedOrders
from registry.instruments import Instrument
from tests.bots.bench import candle
from tests.bots.brokers.contract import BrokerContract, OpenVenue, executed, order, told
from tests.bots.brokers.okx import MOST_ROWS, PASSPHRASE, OkxOrders
from tests.candles.simulators import served

PAIR = Pair("BTC", lot_size="0.001", min_notional="0.1")
START_MS = 1_722_816_000_000
KEY, SECRET = "the-key-of-alice", "the-secret-of-alice"
CUT = OrderFault(0)


@dataclass(frozen=True)
class Dialect:
    """An exchange as ccxt knows it, the account that speaks like it, and its names and codes of things."""

    exchange: str
    account: type[SimulatedAccount]
    requests: Mapping[str, str]
    """What Binance calls a request -> what it is called here."""
    window_ms: int
    unsure: Mapping[str, OrderFault]
    """Answers that do not say whether an order was taken."""
    busy: tuple[OrderFault, ...]
    """Answers of an exchange that wants to be left alone."""
    unknown: OrderFault
    """An order does not exist."""
    password: str | None = None

    @property
    def instrument(self) -> Instrument:
        return Instrument(self.exchange.upper(), "BTCUSDT")


BINANCE = Dialect(
    "binance",
    SimulatedOrders,
    {},
    WINDOW_MS,
    {
        "cut": CUT, "503": OrderFault(503, code=-1001), "504": OrderFault(504, code=-1007),
        "500 that looks like a refusal": OrderFault(500, code=-2010),
    },
    tuple(OrderFault(status, code=-1003, message="Too many requests.", retry_after_s=30) for status in (429, 418)),
    OrderFault(400, code=-2013, message="Order does not exist."),
)  # fmt: skip
OKX = Dialect(
    "okx",
    OkxOrders,
    {"POST order": "POST batch-orders", "DELETE order": "POST cancel-order"},
    LONG_WINDOW_MS,
    {
        "cut": CUT, "503": OrderFault(503, code=50001), "504": OrderFault(504, code=50004),
        "500 that looks like a refusal": OrderFault(500, code=51008),
        "400 for a time-out": OrderFault(400, code=50004, message="API endpoint request timeout"),
    },
    (
        OrderFault(429, code=50011, message="Requests too frequent.", retry_after_s=30),
        OrderFault(200, code=50011, message="Requests too frequent.", retry_after_s=30),
    ),
    OrderFault(200, code=51603, message="Order does not exist"),
    PASSPHRASE,
)  # fmt: skip
DIALECTS = {"binance": BINANCE, "okx": OKX}


class ExchangeVenue:
    """An account at the simulated exchange; a minute passes with every price."""

    def __init__(self, url: str, exchange: SimulatedExchange, clock: ReplayClock, dialect: Dialect) -> None:
        self.url, self.exchange, self.clock, self.dialect = url, exchange, clock, dialect
        assert exchange.orders is not None
        self.orders = exchange.orders
        self.orders.trade("BTCUSDT", Decimal(100), Decimal(0))
        self.restart()

    def settings(self, **account: Any) -> Settings:
        dialect = self.dialect
        secrets = {"key": KEY, "secret": SECRET, "password": dialect.password}
        named = {"exchange": dialect.exchange, "user": "alice", **secrets, **account}
        return load_settings(exchange_accounts={"main": named}, exchange_urls={dialect.exchange: self.url})

    def restart(self) -> None:
        self.ccxt = ExchangeAccounts(self.settings(), self.clock).broker("alice", "main", self.dialect.instrument)
        self.ccxt._sleep = self.wait
        self.broker: Broker = self.ccxt

    def trade(self, *prices: float, volume: float = 1000) -> None:
        for price in prices:
            self.orders.trade("BTCUSDT", Decimal(str(price)), Decimal(str(volume)))
        self.wait(60)

    def wait(self, seconds: float) -> None:
        self.clock.move_to(self.clock.now_ms() + int(seconds * 1000))

    def wait_out(self) -> None:
        """Until no request that was sent by now can arrive any more."""
        self.wait(self.dialect.window_ms / 1000 + 2)

    def fault(self, request: str, *faults: OrderFault) -> None:
        self.orders.faults[self.dialect.requests.get(request, request)].extend(faults)

    def asked(self, request: str) -> int:
        return self.orders.requests.count(self.dialect.requests.get(request, request))


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


@pytest.fixture
def open_venue(monkeypatch: pytest.MonkeyPatch, dialect: Dialect) -> Iterator[Callable[[], ExchangeVenue]]:
    # With a clock that stands still, ccxt would wait before every request.
    monkeypatch.setattr("ccxt.Exchange.throttle", lambda *_: None)
    with ExitStack() as stack:

        def opened() -> ExchangeVenue:
            clock = ReplayClock(START_MS)
            balances = {"BTC": Decimal(10), "USDT": Decimal(10_000)}
            orders = dialect.account([PAIR], clock.now_ms, {KEY: SECRET}, balances, fees_in="USDT")
            exchange = SimulatedExchange([PAIR], clock.now_ms, orders=orders)
            return ExchangeVenue(stack.enter_context(served(exchange)), exchange, clock, dialect)

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
    assert (rules.tick_size, rules.lot_size, rules.min_quantity) == (
        Decimal("0.01"), Decimal("0.001"), Decimal("0.001"),
    )  # fmt: skip
    # OKX has no smallest amount in quote.
    assert rules.min_notional == Decimal({"binance": "0.1", "okx": "0"}[venue.dialect.exchange])
    eth = replace(venue.dialect.instrument, symbol="ETHUSDT")
    with pytest.raises(NoSuchMarket, match=f"no spot market {eth}"):
        ExchangeAccounts(venue.settings(), venue.clock).broker("alice", "main", eth)


@pytest.mark.parametrize(
    ("dialect", "fault"),
    [
        pytest.param(one, fault, id=f"{one.exchange}, {name}")
        for one in DIALECTS.values()
        for name, fault in one.unsure.items()
    ],
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
    venue.wait(venue.dialect.window_ms / 1000)
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
    venue.wait_out()
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
    venue.fault("GET order", venue.dialect.unknown)
    venue.broker.place(order("a", "buy", 1, 95))
    venue.trade(94)
    assert told(venue.broker.reports()) == [("fill", "a")]
    assert venue.asked("POST order") == 2
    assert len(venue.orders.orders) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_an_exchange_that_wants_to_be_left_alone_is(venue: ExchangeVenue, number: int) -> None:
    venue.fault("POST order", venue.dialect.busy[number])
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
    broker = ExchangeAccounts(venue.settings(), here).broker("alice", "main", venue.dialect.instrument)
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
    venue.wait_out()
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
    assert [one.side for one in venue.orders.orders] == ["buy", "sell"]


def test_an_order_that_never_left_is_sent_after_a_restart_and_not_before_it_is_certain(venue: ExchangeVenue) -> None:
    began_ms = venue.clock.now_ms()
    assert venue.broker.past(["a" * 32]).missing == {"a" * 32}
    assert venue.clock.now_ms() > began_ms + venue.dialect.window_ms


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
    broker = ExchangeAccounts(settings, venue.clock).broker("alice", "main", venue.dialect.instrument)
    broker.place(order("a", "buy", 1))
    assert broker.trouble == "the exchange does not accept the key of account main; correct HUB_EXCHANGE_ACCOUNTS"
    venue.broker.place(order("b", "buy", 1))
    logged = caplog.text + repr(settings) + str(settings) + broker.trouble
    for secret in ("another-key", "another-secret", KEY, SECRET, PASSPHRASE):
        assert secret not in logged


def test_a_refusal_has_the_reason_of_the_exchange(venue: ExchangeVenue) -> None:
    venue.broker.place(order("a", "sell", 11))
    (report,) = venue.broker.reports()
    assert isinstance(report, OrderRejected)
    assert "insufficient" in report.reason.lower()


def test_an_account_is_its_users_alone(venue: ExchangeVenue) -> None:
    accounts = ExchangeAccounts(venue.settings(), venue.clock)
    for user, name in (("bob", "main"), ("alice", "other")):
        with pytest.raises(BotConfigError, match=f"there is no account '{name}' of yours"):
            accounts.broker(user, name, venue.dialect.instrument)
    with pytest.raises(BotConfigError, match=f"account main is at {venue.dialect.exchange.upper()}"):
        accounts.broker("alice", "main", Instrument("KRAKEN", "BTCUSDT"))


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


@pytest.mark.parametrize("dialect", [OKX], ids=["okx"])
def test_an_order_of_more_executions_than_a_page_has_ends(venue: ExchangeVenue) -> None:
    count = MOST_ROWS * 2 + 5
    venue.broker.place(order("a", "buy", count * Decimal("0.001"), 95))
    for number in range(count):
        # Several within a millisecond, also where one page ends and the next one begins.
        venue.orders.trade("BTCUSDT", Decimal(95), Decimal("0.001"))
        venue.wait(0.001 * (number % 3 == 0))
    reports = venue.broker.reports()
    assert set(told(reports)) == {("fill", "a")}
    assert len(reports) == len({report.fill.fill_id for report in reports if isinstance(report, OrderFilled)}) == count
    assert executed(reports) == count * Decimal("0.001")
    assert venue.ccxt.working == 0


@pytest.mark.parametrize("dialect", [OKX], ids=["okx"])
def test_what_is_below_the_smallest_order_is_known_before_it_is_sent(
    open_venue: Callable[[], ExchangeVenue], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rest that is a step or two is left over, and does not end in an order that is refused."""
    monkeypatch.setitem(globals(), "PAIR", replace(PAIR, lot_size="0.00001", min_size="0.001"))
    venue = open_venue()
    rules = venue.broker.market
    assert (rules.lot_size, rules.min_quantity) == (Decimal("0.00001"), Decimal("0.001"))
    assert not rules.takes(Decimal(100), Decimal("0.00099"))
    assert rules.takes(Decimal(100), Decimal("0.001"))
    venue.broker.place(order("a", "buy", "0.00099"))
    (report,) = venue.broker.reports()
    assert isinstance(report, OrderRejected)
    assert "minimum order amount" in report.reason


@pytest.mark.parametrize("dialect", [OKX], ids=["okx"])
def test_a_passphrase_that_is_wrong_is_named_and_not_shown(venue: ExchangeVenue) -> None:
    settings = venue.settings(password="another-passphrase")
    broker = ExchangeAccounts(settings, venue.clock).broker("alice", "main", OKX.instrument)
    broker.place(order("a", "buy", 1))
    assert broker.trouble == "the exchange does not accept the key of account main; correct HUB_EXCHANGE_ACCOUNTS"
    assert venue.orders.orders == []
