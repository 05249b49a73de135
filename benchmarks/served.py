"""The hub as a process of its own: ``hub up`` on a data folder and a free port of this machine."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.peers.process import ROOT

_START_S = 120.0
_STOP_S = 120.0
"""A worker ends the runs under way first."""
_IDLE_S = 0.3
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Served:
    """A running service."""

    pid: int
    url: str
    started_s: float
    """Seconds from its start to its first response."""

    @property
    def resident_mb(self) -> float:
        """Its memory; NaN where the system does not report it."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="utf-8").split()[1])
        except OSError:
            return float("nan")
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    @property
    def cpu_s(self) -> float:
        """CPU seconds that it has used; NaN where the system does not report them."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND

    def settle(self) -> None:
        """Wait until it is idle: it loads its kernels after it has started to respond."""
        until = time.perf_counter() + _START_S
        before = math.nan
        while self.cpu_s - before != 0 and time.perf_counter() < until:
            before = self.cpu_s
            time.sleep(_IDLE_S)


@contextmanager
def hub_up(data_dir: Path, settings: Mapping[str, str]) -> Iterator[Served]:
    """``hub up`` until the block ends."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "HUB_DATA_DIR": str(data_dir),
        "HUB_API_PORT": "0",
        "HUB_WITHOUT": "worker,dashboard",
    }
    log = data_dir / "up.log"
    started = time.perf_counter()
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "app_cli", "up"]
        process = subprocess.Popen(command, env=environment | dict(settings), cwd=data_dir, stderr=stderr)
    try:
        url = _url(process, data_dir, started + _START_S)
        yield Served(process.pid, url, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait(_STOP_S)


def _url(process: subprocess.Popen[bytes], data_dir: Path, until: float) -> str:
    note = data_dir / "service.json"
    while time.perf_counter() < until and process.poll() is None:
        try:
            url: str = json.loads(note.read_text(encoding="utf-8"))["url"]
            httpx.get(f"{url}/health/ready", timeout=5).raise_for_status()
        except (OSError, ValueError, httpx.HTTPError):
            time.sleep(0.02)
        else:
            return url
    raise RuntimeError(f"the hub did not start: {(data_dir / 'up.log').read_text(encoding='utf-8')[-1000:]}")
