"""Start and stop: a stop is over when the process has ended, what cannot be seen is not dead, a tick needs no log."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.processes import GONE, start_time
from registry.store.files.file_store import FileStore
from tests.attacks.running_hub import RunningHub
from tests.chaos.processes import EFFORT
from tests.events.firing import subscribe
from tests.waiting import wait_for

PATIENCE_S = 60.0
LOOKS_S = 3.5
"""The hub looks after its Valkey once a second."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are set as Linux does it")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    with RunningHub(tmp_path) as started:
        yield started


def test_a_stop_waits_for_the_process_and_not_for_receivers(hub: RunningHub) -> None:
    """A receiver that accepts and never answers; when `hub down` says so, the process has ended and released all."""
    with socket.create_server(("127.0.0.1", 0)) as silent, hub.client() as ann:
        with hub.store() as store:
            subscribe(store, hub.conditions[0], "b")  # type: ignore[arg-type]
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        assert ann.post("/webhooks", json={"url": url}).status_code == 201
        with hub.firing() as firing:
            firing.fire(hub.conditions[:1])
        silent.settimeout(PATIENCE_S)
        channel, _ = silent.accept()
        with channel:
            assert channel.recv(4) == b"POST", "a send is under way"
            valkey = hub.valkey
            down = hub.run("down", "--json")
            assert down.returncode == 0, down.stderr
            assert json.loads(down.stdout)["pid"] == hub.process.pid
            assert start_time(hub.process.pid) == start_time(valkey) == GONE
            assert not (hub.folder / "service.json").exists()
            with FileStore(hub.folder / "store") as opened:
                assert opened.triggers.last_seq() == 1


def test_a_hub_without_descriptors_leaves_its_valkey_alone(hub: RunningHub) -> None:
    valkey, started = hub.valkey, start_time(hub.valkey)
    for _ in range(EFFORT):
        with hub.no_descriptors():
            deadline = time.monotonic() + LOOKS_S
            while time.monotonic() < deadline:
                assert start_time(valkey) == started, "the hub has ended its own healthy Valkey"
                time.sleep(0.05)
        wait_for(lambda: hub.ready()["status"] == "ok", "the hub to be well again", PATIENCE_S)
        assert hub.valkey == valkey
    assert start_time(valkey) == started


TICK = """
import asyncio
from flows.advance import advance
from flows.runtime import open_runtime

with open_runtime() as runtime:
    print(asyncio.run(advance(runtime, "1h", 3_600_000)).ticks)
"""
"""What `hub tick` does, without Prefect, whose server takes longer to start than all the rest."""


def test_a_tick_judges_while_valkey_hangs(hub: RunningHub) -> None:
    os.kill(hub.valkey, signal.SIGSTOP)
    try:
        tick = subprocess.run(
            [sys.executable, "-c", TICK],
            cwd=hub.folder,
            env=hub.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        command = hub.run("tick", "1h", "--json") if EFFORT > 1 else None
    finally:
        os.kill(hub.valkey, signal.SIGCONT)
    assert tick.returncode == 0, tick.stderr
    assert tick.stdout == "1\n", "the candle that was there was judged"
    assert "the event log's server failed" in tick.stderr
    assert command is None or command.returncode == 0, command.stderr
