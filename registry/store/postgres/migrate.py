"""Schema of the store in Postgres: numbered ``migrations/NNNN_name.sql``, each applied once, in one transaction."""

from importlib.resources import files

from psycopg import Connection

from common.errors import SchemaMismatch
from registry.store.files.migrate import Migration, migrations_in, refuse_unknown

_OF = "the store in Postgres"


def steps() -> list[Migration]:
    """The migrations, oldest first."""
    return migrations_in(files("registry.store.postgres") / "migrations", _OF)


def migrate(connection: Connection[tuple[object, ...]]) -> None:
    """Bring a database to the newest schema; the caller keeps others from doing so. Raises :class:`SchemaMismatch`."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS registry")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS registry.schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, "
        "sha256 TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
    )
    applied = _applied(connection)
    refuse_unknown(applied, steps(), _OF)
    for migration in steps():
        if migration.version not in applied:
            with connection.transaction():
                connection.execute(migration.sql)
                connection.execute(
                    "INSERT INTO registry.schema_version (version, name, sha256) VALUES (%s, %s, %s)",
                    [migration.version, migration.name, migration.sha256],
                )


def check_schema(connection: Connection[tuple[object, ...]]) -> None:
    """Refuse a database whose schema is not exactly the newest; raises :class:`SchemaMismatch`."""
    known = connection.execute("SELECT to_regclass('registry.schema_version') IS NOT NULL").fetchall()[0][0]
    applied = _applied(connection) if known else {}
    refuse_unknown(applied, steps(), _OF)
    if len(applied) < len(steps()):
        raise SchemaMismatch(
            f"{_OF} has schema {max(applied, default=0)}, but this hub reads {steps()[-1].version}; open it once to "
            "write: that brings it up to date"
        )


def _applied(connection: Connection[tuple[object, ...]]) -> dict[int, str]:
    rows = connection.execute("SELECT version, sha256 FROM registry.schema_version").fetchall()
    return {int(str(version)): str(sha256) for version, sha256 in rows}
