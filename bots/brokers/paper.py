"""A broker that fills orders against stored candles: for simulations, and for live bots without an exchange.

A candle does not tell in which order its prices came, so the order is fixed, and against the bot:

1. Orders are in the book from the candle after the one on which they were placed, and so is a cancel too late for the
   candle that had closed before it.
2. Orders at market are executed at the open, in the order in which they were placed. So are limit orders that are new
   and would be executed at once at the open.
3. Then the price goes to its worse end, and then to the other: ``low_first`` is worse for who is long, so buys below
   the open come first, the highest first; then sells above it, the lowest first. ``high_first`` is the mirror.
4. A limit order is executed at its own price, once the price touches it; never at a better one, unless it was new.
5. All orders together get at most ``volume_share`` of the candle's volume, rounded down to lots; the rest waits for the
   next candle. A candle without volume fills nothing.

Orders that rest are charged the maker's fee, those executed at the open the taker's.
"""

from collections.abc import Collection
from decimal import Decimal
from typing import Literal

import msgspec

from bots.arithmetic import ONE, ZERO, exactly
from bots.brokers.protocol import Balances, BrokerReport, Past
from bots.machine import CandleClosed, OrderCancelled, OrderFilled, OrderRejected
from bots.orders import Fill, MarketRules, Order, Side

Path = Literal["low_first", "high_first"]


class PaperOrder(msgspec.Struct, omit_defaults=True):
    """An order in the book."""

    order: Order
    bound: Decimal
    """What it binds for each coin that remains: quote for a buy, base for a sell."""
    filled: Decimal = ZERO
    is_new: bool = True
    """Whether no candle has closed since it was placed."""

    @property
    def remaining(self) -> Decimal:
        """What may still be executed."""
        return self.order.quantity - self.filled


class PaperAccount(msgspec.Struct, omit_defaults=True):
    """All that a paper broker remembers; it can be stored and taken up again."""

    base: Decimal = ZERO
    quote: Decimal = ZERO
    price: Decimal = ZERO
    time_ms: int = 0
    book: dict[str, PaperOrder] = {}
    history: dict[str, list[tuple[int, BrokerReport]]] = {}
    """Client id -> what was reported about it, numbered over all orders; of every order that is not forgotten."""
    unread: list[BrokerReport] = []
    reported: int = 0
    """How many reports there were."""


