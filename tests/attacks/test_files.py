"""Another user of the machine looks for secrets in what the hub writes, and prepares places for it to write to."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import EventServerError
from common.settings import load_settings
from events.server import BundledServer
from hub.serve import serve
from registry.store.files.file_store import FileStore
from tests.api.served_hub import few_candles
from tests.attacks.hub_process import hub_process, run_hub


def open_to_others(folder: Path) -> list[str]:
    """Places in a folder, and itself, that have permissions for others."""
    places = [folder, *folder.rglob("*")]
    return sorted(str(place) for place in places if not place.is_symlink() and place.lstat().st_mode & 0o077)


def test_nobody_else_can_open_what_the_hub_writes(tmp_path: Path) -> None:
    """Begins with a folder of an earlier hub, in which everybody could read."""
    data = tmp_path / "data"
    with FileStore(data / "store") as store:
        store.candles.upsert(few_candles())
    for place in (data, *data.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)
    said = run_hub(data, "doctor")
    assert "private files" in said.stderr
    assert str(data) in said.stdout

    with hub_process(data, HUB_WEBHOOKS_ALLOW_LOOPBACK="true") as hub:
        assert "were open to other users" in hub.log()
        with hub.client("ann") as ann:
            condition = ann.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).json()
            body = {
                "bot_id": "b",
                "condition_id": condition["condition_id"],
                "bot_type": "dca",
                "bot_config": {"k": "s"},
            }
            assert ann.post("/conditions/subscribe", json=body).status_code == 201
        # Its write-ahead log, its ledger, its token and the files of its server exist by now.
        assert {"store_token", "webhooks.ledger", "service.json"} <= {path.name for path in data.iterdir()}
        assert list(data.glob("store/*.wal"))
        assert list(data.glob("events/*"))
        assert open_to_others(data) == []
        backup = tmp_path / "backup"
        assert run_hub(data, "store", "backup", str(backup)).returncode == 0
        assert open_to_others(backup) == []
        checks = json.loads(run_hub(data, "doctor", "--json").stdout)
        assert {one["name"]: one["ok"] for one in checks}["private files"] is True
    assert open_to_others(data) == []

    for place in (backup, *backup.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)
    assert run_hub(data, "store", "restore", str(backup), "--yes").returncode == 0
    assert open_to_others(data) == []


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user of the machine can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a process as another user")
def test_a_data_folder_of_another_user_is_refused(open_place: Path) -> None:
    data = open_place / "data"
    data.mkdir(mode=0o777)
    data.chmod(0o777)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        answer = "serves"
        try:
            os.seteuid(65_534)
            serve(load_settings(data_dir=data, api_port=0), print)
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(write_end, answer.encode())
        os._exit(0)
    os.waitpid(child, 0)
    answer = os.read(read_end, 65_536).decode()
    assert answer.startswith(f"ServiceError: {data} belongs to user 0, but this process runs as user 65534")
    assert "chown" in answer
    assert list(data.iterdir()) == []


def test_a_socket_is_never_in_a_place_that_somebody_can_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The path of the data folder is too long for a socket, and the temporary folder is everybody's."""
    # Not below tmp_path, which alone may be too long for a socket.
    shared = Path(tempfile.mkdtemp())
    request.addfinalizer(lambda: shutil.rmtree(shared))
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    folder = tmp_path / ("long" * 20) / "events"
    server = BundledServer(folder).start()
    try:
        (place,) = shared.iterdir()
        assert open_to_others(place) == []
        assert place.is_dir()
        with server.connect() as client:
            assert client.ping()
        # Another process finds it by the note, and adopts it.
        with BundledServer(folder).connect_running() as client:
            assert client.ping()
        assert BundledServer(folder).start().pid == server.pid
        (note,) = folder.glob("socket_folder")
        # A note that leads to a place of somebody else is not followed.
        trap = shared / "trap"
        trap.mkdir()
        trap.chmod(0o777)
        note.write_text(str(trap))
        again = BundledServer(folder).start()
        assert list(trap.iterdir()) == []
        assert again.pid is not None
        again.stop()
        assert not note.exists()
    finally:
        server.stop()
    assert list(shared.iterdir()) == [trap]


def test_a_temporary_folder_whose_path_is_too_long_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / ("long" * 20)
    shared.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    with pytest.raises(EventServerError, match="TMPDIR"):
        BundledServer(shared / "events").start()
    assert [path.name for path in shared.iterdir()] == ["events"]
