"""The real process: `hub up` in a folder, keys made while it runs, one owner, and a stop that loses nothing."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import app_cli
from common.settings import load_settings
from hub.logs import PACKAGES, JsonLines
from hub.serve import serve
from registry.store.files.file_store import FileStore
from registry.store.owner import Running, noted
from tests.api.served_hub import few_candles
from tests.waiting import wait_for

HUB = Path(sys.executable).parent / "hub"


class Shell:
    """Runs command lines on a data folder in this process: (exit code, stdout, stderr)."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = app_cli.run(list(arguments))
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the candles of one instrument, which the settings name."""
    with FileStore(tmp_path / "store") as store:
        store.candles.upsert(few_candles())
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("HUB_", "REDIS_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HUB_API_PORT", "0")
    monkeypatch.setenv("HUB_WITHOUT", "worker,bots,dashboard")
    return tmp_path


@pytest.fixture
def hub(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    yield Shell(capsys)
    # `hub up` lets them write to what was standard error.
    for name in (*PACKAGES, "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    logging.getLogger("uvicorn.access").disabled = False
    libraries = logging.getLogger()
    libraries.handlers = [each for each in libraries.handlers if not isinstance(each.formatter, JsonLines)]
    logging.captureWarnings(False)


@pytest.fixture
def process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`hub up`, answering."""
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen([HUB, "up"], stdout=log, stderr=log)

    def serves() -> bool:
        assert started.poll() is None, (folder / "log").read_text()
        return b"Condition Hub serves" in (folder / "log").read_bytes()

    wait_for(serves, "the service to answer", 60)
    yield started
    if started.poll() is None:
        started.kill()
    started.wait()


def test_whoever_reads_where_the_service_is_finds_its_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first start in a folder, while others wait for the service to come."""
    had_token: list[bool] = []

    @contextmanager
    def looked_at(data_dir: Path, role: str) -> Iterator[Callable[[str], Running]]:
        def note_and_look(url: str) -> Running:
            had_token.append((data_dir / "store_token").exists())
            return note(url)

        with noted(data_dir, role) as note:
            yield note_and_look

    monkeypatch.setattr("hub.serve.noted", looked_at)
    serve(load_settings(), lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert had_token == [True]


def test_a_service_from_start_to_stop(
    folder: Path, process: subprocess.Popen[bytes], hub: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = json.loads((folder / "service.json").read_text())["url"]
    code, out, _ = hub("keys", "create", "ann", "--json")
    assert code == 0
    key = json.loads(out)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key['key']}"}, timeout=30) as ann:
        condition = ann.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).json()["condition_id"]
        body = {"bot_id": "b", "condition_id": condition, "bot_type": "dca", "bot_config": {"secret": "s3cr3t"}}
        assert ann.post("/conditions/subscribe", json=body).status_code == 201
        assert ann.get("/health/ready").json()["status"] == "ok"

        code, _, err = hub("up")
        assert (code, f"process {process.pid} at {url}" in err) == (1, True)
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("HUB_DATA_DIR", str(folder / "other"))
            elsewhere.setenv("HUB_API_PORT", url.rsplit(":", 1)[1])
            code, _, err = hub("up")
        assert (code, "HUB_API_PORT" in err) == (1, True)
        assert json.loads(hub("status", "--json")[1])["service"] == url
        code, out, _ = hub("doctor", "--json")
        assert code == 0
        assert {"service", "store", "keys", "disk"} <= {one["name"] for one in json.loads(out) if one["ok"]}
        _, listed, _ = hub("keys", "list", "--json")
        assert key["key_id"] in listed
        assert key["key"].removeprefix(f"hub_{key['key_id']}_") not in listed
        assert hub("keys", "revoke", key["key_id"])[0] == 0
        assert ann.get("/indicators").status_code == 401
        assert hub("keys", "revoke", "000000000000")[0] == 1

    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    log = (folder / "log").read_text()
    assert "s3cr3t" not in log
    assert key["key"] not in log
    requests = [json.loads(line) for line in log.splitlines() if '"message": "request"' in line]
    assert {"route": "/conditions/subscribe", "status": 201, "user": "ann"}.items() <= requests[1].items()
    assert hub("down")[0] == 1
    with FileStore(folder / "store", read_only=True) as store:
        assert store.registry.subscriptions_of("ann")[0].condition_id == condition
    assert not (folder / "service.json").exists()


def test_hub_down_waits_for_the_end_and_streams_do_not_hold_it(
    folder: Path, process: subprocess.Popen[bytes], hub: Shell
) -> None:
    url = json.loads((folder / "service.json").read_text())["url"]
    key = json.loads(hub("keys", "create", "ann", "--json")[1])["key"]
    with httpx.stream("GET", f"{url}/events", headers={"Authorization": f"Bearer {key}"}, timeout=30) as events:
        assert events.status_code == 200
        lines = events.iter_lines()
        assert next(lines).startswith("retry: ")
        assert hub("down")[0] == 0
        assert list(lines)[-1] == ""
    assert process.wait(10) == 0
    # Everything has been released: the next one can start.
    with FileStore(folder / "store"):
        pass
