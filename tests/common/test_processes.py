"""Running, gone, or unknown: what cannot be told is never taken for a death."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from common.errors import EventServerError, ServiceError
from common.processes import GONE, UNKNOWN, start_time, state_of
from common.supervised import SupervisedServer
from registry.store.owner import noted, running, stop
from tests.waiting import wait_for


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No other file can be opened while the block runs."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 16, before[1]))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        while True:
            try:
                stack.enter_context(Path(os.devnull).open())
            except OSError:
                break
        yield


@contextmanager
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        try:
            yield process
        finally:
            process.kill()


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list descriptors")


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    with sleeping() as process:
        started = start_time(process.pid)
        assert state_of(process.pid, started) == "running"
        assert state_of(process.pid, "12345") == "gone"
        process.kill()
        wait_for(lambda: start_time(process.pid) == GONE, "the zombie to count as gone")
    assert state_of(process.pid, started) == "gone"
    assert start_time(0) == start_time(-1) == start_time(2**40) == GONE


def test_without_descriptors_the_living_are_unknown_and_the_dead_are_gone() -> None:
    with sleeping() as process:
        started = start_time(process.pid)
        with no_descriptors():
            assert start_time(process.pid) == UNKNOWN
            assert state_of(process.pid, started) == "unknown"
    with no_descriptors():
        assert state_of(process.pid, started) == "gone"


def server(folder: Path) -> SupervisedServer:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    return SupervisedServer("sleeper", folder, command, answers=lambda: True, patience_s=10.0)


def noted_pid(folder: Path) -> int:
    return int((folder / "sleeper.pid").read_text().split()[0])


def test_a_server_that_cannot_be_seen_is_neither_ended_nor_replaced(tmp_path: Path) -> None:
    own, adopted, stranger = server(tmp_path).start(), server(tmp_path), server(tmp_path)
    wait_for((tmp_path / "sleeper.pid").exists, "the note")
    adopted.start()
    pid, started = noted_pid(tmp_path), start_time(noted_pid(tmp_path))
    with no_descriptors():
        assert own.pid == pid, "a child is known without a look"
        assert {adopted.state, stranger.state} == {"unknown"}
        assert adopted.pid is None
        with pytest.raises(EventServerError, match="so it was not stopped"):
            adopted.stop()
    assert state_of(pid, started) == "running"
    assert adopted.pid == pid
    own.stop()
    assert state_of(pid, started) == "gone"


def test_a_child_is_stopped_without_descriptors(tmp_path: Path) -> None:
    own = server(tmp_path).start()
    wait_for((tmp_path / "sleeper.pid").exists, "the note")
    pid, started = noted_pid(tmp_path), start_time(noted_pid(tmp_path))
    with no_descriptors():
        own.stop()
        assert state_of(pid, started) == "gone"
    assert own.state == "gone"


def test_a_service_that_cannot_be_seen_is_not_taken_for_stopped(tmp_path: Path) -> None:
    with noted(tmp_path) as note:
        assert running(tmp_path) is None, "nothing is noted before it serves"
        here = note("http://127.0.0.1:1")
        assert running(tmp_path) == here
        with no_descriptors(), pytest.raises(ServiceError, match="too many files open"):
            running(tmp_path)
        with no_descriptors(), pytest.raises(ServiceError, match="too many files open"):
            stop(tmp_path)
    assert running(tmp_path) is None
    assert not (tmp_path / "service.json").exists()