class PaperBroker:
    """One account in one market. ``volume_share``, above 0 and up to 1, is the share of a candle's volume that the
    orders of the account may be; ``fees_in`` is ``quote``, or ``received`` where buys are charged in coins."""

    def __init__(
        self,
        market: MarketRules,
        account: PaperAccount,
        *,
        path: Path = "low_first",
        volume_share: Decimal = Decimal("0.1"),
        fees_in: Literal["quote", "received"] = "quote",
    ) -> None:
        if not 0 < volume_share <= 1:
            raise ValueError(f"volume_share is {volume_share}; it has to be above 0 and at most 1")
        self._market = market
        self.account = account
        self._path: Path = path
        self._volume_share = volume_share
        self._fees_in = fees_in

    @property
    def market(self) -> MarketRules:
        """Its rules."""
        return self._market

    @exactly
    def place(self, order: Order) -> None:
        """Put an order into the book, or report that it is rejected."""
        account = self.account
        if order.client_id in account.history:
            return
        account.history[order.client_id] = []
        price = account.price if order.price is None else order.price
        bound = price * (ONE + max(self._market.maker_fee, self._market.taker_fee)) if order.side == "buy" else ONE
        reason = self._refusal(order, price, bound)
        if reason is not None:
            self._report(order.client_id, OrderRejected(account.time_ms, order.client_id, reason))
            return
        account.book[order.client_id] = PaperOrder(order, bound)

    def cancel(self, client_id: str) -> None:
        """Take an order out of the book."""
        known = self.account.history.setdefault(client_id, [])
        if self.account.book.pop(client_id, None) is not None or not known:
            self._report(client_id, OrderCancelled(self.account.time_ms, client_id))

    def reports(self) -> list[BrokerReport]:
        """What has happened since the last call."""
        unread, self.account.unread = self.account.unread, []
        return unread

    def past(self, client_ids: Collection[str]) -> Past:
        """All that has happened to orders so far."""
        history = self.account.history
        numbered = [one for client_id in client_ids for one in history.get(client_id, ())]
        reports = [report for _, report in sorted(numbered, key=lambda one: one[0])]
        return Past(reports, {client_id for client_id in client_ids if client_id not in history})

    def balances(self) -> Balances:
        """What the account has now."""
        return Balances(self.account.base, self.account.quote)

    def forget_ended(self, wanted: Collection[str]) -> None:
        """Forget the orders that have ended, but for the ``wanted`` ones, which would be new to the broker if they came
        again. For whoever stores a bot's state and its account together, once all reports have been read: with the
        orders that the state has, nothing that was forgotten is ever asked for."""
        account = self.account
        for client_id in account.history.keys() - account.book.keys() - set(wanted):
            del account.history[client_id]

    @exactly
    def move(self, candle: CandleClosed) -> None:
        """Let a candle pass over the book. A candle that is not later than the last one changes nothing."""
        account = self.account
        if candle.time_ms <= account.time_ms:
            return
        account.time_ms, account.price = candle.time_ms, candle.close
        left = self._market.quantity_down(candle.volume * self._volume_share)
        for client_id, price, fee in self._executions(candle):
            if left <= 0:
                break
            left -= self._filled(client_id, price, fee, left)
        for working in account.book.values():
            working.is_new = False

    def _refusal(self, order: Order, price: Decimal, bound: Decimal) -> str | None:
        market = self._market
        if order.quantity % market.lot_size or (order.price is not None and order.price % market.tick_size):
            return f"not in steps of {market.lot_size} and {market.tick_size}"
        if price > 0 and not market.takes(price, order.quantity):
            return f"smaller than {market.lot_size}, or than {market.min_notional} in quote"
        bound_before = sum(
            (one.bound * one.remaining for one in self.account.book.values() if one.order.side == order.side), ZERO
        )
        owned = self.account.quote if order.side == "buy" else self.account.base
        needed = bound * order.quantity
        if needed > owned - bound_before:
            return f"needs {needed}, but only {owned - bound_before} are free"
        return None

    def _executions(self, candle: CandleClosed) -> list[tuple[str, Decimal, Decimal]]:
        """(client id, price, fee) of what may be executed in a candle, in this order."""
        market = self._market
        at_open, resting = [], {"buy": list[tuple[Decimal, str]](), "sell": list[tuple[Decimal, str]]()}
        for client_id, working in self.account.book.items():
            price, side = working.order.price, working.order.side
            if price is None or (working.is_new and (candle.open <= price if side == "buy" else candle.open >= price)):
                at_open.append((client_id, candle.open, market.taker_fee))
            elif candle.low <= price if side == "buy" else candle.high >= price:
                resting[side].append((price, client_id))
        sides: tuple[Side, Side] = ("buy", "sell") if self._path == "low_first" else ("sell", "buy")
        executions = at_open
        for side in sides:
            # Those at one price are executed in the order in which they were placed.
            ordered = sorted(resting[side], key=lambda one: one[0], reverse=side == "buy")
            executions += [(client_id, price, market.maker_fee) for price, client_id in ordered]
        return executions

    def _filled(self, client_id: str, price: Decimal, fee: Decimal, most: Decimal) -> Decimal:
        """Execute an order as far as volume and money go. Returns how much that was."""
        account, working = self.account, self.account.book[client_id]
        order = working.order
        quantity = min(working.remaining, most)
        if order.side == "buy":
            # An order at market may cost more than its account had for it when it was placed.
            quantity = min(quantity, self._market.quantity_down(self._free_quote(client_id) / (price * (ONE + fee))))
        if quantity > 0:
            in_base = self._fees_in == "received" and order.side == "buy"
            fill = Fill(
                fill_id=str(account.reported + 1),
                client_id=client_id,
                side=order.side,
                time_ms=account.time_ms,
                price=price,
                quantity=quantity,
                fee_quote=ZERO if in_base else price * quantity * fee,
                fee_base=quantity * fee if in_base else ZERO,
            )
            working.filled += quantity
            account.base += fill.base
            account.quote += fill.quote
            self._report(client_id, OrderFilled(fill))
        if working.remaining == 0:
            del account.book[client_id]
        elif quantity < min(working.remaining + quantity, most):
            del account.book[client_id]
            self._report(client_id, OrderCancelled(account.time_ms, client_id))
        return quantity

    def _free_quote(self, client_id: str) -> Decimal:
        """Money that no other order binds."""
        others = (one for name, one in self.account.book.items() if name != client_id and one.order.side == "buy")
        return max(self.account.quote - sum((one.bound * one.remaining for one in others), ZERO), ZERO)

    def _report(self, client_id: str, report: BrokerReport) -> None:
        self.account.reported += 1
        self.account.history[client_id].append((self.account.reported, report))
        self.account.unread.append(report)
