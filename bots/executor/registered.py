"""The bots that there are, as machines: made from the store, and kept in line with it."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from bots.arithmetic import decimal_of
from bots.brokers.protocol import Broker
from bots.definition import PAPER, read_definition
from bots.executor.crew import Crew
from bots.executor.running_bot import account_of, restored
from bots.machine import ConditionRole
from bots.protections import EndedDeal
from common.errors import HubError, StoreError
from common.timeframes import to_ms
from registry.instruments import Instrument, Listing
from registry.store.parts.bots import StoredBot
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_AT_ONCE = 1_000
_DEALS_READ = 500
_TRIED_S = 60.0

OpenBroker = Callable[[str, str, Instrument], Broker]
"""Opens a user's account of that name in a market; raises an error of the hub if it cannot."""


class RegisteredBots:
    """Number -> the crew of each bot that has not ended."""

    def __init__(self, store: Store, open_broker: OpenBroker, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._failed: dict[int, StoredBot] = {}
        """Bots that could not be made, as their account does not open."""
        self._tried_s = monotonic()
        self._open_broker = open_broker
        self._by_name: dict[tuple[str, str], int] = {}
        self._looked_change = 0
        self._named_change = 0
        self._change = 0
        self.crews: dict[int, Crew] = {}
        self.elsewhere: set[int] = set()
        """Those of them that do not trade on paper."""

    @property
    def failed(self) -> int:
        """How many could not be made, as their account does not open; they are tried again."""
        return len(self._failed)

    def number_of(self, user_id: str, bot_id: str, change: int) -> int | None:
        """The number of the bot that a subscription is of; ``None`` if the hub does not run it.

        ``change`` is that of the subscription: a bot is in the store before its subscriptions are.
        """
        number = self._by_name.get((user_id, bot_id))
        if number is None and change > self._looked_change:
            looked = self._store.registry.last_change()
            self._learn_names()
            self._looked_change = looked
            number = self._by_name.get((user_id, bot_id))
        return number

    def refresh(self) -> tuple[list[Crew], list[int]]:
        """Read what has changed: the bots that are new, and the numbers of those that have ended."""
        fresh: list[StoredBot] = []
        if self._failed and self._monotonic() - self._tried_s >= _TRIED_S:
            fresh, self._tried_s = list(self._failed.values()), self._monotonic()
            self._failed.clear()
        if self._store.bots.last_change() == self._change:
            return self._made(fresh), []
        ended: list[int] = []
        while changed := self._store.bots.changed_after(self._change, _AT_ONCE):
            for bot in changed:
                self._change = bot.change
                if bot.life == "ended":
                    ended.append(bot.number)
                    self.crews.pop(bot.number, None)
                    self.elsewhere.discard(bot.number)
                    self._failed.pop(bot.number, None)
                elif bot.number not in self.crews:
                    fresh.append(bot)
        return self._made(fresh), ended

    def again(self, number: int) -> Crew | None:
        """A bot as its last record says, in place of what it is in memory."""
        crew = self.crews.pop(number, None)
        made = [] if crew is None else self._made([crew.bot])
        return made[0] if made else None

    def _learn_names(self) -> None:
        """Names in the order of changes: where one name had several bots, the newest counts."""
        while changed := self._store.bots.changed_after(self._named_change, _AT_ONCE):
            for bot in changed:
                self._named_change = bot.change
                key = bot.user_id, bot.bot_id
                if bot.life == "active":
                    self._by_name[key] = bot.number
                elif self._by_name.get(key) == bot.number:
                    del self._by_name[key]

    def _made(self, bots: list[StoredBot]) -> list[Crew]:
        if not bots:
            return []
        listings = {one.instrument: one for one in self._store.candles.listings()}
        successors = self._store.registry.successors()
        crews: list[Crew] = []
        for start in range(0, len(bots), _AT_ONCE):
            some = bots[start : start + _AT_ONCE]
            states = self._store.bots.states([bot.number for bot in some])
            rows: dict[int, dict[str, dict[str, Any]]] = {}
            for row in states.iter_rows(named=True):
                rows.setdefault(row["number"], {})[row["instrument"]] = row
            for bot in some:
                try:
                    crew = self._crew(bot, rows.get(bot.number, {}), listings, successors)
                except StoreError:
                    raise
                except HubError as error:
                    # The text of the error is for its owner only: it may name a parameter.
                    _log.error("bot %d cannot be run (%s); it is tried again later", bot.number, type(error).__name__)
                    self._failed[bot.number] = bot
                    continue
                self.crews[bot.number] = crew
                if crew.definition.account != PAPER:
                    self.elsewhere.add(bot.number)
                crews.append(crew)
        return crews

    def _crew(
        self,
        bot: StoredBot,
        rows: Mapping[str, Mapping[str, Any]],
        listings: Mapping[Instrument, Listing],
        successors: Mapping[str, str],
    ) -> Crew:
        definition = read_definition(bot.bot_config, bot.kind)
        machines = []
        for name in bot.instruments:
            instrument, row = Instrument.parse(name), rows.get(name)
            broker: Broker
            if definition.account == PAPER:
                market = definition.market(listings.get(instrument))
                broker = definition.paper_broker(market, account_of(row) or definition.new_account())
            else:
                broker = self._open_broker(bot.user_id, definition.account, instrument)
            machines.append(restored(bot, definition, instrument, _roles(bot, name, successors), broker, row))
        crew = Crew(bot, definition, machines)
        if definition.protections.lookback_ms:
            crew.deals = _ended_deals(self._store, bot.number)
        return crew


def _roles(bot: StoredBot, instrument: str, successors: Mapping[str, str]) -> dict[str, tuple[ConditionRole, ...]]:
    """Condition, as it is named today and as it was, -> its roles in a market."""
    roles: dict[str, list[ConditionRole]] = {}
    for where, condition_id, role in bot.conditions:
        if where == instrument:
            for name in dict.fromkeys((condition_id, successors.get(condition_id, condition_id))):
                roles.setdefault(name, []).append(role)  # type: ignore[arg-type]
    return {name: tuple(several) for name, several in roles.items()}


def _ended_deals(store: Store, number: int) -> list[EndedDeal]:
    rows = store.bots.history(number, "deals", _DEALS_READ).reverse()
    return [
        EndedDeal(
            to_ms(row["closed_at"]),
            row["reason"] == "stop loss",
            decimal_of(row["profit"]),
            decimal_of(row["entry_quote"] or 0),
        )
        for row in rows.iter_rows(named=True)
    ]
