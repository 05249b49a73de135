"""The signed order API of the simulated exchange, as Binance has it for spot: one account, its orders, its trades.

What surprises people there is so here, too: a client order id is unique among *open* orders only, fees are taken from
what was received, an order's state may be seen before its trades, and an error 5xx does not say whether an order was
taken. Prices come from :meth:`SimulatedOrders.trade`: somebody else trades, and orders that rest are filled.
"""

import hmac
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import parse_qsl

from hub.demo.simulated_market import Pair

ZERO = Decimal(0)
_EARLIEST_MS = 1_000
"""How far a request may be dated into the future."""
_LONGEST_WINDOW_MS = 60_000

SignedAnswer = tuple[int, Any, Mapping[str, str]]
"""Status, body, headers. A status of 0 cuts the connection."""
Happens = Literal["carried out", "not carried out", "carried out late"]


@dataclass(frozen=True)
class OrderFault:
    """What goes wrong with one signed request. A status of 0 cuts the connection."""

    status: int
    happens: Happens = "not carried out"
    """Whether the request does what it should, for all that; late: when :meth:`SimulatedOrders.deliver` is called."""
    code: int = -1000
    message: str = "An unknown error occurred while processing the request."
    retry_after_s: int | None = None


@dataclass
class SimulatedOrder:
    """One order; amounts in its pair's base and quote."""

    order_id: int
    client_id: str
    pair: Pair
    side: str
    kind: str
    quantity: Decimal
    price: Decimal
    """0 for an order at market."""
    time_ms: int
    update_ms: int
    status: str = "NEW"
    executed: Decimal = ZERO
    paid: Decimal = ZERO
    """What was paid or received in quote so far."""

    @property
    def is_open(self) -> bool:
        """Whether it is in the book."""
        return self.status in ("NEW", "PARTIALLY_FILLED")

    @property
    def remaining(self) -> Decimal:
        """What may still be executed."""
        return self.quantity - self.executed


