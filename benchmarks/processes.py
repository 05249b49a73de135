"""Runs a measurement in a process of its own, for the cost of a process from its start and its memory."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.process import ROOT


def run_apart(module: str, request: object, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON that ``python -m module`` prints, called with the request as JSON for its only argument."""
    process = subprocess.run(
        [sys.executable, "-m", module, json.dumps(request)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
    )
    answer: dict[str, Any] = json.loads(process.stdout)
    return answer


def resident_mb() -> float | None:
    """The memory of this process at this moment, ``None`` where the system does not report it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
