"""Measures in a process of its own, for what a process costs from its start on or holds in memory."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.process import ROOT


def run_apart(module: str, request: object, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What ``python -m module`` prints as JSON, asked with JSON as its only argument."""
    process = subprocess.run(
        [sys.executable, "-m", module, json.dumps(request)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
    )
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def resident_mb() -> float | None:
    """Memory that this process holds right now, ``None`` where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
