"""Layouts of shards and leases on them, in Postgres."""

from psycopg import Connection

from common.errors import StoreError
from registry.shards import ShardLayout, check_shards
from registry.store.parts.shards import Leases
from registry.store.postgres.database import PgDatabase
from registry.store.postgres.locks import SHARD_LOCK
from registry.store.sql import naive_time

_LAYOUT = "layout, registry.epoch_ms(from_tick), shards, shard_of"


class PgShards:
    """Implements :class:`registry.store.parts.shards.ShardStore`."""

    def __init__(self, database: PgDatabase) -> None:
        self._database = database

    def newest_layout(self) -> ShardLayout | None:
        return _layout(
            self._database.rows(f"SELECT {_LAYOUT} FROM registry.shard_layouts ORDER BY layout DESC LIMIT 1")
        )

    def layout_at(self, tick_ms: int) -> ShardLayout | None:
        # False before true: the newest of those that have begun, or else the first of all.
        return _layout(
            self._database.rows(
                f"SELECT {_LAYOUT} FROM registry.shard_layouts ORDER BY from_tick > ?, "
                "CASE WHEN from_tick <= ? THEN -layout ELSE layout END LIMIT 1",
                [naive_time(tick_ms)] * 2,
            )
        )

    def lay_out(self, layout: ShardLayout) -> None:
        check_shards(layout.shards, layout.shard_of)
        with self._database.apart(SHARD_LOCK) as connection:
            newest = _layout(
                connection.execute(
                    f"SELECT {_LAYOUT} FROM registry.shard_layouts ORDER BY layout DESC LIMIT 1"
                ).fetchall()
            )
            if newest == layout:
                return
            number, from_ms = (0, -1) if newest is None else (newest.number, newest.from_ms)
            if layout.number != number + 1 or layout.from_ms <= from_ms:
                raise StoreError(
                    f"layout {layout.number} of the shards does not follow layout {number}: another one was made "
                    "meanwhile, or begins later; try again in a few minutes"
                )
            connection.execute(
                "INSERT INTO registry.shard_layouts (layout, from_tick, shards, shard_of) VALUES (%s, %s, %s, %s)",
                [layout.number, naive_time(layout.from_ms), layout.shards, bytes(layout.shard_of)],
            )

    def lease(self, worker: str, shards: int, lasting_ms: int) -> Leases:
        with self._database.apart(SHARD_LOCK) as connection:
            connection.execute(
                "INSERT INTO registry.tick_workers VALUES (%s, clock_timestamp() + %s * INTERVAL '1 millisecond') "
                "ON CONFLICT (worker) DO UPDATE SET there_until = excluded.there_until",
                [worker, lasting_ms],
            )
            # Whoever asks is there, however short its lease and however long this transaction.
            connection.execute(
                "DELETE FROM registry.tick_workers WHERE there_until < clock_timestamp() AND worker <> %s", [worker]
            )
            connection.execute("DELETE FROM registry.shard_leases WHERE shard >= %s", [shards])
            # Those of workers that are not there count as free, whoever had them.
            counts = {
                str(name): int(str(count))
                for name, count in connection.execute(
                    "SELECT worker, count(shard) FROM registry.tick_workers LEFT JOIN registry.shard_leases "
                    "USING (worker) GROUP BY worker"
                ).fetchall()
            }
            change = _change(counts, worker, shards)
            taken = _take(connection, worker, shards, change) if change > 0 else {}
            if change < 0:
                connection.execute(
                    "DELETE FROM registry.shard_leases WHERE shard IN (SELECT shard FROM registry.shard_leases "
                    "WHERE worker = %s ORDER BY shard DESC LIMIT %s)",
                    [worker, -change],
                )
            rows = connection.execute("SELECT shard FROM registry.shard_leases WHERE worker = %s", [worker]).fetchall()
        leased = frozenset(int(str(shard)) for (shard,) in rows)
        return Leases(leased, frozenset(shard for shard, was_of_another in taken.items() if was_of_another))

    def release(self, worker: str) -> None:
        with self._database.apart(SHARD_LOCK) as connection:
            for table in ("shard_leases", "tick_workers"):
                connection.execute(f"DELETE FROM registry.{table} WHERE worker = %s", [worker])


def _change(counts: dict[str, int], worker: str, shards: int) -> int:
    """How many shards a worker has to take, or, below 0, to give back; ``counts`` has what each one has.

    All get the same number, and some one more. Nobody gives back a shard that nobody else would lack.
    """
    least, more = divmod(shards, len(counts))
    free = shards - sum(counts.values())
    mine = counts[worker]
    lacking = sum(max(0, least - count) for name, count in counts.items() if name != worker)
    if mine < least:
        return min(least - mine, free)
    with_more = sum(count > least for name, count in counts.items() if name != worker)
    if mine == least:
        return int(with_more < more and free > lacking)
    if mine == least + 1:
        return -int(with_more >= more and lacking > free)
    return least + int(with_more < more) - mine


def _take(connection: Connection[tuple[object, ...]], worker: str, shards: int, count: int) -> dict[int, bool]:
    """Take up to ``count`` free shards: each with whether its last worker is gone without having given it back."""
    free = connection.execute(
        "SELECT shard, l.worker IS NOT NULL FROM generate_series(0, %s - 1) AS shard "
        "LEFT JOIN registry.shard_leases l USING (shard) LEFT JOIN registry.tick_workers w USING (worker) "
        "WHERE w.worker IS NULL ORDER BY shard LIMIT %s",
        [shards, count],
    ).fetchall()
    taken = {int(str(shard)): bool(was_of_another) for shard, was_of_another in free}
    for shard in taken:
        connection.execute(
            "INSERT INTO registry.shard_leases VALUES (%s, %s) "
            "ON CONFLICT (shard) DO UPDATE SET worker = excluded.worker",
            [shard, worker],
        )
    return taken


def _layout(rows: list[tuple[object, ...]]) -> ShardLayout | None:
    for number, from_ms, shards, shard_of in rows:
        assert isinstance(shard_of, bytes)
        return ShardLayout(int(str(number)), int(str(from_ms)), int(str(shards)), tuple(shard_of))
    return None
