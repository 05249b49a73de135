"""A broker that sends orders to an exchange, by ccxt.

What makes it safe with money:

- **It asks before it sends.** Exchanges know a client id only while its order is open: sent again later, a filled order
  would be executed a second time. So an order is sent only if the exchange does not know its client id.
- **What was not answered is not repeated at once.** The request may still arrive until its window has passed; only
  then, and only if the exchange still does not know the order, is it sent again. Nothing else is reported before.
- **A refusal is final**, unless the exchange knows the order after all, which is what a duplicate is.
- **An order ends when its executions add up to what the exchange says was filled**, as it may show them later.

While an exchange cannot be asked, orders wait; :attr:`CcxtBroker.trouble` says why.
"""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal

from bots.arithmetic import ZERO, exactly
from bots.brokers.ccxt_connection import CcxtConnection, ExchangeOrder
from bots.brokers.protocol import Balances, BrokerReport, Past
from bots.machine import OrderCancelled, OrderFilled, OrderRejected
from bots.orders import MarketRules, Order
from common.clock import Clock
from common.errors import BrokerBusy, BrokerError, BrokerRefused
from registry.instruments import Instrument

_log = logging.getLogger(__name__)
_MARGIN_MS = 1_000
"""Beyond the window, for clocks that disagree."""
_PAUSE_S = 0.5


@dataclass
class _Tracked:
    """An order that has not ended, as far as this process knows."""

    client_id: str
    order: Order | None
    """``None`` if it was taken back before this process knew it."""
    sent_ms: int | None = None
    """When it may have been sent without an answer."""
    there: ExchangeOrder | None = None
    """As the exchange saw it last; ``None`` as long as it has not been seen there."""
    is_cancelling: bool = False
    fills: set[str] = field(default_factory=set)
    """Ids of the executions that have been reported."""
    filled: Decimal = ZERO
    """What they add up to."""


