"""Inspects warm states: what they know, and what they read to know it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from common.candle_columns import VALUES
from engine.part import LoadSlot, Part
from flows.live import Live
from registry.groups import Series
from registry.store.files.file_store import FileStore


@dataclass(frozen=True)
class Read:
    """One read of a series' history."""

    series: str
    start_ms: int
    candles: int


class WatchedStore:
    """A store that notes which histories are read. ``cache`` replaces the store's own one."""

    def __init__(self, real: FileStore, cache: object | None = None) -> None:
        self._real = real
        self.reads: list[Read] = []
        self.cache = cache or real.cache
        self.candles = _WatchedCandles(real.candles, self.reads)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _WatchedCandles:
    def __init__(self, real: Any, reads: list[Read]) -> None:
        self._real = real
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def between(self, series: str, start_ms: int, stop_ms: int) -> pl.DataFrame:
        candles: pl.DataFrame = self._real.between(series, start_ms, stop_ms)
        self._reads.append(Read(series, start_ms, candles.height))
        return candles

    def within(self, series: Sequence[Series], start_ms: int, stop_ms: int) -> pl.DataFrame:
        candles: pl.DataFrame = self._real.within(series, start_ms, stop_ms)
        for name in series:
            self._reads.append(Read(name, start_ms, candles.filter(pl.col("series") == str(name)).height))
        return candles


class EmptyCache:
    """A cache that has lost everything."""

    def save(self, owner: str, rows: pl.DataFrame) -> None:
        """Forget the rows."""

    def of(self, series: list[str]) -> pl.DataFrame:
        """Nothing."""
        numbers = dict.fromkeys(("anchor_ms", "rebase", "open_ms", "candles"), pl.Int64)
        return pl.DataFrame(schema={"series": pl.String, "indicator": pl.String, **numbers, "state": pl.Binary})


def knowledge(live: Live) -> dict[str, object]:
    """Everything that later ticks depend on, under names that do not depend on its place. Numbers are bits."""
    known: dict[str, object] = {}
    for part in live.parts:
        # Groups that wait together know other series as they were then.
        kind = "alone" if part.is_alone else f"together at {max(part.reached.values())}"
        for name, value in _known_of(part).items():
            key = f"{kind}: {name}"
            assert key not in known or known[key] == value, f"two parts know different things of {key}"
            known[key] = value
    return known


def _known_of(part: Part) -> dict[str, object]:
    evaluator, plan = part._evaluator, part.plan
    known: dict[str, object] = {f"group {name}": reached for name, reached in part.reached.items()}
    for series, past in part.pasts():
        known[f"last candle of {series}"] = (past.open_ms, past.candles)
        for computation, carry in past.carries.items():
            known[f"{computation} of {series}"] = [
                carry.state.tobytes(),
                *(window.tobytes() for window in carry.windows),
            ]
    for (owner, operand), slot in plan.layout.slots.items():
        base = None if owner is None else plan.series[owner]
        known[f"{operand} for {base}"] = (
            repr(float(evaluator._now[slot])),
            repr(float(evaluator._before[slot])),
        )
    for position, condition in enumerate(plan.conditions):
        root = int(plan.roots[position])
        known[f"truth of {condition}"] = (int(evaluator._truths.array[root]), evaluator._firing.previous(position))
    return known


def load_of(live: Live) -> LoadSlot:
    """What a tick would load for a slot."""
    series = {series for part in live.parts for series in part.series}

    def load(timeframe: str, open_ms: int) -> dict[Series, tuple[float, ...]]:
        rows = live.reader.at(timeframe, open_ms, series)
        return dict(zip(rows["series"], rows.select(VALUES).rows(), strict=True))

    return load


def next_fired(live: Live, close_ms: int) -> list[tuple[object, ...]]:
    """What all groups fire on one more candle, which is not recorded."""
    fired_rows: list[tuple[object, ...]] = []
    for part in live.parts:
        for fired in part.move(part.groups, close_ms, load_of(live)).fired:
            values = {name: repr(value) for name, value in fired.values.items()}
            fired_rows.append((fired.condition.id, fired.price, fired.settled, values))
    return sorted(fired_rows, key=str)
