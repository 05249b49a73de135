"""Triggers in ``registry.duckdb``: numbered without gaps, except for numbers that an event log had already used."""

from collections.abc import Collection, Iterator
from datetime import datetime

import polars as pl

from common.clock import Clock
from common.errors import StoreError
from common.timeframes import to_ms
from registry.store.parts.triggers import ConditionState
from registry.store.sql import Database, Transaction, last_rows, naive, naive_time, zoned

_BLOCK = 100_000
"""How many triggers a search scans first: about as many as DuckDB keeps in one row group."""

_NEVER = ConditionState()

_KEY_DIGITS = 8

_COLUMNS = (
    'seq, trigger_id, condition_id, exchange, symbol, timeframe, open_time, close_time, price, "values", settled, '
    "late, definition_versions, emitted_at"
)


class TriggerTables:
    """Implements :class:`registry.store.parts.triggers.TriggerStore`; a tick's triggers are written by its own commit.

    The owner keeps in memory what each condition has done, and which ``seq`` is next.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._next_seq = 1 + database.newest("seq", "registry.condition_triggers")
        self._gaps: list[tuple[int, int]] = []
        self._adopted: set[str] = set()
        self._load_exceptions()
        self._states = self._load_states()
        self.fired: set[str] = set()
        """Conditions that have fired; who reads it takes them out."""

    def follow(self, triggers: int) -> None:
        """Take up what others committed: this many triggers more, and perhaps gaps and adopted triggers."""
        if triggers:
            self.note_recorded(
                naive(
                    self._database.frame(
                        "SELECT condition_id, seq, close_time FROM "
                        f"{last_rows('registry.condition_triggers', triggers)} AS fresh ORDER BY seq"
                    )
                )
            )
        self._load_exceptions()

    def _load_exceptions(self) -> None:
        """Numbers that no trigger has, and triggers that a tick may bring a second time."""
        self._gaps = [
            (int(str(first)), int(str(last)))
            for first, last in self._database.rows(
                "SELECT first_seq, last_seq FROM registry.seq_gaps ORDER BY first_seq"
            )
        ]
        self._adopted = {
            str(trigger_id) for (trigger_id,) in self._database.rows("SELECT trigger_id FROM registry.adopted_triggers")
        }
        self._next_seq = max(self._next_seq, 1 + self._gaps[-1][1] if self._gaps else 0)

    def last_seq(self) -> int:
        return self._next_seq - 1

    def floor_gaps(self) -> list[tuple[int, int]]:
        return list(self._gaps)

    def condition_state(self, condition_id: str) -> ConditionState:
        return self._states.get(condition_id, _NEVER)

    def counts(self) -> pl.DataFrame:
        states = sorted(self._states.items())
        return zoned(
            pl.DataFrame(
                [(name, state.triggers, state.last_close_ms) for name, state in states],
                schema={"condition_id": pl.String, "triggers": pl.Int64, "last_close_time": pl.Int64},
                orient="row",
            ).with_columns(pl.from_epoch("last_close_time", "ms").cast(pl.Datetime("ms")))
        )

    def after(self, seq: int, limit: int, condition_ids: Collection[str] | None = None) -> pl.DataFrame:
        if condition_ids is None:
            # The upper bound lets DuckDB skip row groups.
            return self._database.frame(
                f"SELECT {_COLUMNS} FROM registry.condition_triggers WHERE seq > ? AND seq <= ? ORDER BY seq",
                [seq, self._nth_after(seq, limit)],
            )
        wanted = pl.DataFrame({"condition_id": list(condition_ids)}, schema={"condition_id": pl.String})
        return self._search(
            self._blocks_up(seq),
            limit,
            f"SELECT {_COLUMNS} FROM registry.condition_triggers "
            "WHERE condition_id IN (SELECT condition_id FROM wanted) AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            wanted=wanted,
        )

    def of(self, condition_id: str, limit: int, before_seq: int | None = None) -> pl.DataFrame:
        state = self.condition_state(condition_id)
        newest = min(state.last_seq or 0, self._next_seq if before_seq is None else before_seq - 1)
        # One search finds what is spread evenly; several cost more than one over everything.
        spread = 2 * limit * newest // max(1, state.triggers)
        return self._search(
            self._blocks_down(newest, spread),
            min(limit, state.triggers),
            f"SELECT {_COLUMNS} FROM registry.condition_triggers WHERE condition_key = ?::UINTEGER "
            "AND condition_id = ? AND seq > ? AND seq <= ? ORDER BY seq DESC LIMIT ?",
            key_of(condition_id),
            condition_id,
        )

    def is_recorded(self, condition_id: str, close_ms: int) -> bool:
        last_close_ms = self.condition_state(condition_id).last_close_ms
        if last_close_ms is None or close_ms >= last_close_ms:
            return close_ms == last_close_ms
        rows = self._database.rows(
            # In the types of the columns: DuckDB skips row groups only then.
            "SELECT 1 FROM registry.condition_triggers WHERE close_time = make_timestamp_ms(?)::TIMESTAMP_MS "
            "AND condition_key = ?::UINTEGER AND condition_id = ? LIMIT 1",
            [close_ms, key_of(condition_id), condition_id],
        )
        return bool(rows)

    def adopt(self, rows: pl.DataFrame) -> int:
        with self._database.alone():
            return self._adopt(rows)

    def _adopt(self, rows: pl.DataFrame) -> int:
        with self._database.transaction() as transaction:
            fresh = naive(rows).filter(pl.col("seq") >= self._next_seq).sort("seq")
            if fresh.is_empty():
                return 0
            first, last = int(fresh["seq"][0]), int(fresh["seq"][-1])
            if first != self._next_seq or last - first + 1 != fresh.height or fresh["seq"].n_unique() != fresh.height:
                raise StoreError(
                    f"{fresh.height} triggers from {first} to {last} do not follow {self._next_seq - 1} without gaps; "
                    "raise the floor to where they begin, and pass them without gaps"
                )
            known = transaction.frame(
                "SELECT trigger_id FROM registry.condition_triggers WHERE trigger_id IN (SELECT trigger_id FROM fresh)",
                fresh=fresh,
            )["trigger_id"]
            added = fresh.unique("trigger_id", keep="first", maintain_order=True).filter(
                ~pl.col("trigger_id").is_in(known.implode())
            )
            unused = fresh.filter(~pl.col("seq").is_in(added["seq"].implode()))["seq"]
            gaps = [(int(seq), int(seq)) for seq in unused]
            transaction.append("registry.condition_triggers", _keyed(added))
            transaction.append("registry.adopted_triggers", added.select("trigger_id", "seq"))
            self._write_gaps(transaction, gaps)
        self._gaps += gaps
        self._adopted.update(added["trigger_id"])
        self.note_recorded(added)
        self._next_seq = last + 1
        return fresh.height

    def raise_floor(self, seq: int) -> None:
        with self._database.alone():
            if seq < self._next_seq:
                return
            gap = (self._next_seq, seq)
            with self._database.transaction() as transaction:
                self._write_gaps(transaction, [gap])
            self._gaps.append(gap)
            self._next_seq = seq + 1

    def numbered(self, triggers: pl.DataFrame, now: datetime) -> pl.DataFrame:
        """A tick's triggers as they will be recorded: numbered, and without those that were adopted."""
        fresh = naive(triggers)
        if self._adopted:
            fresh = fresh.filter(~pl.col("trigger_id").is_in(list(self._adopted)))
        return _keyed(fresh.with_row_index("seq", offset=self._next_seq).with_columns(pl.lit(now).alias("emitted_at")))

    def note_recorded(self, triggers: pl.DataFrame) -> None:
        """Take over committed triggers."""
        closes = triggers["close_time"].dt.epoch("ms")
        for condition_id, seq, close_ms in zip(triggers["condition_id"], triggers["seq"], closes, strict=True):
            before = self._states.get(condition_id, _NEVER)
            newest_ms = close_ms if before.last_close_ms is None else max(close_ms, before.last_close_ms)
            self._states[condition_id] = ConditionState(before.triggers + 1, newest_ms, seq)
            self.fired.add(condition_id)
            self._next_seq = seq + 1

    def _search(
        self, blocks: Iterator[tuple[int, int]], limit: int, sql: str, *parameters: object, **tables: pl.DataFrame
    ) -> pl.DataFrame:
        """The first ``limit`` rows, searched block by block; a block is (last seq before it, its last seq)."""
        pieces: list[pl.DataFrame] = []
        for after, until in blocks:
            missing = limit - sum(piece.height for piece in pieces)
            if missing <= 0:
                break
            pieces.append(self._database.frame(sql, [*parameters, after, until, missing], **tables))
        return pl.concat(pieces) if pieces else self._database.frame(sql, [*parameters, 0, 0, 0], **tables)

    def _blocks_up(self, seq: int) -> Iterator[tuple[int, int]]:
        size = _BLOCK
        while seq < self._next_seq - 1:
            yield seq, seq + size
            seq, size = seq + size, 2 * size

    def _blocks_down(self, seq: int, first_size: int) -> Iterator[tuple[int, int]]:
        size = max(_BLOCK, first_size)
        while seq > 0:
            yield seq - size, seq
            seq, size = seq - size, 2 * size

    def _nth_after(self, seq: int, count: int) -> int:
        """The ``seq`` up to which ``count`` triggers follow after ``seq``."""
        last = seq + count
        for first_of_gap, last_of_gap in self._gaps:
            if last_of_gap > seq and first_of_gap <= last:
                last += last_of_gap - max(first_of_gap - 1, seq)
        return last

    def _write_gaps(self, transaction: Transaction, gaps: list[tuple[int, int]]) -> None:
        rows = pl.DataFrame(gaps, schema={"first_seq": pl.Int64, "last_seq": pl.Int64}, orient="row")
        now = naive_time(self._clock.now_ms())
        transaction.append("registry.seq_gaps", rows.with_columns(pl.lit(now).alias("created_at")))

    def _load_states(self) -> dict[str, ConditionState]:
        """What each condition has done: the stored state plus the triggers since; an owner stores the sum."""
        since = self._database.newest("last_seq", "registry.condition_state")
        rows = self._database.frame(
            """
            SELECT condition_id, sum(triggers)::BIGINT AS triggers, max(last_close_time) AS last_close_time,
                max(last_seq) AS last_seq, count(*) > 1 OR max(last_seq) > ? AS is_new
            FROM (
                SELECT condition_id, triggers, last_close_time, last_seq FROM registry.condition_state
                UNION ALL
                SELECT condition_id, count(*) AS triggers, max(close_time) AS last_close_time, max(seq) AS last_seq
                FROM registry.condition_triggers WHERE seq > ? GROUP BY condition_id
            ) AS each GROUP BY condition_id
            """,
            [since, since],
        )
        fresh = naive(rows.filter("is_new").drop("is_new"))
        if fresh.height and not self._database.read_only:
            with self._database.transaction() as transaction:
                transaction.execute(
                    "DELETE FROM registry.condition_state WHERE condition_id IN (SELECT condition_id FROM fresh)",
                    fresh=fresh,
                )
                transaction.append("registry.condition_state", fresh)
        return {
            condition_id: ConditionState(triggers, to_ms(last_close), last_seq)
            for condition_id, triggers, last_close, last_seq, _ in rows.iter_rows()
        }


def _keyed(triggers: pl.DataFrame) -> pl.DataFrame:
    """Rows as the table has them: with the number that finds a condition's."""
    digits = pl.col("condition_id").str.slice(0, _KEY_DIGITS).str.to_integer(base=16, strict=False, dtype=pl.UInt32)
    return triggers.with_columns(digits.fill_null(0).alias("condition_key"))


def key_of(condition_id: str) -> int:
    """The number that finds the triggers of a condition."""
    try:
        return int(condition_id[:_KEY_DIGITS], 16)
    except ValueError:
        return 0
