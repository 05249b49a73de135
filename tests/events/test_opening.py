"""The log that the settings name: the bundled server is kept alive while the log is open."""

import os
import signal
from pathlib import Path

import pytest

from common.errors import EventLogError
from common.settings import load_settings
from events.log.redis_log import RedisEventLog
from events.opening import open_log
from events.server import BundledServer
from tests.events.log.made_events import entries
from tests.events.servers import wait_until_on_disk
from tests.waiting import wait_for


def answers(log: RedisEventLog) -> bool:
    try:
        return log.last_seq() >= 0
    except EventLogError:
        return False


def test_a_server_that_dies_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seqs: list[int] = []
    file = tmp_path / "events" / "valkey.pid"

    def restarts() -> int:
        return caplog.text.count("it was started again")

    with open_log(load_settings(data_dir=tmp_path)) as log:
        log.append("store", 0, entries(1))
        for _ in range(2):
            wait_until_on_disk(log.client)
            os.kill(int(file.read_text().split()[0]), signal.SIGKILL)
            wait_for(lambda: restarts() > len(seqs), "the server to be started again")
            wait_for(lambda: answers(log), "the server to answer again")
            seqs.extend(entry.seq for entry in log.read(0, 10))
    assert seqs == [1, 1], "with what it had on disk"
    assert restarts() == 2


def test_a_server_that_cannot_be_started_again_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[None] = []

    def full(_: BundledServer) -> bool:
        attempts.append(None)
        raise OSError("no space left on device")

    file = tmp_path / "events" / "valkey.pid"
    with open_log(load_settings(data_dir=tmp_path)) as log:
        with monkeypatch.context() as patched:
            patched.setattr(BundledServer, "revive", full)
            os.kill(int(file.read_text().split()[0]), signal.SIGKILL)
            wait_for(lambda: attempts, "an attempt to start the server")
        wait_for(lambda: answers(log), "the server to answer again")