@dataclass
class SimulatedOrders:
    """One account: ``keys`` are its API keys with their secrets, ``balances`` what it has of each coin."""

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

    def __post_init__(self) -> None:
        self.orders: list[SimulatedOrder] = []
        self.trades: list[dict[str, Any]] = []
        self.prices: dict[str, Decimal] = {}
        self._late: list[Callable[[], object]] = []

    def answer(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> SignedAnswer:
        """The answer to a signed request; ``query`` is what is in the address, followed by the body."""
        name = f"{method} {path.rsplit('/', 1)[1]}"
        self.requests.append(name)
        fault = self.faults[name].popleft() if self.faults[name] else None
        if fault is None:
            return (*self._carried_out(name, query, headers), {})
        if fault.happens == "carried out":
            self._carried_out(name, query, headers)
        elif fault.happens == "carried out late":
            self._late.append(lambda: self._carried_out(name, query, headers))
        retry = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
        return fault.status, {"code": fault.code, "msg": fault.message}, retry

    def deliver(self) -> None:
        """Let the requests arrive that were under way; what is too old is refused then, as its sender never learns."""
        late, self._late = self._late, []
        for request in late:
            request()

    def trade(self, symbol: str, price: Decimal, volume: Decimal) -> None:
        """Somebody trades; orders of the account that rest are filled at their own price, the best first."""
        self.prices[symbol] = price
        resting = [order for order in self.orders if order.is_open and order.pair.base + order.pair.quote == symbol]
        buys = sorted((one for one in resting if one.side == "BUY" and one.price >= price), key=lambda one: -one.price)
        sells = sorted((one for one in resting if one.side == "SELL" and one.price <= price), key=lambda one: one.price)
        for order in (*buys, *sells):
            quantity = min(order.remaining, volume)
            if quantity > 0:
                self._fill(order, order.price, quantity, is_maker=True)
                volume -= quantity

    def _carried_out(self, name: str, query: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        signed, _, signature = query.rpartition("&signature=")
        asked = dict(parse_qsl(signed))
        secret = self.keys.get(headers.get("x-mbx-apikey", ""))
        if secret is None:
            return 401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
        if not hmac.compare_digest(hmac.new(secret.encode(), signed.encode(), sha256).hexdigest(), signature):
            return 400, {"code": -1022, "msg": "Signature for this request is not valid."}
        age_ms = self.now_ms() - int(asked["timestamp"])
        if not -_EARLIEST_MS < age_ms <= min(int(asked.get("recvWindow", "5000")), _LONGEST_WINDOW_MS):
            return 400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
        routes: dict[str, Callable[[Mapping[str, str]], tuple[int, Any]]] = {
            "POST order": self._place,
            "GET order": self._order,
            "DELETE order": self._cancel,
            "GET openOrders": self._open,
            "GET myTrades": self._trades,
            "GET account": self._account,
        }
        return routes[name](asked)

    def _place(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        pair = self._pair(asked)
        side, kind, client_id = asked["side"], asked["type"], asked["newClientOrderId"]
        quantity, price = Decimal(asked["quantity"]), Decimal(asked.get("price", 0))
        last = self.prices[pair.base + pair.quote]
        if any(order.is_open and order.client_id == client_id for order in self.orders):
            return 400, {"code": -2010, "msg": "Duplicate order sent."}
        if quantity % Decimal(pair.lot_size) or quantity <= 0:
            return 400, {"code": -1013, "msg": "Filter failure: LOT_SIZE"}
        if price % Decimal(pair.tick_size):
            return 400, {"code": -1013, "msg": "Filter failure: PRICE_FILTER"}
        if quantity * (price or last) < Decimal(pair.min_notional):
            return 400, {"code": -1013, "msg": "Filter failure: NOTIONAL"}
        spent, needed = (pair.quote, quantity * (price or last)) if side == "BUY" else (pair.base, quantity)
        if needed > self.balances.get(spent, ZERO) - self._bound(spent):
            return 400, {"code": -2010, "msg": "Account has insufficient balance for requested action."}
        now_ms = self.now_ms()
        order = SimulatedOrder(len(self.orders) + 1, client_id, pair, side, kind, quantity, price, now_ms, now_ms)
        self.orders.append(order)
        if kind == "MARKET" or (last <= price if side == "BUY" else last >= price):
            if (at_once := min(quantity, self.at_once)) > 0:
                self._fill(order, last, at_once, is_maker=False)
            if kind == "MARKET" and order.is_open:
                order.status = "EXPIRED"
        return 200, _shown(order)

    def _order(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        # The newest order counts: those before it may have had the same id.
        order = next((order for order in reversed(self.orders) if _is_meant(order, asked)), None)
        return (400, {"code": -2013, "msg": "Order does not exist."}) if order is None else (200, _shown(order))

    def _cancel(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        order = next((order for order in self.orders if order.is_open and _is_meant(order, asked)), None)
        if order is None:
            return 400, {"code": -2011, "msg": "Unknown order sent."}
        order.status, order.update_ms = "CANCELED", self.now_ms()
        return 200, _shown(order)

    def _open(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        pair = self._pair(asked)
        return 200, [_shown(order) for order in self.orders if order.is_open and order.pair == pair]

    def _trades(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        if self.trades_are_late:
            return 200, []
        trades = [trade for trade in self.trades if trade["symbol"] == asked["symbol"]]
        if "orderId" in asked:
            trades = [trade for trade in trades if trade["orderId"] == int(asked["orderId"])]
        first = int(asked.get("fromId", 0))
        return 200, [trade for trade in trades if trade["id"] >= first][: int(asked.get("limit", 500))]

    def _account(self, _: Mapping[str, str]) -> tuple[int, Any]:
        balances = [
            {"asset": coin, "free": str(total - self._bound(coin)), "locked": str(self._bound(coin))}
            for coin, total in self.balances.items()
        ]
        return 200, {"accountType": "SPOT", "canTrade": True, "balances": balances, "permissions": ["SPOT"]}

    def _pair(self, asked: Mapping[str, str]) -> Pair:
        return next(pair for pair in self.pairs if pair.base + pair.quote == asked["symbol"])

    def _bound(self, coin: str) -> Decimal:
        """What open orders bind of a coin."""
        bound = ZERO
        for order in self.orders:
            if order.is_open and coin == (order.pair.quote if order.side == "BUY" else order.pair.base):
                bound += order.remaining * (order.price if order.side == "BUY" else 1)
        return bound

    def _fill(self, order: SimulatedOrder, price: Decimal, quantity: Decimal, *, is_maker: bool) -> None:
        base, quote, amount = order.pair.base, order.pair.quote, price * quantity
        coins, money = (quantity, -amount) if order.side == "BUY" else (-quantity, amount)
        fee_coin = self.fees_in or (base if order.side == "BUY" else quote)
        fee = self.fee * (quantity if fee_coin == base else amount)
        for coin, change in ((base, coins), (quote, money), (fee_coin, -fee)):
            self.balances[coin] = self.balances.get(coin, ZERO) + change
        order.executed += quantity
        order.paid += amount
        order.status = "FILLED" if order.remaining == 0 else "PARTIALLY_FILLED"
        order.update_ms = self.now_ms()
        self.trades.append({
            "symbol": base + quote, "id": len(self.trades) + 1, "orderId": order.order_id, "price": str(price),
            "qty": str(quantity), "quoteQty": str(amount), "commission": str(fee), "commissionAsset": fee_coin,
            "time": order.update_ms, "isBuyer": order.side == "BUY", "isMaker": is_maker, "isBestMatch": True,
        })  # fmt: skip


def _is_meant(order: SimulatedOrder, asked: Mapping[str, str]) -> bool:
    if "origClientOrderId" in asked:
        return order.client_id == asked["origClientOrderId"]
    return order.order_id == int(asked["orderId"])


def _shown(order: SimulatedOrder) -> dict[str, Any]:
    return {
        "symbol": order.pair.base + order.pair.quote, "orderId": order.order_id, "clientOrderId": order.client_id,
        "price": str(order.price), "origQty": str(order.quantity), "executedQty": str(order.executed),
        "cummulativeQuoteQty": str(order.paid), "status": order.status, "timeInForce": "GTC", "type": order.kind,
        "side": order.side, "time": order.time_ms, "updateTime": order.update_ms, "transactTime": order.update_ms,
        "isWorking": order.is_open,
    }  # fmt: skip
