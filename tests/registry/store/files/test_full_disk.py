"""No space left: the error says so, nothing acknowledged is lost, and work goes on when there is space again."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from common.errors import StoreBroken
from registry.keys import new_key
from registry.store.files.database import DuckTransaction
from registry.store.files.file_store import FileStore

CHILD = """
import json, resource, sys
from pathlib import Path
from common.errors import StoreNotWritable
from registry.store.files.file_store import FileStore
from tests.registry.store.ticks import BTC, HOUR, tick

folder, limit, checkpoint_at = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
store = FileStore(folder)
store._database._connection.execute(f"SET checkpoint_threshold = '{checkpoint_at}'")
broken = []
store.when_broken(broken.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
done, told = 0, []
while len(told) < 3:
    record = tick((done + 1) * HOUR, (BTC, done * HOUR if done else None), triggers=200)
    try:
        store.ticks.record_tick(record)
        done += 1
    except StoreNotWritable as error:
        told.append(str(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    store.ticks.record_tick(record)
    after = "recorded"
except StoreNotWritable as error:
    after = str(error)
assert bool(broken) == ("restart the process" in "".join([*told, after])), (broken, told, after)
store.close()
print(json.dumps([done, told, after]))
"""


def fill_up(folder: Path, limit: int, checkpoint_at: str) -> tuple[int, list[str], str]:
    """Record ticks until files may not grow; (ticks recorded, errors, what another try said with space again)."""
    shown = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(limit), checkpoint_at],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[4],
    )
    done, told, after = json.loads(shown.stdout)
    return done, told, after


def test_a_full_disk_is_said_and_work_goes_on_with_space(tmp_path: Path) -> None:
    done, told, after = fill_up(tmp_path, 500_000, "16MB")
    assert [text for text in told if "no space left" in text and "free some space" in text] == told
    assert len(told) == 3
    assert after == "recorded"
    with FileStore(tmp_path) as store:
        assert store.ticks.ticks().height == done + 1 > 2
        assert store.triggers.last_seq() == 200 * (done + 1)


@pytest.mark.parametrize("checkpoint_at", ["100KB", "400KB"])
def test_a_file_that_could_not_take_its_log_over_loses_nothing(tmp_path: Path, checkpoint_at: str) -> None:
    done, told, after = fill_up(tmp_path, 800_000, checkpoint_at)
    assert [text for text in told if "space" in text] == told
    assert len(told) == 3
    assert after == "recorded" or "restart the process" in after
    with FileStore(tmp_path) as store:
        ticks = store.ticks.ticks().height
        assert done <= ticks <= done + 1
        assert store.triggers.last_seq() == 200 * ticks
        assert store.triggers.after(0, 10**9).height == 200 * ticks


def test_a_write_of_which_nobody_knows_whether_it_is_on_disk_is_told_to_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed fsync another one may succeed although the data is lost: only a restart reads what is there."""
    broken: list[StoreBroken] = []
    with FileStore(tmp_path) as store:
        store.when_broken(broken.append)

        def fail(*_: object) -> None:
            raise duckdb.FatalException("FATAL Error: fsync failed!")

        with monkeypatch.context() as patched:
            patched.setattr(DuckTransaction, "insert", fail)
            with pytest.raises(StoreBroken, match="restart the process that owns it"):
                store.accounts.add_key(new_key("ann", "user", "", 0)[0])
    assert len(broken) == 1
