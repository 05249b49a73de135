"""What one worker does of a sweep: a series with at most 2,000 conditions.

A worker reads the candles itself, writes triggers and figures as Parquet, and answers with counts, so that it may be a
thread, a process, or a machine that sees the same files.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from analysis.backtesting.cluster import Cluster, executor_of
from analysis.backtesting.honesty import cautions_of_candles, look_ahead
from analysis.backtesting.judging import BaseCandles, Firings, base_candles, judge
from analysis.backtesting.rules import Rules
from analysis.backtesting.sources import CandleSource, ReadCandles
from analysis.backtesting.trading import BLOCKS, FIGURES, trade
from registry.conditions import Condition
from registry.groups import Series

MOST_CONDITIONS = 2000
_CHECKED = 5
"""Conditions of each unit that are judged again without the future."""


@dataclass(frozen=True)
class SweepUnit:
    """Conditions of one series, and where to write what becomes of them."""

    number: int
    source: CandleSource
    series: Series
    conditions: tuple[Condition, ...]
    exits: tuple[Condition | None, ...]
    """The exit condition of each, beside ``rules.exit`` that all share."""
    rules: Rules
    start_ms: int | None
    end_ms: int | None
    folder: Path
    triggers_to: Path | None
    """A folder for the triggers, if they are to be kept."""

    @property
    def cancelled_file(self) -> Path:
        """Whose existence ends all units: workers may be other processes."""
        return self.folder / "cancelled"

    @property
    def figures_file(self) -> Path:
        """:data:`analysis.backtesting.trading.FIGURES` and ``blocks``, one row a condition in their order."""
        return self.folder / f"figures-{self.number:05}.parquet"


@dataclass(frozen=True)
class UnitCounts:
    """What a unit did."""

    number: int
    candles: int
    candles_a_year: float
    marker: str
    """That of the candles: :attr:`analysis.backtesting.judging.BaseCandles.marker`."""
    first_open_ms: int
    last_close_ms: int
    triggers: int
    trades: int
    hold_return: float
    cautions: tuple[tuple[str, str], ...]
    """Kind and text, of the candles and of the look-ahead check."""


class _CancelledError(Exception):
    """The unit is not wanted any more."""


def run_unit(unit: SweepUnit) -> UnitCounts | None:
    """Judge and trade the conditions of a unit; ``None`` if the sweep is cancelled meanwhile."""
    try:
        return _done(unit)
    except _CancelledError:
        return None


def _done(unit: SweepUnit) -> UnitCounts:
    def look(_: int = 0) -> None:
        if unit.cancelled_file.exists():
            raise _CancelledError

    look()
    conditions = list(unit.conditions)
    exits = [each or unit.rules.exit for each in unit.exits]
    different = list(dict.fromkeys(each for each in exits if each is not None))
    judged = list(dict.fromkeys([*conditions, *different]))
    read = unit.source.read(judged)
    base, history = base_candles(read, unit.series, unit.start_ms, unit.end_ms)
    histories = {**read.histories, unit.series: history}
    firings, _ = judge(judged, histories, read, progress=look)
    place = {condition: number for number, condition in enumerate(judged)}
    own = chosen(firings, [place[condition] for condition in conditions]).within(base.first, base.stop)
    of_exits = chosen(firings, [place[condition] for condition in different]) if different else None
    exit_of = np.array([-1 if each is None else different.index(each) for each in exits], np.int64)
    traded = trade(base, own, of_exits, exit_of, unit.rules, progress=look)
    columns = {name: traded.figures[:, number] for number, name in enumerate(FIGURES)}
    blocks = pl.Series("blocks", traded.blocks.reshape(len(conditions), -1), dtype=pl.Array(pl.Float64, 2 * BLOCKS))
    pl.DataFrame(columns).with_columns(blocks).write_parquet(unit.figures_file)
    sample = conditions[:: max(1, len(conditions) // _CHECKED)][:_CHECKED]
    checked = chosen(firings, [place[condition] for condition in sample])
    ahead = look_ahead(sample, base, ReadCandles(histories, read.calendars), checked)
    cautions = [(each.kind, f"{sample[at]}: {each.text}") for at, each in ahead.items()]
    cautions += [(each.kind, f"{unit.series}: {each.text}") for each in cautions_of_candles(base)]
    look()
    if unit.triggers_to is not None:
        _write_triggers(unit.triggers_to / f"triggers-{unit.number:05}.parquet", own, base)
    return UnitCounts(
        number=unit.number,
        candles=base.candles,
        candles_a_year=base.candles_a_year,
        marker=base.marker,
        first_open_ms=int(base.opens_ms[base.first]),
        last_close_ms=int(base.closes_ms[base.stop - 1]),
        triggers=int(own.rows.size),
        trades=int(traded.column("trades").sum()),
        hold_return=float(base.prices[3, base.stop - 1] / base.prices[0, base.first]) - 1,
        cautions=tuple(cautions),
    )


@dataclass(frozen=True)
class TriggerUnit:
    """Conditions of one series whose triggers are to be written."""

    source: CandleSource
    conditions: tuple[Condition, ...]
    file: Path
    """The triggers of the whole history, as :func:`analysis.scan` has them."""


def write_triggers(unit: TriggerUnit) -> int:
    """Judge the conditions of a unit; returns the number of triggers."""
    read = unit.source.read(unit.conditions)
    _, triggers = judge(unit.conditions, read.histories, read, named=True)
    triggers.write_parquet(unit.file)
    return triggers.height


@contextmanager
def executor_or_threads(executor: Executor | Cluster | None, units: int) -> Iterator[Executor]:
    """The executor or the cluster of a caller, which stays open, or threads of this process."""
    if isinstance(executor, Cluster):
        yield executor_of(executor)
        return
    if executor is not None:
        yield executor
        return
    own = ThreadPoolExecutor(max_workers=max(1, min(units, os.cpu_count() or 1)), thread_name_prefix="backtest")
    try:
        yield own
    finally:
        own.shutdown(wait=True, cancel_futures=True)


def chosen(firings: Firings, numbers: Sequence[int]) -> Firings:
    """The firings of some conditions, in another order."""
    rows = [firings.of(number) for number in numbers]
    starts = np.concatenate([[0], np.cumsum([each.size for each in rows], dtype=np.int64)])
    return Firings(starts.astype(np.int64), np.concatenate(rows) if rows else np.zeros(0, np.int64))


def _write_triggers(file: Path, firings: Firings, base: BaseCandles) -> None:
    """``condition`` (its position in the unit) and ``close_time``, one row a trigger in the range."""
    numbers = np.repeat(np.arange(firings.starts.size - 1, dtype=np.uint16), np.diff(firings.starts))
    closes = pl.Series(base.closes_ms[firings.rows]).cast(pl.Datetime("ms", "UTC"))
    pl.DataFrame({"condition": numbers, "close_time": closes}).write_parquet(file)
