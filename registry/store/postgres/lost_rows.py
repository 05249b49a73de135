"""What a copy that took a database's place lacks, as far as a process remembers it: nothing of it goes unsaid."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import Connection

from registry.store.files.tables import Tables

_log = logging.getLogger(__name__)

_MOST_CHANGES = 10_000
"""Of the newest conditions and subscriptions, so many are looked for: a copy lacks seconds, not days."""
_MOST_NAMED = 20

STILL_LOST = """
SELECT user_id, bot_id, condition_id, revision FROM registry.missing_registrations AS m
WHERE NOT EXISTS (SELECT 1 FROM registry.condition_registry AS c WHERE c.condition_id = m.condition_id)
    OR user_id <> '' AND NOT EXISTS (SELECT 1 FROM registry.user_condition_subscriptions AS s
        WHERE s.user_id = m.user_id AND s.bot_id = m.bot_id AND s.condition_id = m.condition_id
            AND s.revision >= m.revision)
ORDER BY user_id, bot_id, condition_id
"""
"""Registrations that were lost and have not been made again."""


@dataclass(frozen=True, order=True)
class LostRegistration:
    """A condition that was registered or, with user and bot, a subscription that was made, paused or ended."""

    user_id: str
    bot_id: str
    condition_id: str
    revision: int

    def __str__(self) -> str:
        return f"{self.user_id}'s {self.bot_id} on {self.condition_id}" if self.user_id else self.condition_id


def note_lost_rows(tables: Tables, connection: Connection[tuple[object, ...]]) -> list[LostRegistration]:
    """Look for what ``tables``, a process's memory of the database before, has of registrations and keys, in the copy
    that took its place. What the copy lacks is logged, and written into it with the number of the newest trigger.

    Returns the registrations that it lacks.
    """
    with connection.transaction():
        _write(connection, [*_conditions(tables), *_subscriptions(tables)])
        lost = registrations(connection.execute(STILL_LOST).fetchall())
        connection.execute(
            "INSERT INTO registry.numbers_seen (last_seq, noticed_at) VALUES (%s, now())", [tables.triggers.last_seq()]
        )
    if lost:
        _log.error(
            "%d registrations were acknowledged and are not in the copy that has taken the place of the database; they "
            "have to be made again, and `hub store check` lists them until then: %s",
            len(lost),
            named(lost),
        )
    if keys := _changed_keys(tables, connection):
        _log.error(
            "the copy that has taken the place of the database lacks what was done to these keys: create or revoke "
            "them again: %s",
            ", ".join(keys[:_MOST_NAMED]),
        )
    return lost


def registrations(rows: Sequence[tuple[object, ...]]) -> list[LostRegistration]:
    """Rows of ``STILL_LOST``."""
    return [
        LostRegistration(str(user), str(bot), str(condition), int(str(revision)))
        for user, bot, condition, revision in rows
    ]


def named(lost: Iterable[LostRegistration]) -> str:
    """The first few of them, for people."""
    texts = [str(each) for each in lost]
    more = len(texts) - _MOST_NAMED
    return ", ".join(texts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _conditions(tables: Tables) -> list[LostRegistration]:
    newest = tables.registry.conditions()[-_MOST_CHANGES:]
    return [LostRegistration("", "", condition.condition_id, 0) for condition in newest]


def _subscriptions(tables: Tables) -> list[LostRegistration]:
    after = tables.registry.last_change() - _MOST_CHANGES
    return [
        LostRegistration(each.user_id, each.bot_id, each.condition_id, each.revision)
        for each in tables.registry.subscription_changes(after, _MOST_CHANGES)
    ]


def _write(connection: Connection[tuple[object, ...]], remembered: list[LostRegistration]) -> None:
    """Write down what may be lost, and keep of it what is."""
    connection.execute(
        "CREATE TEMP TABLE remembered (user_id TEXT, bot_id TEXT, condition_id TEXT, revision INTEGER) ON COMMIT DROP"
    )
    with connection.cursor() as cursor, cursor.copy("COPY remembered FROM STDIN") as copy:
        for each in remembered:
            copy.write_row((each.user_id, each.bot_id, each.condition_id, each.revision))
    connection.execute(
        "INSERT INTO registry.missing_registrations (user_id, bot_id, condition_id, revision, noticed_at) "
        "SELECT user_id, bot_id, condition_id, revision, now() FROM "
        f"({STILL_LOST.replace('registry.missing_registrations', 'remembered')}) AS lost "
        "ON CONFLICT (user_id, bot_id, condition_id) DO UPDATE "
        "SET revision = greatest(missing_registrations.revision, excluded.revision)"
    )


def _changed_keys(tables: Tables, connection: Connection[tuple[object, ...]]) -> list[str]:
    """Keys that are not in the copy, or are revoked in memory and not there."""
    rows = connection.execute("SELECT key_id, bool_or(revoked_at IS NOT NULL) FROM registry.api_keys GROUP BY key_id")
    there = {str(key_id): bool(is_revoked) for key_id, is_revoked in rows.fetchall()}
    return [
        f"{key.key_id} of {key.user_id}"
        for key in tables.accounts.keys(None)
        if key.key_id not in there or (key.revoked_ms is not None and not there[key.key_id])
    ]
