"""Alternating measurement: competitors take turns, and the median CPU time of several rounds counts.

CPU time covers all threads of the process that does the work: waiting and other processes' load do not count, and using
more threads does not make anything look faster.
"""

import math
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

Measure = Callable[[], float]
"""Does a piece of work and returns the CPU seconds that it took, wherever it ran."""

_PACKAGES = ("numba", "numpy", "ta-lib", "polars", "duckdb")


def here(call: Callable[[], object], times: int = 1) -> Measure:
    """Measures a call in this process, as the mean of several in a row if one is too short to be timed alone."""

    def measure() -> float:
        started = time.process_time()
        for _ in range(times):
            call()
        return (time.process_time() - started) / times

    return measure


def settled(measure: Measure) -> Measure:
    """The last of four in a row: the caches then hold what the work itself has left there, not what others have.

    On processors whose last-level cache is filled by evictions from the level above, one round is not enough for that.
    """

    def last() -> float:
        for _ in range(3):
            measure()
        return measure()

    return last


def alternate(measures: Mapping[str, Measure], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each; each runs once beforehand, to compile and to warm the caches."""
    for measure in measures.values():
        measure()
    spent: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            spent[name].append(measure())
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def geometric_mean(ratios: Iterable[float]) -> float:
    """The geometric mean of ratios; NaN if there are none."""
    logs = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def peak_mb() -> float:
    """The most memory that this process has had. The system's count of resources would not do: it begins with what the
    process that started this one had at the time."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1 << 20 if Path("/System").exists() else 1 << 10)
    (high,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(high.split()[1]) / 1024


def machine() -> str:
    """The machine that the figures were measured on, with its libraries."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"{_processor()}, Python {platform.python_version()}, {packages}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({len(names)} cores)" if names else platform.machine()
