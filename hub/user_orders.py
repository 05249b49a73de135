"""Orders of a user's bots at exchanges, taken back before the hub forgets the user and with it the orders."""

import time
from collections.abc import Callable, Sequence

from bots.brokers.accounts import ExchangeAccounts
from bots.definition import PAPER
from bots.exchange_orders import OrdersInMarket, orders_at_exchanges, take_back, why_unreachable
from bots.executor.report import ExecutorReport
from common.clock import Clock
from common.errors import HubError
from common.settings import Settings
from hub.alone import holder
from registry.store.protocol import Store

_ROUND_S = 30.0
_PAUSE_S = 0.5


class UserOrders:
    """What a user's bots have at exchanges."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        user_id: str,
        clock: Clock,
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store, self._settings, self._user_id, self._clock = store, settings, user_id, clock
        self._sleep = sleep
        self._open_exchange = ExchangeAccounts(settings, clock).broker

    def why_not(self) -> list[str]:
        """Which orders cannot be taken back, as their exchange cannot be asked, and why; changes nothing."""
        orders = self._working()
        problems = why_unreachable(orders, self._user_id, self._open_exchange)
        return [f"{one}: {problems[one.account]}" for one in orders if one.account in problems]

    def take_back(self) -> list[str]:
        """End the bots that trade at exchanges, and take their orders back. Returns which may be left, and why."""
        bots = [bot for bot in self._store.bots.bots_of(self._user_id) if bot.account != PAPER]
        for bot in bots:
            self._store.bots.end(bot.number, at_ms=self._clock.now_ms(), grace_ms=self._settings.grace_ms)
        left = []
        if bots and not self._is_noticed(self._clock.now_ms()):
            left.append("the process that runs the bots does not come to the end of a round, and may send more")
        for one in self._working():
            why = take_back(one, self._user_id, self._open_exchange, self._sleep)
            if why is not None:
                left.append(f"{one}: {why}")
        return left

    def coins(self) -> list[str]:
        """What the bots have bought and not sold, which stays in the accounts."""
        return [
            f"{one.base:f} coins of {one.instrument} in account {one.account}, of bot {one.bot_id}"
            for one in orders_at_exchanges(self._store, self._user_id)
            if one.base > 0
        ]

    def refusal(self, left: Sequence[str], changed: str) -> HubError:
        """What to tell whoever wants the user to be removed nonetheless."""
        return HubError(
            f"user {self._user_id!r} has orders at exchanges that could not be taken back; {changed}: "
            f"{'; '.join(left)}. Repeat the command when the exchange answers, or cancel them there and add --force"
        )

    def _working(self) -> list[OrdersInMarket]:
        return [one for one in orders_at_exchanges(self._store, self._user_id) if one.client_ids]

    def _is_noticed(self, since_ms: int) -> bool:
        """Wait until whoever runs the bots has seen that they have ended, and sends nothing more."""
        for _ in range(int(_ROUND_S / _PAUSE_S)):
            report = ExecutorReport.read(self._settings.data_dir)
            if holder(self._settings.data_dir, "bots") is None or (report is not None and report.round_ms > since_ms):
                return True
            self._sleep(_PAUSE_S)
        return False
