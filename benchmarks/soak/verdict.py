"""What a soak shows: its quarters side by side, and what must not have grown, lagged or differed."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report import Table, figure
from benchmarks.soak.samples import Sample
from common.timeframes import DURATION_MS

_QUARTERS = 4
_WARM_MS = 15 * DURATION_MS["1m"]
"""The quarters begin that long after the start, when everything has been loaded, planned and compiled."""
_SHARE, _SLACK_MB = 1.10, 15.0
"""Flat is what is at most a tenth or 15 MB larger in the last quarter than in the first."""
_SMALL_MB = 0.1
_RECORD = ("store/registry.duckdb", "store/candles.duckdb")
"""Files that keep what was judged and from which candles: for good, so they grow."""
_RECORD_BYTES = 4_000
"""How much the record may grow for each trigger and tick; backups and what upkeep has not compacted yet included."""
_CAUGHT_UP_S = 120.0


@dataclass(frozen=True)
class Ending:
    """What was found at the end."""

    differences: int | None
    """Of the audit over the whole soak; ``None`` if it did not end."""
    audited: int
    wrong_checks: int | None
    """Of ``hub store check``."""
    received: int
    """Triggers that one reader of the event stream got, each once."""
    repeated: int
    recorded: int
    """Triggers in the store that it should have got."""


@dataclass(frozen=True)
class Finding:
    """One thing that a soak must show."""

    what: str
    is_right: bool
    detail: str


def tables(samples: Sequence[Sample]) -> list[Table]:
    """Means of each quarter."""
    header = ("", "first quarter", "second", "third", "last quarter", "largest")
    memory = [_row(name, samples, _memory_of(name)) for name in _processes(samples)]
    files = [
        _row(place, samples, _size_of(place))
        for place in _places(samples)
        if max(_size(one, place) for one in samples) >= _SMALL_MB
    ]
    work = [_row(what, samples, _metric(read)) for what, read in _WORK.items()]
    return [
        Table("Resident memory, MB.", header, memory),
        Table("Files of the data folder, MB.", header, files),
        Table("Work.", header, work),
    ]


def findings(samples: Sequence[Sample], ending: Ending) -> list[Finding]:
    """Everything that a soak must show, in the order of the page."""
    return [*_memory(samples), *_sizes(samples), *_work(samples), *_ending(ending)]


def _memory(samples: Sequence[Sample]) -> Iterable[Finding]:
    for name in _processes(samples):
        if name == "batch":
            continue
        first, last = _ends(samples, _memory_of(name))
        pids = len({one.pids[name] for one in samples if name in one.pids})
        restarts = f", {pids - 1} restarts" if pids > 1 else ""
        yield Finding(
            f"memory of {name} is flat", _is_flat(first, last), f"{figure(first)} -> {figure(last)} MB{restarts}"
        )


def _sizes(samples: Sequence[Sample]) -> Iterable[Finding]:
    for place in _places(samples):
        first, last = _ends(samples, _size_of(place))
        if place in _RECORD:
            continue
        if last >= _SMALL_MB:
            yield Finding(f"{place} is flat", _is_flat(first, last), f"{figure(first)} -> {figure(last)} MB")
    grown = sum(samples[-1].files.get(place, 0.0) - samples[0].files.get(place, 0.0) for place in _RECORD)
    ends = [one.metrics for one in samples if one.metrics]
    rows = sum(ends[-1].get(name, 0) - ends[0].get(name, 0) for name in ("hub_triggers_total", "hub_ticks_total"))
    bytes_a_row = grown * 1e6 / max(1.0, rows)
    yield Finding(
        "the record grows with what it keeps",
        bytes_a_row <= _RECORD_BYTES,
        f"{figure(grown)} MB for {rows:,.0f} triggers and ticks, with their candles",
    )


def _work(samples: Sequence[Sample]) -> Iterable[Finding]:
    ends = [one.metrics for one in samples if one.metrics]
    lag_s, waiting = _lag_s(ends[-1]), _waiting(ends[-1])
    yield Finding("lag is back to 0", lag_s <= _CAUGHT_UP_S, f"{figure(lag_s)} s at the end, {_longest_lag(ends)}")
    yield Finding("no group waits", waiting == 0, f"{waiting:,.0f} at the end")
    unpublished = ends[-1].get("hub_event_queue_depth", 1)
    yield Finding("everything is published", unpublished == 0, f"{unpublished:,.0f} triggers are not")
    silent = len(samples) - len(ends)
    yield Finding("the service always answered", silent == 0, f"{silent} of {len(samples)} looks got no metrics")


def _longest_lag(ends: Sequence[Mapping[str, float]]) -> str:
    return f"{figure(max(map(_lag_s, ends)))} s at most"


def _ending(ending: Ending) -> Iterable[Finding]:
    yield Finding(
        "the audit finds no difference",
        ending.differences == 0,
        "it did not end" if ending.differences is None else f"{ending.differences:,} of {ending.audited:,} triggers",
    )
    yield Finding(
        "the store is consistent",
        ending.wrong_checks == 0,
        "the check did not end" if ending.wrong_checks is None else f"{ending.wrong_checks} checks failed",
    )
    yield Finding(
        "a reader of events got every trigger once",
        ending.received == ending.recorded and ending.repeated == 0,
        f"{ending.received:,} of {ending.recorded:,}, {ending.repeated} twice",
    )


def _lag_s(metrics: Mapping[str, float]) -> float:
    return max((value for name, value in metrics.items() if name.startswith("hub_tick_lag_seconds{")), default=0.0)


def _waiting(metrics: Mapping[str, float]) -> float:
    return _sum(metrics, "hub_groups{", "state=waiting")


def _sum(metrics: Mapping[str, float], *parts: str) -> float:
    return sum(value for name, value in metrics.items() if all(part in name for part in parts))


_WORK: Mapping[str, Callable[[Mapping[str, float]], float]] = {
    "lag of the slowest timeframe, s": _lag_s,
    "groups waiting": _waiting,
    "groups stale": lambda metrics: _sum(metrics, "hub_groups{", "state=stale"),
    "triggers not published": lambda metrics: metrics.get("hub_event_queue_depth", 0.0),
    "triggers recorded": lambda metrics: metrics.get("hub_triggers_total", 0.0),
    "ticks recorded": lambda metrics: metrics.get("hub_ticks_total", 0.0),
    "failed runs": lambda metrics: _sum(metrics, "hub_failed_runs_total"),
    "restarts of loops": lambda metrics: _sum(metrics, "hub_loop_restarts_total"),
    "runs late": lambda metrics: metrics.get("hub_runs_late", 0.0),
}


def _processes(samples: Sequence[Sample]) -> list[str]:
    return sorted({name for one in samples for name in one.memory})


def _places(samples: Sequence[Sample]) -> list[str]:
    return sorted({_place(name) for one in samples for name in one.files})


def _place(name: str) -> str:
    """A file, or its folder where it has a name of its own for each night or run."""
    top = name.split("/", maxsplit=1)[0]
    if top == "backups":
        return "backups/"
    return "events/appendonlydir/" if "appendonly" in name else "prefect/storage/" if "/storage/" in name else name


def _size(sample: Sample, place: str) -> float:
    return sum(size for name, size in sample.files.items() if _place(name) == place)


def _memory_of(name: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.memory.get(name)


def _size_of(place: str) -> Callable[[Sample], float | None]:
    return lambda sample: _size(sample, place)


def _metric(read: Callable[[Mapping[str, float]], float]) -> Callable[[Sample], float | None]:
    return lambda sample: read(sample.metrics) if sample.metrics else None


def _row(what: str, samples: Sequence[Sample], read: Callable[[Sample], float | None]) -> list[str]:
    values = [value for one in samples if (value := read(one)) is not None]
    return [what, *(figure(mean) for mean in _quarters(samples, read)), figure(max(values, default=0.0))]


def _ends(samples: Sequence[Sample], read: Callable[[Sample], float | None]) -> tuple[float, float]:
    quarters = _quarters(samples, read)
    return quarters[0], quarters[-1]


def _quarters(samples: Sequence[Sample], read: Callable[[Sample], float | None]) -> list[float]:
    start, end = samples[0].at_ms + _WARM_MS, samples[-1].at_ms + 1
    values: dict[int, list[float]] = defaultdict(list)
    for one in samples:
        if one.at_ms >= start and (value := read(one)) is not None:
            values[(one.at_ms - start) * _QUARTERS // (end - start)].append(value)
    return [statistics.fmean(values[number]) if values[number] else 0.0 for number in range(_QUARTERS)]


def _is_flat(first: float, last: float) -> bool:
    return last <= max(first * _SHARE, first + _SLACK_MB)
