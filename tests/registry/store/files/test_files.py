"""Opening the files: who holds them, who may write, which schema they have. Each refusal says the way out."""

import multiprocessing
import os
import shutil
import sys
import time
from pathlib import Path

import duckdb
import pytest

from common.errors import HubError, SchemaMismatch, StoreError, StoreLocked, StoreMissing, StoreNotWritable
from registry.store import open_store
from registry.store.files import migrate
from registry.store.files.database import CATALOGS
from registry.store.files.migrate import migrations
from registry.store.parts.delivery import Webhook


def test_the_url_says_where_the_files_are(tmp_path: Path) -> None:
    with open_store(f"duckdb:{tmp_path / 'deep' / 'store'}"):
        assert {path.name for path in (tmp_path / "deep" / "store").glob("*.duckdb")} == {
            "registry.duckdb",
            "candles.duckdb",
        }


@pytest.mark.parametrize("url", ["", "duckdb:", "sqlite:x", "just/a/path"])
def test_an_unknown_url_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="duckdb:PATH"):
        open_store(url)


def test_reading_needs_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match="hub demo"):
        open_store(f"duckdb:{tmp_path / 'none'}", read_only=True)
    assert not (tmp_path / "none").exists()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    open_store(f"duckdb:{tmp_path}").close()
    from registry.store.parts.ticks import RunRecord

    with open_store(f"duckdb:{tmp_path}", read_only=True) as reader, pytest.raises(StoreNotWritable, match="read-only"):
        reader.ticks.record_run(RunRecord("r", "1h", 0, 1, 0, 0, 0, 0))


def _hold(folder: str, ready: "multiprocessing.synchronize.Event", done: "multiprocessing.synchronize.Event") -> None:
    with open_store(f"duckdb:{folder}"):
        ready.set()
        done.wait(30)


def _read_for_a_moment(folder: str, ready: "multiprocessing.synchronize.Event") -> None:
    with open_store(f"duckdb:{folder}", read_only=True):
        ready.set()
        time.sleep(0.5)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_held_store_names_the_process_that_holds_it(tmp_path: Path, read_only: bool) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    holder = spawn.Process(target=_hold, args=(str(tmp_path), ready, done))
    holder.start()
    try:
        assert ready.wait(60)
        with pytest.raises(StoreLocked, match=rf"process {holder.pid}\b.*HUB_DATA_DIR"):
            open_store(f"duckdb:{tmp_path}", read_only=read_only)
    finally:
        done.set()
        holder.join()
    open_store(f"duckdb:{tmp_path}", read_only=read_only).close()


def test_an_owner_waits_for_a_query_to_end(tmp_path: Path) -> None:
    open_store(f"duckdb:{tmp_path}").close()
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    reader = spawn.Process(target=_read_for_a_moment, args=(str(tmp_path), ready))
    reader.start()
    try:
        assert ready.wait(60)
        open_store(f"duckdb:{tmp_path}").close()
    finally:
        reader.join()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(StoreNotWritable, match="HUB_DATA_DIR"):
        open_store(f"duckdb:{tmp_path / 'store'}")


def test_no_permission_to_write_is_said(tmp_path: Path) -> None:
    """In a child, because root has to become somebody else to be refused."""
    folder = tmp_path / "shut"
    folder.mkdir()
    # Down to the temporary folder of the whole run: a worker of several has one more.
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        if parent.name.startswith(("pytest-", "popen-")) or parent == tmp_path:
            parent.chmod(0o755)
    folder.chmod(0o555)
    open_store(f"duckdb:{tmp_path / 'loads the libraries'}").close()
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        answer = "opened"
        try:
            if os.geteuid() == 0:
                os.seteuid(65534)
            open_store(f"duckdb:{folder}")
        except HubError as error:
            answer = f"{type(error).__name__}: {error}"
        except BaseException as error:
            answer = f"escaped: {error!r}"
        os.write(write_end, answer.encode())
        os._exit(0)
    os.waitpid(child, 0)
    answer = os.read(read_end, 65536).decode()
    assert answer.startswith("StoreNotWritable: no permission to write")
    assert "HUB_DATA_DIR" in answer


