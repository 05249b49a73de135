"""Alternating measurement: what is compared runs in turn, in one process, and the median of several rounds counts."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

ROUNDS = 9


def alternate(work: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median CPU seconds of each piece of work; each is called once beforehand, to compile and to warm caches."""
    for call in work.values():
        call()
    spent: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            started = time.process_time()
            call()
            spent[name].append(time.process_time() - started)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    """The call so many times in a row, for what is too short to be timed alone."""

    def run() -> None:
        for _ in range(times):
            call()

    return run


def machine() -> str:
    """What the figures were measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "ta-lib", "polars", "duckdb"))
    return f"{_processor()}, Python {platform.python_version()}, {packages}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
