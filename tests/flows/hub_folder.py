"""A data folder with a hub on simulated exchanges: its processes, and commands on it in processes of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import msgspec

from hub.alone import holder

PATIENCE_S = 400.0
RUNS = """
import asyncio, json, sys
from pathlib import Path
from hub.prefect_server import PrefectServer
PrefectServer(Path(sys.argv[1])).use()
from prefect.client.orchestration import get_client

async def main():
    async with get_client() as client:
        runs = await client.read_flow_runs(limit=200)
        pool = await client.read_work_pool("ticks")
        deployments = await client.read_deployments()
    print(json.dumps({
        "pool": pool.type,
        "deployments": sorted(one.name for one in deployments),
        "states": {run.name: [other.state.name for other in runs if other.name == run.name] for run in runs},
    }))

asyncio.run(main())
"""


class Known(msgspec.Struct):
    """What Prefect's server knows: the type of the pool, the deployments, and the states of the runs by name."""

    pool: str
    deployments: list[str]
    states: dict[str, list[str]]


class Folder:
    """A data folder, and commands on it in processes of their own."""

    def __init__(self, path: Path, exchanges: Mapping[str, str], **settings: str) -> None:
        """``exchanges`` (exchange -> URL) take the place of real ones."""
        self.path = path
        self.started: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "HUB_DATA_DIR": str(path / "data"),
            "HUB_EXCHANGE_URLS": json.dumps(dict(exchanges)),
            "HUB_API_PORT": "0",
            "HUB_WITHOUT": "bots,dashboard",
            **settings,
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command that goes on."""
        with (self.path / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "app_cli", *arguments], env=self.environment, stdout=log, stderr=log
            )
        self.started.append(process)
        return process

    def said(self, name: str, text: str) -> bool:
        """Whether a command has said something."""
        return text in (self.path / f"{name}.log").read_text()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that ends."""
        command = [sys.executable, "-m", "app_cli", *arguments]
        return subprocess.run(
            command, check=False, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S
        )

    def key(self, user: str, *options: str) -> str:
        """A key of a user."""
        created = self.run("keys", "create", user, *options)
        assert created.returncode == 0, created.stderr
        return created.stdout.strip()

    def client(self) -> httpx.Client:
        """A user's client of the service."""
        url = json.loads((self.path / "data" / "service.json").read_text())["url"]
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {self.key('alice')}"}, timeout=PATIENCE_S)

    def triggers(self) -> int:
        """Triggers in the store."""
        return int(json.loads(self.run("status", "--json").stdout)["triggers"])

    def worker(self) -> int | None:
        """The process id of the worker."""
        return holder(self.path / "data", "worker")

    def stop(self) -> None:
        """End everything that works on it."""
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
        self.run("down")

    def prefect(self) -> "Known":
        """What Prefect's server knows."""
        command = [sys.executable, "-c", RUNS, str(self.path / "data" / "prefect")]
        answer = subprocess.run(
            command, check=False, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert answer.returncode == 0, answer.stderr
        return msgspec.json.decode(answer.stdout, type=Known)


def registered(client: httpx.Client, condition: str) -> str:
    """The id of a condition that nobody has registered before."""
    answer = client.post("/conditions/register", json={"condition": condition})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["condition_id"])
