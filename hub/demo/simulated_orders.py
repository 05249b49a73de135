"""The signed order API of the simulated exchange, as Binance has it for spot."""

import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from hub.demo.simulated_account import OrderFault, Refusal, SimulatedAccount, SimulatedOrder, SimulatedTrade
from hub.demo.simulated_market import Pair

_EARLIEST_MS = 1_000
"""How far a request may be dated into the future."""
_LONGEST_WINDOW_MS = 60_000
_REFUSALS: Mapping[Refusal, tuple[int, str]] = {
    "duplicate": (-2010, "Duplicate order sent."),
    "lot size": (-1013, "Filter failure: LOT_SIZE"),
    "smallest amount": (-1013, "Filter failure: LOT_SIZE"),
    "tick size": (-1013, "Filter failure: PRICE_FILTER"),
    "notional": (-1013, "Filter failure: NOTIONAL"),
    "balance": (-2010, "Account has insufficient balance for requested action."),
}


class SimulatedOrders(SimulatedAccount):
    """An account that Binance's API shows. An error 5xx does not say whether an order was taken."""

    paths = frozenset(f"/api/v3/{name}" for name in ("order", "openOrders", "myTrades", "account"))

    def carried_out(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> tuple[int, Any]:
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
        return routes[f"{method} {path.rsplit('/', 1)[1]}"](asked)

    def shown_fault(self, fault: OrderFault) -> Any:
        return {"code": fault.code, "msg": fault.message}

    def _place(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        order = self.place(
            self._pair(asked),
            "buy" if asked["side"] == "BUY" else "sell",
            "market" if asked["type"] == "MARKET" else "limit",
            asked["newClientOrderId"],
            Decimal(asked["quantity"]),
            Decimal(asked.get("price", 0)),
        )
        if isinstance(order, SimulatedOrder):
            return 200, _shown(order)
        code, message = _REFUSALS[order]
        return 400, {"code": code, "msg": message}

    def _order(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        order = self._meant(asked)
        return (400, {"code": -2013, "msg": "Order does not exist."}) if order is None else (200, _shown(order))

    def _cancel(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        order = self._meant(asked)
        if order is None or not order.is_open:
            return 400, {"code": -2011, "msg": "Unknown order sent."}
        self.cancel(order)
        return 200, _shown(order)

    def _open(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        pair = self._pair(asked)
        return 200, [_shown(order) for order in self.orders if order.is_open and order.pair == pair]

    def _trades(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        order_id = int(asked["orderId"]) if "orderId" in asked else None
        trades = [trade for trade in self.trades_of(order_id) if trade.order.pair == self._pair(asked)]
        first = int(asked.get("fromId", 0))
        shown = [_shown_trade(trade) for trade in trades if trade.number >= first]
        return 200, shown[: int(asked.get("limit", 500))]

    def _account(self, _: Mapping[str, str]) -> tuple[int, Any]:
        balances = [
            {"asset": coin, "free": str(total - self.bound(coin)), "locked": str(self.bound(coin))}
            for coin, total in self.balances.items()
        ]
        return 200, {"accountType": "SPOT", "canTrade": True, "balances": balances, "permissions": ["SPOT"]}

    def _pair(self, asked: Mapping[str, str]) -> Pair:
        return next(pair for pair in self.pairs if pair.base + pair.quote == asked["symbol"])

    def _meant(self, asked: Mapping[str, str]) -> SimulatedOrder | None:
        return self.newest(asked.get("origClientOrderId"), int(asked.get("orderId", 0)))


def _shown(order: SimulatedOrder) -> dict[str, Any]:
    states = {"filled": "FILLED", "cancelled": "CANCELED", "expired": "EXPIRED"}
    status = states.get(order.state, "PARTIALLY_FILLED" if order.executed else "NEW")
    return {
        "symbol": order.pair.base + order.pair.quote, "orderId": order.order_id, "clientOrderId": order.client_id,
        "price": str(order.price), "origQty": str(order.quantity), "executedQty": str(order.executed),
        "cummulativeQuoteQty": str(order.paid), "status": status, "timeInForce": "GTC", "type": order.kind.upper(),
        "side": order.side.upper(), "time": order.time_ms, "updateTime": order.update_ms,
        "transactTime": order.update_ms, "isWorking": order.is_open,
    }  # fmt: skip


def _shown_trade(trade: SimulatedTrade) -> dict[str, Any]:
    order = trade.order
    return {
        "symbol": order.pair.base + order.pair.quote, "id": trade.number, "orderId": order.order_id,
        "price": str(trade.price), "qty": str(trade.quantity), "quoteQty": str(trade.price * trade.quantity),
        "commission": str(trade.fee), "commissionAsset": trade.fee_coin, "time": trade.time_ms,
        "isBuyer": order.side == "buy", "isMaker": trade.is_maker, "isBestMatch": True,
    }  # fmt: skip
