"""What is looked at every minute of a soak: memory of the hub's processes, sizes of its files, and its metrics."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from hub.hub_processes import processes_of

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MB = 1e6
_METRICS_S = 60.0

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Sample:
    """One look. Memory and files in MB; a process or a file that there is not is left out."""

    at_ms: int
    trouble: str | None
    """What is wrong with the exchange."""
    memory: Numbers
    """Process -> its resident memory. ``batch`` is all of the processes that the worker has started."""
    pids: Mapping[str, int]
    files: Numbers
    """Path in the data folder -> size."""
    metrics: Numbers = field(default_factory=dict)
    """Empty if the service did not answer."""


def look(data_dir: Path, url: str, key: str, at_ms: int, trouble: str | None) -> Sample:
    """Look at the hub of a data folder; ``key`` is an operator's."""
    pids = {each.name: each.pid for each in processes_of(data_dir)}
    memory = {name: resident for name, pid in pids.items() if (resident := _resident_mb(pid)) is not None}
    if "worker" in pids:
        batch = [_resident_mb(pid) or 0.0 for pid in _descendants(pids["worker"]) - set(pids.values())]
        memory["batch"] = sum(batch)
    return Sample(at_ms, trouble, memory, pids, dict(_files(data_dir)), _metrics(url, key))


def _resident_mb(pid: int) -> float | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * _PAGE / _MB
    except OSError:
        return None


def _descendants(pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                stat = (folder / "stat").read_text(encoding="utf-8")
                parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    reached, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in reached} - reached
        reached |= more
        grown = bool(more)
    return reached - {pid}


def _files(data_dir: Path) -> Iterator[tuple[str, float]]:
    for folder, _, names in os.walk(data_dir):
        for name in names:
            path = Path(folder) / name
            # It may be gone by now.
            with suppress(OSError):
                yield str(path.relative_to(data_dir)), path.stat().st_size / _MB


def _metrics(url: str, key: str) -> Numbers:
    try:
        answer = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=_METRICS_S)
        answer.raise_for_status()
    except httpx.HTTPError:
        return {}
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            values[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return values
