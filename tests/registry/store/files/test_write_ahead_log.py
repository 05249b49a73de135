"""Damage to DuckDB's write-ahead log is seen before DuckDB drops it in silence."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import duckdb
import pytest

from common.errors import StoreDamaged, StoreError
from registry.store.files.database import DuckDatabase
from registry.store.files.file_store import FileStore
from registry.store.files.write_ahead_log import LogCondition, examine

WRITER = """
    import os, sys
    from pathlib import Path
    from registry.keys import new_key
    from registry.store.files.file_store import FileStore

    FileStore(Path(sys.argv[1])).close()
    store = FileStore(Path(sys.argv[1]))
    for number in range(20):
        store.accounts.add_key(new_key(f"user{number}", "user", "", number)[0])
    os._exit(0)
"""


def keys_in(folder: Path) -> int:
    with FileStore(folder) as store:
        return len(store.accounts.keys())


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, bytes]:
    """The files of a store, registry, its log and candles, whose owner was killed after twenty commits."""
    folder = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-c", dedent(WRITER), str(folder)], check=True)
    registry, log, candles = (folder / name for name in ("registry.duckdb", "registry.duckdb.wal", "candles.duckdb"))
    return registry.read_bytes(), log.read_bytes(), candles.read_bytes()


@pytest.fixture
def log(killed: tuple[bytes, bytes, bytes], tmp_path: Path) -> Path:
    """The write-ahead log in a copy of that store."""
    (tmp_path / "registry.duckdb").write_bytes(killed[0])
    (tmp_path / "candles.duckdb").write_bytes(killed[2])
    (tmp_path / "registry.duckdb.wal").write_bytes(killed[1])
    return tmp_path / "registry.duckdb.wal"


def test_a_whole_log_is_replayed_without_a_word(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert examine(log) == LogCondition(log, begins_well=True, dropped=0)
    assert keys_in(log.parent) == 20
    assert "write-ahead log" not in caplog.text
    assert examine(log) == LogCondition(log, begins_well=True, dropped=0)


@pytest.mark.parametrize("cut", [1, 50, 1_000])
def test_what_is_dropped_from_the_end_is_said(cut: int, log: Path, caplog: pytest.LogCaptureFixture) -> None:
    size = log.stat().st_size
    os.truncate(log, size - cut)
    dropped = examine(log).dropped
    assert 0 < dropped < size - cut
    assert keys_in(log.parent) < 20
    assert f"its last {dropped} bytes" in caplog.text


def test_a_log_cut_at_the_end_of_a_commit_has_nothing_to_drop(log: Path) -> None:
    """Nobody can tell this from a process that was killed earlier."""
    os.truncate(log, log.stat().st_size - 1)
    os.truncate(log, log.stat().st_size - examine(log).dropped)
    assert examine(log).dropped == 0
    assert keys_in(log.parent) == 19


def test_an_empty_log_and_the_beginning_of_one_have_no_commit(log: Path) -> None:
    os.truncate(log, 5)
    assert examine(log) == LogCondition(log, begins_well=True, dropped=5)
    os.truncate(log, 0)
    assert examine(log) == LogCondition(log, begins_well=True, dropped=0)


def test_a_log_that_duckdb_would_skip_is_refused(log: Path) -> None:
    _flip(log, 0)
    whole = log.read_bytes()
    for read_only in (True, False):
        with pytest.raises(StoreDamaged, match=r"registry.duckdb.wal is damaged.*hub store restore") as refused:
            DuckDatabase(log.parent, read_only=read_only)
        assert "or move registry.duckdb.wal elsewhere" in str(refused.value)
    assert log.read_bytes() == whole
    # The reason for the check.
    with duckdb.connect(str(log.parent / "registry.duckdb"), read_only=True) as silent:
        assert silent.execute("SELECT count(*) FROM api_keys").fetchall() == [(0,)]
    log.rename(log.with_name("aside"))
    assert keys_in(log.parent) == 0


def test_every_flipped_byte_is_refused_or_changes_nothing(log: Path) -> None:
    whole = log.read_bytes()
    database = (log.parent / "registry.duckdb").read_bytes()
    refused = 0
    for place in range(0, len(whole), len(whole) // 25):
        (log.parent / "registry.duckdb").write_bytes(database)
        log.write_bytes(whole)
        _flip(log, place)
        dropped = examine(log).dropped if examine(log).begins_well else 0
        try:
            count = keys_in(log.parent)
        except StoreDamaged:
            refused += 1
        else:
            assert count == 20 or dropped
    assert refused > 20


def test_a_damaged_file_says_how_to_go_on(log: Path) -> None:
    (log.parent / "registry.duckdb").write_bytes(b"junk" * 5_000)
    with pytest.raises(StoreError, match=r"are damaged.*hub store restore"):
        DuckDatabase(log.parent, read_only=False)


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
