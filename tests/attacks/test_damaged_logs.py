"""A disk loses or flips part of the write-ahead log: the service says at its start what it dropped, or refuses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.attacks.hub_process import hub_process, run_hub
from tests.chaos.processes import EFFORT

WRITER = """
    import os, sys
    from pathlib import Path
    from registry.keys import new_key
    from registry.store.files.file_store import FileStore

    FileStore(Path(sys.argv[1])).close()
    store = FileStore(Path(sys.argv[1]))
    store.backup(sys.argv[2])
    for number in range(20):
        store.accounts.add_key(new_key(f"user{number}", "user", "", number)[0])
    os._exit(0)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose owner was killed after twenty commits; its backup from before them is beside it."""
    folder = tmp_path / "data"
    arguments = [str(folder / "store"), str(tmp_path / "backup")]
    subprocess.run([sys.executable, "-c", dedent(WRITER), *arguments], check=True)
    return folder


def test_a_torn_log_is_said_at_the_start(data: Path) -> None:
    log = data / "store" / "registry.duckdb.wal"
    os.truncate(log, log.stat().st_size - 10)
    with hub_process(data) as hub:
        assert '"logger": "registry.store.files.database"' in hub.log()
        assert "ended in the middle of a write" in hub.log()
        with hub.store() as store:
            assert len(store.accounts.keys()) == 19


# Its beginning, which DuckDB would skip in silence; its end.
@pytest.mark.parametrize("place", [0] if EFFORT == 1 else [0, -30])
def test_a_flipped_bit_is_refused_with_the_way_out(place: int, data: Path) -> None:
    log = data / "store" / "registry.duckdb.wal"
    content = bytearray(log.read_bytes())
    content[place] ^= 1
    log.write_bytes(content)
    refused = run_hub(data, "up")
    assert refused.returncode == 1
    assert "registry.duckdb.wal" in refused.stderr
    assert "hub store restore" in refused.stderr
    assert log.read_bytes() == content
    assert run_hub(data, "store", "restore", str(data.parent / "backup"), "--yes").returncode == 0
    # Nothing was deleted: what could not be read is in a folder of its own.
    (aside,) = data.glob("store.before-restore-*")
    assert (aside / log.name).read_bytes() == content
    if place == 0:
        # The other way out: the last checkpoint.
        (aside / log.name).unlink()
        shutil.rmtree(data / "store")
        aside.rename(data / "store")
    with hub_process(data) as hub, hub.store() as store:
        assert store.accounts.keys() == []
