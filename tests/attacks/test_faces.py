"""Attacks on what a page in a browser of the same machine can reach, and on names that nobody can see.

`tests/flows/test_tick_flow.py` attacks Prefect's server, which it has anyway.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

import app_cli
from common.supervised import free_port
from registry.store.files.file_store import FileStore
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


def clean_environment(folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_URL"))}
    return {**clean, "HUB_DATA_DIR": str(folder), "HUB_API_PORT": "0", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a dashboard that runs as `make dashboard` runs it."""
    folder = tmp_path_factory.mktemp("dashboard")
    FileStore(folder / "store").close()
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app_streamlit.py", "--server.port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(folder), stdout=log, stderr=log)

    def serves() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        wait_for(serves, "the dashboard", 90)
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("host", "origin", "is_served"),
    [
        ("127.0.0.1", None, True),
        ("localhost", None, True),
        ("localhost", "http://localhost", True),
        ("evil.example", None, False),
        ("evil.example", "http://evil.example", False),
        ("localhost", "http://evil.example", False),
        # Another service of this machine is not the dashboard either.
        ("localhost", "http://localhost:1", False),
    ],
)
def test_a_page_of_somebody_else_gets_nothing_from_the_dashboard(
    dashboard: int, host: str, origin: str | None, is_served: bool
) -> None:
    named = f"{host}:{dashboard}"
    source = f"{origin}:{dashboard}" if origin is not None and origin.count(":") == 1 else origin
    for path in ("/", "/conditions", "/_stcore/health", "/_stcore/host-config"):
        headers = {"Host": named} | ({"Origin": source} if source else {})
        answer = httpx.get(f"http://127.0.0.1:{dashboard}{path}", headers=headers)
        assert answer.status_code == (200 if is_served else 403), path
    assert asyncio.run(gets_pages(dashboard, named, source)) == is_served


async def gets_pages(port: int, host: str, origin: str | None) -> bool:
    """Whether the websocket runs the script and sends its pages."""
    ask = BackMsg()
    ask.rerun_script.query_string = ""
    # The name is not resolved: it is what the browser was told.
    dialled = websockets.connect(
        f"ws://{host}/_stcore/stream",
        host="127.0.0.1",
        port=port,
        origin=websockets.Origin(origin) if origin is not None else None,
        max_size=None,
    )
    try:
        async with dialled as connected, asyncio.timeout(60):
            await connected.send(ask.SerializeToString())
            while True:
                message = ForwardMsg.FromString(await connected.recv(decode=False))
                if message.WhichOneof("type") == "navigation":
                    return {"Savings", "Conditions", "Health"} <= {
                        page.page_name for page in message.navigation.app_pages
                    }
    except websockets.InvalidStatus as refused:
        return refused.response.status_code != 403


def test_names_that_nobody_can_see_make_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = str(Path(sys.executable).parent / "hub")
    for name, value in clean_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in ("", "ann\nbob", "ann\u202e", " ann"):
        assert app_cli.run(["keys", "create", name]) == 1
        assert "the name of a user" in capsys.readouterr().err
    made = subprocess.run([hub, "keys", "create", "ann", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(made.stdout)["user"] == "ann"
    assert app_cli.run(["keys", "list", "--json"]) == 0
    assert [key["user"] for key in json.loads(capsys.readouterr().out)] == ["ann"]
