"""Schema of the store: numbered ``migrations/<catalog>/NNNN_name.sql``, each applied once, in one transaction.

``schema_version`` keeps the checksum of each applied migration. Files written by a newer hub are refused, and so is a
migration that was edited after it had been applied.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import duckdb

from common.errors import SchemaMismatch

_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True)
class Migration:
    """One file of SQL."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(catalog: str) -> list[Migration]:
    """The migrations of a catalog, oldest first. Raises :class:`SchemaMismatch` for a gap."""
    return migrations_in(files("registry.store.files") / "migrations" / catalog, f"{catalog}.duckdb")


def migrations_in(folder: Traversable, of: str) -> list[Migration]:
    """The migrations in a folder, ``of`` a database, oldest first: 1, 2, 3 and so on. Raises :class:`SchemaMismatch`
    for a gap."""
    steps = []
    for entry in folder.iterdir():
        if match := _FILE_NAME.fullmatch(entry.name):
            steps.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    steps.sort(key=lambda migration: migration.version)
    versions = [migration.version for migration in steps]
    if not versions or versions != list(range(1, len(versions) + 1)):
        raise SchemaMismatch(
            f"the migrations of {of} are {versions}, but must be 1, 2, 3 and so on, each once; this "
            "installation is incomplete: install the hub again"
        )
    return steps


def migrate(connection: duckdb.DuckDBPyConnection, catalog: str) -> tuple[int, int]:
    """Bring an attached file to the newest schema. Returns its versions before and after.

    Raises :class:`SchemaMismatch`.
    """
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {catalog}.schema_version "
        "(version INTEGER NOT NULL, name VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)"
    )
    applied = _applied(connection, catalog)
    refuse_unknown(applied, migrations(catalog), f"{catalog}.duckdb")
    for migration in migrations(catalog):
        if migration.version in applied:
            continue
        connection.execute("BEGIN")
        try:
            connection.execute(f"USE {catalog}")
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO schema_version VALUES (?, ?, ?, current_timestamp::TIMESTAMP)",
                [migration.version, migration.name, migration.sha256],
            )
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute("USE memory")
    return max(applied, default=0), migrations(catalog)[-1].version


def check_schema(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Refuse a file whose schema is not exactly the newest; raises :class:`SchemaMismatch`."""
    try:
        applied = _applied(connection, catalog)
    except duckdb.CatalogException:
        applied = {}
    refuse_unknown(applied, migrations(catalog), f"{catalog}.duckdb")
    missing = [migration for migration in migrations(catalog) if migration.version not in applied]
    if missing:
        raise SchemaMismatch(
            f"{catalog}.duckdb has schema {max(applied, default=0)}, but this hub reads {missing[-1].version}; "
            "start the process that owns the store once: it brings the file up to date"
        )


def _applied(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[int, str]:
    return dict(connection.execute(f"SELECT version, sha256 FROM {catalog}.schema_version").fetchall())


def refuse_unknown(applied: dict[int, str], steps: list[Migration], of: str) -> None:
    """Refuse a schema, ``version -> checksum``, that is newer than what this hub has, or has another migration of the
    same number; raises :class:`SchemaMismatch`."""
    known = {migration.version: migration for migration in steps}
    for version, sha256 in sorted(applied.items()):
        if version not in known:
            raise SchemaMismatch(
                f"{of} has schema {version}, but this hub knows only up to {max(known)}; "
                "it was written by a newer version: upgrade the hub, or restore a backup from before the upgrade"
            )
        if known[version].sha256 != sha256:
            raise SchemaMismatch(
                f"migration {version:04d}_{known[version].name}.sql of {of} was edited after it had been "
                "applied; put the file back as it was released and add a new migration instead"
            )
