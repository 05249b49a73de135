"""Bots that the hub runs, in ``registry.duckdb``: their configurations, which are in the owner's memory too, and
commands to them. What they do is in :mod:`registry.store.files.bot_records`."""

import json
from bisect import bisect_right
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from operator import itemgetter
from typing import Literal

import polars as pl

from common.clock import Clock
from common.errors import BotExists, StoreError
from registry.activity import GRACE_MS
from registry.quotas import BotQuota
from registry.store.files.bot_records import BotRecords
from registry.store.files.registry_tables import RegistryTables
from registry.store.parts.bots import (
    BotChanges,
    BotCommand,
    BotStanding,
    ConditionUse,
    HistoryKind,
    NewBot,
    StoredBot,
)
from registry.store.parts.registry import SubscriptionRequest
from registry.store.sql import Database, Transaction, last_rows, naive_time, newest_rows
from registry.subscriptions import DeliveryPolicy, config_text

_DAY_MS = 24 * 3_600_000


class BotTables:
    """Implements :class:`registry.store.parts.bots.BotStore`."""

    def __init__(self, database: Database, clock: Clock, registry: RegistryTables) -> None:
        self._database = database
        self._clock = clock
        self._registry = registry
        self._bots: dict[int, StoredBot] = {}
        self._of_user: dict[str, dict[str, list[int]]] = {}
        """User -> bot -> the numbers of its lives, oldest first."""
        self._log: list[tuple[int, int]] = []
        """(change, number of the bot), oldest first."""
        self._active: dict[str, int] = {}
        """User -> how many bots have not ended."""
        self._last_command = database.newest("command_number", "registry.bot_commands")
        self._change = database.newest("change", "registry.bots")
        self._number = database.newest("number", "registry.bots")
        self._load(None)
        self._records = BotRecords(database)

    def undo_unfinished(self) -> None:
        """Remove the bots that a process was making when it died: nobody was told that they exist."""
        with self._making():
            for bot in self._load(0):
                self._undo(bot, self._clock.now_ms(), GRACE_MS)

    def follow(self, bots: int | None, states: int | None, commands: int | None) -> None:
        """Take up what others committed: so many rows more of each table, or ``None`` if some were removed."""
        if bots is None:
            self._bots, self._of_user, self._log, self._active = {}, {}, [], {}
        if bots != 0:
            self._load(bots)
            self._change = self._database.newest("change", "registry.bots")
            self._number = self._database.newest("number", "registry.bots")
        if commands != 0:
            self._last_command = self._database.newest("command_number", "registry.bot_commands")
        self._records.follow(states)

    def _making(self) -> AbstractContextManager[None]:
        """For what takes several transactions. Subscribing may wait for the commit of another thread, so the database
        cannot be locked meanwhile."""
        return self._database.one_maker("bots")

    def create(
        self,
        bot: NewBot,
        policy: DeliveryPolicy,
        *,
        active_from_ms: int,
        grace_ms: int = GRACE_MS,
        quota: BotQuota | None = None,
    ) -> tuple[StoredBot, bool]:
        text = config_text(bot.bot_config)
        requests = [
            SubscriptionRequest(bot.user_id, bot.bot_id, condition_id, bot.kind, {}, policy)
            for condition_id in dict.fromkeys(condition.condition_id for condition in bot.conditions)
        ]
        # Transactions for the bot and for its subscriptions: what is left half done is undone when the store is opened.
        with self._making():
            known = self.bot(bot.user_id, bot.bot_id)
            if known is not None and known.life == "active":
                if self._asks_for(bot, text, known):
                    return known, False
                raise BotExists(
                    f"there is a bot {bot.bot_id!r} already, with another configuration; stop it first, or choose"
                    " another name"
                )
            if quota is not None:
                self._check_quota(bot.user_id, len(text), quota)
            making = StoredBot(
                number=self._number + 1,
                user_id=bot.user_id,
                bot_id=bot.bot_id,
                kind=bot.kind,
                account=bot.account,
                instruments=bot.instruments,
                conditions=bot.conditions,
                bot_config=json.loads(text),
                life="active",
                created_ms=active_from_ms,
                change=self._change + 1,
            )
            self._number = making.number
            self._write(making, text, "making")
            try:
                self._registry.subscribe(
                    requests, active_from_ms=active_from_ms, quota=None if quota is None else quota.subscriptions
                )
            except BaseException:
                with suppress(StoreError):
                    self._undo(making, active_from_ms, grace_ms)
                raise
            made = replace(making, change=self._change + 1)
            self._write(made, text, "active")
            self._remember(made)
            return made, True

    def _check_quota(self, user_id: str, size: int, quota: BotQuota) -> None:
        mine, since_ms = self.bots_of(user_id), self._clock.now_ms() - _DAY_MS
        quota.check(
            user_id,
            running=self.active_count(user_id),
            made_today=sum(one.created_ms > since_ms for one in mine),
            taken=sum(len(config_text(one.bot_config)) for one in mine if one.life == "active"),
            more=size,
        )

    def bot(self, user_id: str, bot_id: str) -> StoredBot | None:
        numbers = self._of_user.get(user_id, {}).get(bot_id)
        return None if not numbers else self._bots[numbers[-1]]

    def bots_of(self, user_id: str) -> list[StoredBot]:
        numbers = [number for lives in list(self._of_user.get(user_id, {}).values()) for number in lives]
        return [self._bots[number] for number in sorted(numbers, reverse=True)]

    def active_count(self, user_id: str | None = None) -> int:
        return sum(list(self._active.values())) if user_id is None else self._active.get(user_id, 0)

    def instruments(self) -> list[str]:
        return sorted({name for bot in list(self._bots.values()) if bot.life == "active" for name in bot.instruments})

    def changed_after(self, change: int, limit: int) -> list[StoredBot]:
        changed: list[StoredBot] = []
        for at, number in self._log[bisect_right(self._log, change, key=itemgetter(0)) :]:
            # Changes that a newer one of the same bot has replaced are left out.
            if self._bots[number].change == at:
                changed.append(self._bots[number])
                if len(changed) == limit:
                    break
        return changed

    def last_change(self) -> int:
        return self._change

    def give_command(self, command: str, *, user_id: str | None, bot_id: str | None, at_ms: int) -> int:
        with self._database.alone():
            told = [
                bot.number
                for bot in (list(self._bots.values()) if user_id is None else self.bots_of(user_id))
                if bot.life == "active" and bot_id in (None, bot.bot_id)
            ]
            if told:
                first = self._last_command + 1
                rows = pl.DataFrame(
                    {
                        "command_number": range(first, first + len(told)),
                        "number": told,
                        "command": [command] * len(told),
                        "given_at": [naive_time(at_ms)] * len(told),
                    },
                    schema={
                        "command_number": pl.Int64, "number": pl.Int64, "command": pl.String,
                        "given_at": pl.Datetime("ms"),
                    },
                )  # fmt: skip
                with self._database.transaction() as transaction:
                    transaction.append("registry.bot_commands", rows)
                self._last_command += len(told)
            return len(told)

    def commands_after(self, command_number: int, limit: int) -> list[BotCommand]:
        rows = self._database.frame(
            """
            SELECT command_number, number, command, epoch_ms(given_at) AS given_ms FROM registry.bot_commands
            WHERE command_number > ? ORDER BY command_number LIMIT ?
            """,
            [command_number, limit],
        )
        return [BotCommand(**row) for row in rows.iter_rows(named=True)]

    def last_command(self) -> int:
        return self._last_command

    def record(self, changes: BotChanges) -> None:
        self._records.record(changes)

    def standings(self, numbers: Sequence[int]) -> list[tuple[int, BotStanding]]:
        return self._records.standings(numbers)

    def states(self, numbers: Collection[int]) -> pl.DataFrame:
        return self._records.states(numbers)

    def history(self, number: int, kind: HistoryKind, limit: int, before: int | None = None) -> pl.DataFrame:
        return self._records.history(number, kind, limit, before)

    def end(self, number: int, *, at_ms: int, grace_ms: int = GRACE_MS) -> None:
        with self._making():
            bot = self._bots.get(number)
            if bot is None or bot.life == "ended":
                return
            self._unsubscribe(bot, at_ms, grace_ms)
            ended = replace(bot, life="ended", change=self._change + 1)
            self._write(ended, config_text(ended.bot_config), "ended")
            self._remember(ended)

    def forget_user(self, user_id: str) -> int:
        with self._making():
            bots = self.bots_of(user_id)
            if not bots:
                return 0
            gone = [
                replace(bot, bot_config={}, conditions=(), life="ended", change=self._change + place)
                for place, bot in enumerate(reversed(bots), start=1)
            ]
            with self._database.transaction() as transaction:
                transaction.execute("DELETE FROM registry.bots WHERE user_id = ?", [user_id])
                self._records.forget(transaction, [bot.number for bot in bots])
                for bot in gone:
                    _insert(transaction, bot, None, "ended")
            self._records.drop([bot.number for bot in bots])
            for bot in gone:
                self._change = bot.change
                self._remember(bot)
            return len(bots)

    def trim(self) -> int:
        """Remove rows that newer ones have replaced, and commands to bots that have ended. Returns how many."""
        with self._database.alone(), self._database.transaction() as transaction:
            removed = transaction.delete(
                """
                DELETE FROM registry.bots b WHERE EXISTS (
                    SELECT 1 FROM registry.bots n WHERE n.number = b.number AND n.change > b.change
                )
                """
            )
            ended = [bot.number for bot in list(self._bots.values()) if bot.life == "ended"]
            # The newest stays, as it says which number comes next.
            removed += transaction.delete(
                "DELETE FROM registry.bot_commands WHERE number IN (SELECT unnest(?::BIGINT[])) AND command_number < ?",
                [ended, self._last_command],
            )
            return removed + self._records.trim(transaction)

    def _asks_for(self, bot: NewBot, text: str, known: StoredBot) -> bool:
        """Whether a request is for a bot that there is."""
        return (bot.kind, bot.account, bot.instruments, bot.conditions, text) == (
            known.kind,
            known.account,
            known.instruments,
            known.conditions,
            config_text(known.bot_config),
        )

    def _undo(self, bot: StoredBot, at_ms: int, grace_ms: int) -> None:
        self._unsubscribe(bot, at_ms, grace_ms)
        with self._database.transaction() as transaction:
            transaction.execute("DELETE FROM registry.bots WHERE number = ?", [bot.number])

    def _unsubscribe(self, bot: StoredBot, at_ms: int, grace_ms: int) -> None:
        for condition_id in dict.fromkeys(condition.condition_id for condition in bot.conditions):
            current = self._registry.successor(condition_id)
            self._registry.unsubscribe(bot.user_id, bot.bot_id, current, at_ms=at_ms, grace_ms=grace_ms)

    def _write(self, bot: StoredBot, text: str, life: Literal["making", "active", "ended"]) -> None:
        with self._database.transaction() as transaction:
            _insert(transaction, bot, text, life)
        self._change = bot.change

    def _remember(self, bot: StoredBot) -> None:
        before = self._bots.get(bot.number)
        self._bots[bot.number] = bot
        if before is None:
            self._of_user.setdefault(bot.user_id, {}).setdefault(bot.bot_id, []).append(bot.number)
        self._log.append((bot.change, bot.number))
        was_active = before is not None and before.life == "active"
        self._active[bot.user_id] = self._active.get(bot.user_id, 0) + (bot.life == "active") - was_active

    def _load(self, count: int | None) -> list[StoredBot]:
        """Read the last ``count`` rows of bots, or all of them; returns the bots that are not finished yet."""
        table = last_rows("registry.bots", count) if count else "registry.bots"
        making = " WHERE life = 'making'" if count == 0 else ""
        rows = self._database.frame(
            f"""
            SELECT number, user_id, bot_id, kind, account, instruments, conditions, bot_config, life,
                epoch_ms(created_at) AS created_ms, change
            FROM {newest_rows(table, "number", "change")} AS newest{making} ORDER BY change
            """
        )
        unfinished = []
        for row in rows.iter_rows(named=True):
            life = row["life"]
            row |= {
                "life": "active" if life == "making" else life,
                "instruments": tuple(row["instruments"]),
                "conditions": tuple(ConditionUse(*one) for one in json.loads(row["conditions"])),
                "bot_config": json.loads(row["bot_config"] or "{}"),
            }
            bot = StoredBot(**row)
            if life == "making":
                unfinished.append(bot)
            else:
                self._remember(bot)
        return unfinished


def _insert(transaction: Transaction, bot: StoredBot, text: str | None, life: str) -> None:
    transaction.insert(
        "registry.bots",
        {
            "number": bot.number,
            "user_id": bot.user_id,
            "bot_id": bot.bot_id,
            "kind": bot.kind,
            "account": bot.account,
            "instruments": list(bot.instruments),
            "conditions": json.dumps(bot.conditions),
            "bot_config": text,
            "life": life,
            "created_at": naive_time(bot.created_ms),
            "change": bot.change,
        },
    )
