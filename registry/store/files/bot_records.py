"""How bots stand, and what they did, in ``registry.duckdb``; revisions and standings are in the owner's memory.

A machine's newest state counts. Every step appends one, so those that newer ones have replaced are removed from time to
time, by the commit that makes them too many.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import get_args

import polars as pl

from common import failpoints
from common.errors import StaleBots
from registry.store.parts.bots import HISTORY_SCHEMAS, STATE_SCHEMA, BotChanges, BotStanding, HistoryKind
from registry.store.sql import Database, Transaction, last_rows, naive, newest_rows

_KINDS: tuple[HistoryKind, ...] = get_args(HistoryKind)
_KEY = ["number", "instrument"]
_REPLACED_MOST = 2_000
"""How many replaced states stay in any case; beyond, as many as there are machines, twice."""
_STANDING = (
    "instrument", "revision", "status", "candle_ms", "price", "base", "quote", "fees", "deals", "orders", "error",
    "command",
)  # fmt: skip


class BotRecords:
    """States and histories of the machines of all bots."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standings: dict[int, dict[str, BotStanding]] = {}
        self._entry = self._replaced = self._machines = 0
        self.follow(None)

    def follow(self, count: int | None) -> None:
        """Take up the last ``count`` states, or all of them, and how far the histories have got."""
        self._entry = max(self._database.newest("entry", f"registry.bot_{kind}") for kind in _KINDS)
        if count is None:
            self._standings, self._machines = {}, 0
        self._load(count)

    def record(self, changes: BotChanges) -> None:
        with self._database.alone():
            fresh = self._fresh(changes.states)
            if fresh.is_empty():
                return
            is_whole = fresh.height == changes.states.height
            entry = self._entry
            with self._database.transaction() as transaction:
                transaction.append("registry.bot_states", naive(fresh.select(STATE_SCHEMA.keys())))
                for kind in _KINDS:
                    rows = changes.of(kind)
                    if not is_whole:
                        rows = rows.join(fresh.select(_KEY), on=_KEY, how="semi", maintain_order="left")
                    if rows.height:
                        entries = pl.Series("entry", range(entry + 1, entry + 1 + rows.height), dtype=pl.Int64)
                        transaction.append(f"registry.bot_{kind}", naive(rows.with_columns(entries)))
                        entry += rows.height
                replaced = self._replaced + fresh.filter(pl.col("revision") > 1).height
                if drops := replaced > _REPLACED_MOST + 2 * self._machines:
                    _drop_replaced(transaction)
                failpoints.reach("before_bots_commit")
            failpoints.reach("after_bots_commit")
            self._entry = entry
            self._replaced = 0 if drops else replaced
            self._adopt(fresh)

    def standings(self, numbers: Sequence[int]) -> list[tuple[int, BotStanding]]:
        return [(number, standing) for number in numbers for standing in self._standings.get(number, {}).values()]

    def states(self, numbers: Collection[int]) -> pl.DataFrame:
        wanted = [number for number in numbers if number in self._standings]
        return self._database.frame(
            f"""
            SELECT {", ".join(STATE_SCHEMA)}
            FROM {newest_rows("registry.bot_states", "number, instrument", "revision")} AS newest
            WHERE number IN (SELECT unnest(?::BIGINT[])) ORDER BY number, instrument
            """,
            [wanted],
        )

    def history(self, number: int, kind: HistoryKind, limit: int, before: int | None = None) -> pl.DataFrame:
        return self._database.frame(
            f"SELECT entry, {', '.join(HISTORY_SCHEMAS[kind])} FROM registry.bot_{kind} "
            "WHERE number = ? AND entry < ? ORDER BY entry DESC LIMIT ?",
            [number, self._entry + 1 if before is None else before, limit],
        )

    def forget(self, transaction: Transaction, numbers: list[int]) -> None:
        """Delete everything of some bots; :meth:`drop` follows once that is committed."""
        for table in ("commands", "states", *_KINDS):
            transaction.execute(
                f"DELETE FROM registry.bot_{table} WHERE number IN (SELECT unnest(?::BIGINT[]))", [numbers]
            )

    def drop(self, numbers: Iterable[int]) -> None:
        """Take bots out of the memory."""
        for number in numbers:
            self._machines -= len(self._standings.pop(number, {}))

    def trim(self, transaction: Transaction) -> int:
        """Remove states that newer ones have replaced. Returns how many."""
        self._replaced = 0
        return _drop_replaced(transaction)

    def _fresh(self, states: pl.DataFrame) -> pl.DataFrame:
        """The states that are not recorded yet."""
        known = [
            0 if (standing := self._standings.get(number, {}).get(instrument)) is None else standing.revision
            for number, instrument in states.select(_KEY).iter_rows()
        ]
        after = states["revision"] - pl.Series(known, dtype=pl.Int64)
        again = states.filter(after == 0)
        # A repetition stands where the first one stood; the same number with anything else is somebody else's step.
        is_same = all(
            self._standings[number][standing.instrument] == standing for number, standing in _standings_in(again)
        )
        if not (is_same and after.is_in([0, 1]).all()):
            raise StaleBots(
                "somebody else has run these bots in the meantime; two processes of one hub run bots: end one of them"
            )
        return states.filter(after == 1)

    def _adopt(self, states: pl.DataFrame) -> None:
        for number, standing in _standings_in(states):
            of_bot = self._standings.setdefault(number, {})
            self._machines += standing.instrument not in of_bot
            of_bot[standing.instrument] = standing

    def _load(self, count: int | None) -> None:
        columns = [name for name in STATE_SCHEMA if name not in ("state", "account")]
        states = last_rows("registry.bot_states", count)
        rows = self._database.frame(
            f"SELECT {', '.join(columns)} FROM {newest_rows(states, 'number, instrument', 'revision')} AS newest "
            "ORDER BY number, instrument"
        )
        self._adopt(rows)
        (total,) = self._database.rows("SELECT count(*) FROM registry.bot_states")[0]
        self._replaced = int(str(total)) - self._machines


def _standings_in(states: pl.DataFrame) -> Iterator[tuple[int, BotStanding]]:
    """Number and standing of each row."""
    columns = states.with_columns(candle_ms=pl.col("candle_at").dt.epoch("ms")).select("number", *_STANDING)
    for number, *values in columns.iter_rows():
        yield number, BotStanding(*values)


def _drop_replaced(transaction: Transaction) -> int:
    return transaction.delete(
        """
        DELETE FROM registry.bot_states WHERE rowid IN (
            SELECT id FROM (
                SELECT rowid AS id, row_number() OVER (PARTITION BY number, instrument ORDER BY revision DESC) AS place
                FROM registry.bot_states
            ) AS placed WHERE place > 1
        )
        """
    )
