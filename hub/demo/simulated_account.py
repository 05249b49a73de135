"""An account at the simulated exchange: its orders, its executions, and what goes wrong with requests, in no dialect.

What surprises people is so here, too: a client order id is unique among *open* orders only, fees are taken from what
was received, an order's state may be seen before its trades, and an error does not always say whether an order was
taken.
Prices come from :meth:`SimulatedAccount.trade`: somebody else trades, and orders that rest are filled.
"""

from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Literal

from hub.demo.simulated_market import Pair

ZERO = Decimal(0)

SignedAnswer = tuple[int, Any, Mapping[str, str]]
"""Status, body, headers. A status of 0 cuts the connection."""
Happens = Literal["carried out", "not carried out", "carried out late"]
Refusal = Literal["duplicate", "lot size", "smallest amount", "tick size", "notional", "balance"]
"""Why an order is not taken."""


@dataclass(frozen=True)
class OrderFault:
    """What goes wrong with one signed request. A status of 0 cuts the connection."""

    status: int
    happens: Happens = "not carried out"
    """Whether the request does what it should, for all that; late: when :meth:`SimulatedAccount.deliver` is called."""
    code: int = -1000
    message: str = "An unknown error occurred while processing the request."
    retry_after_s: int | None = None


@dataclass
class SimulatedOrder:
    """One order; amounts in its pair's base and quote."""

    order_id: int
    client_id: str
    pair: Pair
    side: Literal["buy", "sell"]
    kind: Literal["limit", "market"]
    quantity: Decimal
    price: Decimal
    """0 for an order at market."""
    time_ms: int
    update_ms: int
    state: Literal["open", "filled", "cancelled", "expired"] = "open"
    executed: Decimal = ZERO
    paid: Decimal = ZERO
    """What was paid or received in quote so far."""

    @property
    def is_open(self) -> bool:
        """Whether it is in the book."""
        return self.state == "open"

    @property
    def remaining(self) -> Decimal:
        """What may still be executed."""
        return self.quantity - self.executed


@dataclass(frozen=True)
class SimulatedTrade:
    """A part of an order that was executed."""

    number: int
    order: SimulatedOrder
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_coin: str
    time_ms: int
    is_maker: bool


