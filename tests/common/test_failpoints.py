"""Failpoints: off by default, listed in one place, and each does what the environment says."""

import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import failpoints
from common.errors import FailpointReached, SettingsError
from common.failpoints import FAILPOINTS, arm
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
REACHED = Counter(
    name
    for package in ("registry", "events", "flows", "bots", "api")
    for path in (ROOT / package).rglob("*.py")
    for name in re.findall(r'failpoints\.reach\("(\w+)"\)', path.read_text(encoding="utf-8"))
    if path.name != "failpoints.py"
)


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    yield
    arm("")


def test_every_failpoint_is_reached_in_one_place_and_listed() -> None:
    assert set(FAILPOINTS) == set(REACHED)
    assert set(REACHED.values()) == {1}


def test_without_the_environment_a_step_is_nothing() -> None:
    assert failpoints.reach is failpoints._off


def test_the_environment_kills_the_process_at_its_nth_step() -> None:
    code = "from common import failpoints\nfor n in range(5):\n print(n, flush=True)\n failpoints.reach('after_commit')"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"HUB_FAILPOINT": "after_commit:3,before_commit:1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert ended.stdout.split() == ["0", "1", "2"]


def test_a_step_that_raises_does_so_once() -> None:
    arm("before_publish:2:raise")
    failpoints.reach("before_publish")
    failpoints.reach("after_publish")
    with pytest.raises(FailpointReached, match=r"before_publish was reached \(hit 2\); unset HUB_FAILPOINT"):
        failpoints.reach("before_publish")
    failpoints.reach("before_publish")


def test_a_pause_lasts_until_its_file_is_removed(tmp_path: Path) -> None:
    pause = tmp_path / "pause"
    arm(f"after_load:1:pause={pause}")
    thread = threading.Thread(target=lambda: failpoints.reach("after_load"))
    thread.start()
    wait_for(pause.exists, "the thread to pause")
    assert thread.is_alive()
    pause.unlink()
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("after_comit:1", "no failpoint 'after_comit'"),
        ("after_commit", "after_commit:1"),
        ("after_commit:0", "after_commit:1"),
        ("after_commit:x", "after_commit:1"),
        ("after_commit:1:explode", "crash, raise, or pause=PATH"),
        ("after_commit:1:pause", "pause=PATH"),
        ("after_commit:1:crash=now", "pause=PATH"),
    ],
)
def test_a_malformed_failpoint_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        arm(text)
