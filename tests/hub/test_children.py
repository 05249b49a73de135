"""The dashboard beside a real `hub up`: it answers, comes back when it dies, and is not left behind by a killed hub."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import app_cli
from common.supervised import free_port, port_is_busy
from hub.hub_processes import HubProcess, processes_of
from hub.logs import relay
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty place for a data folder, and nothing left running in it."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("HUB_", "REDIS_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield tmp_path / "data"
    for process in processes_of(tmp_path / "data"):
        os.kill(process.pid, signal.SIGKILL)


def hub_up(data: Path, *options: str) -> subprocess.Popen[bytes]:
    """`hub up` in a folder, without worker, once it says where it is."""
    log = data.parent / "log"
    command = [sys.executable, "-m", "app_cli", "up", "--data", str(data), "--port", "0", "--without", "worker,bots"]
    with log.open("wb") as out:
        started = subprocess.Popen([*command, *options], stdout=out, stderr=out)

    def serves() -> bool:
        assert started.poll() is None, log.read_text()
        return b"Condition Hub serves" in log.read_bytes()

    wait_for(serves, "the service to answer", 60)
    return started


def process(data: Path, name: str) -> HubProcess | None:
    return next((each for each in processes_of(data) if each.name == name), None)


def answers(dashboard: HubProcess | None) -> bool:
    if dashboard is None or dashboard.url is None:
        return False
    try:
        return httpx.get(f"{dashboard.url}/_stcore/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_dashboard_comes_back_and_a_killed_hub_leaves_nothing_to_stay(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = hub_up(data)
    wait_for(lambda: answers(process(data, "dashboard")), "the dashboard to answer", 60)
    first = process(data, "dashboard")
    assert first is not None
    assert str(first.url) in (data.parent / "log").read_text()
    assert "nothing is judged by itself" in (data.parent / "log").read_text()

    assert app_cli.run(["up", "--data", str(data), "--port", "0"]) == 1
    said = capsys.readouterr().err
    assert f"process {hub.pid} at http" in said
    assert f"dashboard (process {first.pid})" in said

    os.kill(first.pid, signal.SIGKILL)
    wait_for(
        lambda: (now := process(data, "dashboard")) is not None and now.pid != first.pid and answers(now),
        "another dashboard",
        60,
    )
    monkeypatch.setenv("HUB_DATA_DIR", str(data))
    assert app_cli.run(["keys", "create", "olga", "--operator"]) == 0
    key, service = capsys.readouterr().out.strip(), process(data, "hub")
    assert service is not None
    metrics = httpx.get(f"{service.url}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=30).text
    assert 'hub_loop_restarts_total{loop="dashboard"} 1.0' in metrics

    hub.kill()
    hub.wait()
    assert {each.name for each in processes_of(data)} == {"dashboard", "valkey"}
    assert app_cli.run(["down", "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pid": None, "url": None, "ended": ["dashboard", "valkey"]}
    assert processes_of(data) == []
    assert app_cli.run(["down", "--data", str(data)]) == 1


def test_a_taken_port_of_the_dashboard_is_a_clear_reason(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        assert port_is_busy(port)
        monkeypatch.setenv("HUB_DASHBOARD_PORT", str(port))
        assert app_cli.run(["up", "--data", str(data), "--port", "0", "--without", "worker"]) == 1
    said = capsys.readouterr().err
    assert f"port {port} for the dashboard is taken" in said
    assert "--without dashboard" in said


def test_what_a_child_prints_is_in_the_log_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    relay("worker", [b'{"level": "warning", "message": "m"}\n', b"Traceback ...\n", b"\n", b"[1]\n", b"\xff\n"])
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["process"] for line in lines] == ["worker"] * 4
    assert lines[0] == {"level": "warning", "message": "m", "process": "worker"}
    assert [line["message"] for line in lines[1:]] == ["Traceback ...", "[1]", "\N{REPLACEMENT CHARACTER}"]
    assert all(line["time"].endswith("Z") for line in lines[1:])
