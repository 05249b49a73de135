"""`hub up` as a real process on a data folder, with its own Valkey, and faults that are done to both."""

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import redis

from common.settings import Settings
from events.log.redis_log import RedisEventLog
from events.server import BundledServer
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.protocol import Store
from registry.store.remote.token import client_token
from tests.chaos.processes import PATIENCE_S
from tests.events.firing import Firing, known_conditions
from tests.waiting import wait_for

HUB = Path(sys.executable).with_name("hub")
ROOT = Path(__file__).resolve().parents[2]


class RunningHub:
    """The process, and everything that a test needs to reach it. Its log is read from a pipe: a file could be full."""

    def __init__(self, folder: Path, command: Sequence[str] = (str(HUB), "up")) -> None:
        self.folder = folder
        with FileStore(folder / "store") as store:
            self.conditions = known_conditions(store, 2)
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_", "PREFECT_"))
        }
        self.environment = kept | {
            "PYTHONPATH": str(ROOT),
            "HUB_DATA_DIR": str(folder),
            "HUB_API_PORT": "0",
            "HUB_WITHOUT": "worker,bots,dashboard",
            "HUB_WEBHOOKS_ALLOW_LOOPBACK": "true",
        }
        self.process = subprocess.Popen(
            list(command), cwd=folder, env=self.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        self.log: list[str] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        wait_for(self._serves, "the service to answer", PATIENCE_S)
        self.url = str(json.loads((folder / "service.json").read_text())["url"])
        self._settings = Settings(_env_file=None, data_dir=folder)

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.log.append(line.decode(errors="replace"))

    def _serves(self) -> bool:
        assert self.process.poll() is None, "".join(self.log)
        return any("Condition Hub serves" in line for line in self.log)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command line on the same data folder."""
        return subprocess.run(
            [str(HUB), *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def client(self, user: str = "ann", *, operator: bool = False) -> httpx.Client:
        """A client with a new key of a user."""
        made = self.run("keys", "create", user, "--json", *(["--operator"] if operator else []))
        assert made.returncode == 0, made.stderr
        key = json.loads(made.stdout)["key"]
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def ready(self) -> dict[str, Any]:
        """What `/health/ready` says."""
        answer: dict[str, Any] = httpx.get(f"{self.url}/health/ready", timeout=60).json()
        return answer

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store, through its owner."""
        with open_store(self.url, token=client_token(self._settings)) as store:
            yield store

    @contextmanager
    def event_log(self) -> Iterator[RedisEventLog]:
        """The event log on the hub's Valkey."""
        client = BundledServer(self.folder / "events").connect_running()
        try:
            yield RedisEventLog(client)
        finally:
            client.close()

    @contextmanager
    def firing(self) -> Iterator[Firing]:
        """Fires conditions through the owner, which publishes them."""
        with self.store() as store:
            yield Firing(store, RedisEventLog(redis.Redis()))  # type: ignore[arg-type]

    @property
    def valkey(self) -> int:
        """Process id of the hub's Valkey."""
        return int((self.folder / "events" / "valkey.pid").read_text().split()[0])

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """No file of the hub can be written while the block runs; those of its Valkey can."""
        with self.limited_files(0):
            yield

    @contextmanager
    def limited_files(self, size: int) -> Iterator[None]:
        """No file of the hub can grow beyond a number of bytes while the block runs."""
        before = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            if self.process.poll() is None:
                resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, before)

    @contextmanager
    def no_descriptors(self) -> Iterator[None]:
        """The hub cannot open another file while the block runs."""
        before = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join()