class CcxtBroker:
    """The orders of one bot in one market of an account at an exchange."""

    def __init__(
        self,
        connection: CcxtConnection,
        instrument: Instrument,
        clock: Clock,
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Raises :class:`common.errors.NoSuchMarket`, and :class:`common.errors.BrokerError` if the exchange cannot be
        asked for its markets."""
        self._connection, self._clock, self._sleep = connection, clock, sleep
        self._market = connection.market(instrument)
        # Whoever was here before may have sent something just now.
        self._began_ms = clock.now_ms()
        self._tracked: dict[str, _Tracked] = {}
        self._over: set[str] = set()
        self._unknown_there: dict[str, BrokerReport] = {}
        """How orders ended that the exchange does not know."""
        self._unread: list[BrokerReport] = []
        self.trouble: str | None = None
        """Why the exchange could not be asked the last time; ``None`` if it could."""

    @property
    def market(self) -> MarketRules:
        """Its rules."""
        return self._market.rules

    @property
    def working(self) -> int:
        """How many of the orders that it was asked about have not ended, as far as it knows."""
        return len(self._tracked)

    def place(self, order: Order) -> None:
        """Send an order, as soon as the exchange takes it."""
        if order.client_id in self._tracked or order.client_id in self._over:
            return
        tracked = self._tracked[order.client_id] = _Tracked(order.client_id, order)
        if (reason := self._refusal(order)) is not None:
            self._end_here(tracked, OrderRejected(self._clock.now_ms(), order.client_id, reason))
            return
        self._trying(lambda: self._settle(tracked))

    def cancel(self, client_id: str) -> None:
        """Take an order back, as soon as the exchange answers."""
        if client_id in self._over:
            return
        tracked = self._tracked.setdefault(client_id, _Tracked(client_id, None, sent_ms=self._began_ms))
        tracked.is_cancelling = True
        self._trying(lambda: self._settle(tracked))

    @exactly
    def reports(self) -> list[BrokerReport]:
        """What has happened since the last call; nothing while it is not known what became of an order."""
        self._trying(self._look)
        if any(one.there is None and one.sent_ms is not None for one in self._tracked.values()):
            return []
        unread, self._unread = self._unread, []
        return sorted(unread, key=_when)

    @exactly
    def past(self, client_ids: Collection[str]) -> Past:
        """All that has happened to orders so far. Waits until no request can be under way any more.

        Raises :class:`common.errors.BrokerError` if the exchange does not answer.
        """
        reports, missing = [], set[str]()
        in_book = self._connection.open_orders(self._market)
        for client_id in client_ids:
            if client_id in self._unknown_there:
                reports.append(self._unknown_there[client_id])
                continue
            there = in_book.get(client_id) or self._seen(client_id)
            if there is None:
                missing.add(client_id)
                continue
            tracked = self._tracked.setdefault(client_id, _Tracked(client_id, None))
            tracked.there, tracked.fills, tracked.filled = there, set(), ZERO
            reports += self._news(tracked)
        return Past(sorted(reports, key=_when), missing)

    def balances(self) -> Balances:
        """What the account has now. Raises :class:`common.errors.BrokerError` if the exchange does not answer."""
        return self._connection.balances(self._market)

    def _refusal(self, order: Order) -> str | None:
        """What ccxt would round instead of refusing it."""
        rules = self._market.rules
        if order.quantity % rules.lot_size or (order.price is not None and order.price % rules.tick_size):
            return f"not in steps of {rules.lot_size} and {rules.tick_size}"
        return None

    def _trying(self, work: Callable[[], object]) -> None:
        """Ask the exchange; if it cannot be asked, remember why, and try again next time."""
        try:
            work()
        except BrokerError as error:
            if self.trouble is None:
                _log.warning("%s", error)
            self.trouble = str(error)
        else:
            self.trouble = None

    def _look(self) -> None:
        """Bring what is known of all orders up to date."""
        for tracked in list(self._tracked.values()):
            if tracked.there is None or tracked.is_cancelling:
                self._settle(tracked)
        if not any(tracked.there for tracked in self._tracked.values()):
            return
        in_book = self._connection.open_orders(self._market)
        for client_id, tracked in list(self._tracked.items()):
            if tracked.there is not None:
                latest = in_book.get(client_id) or self._connection.order(self._market, client_id)
                # An exchange that restarts may not see for a moment what it has.
                if latest is not None:
                    tracked.there = latest
                    self._unread += self._news(tracked)

    def _settle(self, tracked: _Tracked) -> None:
        """Bring an order to the exchange, and take it back if that is wanted."""
        if tracked.there is None:
            self._bring(tracked)
        if tracked.there is not None and tracked.there.is_open and tracked.is_cancelling:
            self._connection.cancel(self._market, tracked.there)

    def _bring(self, tracked: _Tracked) -> None:
        tracked.there = self._connection.order(self._market, tracked.client_id)
        if tracked.there is not None or self._may_arrive(tracked.sent_ms):
            return
        tracked.sent_ms = None
        if tracked.is_cancelling or tracked.order is None:
            self._end_here(tracked, OrderCancelled(self._clock.now_ms(), tracked.client_id))
            return
        try:
            tracked.there = self._connection.send(self._market, tracked.order)
        except BrokerRefused as error:
            tracked.there = self._connection.order(self._market, tracked.client_id)
            if tracked.there is None:
                self._end_here(tracked, OrderRejected(self._clock.now_ms(), tracked.client_id, str(error)))
        except BrokerBusy:
            raise
        except BrokerError:
            # It was signed at the latest now: before that it may have waited for its turn.
            tracked.sent_ms = self._clock.now_ms()
            raise

    def _may_arrive(self, sent_ms: int | None) -> bool:
        """Whether a request that was sent then may still be carried out."""
        return sent_ms is not None and self._clock.now_ms() <= sent_ms + self._connection.window_ms + _MARGIN_MS

    def _seen(self, client_id: str) -> ExchangeOrder | None:
        """An order at the exchange, or ``None`` once it is certain that it is not there."""
        tracked = self._tracked.get(client_id)
        while (there := self._connection.order(self._market, client_id)) is None:
            sent_ms = max(self._began_ms, (tracked and tracked.sent_ms) or 0)
            if not self._may_arrive(sent_ms):
                return None
            self._sleep(_PAUSE_S)
        return there

    def _news(self, tracked: _Tracked) -> list[BrokerReport]:
        """What has happened to an order and has not been reported."""
        there = tracked.there
        assert there is not None
        reports: list[BrokerReport] = []
        if there.filled > tracked.filled:
            for fill in self._connection.fills(self._market, there):
                if fill.fill_id not in tracked.fills:
                    reports.append(OrderFilled(fill))
                    tracked.fills.add(fill.fill_id)
                    tracked.filled += fill.quantity
        if not there.is_open and tracked.filled >= there.filled:
            if there.filled < there.quantity:
                reports.append(OrderCancelled(there.changed_ms, tracked.client_id))
            self._end(tracked)
        return reports

    def _end_here(self, tracked: _Tracked, report: BrokerReport) -> None:
        self._unknown_there[tracked.client_id] = report
        self._unread.append(report)
        self._end(tracked)

    def _end(self, tracked: _Tracked) -> None:
        self._over.add(tracked.client_id)
        self._tracked.pop(tracked.client_id, None)


def _when(report: BrokerReport) -> tuple[int, bool]:
    """Fills before the end of their order."""
    return report.time_ms, not isinstance(report, OrderFilled)
