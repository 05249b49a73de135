"""The cost of a cold process until it is ready to judge, with a full and with an empty cache of compiled kernels."""

import statistics
import tempfile
from pathlib import Path

from benchmarks.hub import deal, mixed, open_hub
from benchmarks.peers.process import Peers
from benchmarks.processes import run_apart
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale

_READY = 3.0
_PREFECT = "Prefect, for a flow run"


def cold(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """Separate processes, each measured from its first instruction."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with open_hub(folder) as hub:
            hub.subscribe(deal(mixed(scale.unique_conditions), scale.users, scale.conditions_a_user))
            hub.prepare()
            hub.tick()
        runs = [_seconds(str(folder)) for _ in range(min(5, scale.rounds))]
    stages = {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
    ready = statistics.median(sum(run.values()) - run[_PREFECT] for run in runs)
    rows = [[stage, figure(seconds)] for stage, seconds in stages.items() if stage != _PREFECT]
    rows += [["**a tick judged**", f"**{figure(ready)}**"], [_PREFECT, figure(stages[_PREFECT])]]
    remark = (
        f"CPU seconds of a worker's process that judges {scale.unique_conditions:,} conditions of eight pairs, from "
        f"its start to its first tick; medians of {len(runs)} processes. Kernels are in numba's cache, where "
        "`make setup` puts them."
    )
    tables = [Table(remark, ("stage", "CPU seconds"), rows)]
    if scale.first_compile:
        tables.append(_all_kernels())
    target = at_most("a cold process has judged its first tick, kernels cached, CPU", _READY, ready, " s")
    return Section("A cold process", tables, [target])


def _all_kernels() -> Table:
    with tempfile.TemporaryDirectory() as cache:
        compiled = _seconds(None, NUMBA_CACHE_DIR=cache)
        loaded = _seconds(None, NUMBA_CACHE_DIR=cache)
    rows = [["compiled", figure(compiled["all kernels"])], ["loaded from the cache", figure(loaded["all kernels"])]]
    remark = "All kernels of the catalogue, live and history, and those that judge (`python -m engine.warming`)."
    return Table(remark, ("kernels", "CPU seconds"), rows)


def _seconds(folder: str | None, **environment: str) -> dict[str, float]:
    seconds: dict[str, float] = run_apart("benchmarks.cold_process", folder, environment)
    return seconds
