"""The signed order API of OKX for spot, over the account of the simulated exchange.

Where it differs from Binance's: orders go out in lists and answers have a code for each, a time-out is an error 400,
requests may be half a minute old, pages have a hundred rows, the newest first, and an order that was taken back without
any execution is shown for two hours only.
"""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from hub.demo.simulated_account import OrderFault, Refusal, SimulatedAccount, SimulatedOrder, SimulatedTrade
from hub.demo.simulated_market import Pair

PASSPHRASE = "the-passphrase-of-alice"
MOST_ROWS = 100
WINDOW_MS = 30_000
_SHOWN_MS = 2 * 3_600_000
_REFUSALS: Mapping[Refusal, tuple[str, str]] = {
    "duplicate": ("51016", "Duplicated client order ID"),
    "lot size": ("51121", "Order quantity must be a multiple of the lot size."),
    "smallest amount": ("51020", "Your order should meet or exceed the minimum order amount."),
    "tick size": ("51006", "Order price is not within the price limit."),
    "notional": ("51020", "Your order should meet or exceed the minimum order amount."),
    "balance": ("51008", "Order failed. Insufficient USDT balance in account"),
}
Answer = tuple[int, Any]


class OkxOrders(SimulatedAccount):
    """An account that OKX's API shows."""

    paths = frozenset(
        {
            *(f"/api/v5/trade/{name}" for name in ("batch-orders", "order", "cancel-order", "orders-pending")),
            "/api/v5/trade/fills-history",
            "/api/v5/account/balance",
        }
    )

    def carried_out(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        secret = self.keys.get(headers.get("ok-access-key", ""))
        if secret is None:
            return 401, _error("50111", "Invalid OK-ACCESS-KEY")
        said = headers["ok-access-timestamp"]
        signed = said + method + path + (f"?{query}" if method == "GET" and query else query)
        signature = base64.b64encode(hmac.new(secret.encode(), signed.encode(), sha256).digest()).decode()
        if not hmac.compare_digest(signature, headers["ok-access-sign"]):
            return 401, _error("50113", "Invalid Sign")
        if headers["ok-access-passphrase"] != PASSPHRASE:
            return 401, _error("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.")
        sent_ms = int(datetime.fromisoformat(said).timestamp() * 1000)
        if abs(self.now_ms() - sent_ms) > WINDOW_MS:
            return 401, _error("50102", "Timestamp request expired.")
        asked = dict(parse_qsl(query)) if method == "GET" else json.loads(query)
        routes: dict[str, Callable[[Any], Answer]] = {
            "batch-orders": self._place,
            "order": self._order,
            "cancel-order": self._cancel,
            "orders-pending": self._pending,
            "fills-history": self._fills,
            "balance": self._balance,
        }
        return routes[path.rsplit("/", 1)[1]](asked)

    def shown_fault(self, fault: OrderFault) -> Any:
        return _error(str(fault.code), fault.message)

    def _place(self, wanted: list[dict[str, str]]) -> Answer:
        (asked,) = wanted
        assert asked["tdMode"] == "cash"
        assert asked["tgtCcy"] == "base_ccy"
        order = self.place(
            self._pair(asked),
            "buy" if asked["side"] == "buy" else "sell",
            "market" if asked["ordType"] == "market" else "limit",
            asked["clOrdId"],
            Decimal(asked["sz"]),
            Decimal(asked.get("px", 0)),
        )
        if isinstance(order, SimulatedOrder):
            return 200, _data([{"clOrdId": order.client_id, "ordId": str(order.order_id), "sCode": "0", "sMsg": ""}])
        code, message = _REFUSALS[order]
        return 200, _failed([{"clOrdId": asked["clOrdId"], "ordId": "", "sCode": code, "sMsg": message}])

    def _order(self, asked: Mapping[str, str]) -> Answer:
        order = self._meant(asked)
        return (200, _error("51603", "Order does not exist")) if order is None else (200, _data([self._shown(order)]))

    def _cancel(self, asked: Mapping[str, str]) -> Answer:
        order = self._meant(asked)
        if order is not None and order.is_open:
            self.cancel(order)
            return 200, _data([{"clOrdId": order.client_id, "ordId": str(order.order_id), "sCode": "0", "sMsg": ""}])
        code = "51400" if order is None else "51402" if order.state == "filled" else "51401"
        return 200, _failed([{"clOrdId": "", "ordId": "", "sCode": code, "sMsg": "Cancellation failed"}])

    def _pending(self, asked: Mapping[str, str]) -> Answer:
        orders = [order for order in reversed(self.orders) if order.is_open and order.pair == self._pair(asked)]
        return 200, _data([self._shown(order) for order in orders[:MOST_ROWS]])

    def _fills(self, asked: Mapping[str, str]) -> Answer:
        limit = int(asked.get("limit", MOST_ROWS))
        if limit > MOST_ROWS:
            return 400, _error("51000", "Parameter limit error")
        trades = [
            trade
            for trade in reversed(self.trades_of(int(asked["ordId"])))
            if trade.time_ms <= int(asked.get("end", trade.time_ms))
        ]
        return 200, _data([_shown_trade(trade) for trade in trades[:limit]])

    def _balance(self, _: Mapping[str, str]) -> Answer:
        details = [
            {"ccy": coin, "eq": str(total), "availEq": "", "availBal": str(total - self.bound(coin)),
             "frozenBal": str(self.bound(coin)), "cashBal": str(total)}
            for coin, total in self.balances.items()
        ]  # fmt: skip
        return 200, _data([{"uTime": str(self.now_ms()), "details": details}])

    def _pair(self, asked: Mapping[str, str]) -> Pair:
        return next(pair for pair in self.pairs if f"{pair.base}-{pair.quote}" == asked["instId"])

    def _meant(self, asked: Mapping[str, str]) -> SimulatedOrder | None:
        order = self.newest(asked.get("clOrdId"), int(asked.get("ordId", 0)))
        if order is None or order.is_open or order.executed or self.now_ms() - order.update_ms < _SHOWN_MS:
            return order
        return None

    def _shown(self, order: SimulatedOrder) -> dict[str, str]:
        trades = [trade for trade in self.trades if trade.order is order]
        states = {"filled": "filled", "cancelled": "canceled", "expired": "canceled"}
        return {
            "instType": "SPOT", "instId": f"{order.pair.base}-{order.pair.quote}", "ordId": str(order.order_id),
            "clOrdId": order.client_id, "px": str(order.price) if order.price else "", "sz": str(order.quantity),
            "ordType": order.kind, "side": order.side, "tgtCcy": "base_ccy", "accFillSz": str(order.executed),
            "avgPx": str(order.paid / order.executed) if order.executed else "",
            "state": states.get(order.state, "partially_filled" if order.executed else "live"),
            "fillTime": str(trades[-1].time_ms) if trades else "", "cTime": str(order.time_ms),
            "uTime": str(order.update_ms), "fee": str(-sum((trade.fee for trade in trades), Decimal(0))),
            "feeCcy": trades[-1].fee_coin if trades else "",
        }  # fmt: skip


def _shown_trade(trade: SimulatedTrade) -> dict[str, str]:
    order = trade.order
    return {
        "instType": "SPOT", "instId": f"{order.pair.base}-{order.pair.quote}", "tradeId": str(trade.number),
        "billId": str(trade.number), "ordId": str(order.order_id), "clOrdId": order.client_id,
        "fillPx": str(trade.price), "fillSz": str(trade.quantity), "side": order.side, "feeCcy": trade.fee_coin,
        "fee": str(-trade.fee), "execType": "M" if trade.is_maker else "T", "ts": str(trade.time_ms),
    }  # fmt: skip


def _data(rows: list[Any]) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": rows}


def _failed(rows: list[Any]) -> dict[str, Any]:
    return {"code": "1", "msg": "All operations failed", "data": rows}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "msg": message, "data": []}
