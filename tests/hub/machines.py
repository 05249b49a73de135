"""Processes of one hub that runs in several, each with a data folder of its own, as on several machines."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.waiting import wait_for

PATIENCE_S = 120.0


class Machine:
    """A process of the hub with a data folder of its own."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.process = folder, process

    @property
    def url(self) -> str:
        return str(json.loads((self.folder / "service.json").read_text())["url"])

    def as_user(self, key: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


@contextmanager
def hub_up(folder: Path, environment: dict[str, str], *options: str) -> Iterator[Machine]:
    """``hub up`` with some options, once it says that it works."""
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app_cli", "up", *options],
            env={**environment, "HUB_DATA_DIR": str(folder)},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:

        def works() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            said = (folder / "log").read_text()
            return any(words in said for words in ("Condition Hub serves", "Judging by", "Fetching the candles"))

        wait_for(works, "a process of the hub to work", PATIENCE_S)
        yield Machine(folder, process)
        if process.poll() is None:
            process.terminate()
            assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


class Reader:
    """Reads a stream of events in a thread until it ends."""

    def __init__(self, client: httpx.Client) -> None:
        self.seqs: list[int] = []
        self.is_open = threading.Event()
        self._client = client
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        assert self.is_open.wait(PATIENCE_S)

    def _read(self) -> None:
        # Of a service that is killed, the stream breaks off.
        with suppress(httpx.HTTPError), self._client.stream("GET", "/events", timeout=PATIENCE_S) as stream:
            assert stream.status_code == 200
            for line in stream.iter_lines():
                self.is_open.set()
                if line.startswith("data: "):
                    self.seqs.append(json.loads(line.removeprefix("data: "))["seq"])
