"""Whether the data of a store is consistent. Its tables have no key constraints, because one process writes them."""

from dataclasses import dataclass

import polars as pl

from common.errors import HubError
from registry.groups import Group
from registry.language.packed import pack
from registry.rereading import Rereader
from registry.store.files.running_totals import RUNS, TICKS
from registry.store.files.trigger_tables import key_of
from registry.store.files.upgrade_statements import CURRENT_CONDITIONS
from registry.store.protocol import Finding
from registry.store.sql import Database, newest_rows

_RESTORE = "stop the hub and restore the newest backup without this problem: hub store restore FOLDER"
_MOST_COUNTED = 1_000
_AT_ONCE = 20_000
_IMPORT = "import the candles of these series into a new store, or restore a backup: hub store restore FOLDER"


@dataclass(frozen=True)
class _Check:
    subject: str
    rows: str
    """SQL for one column of text: what breaks the rule, as shown to people."""
    mend: str


_NEWEST_SUBSCRIPTIONS = newest_rows(
    "registry.user_condition_subscriptions", "user_id, bot_id, condition_id", "revision"
)

_CHECKS = (
    _Check(
        "each seq belongs to one trigger",
        "SELECT 'seq ' || seq FROM registry.condition_triggers GROUP BY seq HAVING count(*) > 1",
        _RESTORE,
    ),
    _Check(
        "seq has no gaps, except where an event log was ahead, and for upgrades",
        """
        SELECT 'seq ' || (s.after + 1) || ' to ' || (s.first_seq - 1) FROM (
            SELECT first_seq, coalesce(lag(last_seq) OVER (ORDER BY first_seq), 0) AS after FROM (
                SELECT seq AS first_seq, seq AS last_seq FROM registry.condition_triggers
                UNION ALL SELECT first_seq, last_seq FROM registry.seq_gaps
            ) AS used
        ) AS s WHERE s.first_seq > s.after + 1
        """,
        _RESTORE,
    ),
    _Check(
        "each trigger is recorded once",
        "SELECT trigger_id FROM registry.condition_triggers GROUP BY trigger_id HAVING count(*) > 1",
        _RESTORE,
    ),
    _Check(
        "triggers belong to registered conditions",
        """
        SELECT DISTINCT condition_id FROM registry.condition_triggers
        WHERE condition_id NOT IN (SELECT condition_id FROM registry.condition_registry)
        """,
        "register the conditions again: hub conditions register",
    ),
    _Check(
        "ticks are numbered without gaps",
        """
        SELECT 'tick ' || tick_id FROM (
            SELECT tick_id, coalesce(lag(tick_id) OVER (ORDER BY tick_id), 0) AS before FROM registry.ticks
        ) AS numbered WHERE tick_id <> before + 1
        """,
        _RESTORE,
    ),
    _Check(
        "the trigger counts of conditions are correct",
        """
        SELECT s.condition_id FROM registry.condition_state s LEFT JOIN (
            SELECT t.condition_id, count(*) AS triggers FROM registry.condition_triggers t
            JOIN registry.condition_state k ON k.condition_id = t.condition_id AND t.seq <= k.last_seq
            GROUP BY t.condition_id
        ) t USING (condition_id) WHERE s.triggers <> coalesce(t.triggers, 0)
        """,
        _RESTORE,
    ),
    _Check(
        "the totals of ticks and runs are correct",
        f"{TICKS.differences} UNION ALL {RUNS.differences}",
        _RESTORE,
    ),
    _Check(
        "runs are numbered without gaps",
        """
        SELECT 'run ' || number FROM (
            SELECT number, coalesce(lag(number) OVER (ORDER BY number), 0) AS before FROM registry.tick_runs
        ) AS numbered WHERE number IS DISTINCT FROM before + 1
        """,
        _RESTORE,
    ),
    _Check(
        "each condition has one row per revision, and a time in which it is judged",
        """
        SELECT condition_id FROM registry.condition_registry GROUP BY condition_id, revision HAVING count(*) > 1
        UNION
        SELECT condition_id FROM registry.condition_registry
        WHERE condition_id NOT IN (SELECT condition_id FROM registry.condition_activity)
        UNION
        SELECT condition_id FROM registry.condition_activity
        WHERE condition_id NOT IN (SELECT condition_id FROM registry.condition_registry)
        """,
        "register the conditions again: hub conditions register; or restore a backup: hub store restore FOLDER",
    ),
    _Check(
        "subscriptions are to registered conditions",
        f"SELECT condition_id FROM {_NEWEST_SUBSCRIPTIONS} AS newest "
        "WHERE condition_id NOT IN (SELECT condition_id FROM registry.condition_registry)",
        "register the conditions again: hub conditions register",
    ),
    _Check(
        "each subscription has one row per revision, and a configuration until it ends",
        """
        SELECT condition_id FROM registry.user_condition_subscriptions
        GROUP BY user_id, bot_id, condition_id HAVING count(*) <> count(DISTINCT revision)
            OR (arg_max(state, change) <> 'ended' AND count(bot_config) = 0)
        """,
        _RESTORE,
    ),
    _Check(
        "changes of subscriptions have numbers of their own",
        "SELECT 'change ' || change FROM registry.user_condition_subscriptions GROUP BY change HAVING count(*) > 1",
        _RESTORE,
    ),
    _Check(
        "each slot has one candle",
        """
        SELECT coalesce(s.series, 'series ' || c.series_id) || ' at ' || c.open_time
        FROM candles.candles c LEFT JOIN candles.series s USING (series_id)
        GROUP BY s.series, c.series_id, c.open_time HAVING count(*) > 1
        """,
        _IMPORT,
    ),
    _Check(
        "candles belong to series, and series to instruments",
        """
        SELECT 'series ' || series_id FROM (SELECT DISTINCT series_id FROM candles.candles) AS present
        WHERE series_id NOT IN (SELECT series_id FROM candles.series)
        UNION ALL
        SELECT series FROM candles.series
        WHERE (exchange, symbol) NOT IN (SELECT exchange, symbol FROM candles.instruments)
        UNION ALL
        SELECT 'series ' || series_id FROM candles.series GROUP BY series_id HAVING count(*) > 1
        UNION ALL
        SELECT series FROM candles.series GROUP BY series HAVING count(*) > 1
        UNION ALL
        SELECT exchange || ':' || symbol FROM candles.instruments GROUP BY exchange, symbol HAVING count(*) > 1
        """,
        _IMPORT,
    ),
    _Check(
        "each judged series has an anchor",
        """
        SELECT DISTINCT series FROM judged WHERE series NOT IN (SELECT series FROM registry.series_anchors)
        """,
        _RESTORE,
    ),
)


