"""Stores that an earlier version of the hub has written: a real one, and today's with other formulas or other texts."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from indicators.catalogue import catalogue
from registry import conditions
from registry.condition_cache import ConditionCache, ShapeCache

ARCHIVE = Path(__file__).parent / "old_store" / "store.tar.gz"
_WITH_IDS = (
    "condition_registry",
    "condition_activity",
    "user_condition_subscriptions",
    "condition_triggers",
    "condition_state",
    "unjudged_conditions",
)


def old_store(folder: Path) -> Path:
    """Unpack the real store of an earlier version; where it is."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "store"


RSI_VERSION = catalogue()["rsi"].version
"""The version of rsi's formula while :func:`formulas` does not say otherwise."""


@contextmanager
def formulas(**versions: int) -> Iterator[None]:
    """Have indicators other definition versions while the block runs, as if their formulas had changed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, version in versions.items():
            patch.setitem(catalogue(), name, replace(catalogue()[name], version=version))
        patch.setattr(conditions, "_CACHE", ConditionCache())
        patch.setattr(conditions, "_READ_BACK", ShapeCache())
        yield


def write_as(folder: Path, condition_id: str, canonical: str) -> str:
    """Give a condition of a closed store the canonical text that another version of the language would have written,
    and have the store read again. Returns the id that it has with that text."""
    with duckdb.connect(str(folder / "registry.duckdb")) as registry:
        (versions,) = registry.execute(
            "SELECT definition_versions FROM condition_registry WHERE condition_id = ?", [condition_id]
        ).fetchall()[0]
        old_id = sha256(f"v1|{versions}|{canonical}".encode()).hexdigest()[:32]
        registry.execute(
            "UPDATE condition_registry SET canonical = ?, text = ? WHERE condition_id = ?",
            [canonical, canonical, condition_id],
        )
        for table in _WITH_IDS:
            registry.execute(f"UPDATE {table} SET condition_id = ? WHERE condition_id = ?", [old_id, condition_id])
        registry.execute(
            "UPDATE condition_triggers SET trigger_id = condition_id || ':' || epoch_ms(close_time) "
            "WHERE condition_id = ?",
            [old_id],
        )
        if "condition_key" in registry.execute("SELECT * FROM condition_triggers LIMIT 0").df().columns:
            registry.execute(
                "UPDATE condition_triggers SET condition_key = ('0x' || condition_id[:8])::UINTEGER "
                "WHERE condition_id = ?",
                [old_id],
            )
        registry.execute("DELETE FROM upgrades")
    return old_id


def contents(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows of every table of a closed store's registry, times of writing left out, in any order."""
    with duckdb.connect(str(folder / "registry.duckdb"), read_only=True) as registry:
        tables = [str(name) for (name,) in registry.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {
            table: sorted(
                registry.execute(
                    f"SELECT COLUMNS(c -> c NOT IN ('created_at', 'applied_at', 'since')) FROM {table}"
                ).fetchall(),
                key=repr,
            )
            for table in sorted(tables)
            if table != "store_identity"
        }
