"""Which copy of a database this is.

A standby that takes over, and a backup that is put in a database's place, have the same rows and the same store's
identity, and may lack what was committed last.
"""

import logging

import psycopg
from psycopg import Connection

_log = logging.getLogger(__name__)

# A server starts a new timeline when it is promoted, and when it has recovered to a moment in the past.
_INCARNATION = """
SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE
    (SELECT system_identifier FROM pg_control_system()) || '/' ||
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || '/' ||
    (SELECT oid FROM pg_database WHERE datname = current_database()) END
"""
_NOT_TOLD = (psycopg.errors.FeatureNotSupported, psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction)


def incarnation_of(connection: Connection[tuple[object, ...]]) -> str | None:
    """The cluster, the timeline and the number of a connection's database; ``None`` on a standby, which follows another
    server, and empty where the server does not tell."""
    try:
        (told,) = connection.execute(_INCARNATION).fetchall()[0]
    except _NOT_TOLD as error:
        _log.warning(
            "this server does not tell its timeline (%s): that a standby has taken over is noticed only by services "
            "that are started after it",
            str(error).splitlines()[0],
        )
        return ""
    return None if told is None else str(told)