@pytest.mark.parametrize("catalog", CATALOGS)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused(tmp_path: Path, catalog: str, read_only: bool) -> None:
    open_store(f"duckdb:{tmp_path}").close()
    with duckdb.connect(str(tmp_path / f"{catalog}.duckdb")) as raw:
        raw.execute("INSERT INTO schema_version VALUES (9999, 'future', 'x', now()::TIMESTAMP)")
    with pytest.raises(SchemaMismatch, match=rf"{catalog}.*9999.*upgrade"):
        open_store(f"duckdb:{tmp_path}", read_only=read_only)


@pytest.mark.parametrize("catalog", CATALOGS)
def test_an_edited_migration_is_refused(tmp_path: Path, catalog: str) -> None:
    open_store(f"duckdb:{tmp_path}").close()
    with duckdb.connect(str(tmp_path / f"{catalog}.duckdb")) as raw:
        raw.execute("UPDATE schema_version SET sha256 = 'other' WHERE version = 1")
    with pytest.raises(SchemaMismatch, match="was edited"):
        open_store(f"duckdb:{tmp_path}")


@pytest.mark.parametrize("catalog", CATALOGS)
def test_migrations_are_numbered_without_holes(catalog: str) -> None:
    assert [migration.version for migration in migrations(catalog)] == list(range(1, len(migrations(catalog)) + 1))


@pytest.mark.parametrize("missing", ["0001_init.sql", "0004_rebases.sql"])
def test_a_missing_migration_is_refused(tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = Path(migrate.__file__).parent / "migrations" / "registry"
    copied = tmp_path / "migrations" / "registry"
    shutil.copytree(packaged, copied)
    (copied / missing).unlink()
    monkeypatch.setattr(migrate, "files", lambda _package: tmp_path)
    with pytest.raises(SchemaMismatch, match="must be 1, 2, 3 and so on"):
        migrations("registry")


def test_a_store_from_before_groups_is_brought_up_to_date(tmp_path: Path) -> None:
    first, *_ = migrations("registry")
    with duckdb.connect(str(tmp_path / "registry.duckdb")) as raw:
        raw.execute(
            "CREATE TABLE schema_version (version INTEGER NOT NULL, name VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, "
            "applied_at TIMESTAMP NOT NULL)"
        )
        raw.execute(first.sql)
        raw.execute("INSERT INTO schema_version VALUES (1, ?, ?, now()::TIMESTAMP)", [first.name, first.sha256])
        raw.execute(
            "INSERT INTO condition_registry VALUES "
            "('c', 1, 'x', 'x', 'BINANCE', 'BTCUSDT', '1h', 'rsi=1', now()::TIMESTAMP, now()::TIMESTAMP)"
        )
    with open_store(f"duckdb:{tmp_path}") as store:
        assert [stored.group for stored in store.registry.conditions()] == ["BINANCE:BTCUSDT 1h"]


def test_webhooks_from_before_templates_post_the_standard_body(tmp_path: Path) -> None:
    hook = Webhook("w1", "ann", "https://example.com/x", "s3cret", None, "active", 5, 7, 1)
    with open_store(f"duckdb:{tmp_path}") as store:
        store.delivery.add_webhook(hook)
    with duckdb.connect(str(tmp_path / "registry.duckdb")) as raw:
        for column in ("name", "preset", "template", "headers", "secrets"):
            raw.execute(f"ALTER TABLE webhooks DROP COLUMN {column}")
        (version,) = raw.execute("SELECT version FROM schema_version WHERE name = 'webhook_templates'").fetchall()[0]
        raw.execute("DELETE FROM schema_version WHERE version >= ?", [version])
    with open_store(f"duckdb:{tmp_path}") as store:
        assert store.delivery.webhooks() == [hook]
