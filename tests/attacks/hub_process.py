"""`hub up` as a process of its own, on loopback, as a careless administrator would start it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from common.clock import SystemClock
from registry.keys import new_key
from registry.store import open_store
from registry.store.parts.accounts import Role
from registry.store.protocol import Store
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
HUB = Path(sys.executable).parent / "hub"


def hub_environment(data_dir: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the hub's commands, with nothing of whoever runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_URL"))}
    own = {
        "PYTHONPATH": str(ROOT),
        "HUB_DATA_DIR": str(data_dir),
        "HUB_API_PORT": "0",
        "HUB_WITHOUT": "worker,bots,dashboard",
    }
    return {**inherited, **own, **(settings or {})}


def run_hub(data_dir: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command that ends, under a umask that lets everybody read."""
    command = [str(HUB), *arguments]
    process = subprocess.Popen(
        command,
        env=hub_environment(data_dir, settings),
        cwd=data_dir.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        umask=0o022,
    )
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        # A service that was to be refused: stopped in order, or its server would stay.
        process.terminate()
        out, err = process.communicate(timeout=60)
        raise AssertionError(f"hub {' '.join(arguments)} did not end by itself: {err}") from None
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@dataclass(frozen=True)
class HubProcess:
    """A service that answers."""

    data_dir: Path
    process: subprocess.Popen[bytes]
    log_file: Path
    url: str

    def log(self) -> str:
        """What it has written to standard error."""
        return self.log_file.read_text()

    def store(self) -> Store:
        """Its store, as its own tools use it."""
        return open_store(self.url, token=(self.data_dir / "store_token").read_text())

    def key(self, user_id: str, role: Role = "user") -> str:
        """A new key of a user."""
        key, text = new_key(user_id, role, "", SystemClock().now_ms())
        with self.store() as store:
            store.accounts.add_key(key)
        return text

    def client(self, user_id: str, role: Role = "user") -> httpx.Client:
        """An HTTP client of a user; close it."""
        headers = {"Authorization": f"Bearer {self.key(user_id, role)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


@contextmanager
def hub_process(data_dir: Path, **settings: str) -> Iterator[HubProcess]:
    """Start the service under a umask that lets everybody read, and stop it at the end."""
    log_file = data_dir.parent / f"{data_dir.name}.log"
    greeting = b"Condition Hub serves"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [HUB, "up"],
            stdout=log,
            stderr=log,
            env=hub_environment(data_dir, settings),
            cwd=data_dir.parent,
            umask=0o022,
        )

    def serves() -> bool:
        assert process.poll() is None, log_file.read_text()
        return greeting in log_file.read_bytes()

    try:
        wait_for(serves, "the service to answer", 90)
        url = json.loads((data_dir / "service.json").read_text())["url"]
        yield HubProcess(data_dir, process, log_file, url)
    finally:
        # In order, also after a failure: a killed one would leave its server behind.
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()
