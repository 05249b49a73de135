"""Orders of one user's bots at exchanges: which there are, and how they are taken back once nobody runs the bots."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import msgspec

from bots.brokers.ccxt import CcxtBroker
from bots.definition import KINDS, PAPER, BotKind
from common.errors import HubError
from registry.instruments import Instrument
from registry.store.parts.bots import StoredBot
from registry.store.protocol import Store

_TRIES = 20
_PAUSE_S = 0.5

OpenExchange = Callable[[str, str, Instrument], CcxtBroker]
"""Opens a user's account of that name in a market; raises an error of the hub if it cannot."""


@dataclass(frozen=True)
class OrdersInMarket:
    """What a bot has left in one market of an account."""

    bot_id: str
    account: str
    instrument: Instrument
    client_ids: tuple[str, ...]
    """Of its orders that had not ended when its state was recorded last."""
    base: Decimal
    """Coins that its trades have gained, which stay in the account."""

    def __str__(self) -> str:
        return f"{len(self.client_ids)} of bot {self.bot_id} in {self.instrument}, account {self.account}"


def orders_at_exchanges(store: Store, user_id: str) -> list[OrdersInMarket]:
    """What a user's bots have at exchanges, also those that have ended, by their last records."""
    bots = {bot.number: bot for bot in store.bots.bots_of(user_id) if bot.account != PAPER}
    states = store.bots.states(bots.keys()) if bots else None
    return [] if states is None else [_orders(bots[row["number"]], row) for row in states.iter_rows(named=True)]


def take_back(
    orders: OrdersInMarket, user_id: str, open_exchange: OpenExchange, sleep: Callable[[float], object] = time.sleep
) -> str | None:
    """Take orders back, and wait until the exchange says that they have ended. May be repeated.

    Returns why some may be left; ``None`` if none is.
    """
    try:
        broker = open_exchange(user_id, orders.account, orders.instrument)
        # Settles which of them are there, and which may still arrive.
        missing = broker.past(orders.client_ids).missing
    except HubError as error:
        return str(error)
    for client_id in orders.client_ids:
        if client_id not in missing:
            broker.cancel(client_id)
    for _ in range(_TRIES):
        broker.reports()
        if not broker.working:
            return None
        sleep(_PAUSE_S)
    return broker.trouble or "the exchange has not confirmed it"


def why_unreachable(orders: Sequence[OrdersInMarket], user_id: str, open_exchange: OpenExchange) -> dict[str, str]:
    """Account -> why its exchange cannot be asked, for those that cannot; changes nothing anywhere."""
    problems: dict[str, str] = {}
    for one in orders:
        try:
            if one.account not in problems:
                open_exchange(user_id, one.account, one.instrument).balances()
        except HubError as error:
            problems[one.account] = str(error)
    return problems


def _orders(bot: StoredBot, row: dict[str, object]) -> OrdersInMarket:
    state = msgspec.json.decode(str(row["state"]), type=KINDS[cast(BotKind, bot.kind)].state)
    instrument = Instrument.parse(str(row["instrument"]))
    return OrdersInMarket(bot.bot_id, bot.account, instrument, tuple(state.orders.by_id), state.base)
