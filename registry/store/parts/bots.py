"""Bots that the hub runs: their configurations, commands to them, how they stand, and what they did.

Amounts are decimals as text, so that nothing is rounded. A bot has a machine for each instrument that it trades.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import polars as pl

from registry.activity import GRACE_MS
from registry.quotas import BotQuota
from registry.subscriptions import DeliveryPolicy

BotLife = Literal["active", "ended"]
HistoryKind = Literal["orders", "fills", "deals", "actions", "notes"]

_TIME = pl.Datetime("ms", "UTC")
_MACHINE: Mapping[str, type[pl.DataType]] = {"number": pl.Int64, "instrument": pl.String}


def _texts(*names: str) -> dict[str, type[pl.DataType]]:
    return dict.fromkeys(names, pl.String)


STATE_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    **_MACHINE, "revision": pl.Int64, "status": pl.String, "candle_at": _TIME,
    **_texts("price", "base", "quote", "fees"), "deals": pl.Int64, "orders": pl.Int64,
    "error": pl.String, "command": pl.Int64, "state": pl.String, "account": pl.String,
}  # fmt: skip
"""A machine after a step: ``revision`` is one more than before, ``candle_at`` the close of the last candle that it has
seen, ``orders`` how many are at the broker, ``command`` the last command that was carried out."""
HISTORY_SCHEMAS: Mapping[HistoryKind, Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "orders": {
        **_MACHINE, "placed_at": _TIME,
        **_texts("client_id", "purpose", "side", "quantity", "price"),
    },
    "fills": {
        **_MACHINE, "filled_at": _TIME,
        **_texts("fill_id", "client_id", "purpose", "side", "price", "quantity", "fee_quote", "fee_base"),
    },
    "deals": {
        **_MACHINE, "deal": pl.Int64, "direction": pl.String, "condition_id": pl.String, "opened_at": _TIME,
        "closed_at": _TIME,
        **_texts("reason", "entry_quantity", "entry_quote", "exit_quantity", "exit_quote", "profit"),
    },
    "actions": {
        **_MACHINE, "condition_id": pl.String, "closed_at": _TIME, "role": pl.String, "price": pl.String,
        "orders": pl.Int64,
    },
    "notes": {**_MACHINE, "noted_at": _TIME, "text": pl.String},
}  # fmt: skip
"""What bots did. Deals of a grid are its intervals that have bought and sold; ``actions`` are triggers that were acted
on, with how many orders were placed at once."""


class ConditionUse(NamedTuple):
    """What a condition is to a bot in one market."""

    instrument: str
    condition_id: str
    role: str


@dataclass(frozen=True)
class NewBot:
    """A bot as it is asked for. Its configuration is private to the user."""

    user_id: str
    bot_id: str
    kind: str
    account: str
    instruments: tuple[str, ...]
    conditions: tuple[ConditionUse, ...]
    bot_config: dict[str, object] = field(repr=False)


@dataclass(frozen=True)
class StoredBot:
    """A bot; ``bot_id`` is unique among the bots of a user that have not ended."""

    number: int
    user_id: str
    bot_id: str
    kind: str
    account: str
    instruments: tuple[str, ...]
    conditions: tuple[ConditionUse, ...]
    bot_config: dict[str, object] = field(repr=False)
    life: BotLife
    created_ms: int
    change: int
    """Numbers the changes of all bots in one sequence; readers of changes remember how far they have got."""


@dataclass(frozen=True)
class BotCommand:
    """What somebody wants a bot to do: ``pause``, ``resume``, ``stop`` or ``kill``."""

    command_number: int
    number: int
    command: str
    given_ms: int


@dataclass(frozen=True)
class BotStanding:
    """How a bot stands in one market. ``base`` and ``quote`` are what it has gained by its trades so far."""

    instrument: str
    revision: int
    status: str
    candle_ms: int
    price: str
    base: str
    quote: str
    fees: str
    deals: int
    orders: int
    error: str | None
    command: int


@dataclass(frozen=True)
class BotChanges:
    """What some steps of some machines changed: the state after them as in :data:`STATE_SCHEMA`, and what was done on
    the way as in :data:`HISTORY_SCHEMAS`, in the order in which it was done."""

    states: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    deals: pl.DataFrame
    actions: pl.DataFrame
    notes: pl.DataFrame

    def of(self, kind: HistoryKind) -> pl.DataFrame:
        """The rows of one kind of history."""
        rows: pl.DataFrame = getattr(self, kind)
        return rows


class BotStore(Protocol):
    """Bots that the hub runs."""

    def create(
        self,
        bot: NewBot,
        policy: DeliveryPolicy,
        *,
        active_from_ms: int,
        grace_ms: int = GRACE_MS,
        quota: BotQuota | None = None,
    ) -> tuple[StoredBot, bool]:
        """Add a bot and subscribe it to its registered conditions, all or nothing, also if the process dies.

        The same request again changes nothing: the answer has the bot, and whether it is new. Raises
        :class:`common.errors.BotExists` if the user has another bot of that id that has not ended,
        :class:`common.errors.QuotaExceeded` if the user may have no more, and what
        :meth:`registry.store.parts.registry.RegistryStore.subscribe` raises.
        """
        ...

    def bot(self, user_id: str, bot_id: str) -> StoredBot | None:
        """A user's newest bot of that id, even if it has ended."""
        ...

    def bots_of(self, user_id: str) -> list[StoredBot]:
        """All bots of a user, newest first, ended ones too."""
        ...

    def active_count(self, user_id: str | None = None) -> int:
        """How many bots of a user, or of all, have not ended."""
        ...

    def instruments(self) -> list[str]:
        """What the bots trade that have not ended, each instrument once, in the order of their names."""
        ...

    def changed_after(self, change: int, limit: int) -> list[StoredBot]:
        """Bots that changed after a change, each once, in the order of their newest change."""
        ...

    def last_change(self) -> int:
        """The number of the newest change, 0 before the first."""
        ...

    def give_command(self, command: str, *, user_id: str | None, bot_id: str | None, at_ms: int) -> int:
        """Tell a bot of a user, all bots of a user, or all bots what to do. Returns how many that were; ended ones are
        told nothing."""
        ...

    def commands_after(self, command_number: int, limit: int) -> list[BotCommand]:
        """The next commands, in the order in which they were given."""
        ...

    def last_command(self) -> int:
        """The number of the newest command, 0 before the first."""
        ...

    def record(self, changes: BotChanges) -> None:
        """Record steps, in one transaction. The same changes again change nothing.

        Raises :class:`common.errors.StaleBots` and writes nothing unless each revision follows the stored one: somebody
        else runs these bots.
        """
        ...

    def standings(self, numbers: Sequence[int]) -> list[tuple[int, BotStanding]]:
        """How bots stand in each of their markets; none before a machine's first step."""
        ...

    def states(self, numbers: Collection[int]) -> pl.DataFrame:
        """The newest states of bots, as in :data:`STATE_SCHEMA`."""
        ...

    def history(self, number: int, kind: HistoryKind, limit: int, before: int | None = None) -> pl.DataFrame:
        """What a bot did, newest first: the columns of :data:`HISTORY_SCHEMAS` after ``entry``, by which the next page
        begins: ``before`` is the last ``entry`` of this one."""
        ...

    def end(self, number: int, *, at_ms: int, grace_ms: int = GRACE_MS) -> None:
        """Note that a bot has closed, and end its subscriptions. Its history stays."""
        ...

    def forget_user(self, user_id: str) -> int:
        """Remove all bots of a user with their configurations and histories. Returns how many there were.

        The names stay in the ended bots: readers of changes have to see their end.
        """
        ...