@dataclass
class SimulatedAccount(ABC):
    """One account: ``keys`` are its API keys with their secrets, ``balances`` what it has of each coin. A subclass
    speaks the dialect of an exchange."""

    pairs: Sequence[Pair]
    now_ms: Callable[[], int]
    keys: Mapping[str, str]
    balances: dict[str, Decimal]
    fee: Decimal = Decimal("0.001")
    """Share of each fill."""
    fees_in: str | None = None
    """The coin in which fees are taken; by default what was received."""
    at_once: Decimal = Decimal("Infinity")
    """How much an order can get or sell when it arrives, at the last price."""
    trades_are_late: bool = False
    """Orders show what was filled, and the trades are not there yet."""
    faults: dict[str, deque[OrderFault]] = field(default_factory=lambda: defaultdict(deque))
    """``POST order`` -> what goes wrong with the next requests of that kind, one each."""
    requests: list[str] = field(default_factory=list)
    """What was asked so far: ``POST order``."""

    paths: ClassVar[frozenset[str]]
    """Those that are signed."""

    def __post_init__(self) -> None:
        self.orders: list[SimulatedOrder] = []
        self.trades: list[SimulatedTrade] = []
        self.prices: dict[str, Decimal] = {}
        self._late: list[Callable[[], object]] = []

    @abstractmethod
    def carried_out(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Do what a request asks for: status and body of the answer."""

    @abstractmethod
    def shown_fault(self, fault: OrderFault) -> Any:
        """The body of an answer that says what went wrong."""

    def answer(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> SignedAnswer:
        """The answer to a signed request; ``query`` is what is in the address, followed by the body."""
        name = f"{method} {path.rsplit('/', 1)[1]}"
        self.requests.append(name)
        fault = self.faults[name].popleft() if self.faults[name] else None
        if fault is None:
            return (*self.carried_out(method, path, query, headers), {})
        if fault.happens == "carried out":
            self.carried_out(method, path, query, headers)
        elif fault.happens == "carried out late":
            self._late.append(lambda: self.carried_out(method, path, query, headers))
        retry = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
        return fault.status, self.shown_fault(fault), retry

    def deliver(self) -> None:
        """Let the requests arrive that were under way; what is too old is refused then, as its sender never learns."""
        late, self._late = self._late, []
        for request in late:
            request()

    def trade(self, symbol: str, price: Decimal, volume: Decimal) -> None:
        """Somebody trades; orders of the account that rest are filled at their own price, the best first."""
        self.prices[symbol] = price
        resting = [order for order in self.orders if order.is_open and order.pair.base + order.pair.quote == symbol]
        buys = sorted((one for one in resting if one.side == "buy" and one.price >= price), key=lambda one: -one.price)
        sells = sorted((one for one in resting if one.side == "sell" and one.price <= price), key=lambda one: one.price)
        for order in (*buys, *sells):
            quantity = min(order.remaining, volume)
            if quantity > 0:
                self._fill(order, order.price, quantity, is_maker=True)
                volume -= quantity

    def place(
        self,
        pair: Pair,
        side: Literal["buy", "sell"],
        kind: Literal["limit", "market"],
        client_id: str,
        quantity: Decimal,
        price: Decimal,
    ) -> SimulatedOrder | Refusal:
        """Take an order, or say why not; ``price`` is 0 for one at market."""
        last = self.prices[pair.base + pair.quote]
        if (refusal := self._refusal(pair, side, client_id, quantity, price)) is not None:
            return refusal
        now_ms = self.now_ms()
        order = SimulatedOrder(len(self.orders) + 1, client_id, pair, side, kind, quantity, price, now_ms, now_ms)
        self.orders.append(order)
        if kind == "market" or (last <= price if side == "buy" else last >= price):
            if (at_once := min(quantity, self.at_once)) > 0:
                self._fill(order, last, at_once, is_maker=False)
            if kind == "market" and order.is_open:
                order.state = "expired"
        return order

    def cancel(self, order: SimulatedOrder) -> None:
        """Take an order out of the book."""
        order.state, order.update_ms = "cancelled", self.now_ms()

    def newest(self, client_id: str | None, order_id: int | None) -> SimulatedOrder | None:
        """The newest order of an id: those before it may have had the same client id."""
        return next(
            (
                order
                for order in reversed(self.orders)
                if (order.client_id == client_id if client_id is not None else order.order_id == order_id)
            ),
            None,
        )

    def trades_of(self, order_id: int | None) -> list[SimulatedTrade]:
        """Executions of one order or of all, oldest first, as far as they can be seen."""
        if self.trades_are_late:
            return []
        return [trade for trade in self.trades if order_id is None or trade.order.order_id == order_id]

    def bound(self, coin: str) -> Decimal:
        """What open orders bind of a coin."""
        bound = ZERO
        for order in self.orders:
            if order.is_open and coin == (order.pair.quote if order.side == "buy" else order.pair.base):
                bound += order.remaining * (order.price if order.side == "buy" else 1)
        return bound

    def _refusal(self, pair: Pair, side: str, client_id: str, quantity: Decimal, price: Decimal) -> Refusal | None:
        last = self.prices[pair.base + pair.quote]
        spent, needed = (pair.quote, quantity * (price or last)) if side == "buy" else (pair.base, quantity)
        refusals: list[tuple[Refusal, bool]] = [
            ("duplicate", any(order.is_open and order.client_id == client_id for order in self.orders)),
            ("lot size", bool(quantity % Decimal(pair.lot_size)) or quantity <= 0),
            ("smallest amount", quantity < Decimal(pair.min_size or pair.lot_size)),
            ("tick size", bool(price % Decimal(pair.tick_size))),
            ("notional", quantity * (price or last) < Decimal(pair.min_notional)),
            ("balance", needed > self.balances.get(spent, ZERO) - self.bound(spent)),
        ]
        return next((refusal for refusal, is_so in refusals if is_so), None)

    def _fill(self, order: SimulatedOrder, price: Decimal, quantity: Decimal, *, is_maker: bool) -> None:
        base, quote, amount = order.pair.base, order.pair.quote, price * quantity
        coins, money = (quantity, -amount) if order.side == "buy" else (-quantity, amount)
        fee_coin = self.fees_in or (base if order.side == "buy" else quote)
        fee = self.fee * (quantity if fee_coin == base else amount)
        for coin, change in ((base, coins), (quote, money), (fee_coin, -fee)):
            self.balances[coin] = self.balances.get(coin, ZERO) + change
        order.executed += quantity
        order.paid += amount
        order.state = "filled" if order.remaining == 0 else "open"
        order.update_ms = self.now_ms()
        number = len(self.trades) + 1
        self.trades.append(SimulatedTrade(number, order, price, quantity, fee, fee_coin, order.update_ms, is_maker))