def check(database: Database) -> list[Finding]:
    """Every rule, with what breaks it. Raises :class:`common.errors.StoreError` if a file is damaged."""
    findings = []
    judged = pl.DataFrame({"series": _judged_series(database)}, schema={"series": pl.String})
    for rule in _CHECKS:
        broken = [
            str(text)
            for (text,) in database.frame(
                f"SELECT * FROM ({rule.rows}) AS broken LIMIT {_MOST_COUNTED}", judged=judged
            ).iter_rows()
        ]
        if broken:
            number = f"{_MOST_COUNTED} or more" if len(broken) == _MOST_COUNTED else str(len(broken))
            examples = ", ".join(sorted(broken)[:3])
            findings.append(Finding(rule.subject, f"does not hold for {number}, such as {examples}", rule.mend))
        else:
            findings.append(Finding(rule.subject, None, None))
    return [*findings, _check_keys(database), _check_packed(database)]


def _check_keys(database: Database) -> Finding:
    """Whether triggers have the numbers by which those of a condition are found."""
    subject = "triggers have the keys of their conditions"
    keys = database.rows("SELECT DISTINCT condition_id, condition_key FROM registry.condition_triggers")
    broken = sorted(str(name) for name, key in keys if key != key_of(str(name)))
    if not broken:
        return Finding(subject, None, None)
    return Finding(subject, f"does not hold for {len(broken)}, such as {', '.join(broken[:3])}", _RESTORE)


def _check_packed(database: Database) -> Finding:
    """Whether the trees that are stored beside the texts of conditions are those of the texts."""
    subject, rereader, broken = "the packed trees of conditions are what their texts say", Rereader(), []
    for rows in database.frames(
        "SELECT condition_id, canonical, text, definition_versions, packed FROM "
        f"{CURRENT_CONDITIONS} AS current WHERE packed IS NOT NULL ORDER BY text",
        rows=_AT_ONCE,
    ):
        for condition_id, canonical, text, versions, packed in rows.iter_rows():
            condition = rereader.reread(condition_id, canonical, text, versions).condition
            if condition is None or condition.id != condition_id:
                # The next upgrade's.
                continue
            if pack((condition_id, canonical, text), condition.tree, condition.surface) != packed:
                broken.append(condition_id)
    if not broken:
        return Finding(subject, None, None)
    return Finding(subject, f"does not hold for {len(broken)}, such as {', '.join(sorted(broken)[:3])}", _RESTORE)


def _judged_series(database: Database) -> list[str]:
    """The series of all groups with a watermark; an unreadable group counts as a series of its own."""
    judged: set[str] = set()
    for (text,) in database.rows("SELECT DISTINCT group_key FROM registry.group_watermarks"):
        try:
            judged.update(Group.parse(str(text)).series)
        except HubError:
            judged.add(str(text))
    return sorted(judged)
