"""An upgrade of the hub that changes the ids of conditions: everything in the registry follows them.

What ids depend on has a digest (``registry.rereading``). Where the store has seen another one, every condition is read
again. One that has another id now is superseded by the condition with that id: its subscriptions move, and it is judged
from where its group has been judged to, so that no candle is judged twice or left out. Conditions that have the same id
now become one. One that cannot be read any more stays as it is, with the reason, and is judged no longer. Triggers stay
as they were recorded.

All of it is one transaction of set-based statements. A process that is killed leaves the store as it was, or upgraded.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from common import failpoints
from common.clock import Clock
from common.errors import SchemaMismatch
from registry.conditions import Condition
from registry.language.packed import pack
from registry.rereading import Rereader, definition_versions, definitions
from registry.store.files.upgrade_statements import CHANGES, CURRENT_CONDITIONS, NEWEST_OUTCOMES, STATEMENTS
from registry.store.sql import Database, Transaction, naive_time

Progress = Callable[[int, int], object]
"""Called with the number of conditions that have been read, and the total."""

_AT_ONCE = 20_000


@dataclass(frozen=True)
class UpgradeReport:
    """What an upgrade did, in numbers."""

    upgrade: int
    """The number of the upgrade."""
    conditions: int
    """Conditions that were read again."""
    superseded: int
    unreadable: int
    """Conditions that cannot be read any more."""
    subscriptions: int
    """Subscriptions that moved."""


def upgrade(database: Database, clock: Clock, progress: Progress = lambda *_: None) -> UpgradeReport | None:
    """Bring the conditions of an open store up to this version of the hub; ``None`` if it has seen them before."""
    if is_current(database):
        return None
    now = naive_time(clock.now_ms())
    with database.alone(), database.transaction() as transaction:
        number = 1 + int(
            transaction.frame("SELECT coalesce(max(upgrade), 0) AS number FROM registry.upgrades")["number"][0]
        )
        transaction.execute(CHANGES)
        conditions = _read_again(database, transaction, progress)
        report = UpgradeReport(number, conditions, *_counts(transaction))
        if report.superseded or report.unreadable:
            transaction.execute(
                "CREATE TEMP TABLE this AS SELECT ?::INTEGER AS upgrade, ?::TIMESTAMP_MS AS now", [number, now]
            )
            for statement in STATEMENTS:
                transaction.execute(statement)
        transaction.execute(
            "DELETE FROM registry.condition_evaluation_cache WHERE indicator <> '' AND "
            "split_part(indicator, '(', 1) NOT IN (SELECT unnest(?::VARCHAR[]))",
            [definition_versions().split(",")],
        )
        transaction.insert("registry.upgrades", {"upgrade": number, "definitions": definitions(), "created_at": now})
        failpoints.reach("before_upgrade_commit")
    failpoints.reach("after_upgrade_commit")
    return report


def refuse_outdated(database: Database) -> None:
    """Refuse to read a store with conditions of other versions of formulas; raises :class:`SchemaMismatch`."""
    if is_current(database):
        return
    versions = pl.DataFrame({"version": definition_versions().split(",")})
    outdated = database.frame(
        f"""
        SELECT DISTINCT version FROM (
            SELECT unnest(regexp_extract_all(definition_versions, '[^,]+')) AS version FROM {CURRENT_CONDITIONS}
            WHERE definition_versions <> ''
        ) ANTI JOIN versions USING (version)
        """,
        versions=versions,
    )["version"]
    if outdated.len():
        raise SchemaMismatch(
            "registry.duckdb has conditions of formulas in other versions than this hub's, such as "
            f"{min(outdated)}; bring it up to date: hub store migrate (--dry-run lists what would change), or hub up"
        )


def changes_of(database: Database, upgrade: int) -> pl.DataFrame:
    """``condition_id superseded_by condition subscriptions why`` of every condition that an upgrade changed; an empty
    ``superseded_by`` stands for one that cannot be read any more."""
    return database.frame(
        """
        SELECT u.condition_id, u.superseded_by, any_value(c.text) AS condition,
            count(s.condition_id)::BIGINT AS subscriptions, u.reason AS why
        FROM registry.upgraded_conditions u
        JOIN (
            SELECT * FROM registry.condition_registry
            QUALIFY row_number() OVER (PARTITION BY condition_id ORDER BY revision DESC) = 1
        ) c USING (condition_id)
        LEFT JOIN (
            SELECT * FROM registry.user_condition_subscriptions
            QUALIFY row_number() OVER (PARTITION BY user_id, bot_id, condition_id ORDER BY change DESC) = 1
        ) s ON s.condition_id = u.condition_id AND (s.moved_to IS NOT NULL OR s.state <> 'ended')
        WHERE u.upgrade = ? AND u.superseded_by IS DISTINCT FROM u.condition_id
        GROUP BY u.condition_id, u.superseded_by, u.reason ORDER BY condition, u.condition_id
        """,
        [upgrade],
    )


def is_current(database: Database) -> bool:
    """Whether this version of the hub has read all conditions of a store."""
    rows = database.rows("SELECT definitions FROM registry.upgrades ORDER BY upgrade DESC LIMIT 1")
    return bool(rows) and rows[0][0] == definitions()


def _read_again(database: Database, transaction: Transaction, progress: Progress) -> int:
    """Fill the table ``changes``; returns how many conditions were read."""
    total = int(str(database.rows(f"SELECT count(*) FROM {CURRENT_CONDITIONS}")[0][0]))
    rereader, done = Rereader(), 0
    transaction.execute("CREATE TEMP TABLE repacked (condition_id VARCHAR, packed BLOB)")
    progress(done, total)
    known_unreadable = {
        str(name)
        for (name,) in database.rows(f"SELECT condition_id FROM {NEWEST_OUTCOMES} WHERE superseded_by IS NULL")
    }
    for rows in database.frames(
        f"""
        SELECT condition_id, canonical, text, definition_versions, group_key, created_at, packed
        FROM {CURRENT_CONDITIONS}
        ORDER BY created_at, condition_id
        """,
        rows=_AT_ONCE,
    ):
        changes, repacked = [], []
        for condition_id, canonical, text, versions, group, created_at, packed in rows.iter_rows():
            again = rereader.reread(condition_id, canonical, text, versions)
            condition = again.condition
            now = None if condition is None else _packed(condition, condition_id, canonical, text)
            if (condition is None or condition.id == condition_id) and now != packed:
                repacked.append((condition_id, now))
            if condition is None:
                if condition_id not in known_unreadable:
                    changes.append((condition_id, group, created_at, again.reason, *[None] * 9))
            elif condition.id != condition_id:
                instrument = condition.series.instrument
                changes.append(
                    (
                        condition_id,
                        group,
                        created_at,
                        again.reason,
                        condition.id,
                        condition.canonical,
                        condition.text,
                        instrument.exchange,
                        instrument.symbol,
                        condition.timeframe,
                        str(condition.group),
                        condition.definition_versions,
                        now,
                    )
                )
        transaction.append("changes", pl.DataFrame(changes, schema=_CHANGE_SCHEMA, orient="row"))
        transaction.append("repacked", pl.DataFrame(repacked, schema=_PACKED_SCHEMA, orient="row"))
        done += rows.height
        progress(done, total)
        failpoints.reach("mid_upgrade")
    transaction.execute(
        "UPDATE registry.condition_registry SET packed = r.packed FROM repacked r "
        "WHERE condition_registry.condition_id = r.condition_id"
    )
    return total


def _packed(condition: Condition, condition_id: str, canonical: str, text: str) -> bytes:
    """Its trees, of the texts under which it is stored: those that it had, unless it has another id."""
    names = (condition_id, canonical, text) if condition.id == condition_id else condition.names
    return pack(names, condition.tree, condition.surface)


def _counts(transaction: Transaction) -> tuple[int, int, int]:
    """Superseded conditions, unreadable ones, and the subscriptions that move."""
    superseded, unreadable = transaction.frame("SELECT count(new_id), count(*) - count(new_id) FROM changes").row(0)
    subscriptions = transaction.frame(
        """
        SELECT count(*) FROM (
            SELECT * FROM registry.user_condition_subscriptions
            QUALIFY row_number() OVER (PARTITION BY user_id, bot_id, condition_id ORDER BY change DESC) = 1
        ) SEMI JOIN (SELECT condition_id FROM changes WHERE new_id IS NOT NULL) USING (condition_id)
        WHERE state <> 'ended'
        """
    ).row(0)
    return int(superseded), int(unreadable), int(subscriptions[0])


_CHANGE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "condition_id": pl.String,
    "old_group": pl.String,
    "registered_at": pl.Datetime("ms"),
    "reason": pl.String,
    "new_id": pl.String,
    "canonical": pl.String,
    "text": pl.String,
    "exchange": pl.String,
    "symbol": pl.String,
    "timeframe": pl.String,
    "group_key": pl.String,
    "definition_versions": pl.String,
    "packed": pl.Binary,
}
_PACKED_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {"condition_id": pl.String, "packed": pl.Binary}
