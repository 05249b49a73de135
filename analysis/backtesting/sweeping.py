"""Thousands of conditions at once, and what the best of them is worth."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analysis.backtesting.cluster import Cluster
from analysis.backtesting.deflation import deflate, overfitting_probability
from analysis.backtesting.rules import Rules
from analysis.backtesting.sources import CandleSource, sendable, source_of
from analysis.backtesting.sweep import METRICS, SeriesSweep, Sweep
from analysis.backtesting.templates import Combination, Combinations, Value, combine
from analysis.backtesting.trading import BLOCKS, FIGURES
from analysis.backtesting.trials import SESSION, SharedTrials, TrialLedger
from analysis.backtesting.units import MOST_CONDITIONS, SweepUnit, UnitCounts, executor_or_threads, run_unit
from common.direction import Direction
from common.errors import BacktestError
from common.grids import Grid
from common.timeframes import Moment, read_moment
from engine.calendars import AnyCalendars
from engine.candle_frames import ConditionSource, read_conditions
from registry.conditions import Condition
from registry.groups import Series
from registry.store.protocol import Store

if TYPE_CHECKING:
    import pandas as pd


_LOOK_S = 0.1
"""How often a sweep that can be cancelled looks whether it is."""
_COLUMNS = ("condition_id", "condition", *METRICS)


def sweep(
    conditions: str | Iterable[ConditionSource],
    candles: "pl.DataFrame | pd.DataFrame | Store | str | Path",
    parameters: Mapping[str, Sequence[Value]] | None = None,
    *,
    side: Direction = "long",
    exit: str | None = None,
    horizon: int | None = 24,
    stop_percent: float | None = None,
    target_percent: float | None = None,
    fee_percent: float = 0.1,
    slippage_percent: float = 0.05,
    start: Moment | None = None,
    end: Moment | None = None,
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
    token: str | None = None,
    trials: TrialLedger | None = None,
    executor: Executor | Cluster | None = None,
    triggers_to: Path | str | None = None,
    progress: Callable[[int, int], object] | None = None,
    cancel: Event | None = None,
) -> Sweep:
    """Trade every combination of parameters, or many conditions, and say what the best of them is worth.

    ``conditions`` is a template, ``"BTCUSDT 1h: rsi({period}) crosses_below {level}"``, whose ``parameters`` are
    ``{"period": range(5, 30), "level": range(20, 45, 5)}``; ``{symbol}`` may be one of them, and ``exit`` may be a
    template with some of the same. Without ``parameters`` it is a list of conditions. Candles and rules are those of
    :func:`analysis.backtest`.

    The work is cut into units, a series with at most 2,000 conditions each, that run on ``executor``: threads of this
    process by default, ``ProcessPoolExecutor(mp_context=get_context("spawn"))`` for processes, or a
    ``distributed.Client(…)`` for a cluster of Dask whose workers see the same files; units of a worker that ends are
    done again. A unit reads its candles itself and writes what it finds as Parquet; ``triggers_to`` is a folder in
    which the triggers are kept. ``progress`` is called with the number of units done and their total. Once ``cancel``
    is set, units that are under way end soon, no further one begins, and what is done is returned with ``complete``
    false. Raises
    :class:`common.errors.HubError` in all its forms.
    """
    combinations = _combinations(conditions, exit, parameters, exchange)
    rules = Rules(
        side=side,
        horizon=horizon,
        stop_percent=stop_percent,
        target_percent=target_percent,
        fee_percent=fee_percent,
        slippage_percent=slippage_percent,
    )
    source = source_of(candles, exchange=exchange, calendars=calendars, grids=grids, token=token)
    for each in combinations.made:
        if each.exit is not None and each.exit.series != each.condition.series:
            raise BacktestError(
                f"the exit condition {each.exit} is judged on another series than {each.condition}; name the same"
            )
    with TemporaryDirectory(prefix="hub-sweep-") as temporary:
        folder = Path(temporary)
        everything = list(dict.fromkeys(_all_conditions(combinations.made)))
        with sendable(source, folder, everything) as sent:
            units = list(
                _units(
                    combinations.made,
                    sent,
                    rules,
                    read_moment(start),
                    read_moment(end),
                    folder,
                    None if triggers_to is None else _made(Path(triggers_to)),
                )
            )
            counts = _run(units, executor, progress, cancel)
        ledger = SharedTrials(SESSION if trials is None else trials, source)
        return _gathered(combinations, units, counts, rules, source, ledger)


def _combinations(
    conditions: str | Iterable[ConditionSource],
    exit_template: str | None,
    parameters: Mapping[str, Sequence[Value]] | None,
    exchange: str,
) -> Combinations:
    if isinstance(conditions, str) and parameters is not None:
        return combine(conditions, exit_template, parameters, exchange)
    if parameters is not None:
        raise BacktestError("parameters need a template, one text with {names}; pass a list of conditions without them")
    if isinstance(conditions, str) and "{" in conditions:
        raise BacktestError(f"the template {conditions!r} has no parameters; pass them: {{'period': range(5, 30)}}")
    parsed = read_conditions(conditions, exchange)
    if not parsed:
        raise BacktestError("there is no condition to sweep over; pass a template with parameters, or a list")
    exits = None if exit_template is None else read_conditions(exit_template, exchange)[0]
    made = tuple(Combination({}, condition, exits) for condition in parsed)
    return Combinations((), made, ())


def _units(
    made: Sequence[Combination],
    source: CandleSource,
    rules: Rules,
    start_ms: int | None,
    end_ms: int | None,
    folder: Path,
    triggers_to: Path | None,
) -> Iterator[SweepUnit]:
    by_series: dict[Series, dict[tuple[Condition, Condition | None], None]] = {}
    for each in made:
        by_series.setdefault(each.condition.series, {})[each.condition, each.exit] = None
    number = 0
    for series, pairs in by_series.items():
        of_series = list(pairs)
        for begin in range(0, len(of_series), MOST_CONDITIONS):
            part = of_series[begin : begin + MOST_CONDITIONS]
            yield SweepUnit(
                number,
                source,
                series,
                tuple(condition for condition, _ in part),
                tuple(exit_condition for _, exit_condition in part),
                rules,
                start_ms,
                end_ms,
                folder,
                triggers_to,
            )
            number += 1


def _run(
    units: Sequence[SweepUnit],
    executor: Executor | Cluster | None,
    progress: Callable[[int, int], object] | None,
    cancel: Event | None,
) -> list[UnitCounts]:
    """Run units, two for each place that is free, so that little waits when it is to stop; what those have counted that
    reached their end."""
    done: list[UnitCounts] = []
    waiting = iter(units)
    running: set[Future[UnitCounts | None]] = set()
    with executor_or_threads(executor, len(units)) as pool:
        places = sum(executor.ncores().values()) if isinstance(executor, Cluster) else os.cpu_count() or 1
        ahead = 2 * max(1, places)
        try:
            while True:
                is_cancelled = cancel is not None and cancel.is_set()
                while len(running) < ahead and not is_cancelled:
                    unit = next(waiting, None)
                    if unit is None:
                        break
                    running.add(pool.submit(run_unit, unit))
                if not running:
                    return done
                if is_cancelled:
                    units[0].cancelled_file.touch()
                pause = None if cancel is None or is_cancelled else _LOOK_S
                finished, running = wait(running, pause, return_when=FIRST_COMPLETED)
                for future in finished:
                    counts = future.result()
                    if counts is not None:
                        done.append(counts)
                        if progress is not None:
                            progress(len(done), len(units))
        finally:
            for future in running:
                future.cancel()


def _gathered(
    combinations: Combinations,
    units: Sequence[SweepUnit],
    counts: Sequence[UnitCounts],
    rules: Rules,
    source: CandleSource,
    ledger: TrialLedger,
) -> Sweep:
    by_series: dict[Series, list[tuple[SweepUnit, UnitCounts]]] = {}
    for each in sorted(counts, key=lambda each: each.number):
        by_series.setdefault(units[each.number].series, []).append((units[each.number], each))
    rows: dict[tuple[Condition, Condition | None], dict[str, object]] = {}
    parts = []
    for series, done in by_series.items():
        part, figures = _of_series(series, done, ledger)
        parts.append(part)
        rows |= figures
    judged = tuple(each for each in combinations.made if (each.condition, each.exit) in rows)
    frame_rows = [{**each.values, **rows[each.condition, each.exit]} for each in judged]
    frame = pl.DataFrame(
        frame_rows, schema=None if rows else [*combinations.names, *_COLUMNS], infer_schema_length=None
    )
    cautions = tuple(dict.fromkeys(caution for each in counts for caution in each.cautions))
    return Sweep(
        frame=frame,
        names=combinations.names,
        series=tuple(parts),
        rules=rules,
        unreadable=combinations.unreadable,
        cautions=cautions,
        complete=len(counts) == len(units),
        combinations=judged,
        source=source,
        span_ms=(units[0].start_ms, units[0].end_ms),
        trials=ledger,
    )


def _of_series(
    series: Series, done: Sequence[tuple[SweepUnit, UnitCounts]], ledger: TrialLedger
) -> tuple[SeriesSweep, dict[tuple[Condition, Condition | None], dict[str, object]]]:
    """What a series says: of all conditions together, and the figures of each."""
    tables = [pl.read_parquet(unit.figures_file) for unit, _ in done]
    figures = np.concatenate([table.select(FIGURES).to_numpy() for table in tables])
    blocks = np.concatenate([table["blocks"].to_numpy() for table in tables]).reshape(-1, BLOCKS, 2)
    pairs = [pair for unit, _ in done for pair in zip(unit.conditions, unit.exits, strict=True)]
    answer = done[0][1]
    trials = ledger.record(series, answer.marker, [condition for condition, _ in pairs])
    begin = FIGURES.index("excess")
    deflation = deflate(
        figures[:, begin : begin + 4], blocks[:, :, 0], answer.candles, asked=len(pairs), trials=max(trials, len(pairs))
    )
    sizes = np.bincount(np.arange(answer.candles, dtype=np.int64) * BLOCKS // answer.candles, minlength=BLOCKS)
    part = SeriesSweep(
        series=series,
        candles=answer.candles,
        start_ms=answer.first_open_ms,
        end_ms=answer.last_close_ms,
        trials=deflation.trials,
        independent=deflation.independent,
        expected_best=deflation.threshold,
        overfitting=overfitting_probability(blocks, sizes),
        hold_return=answer.hold_return,
    )
    column = {name: figures[:, number] for number, name in enumerate(FIGURES)}
    means = column["net"] / answer.candles
    deviations = np.sqrt(np.maximum(column["net2"] / answer.candles - means**2, 0))
    rows: dict[tuple[Condition, Condition | None], dict[str, object]] = {}
    for number, pair in enumerate(pairs):
        trades = int(column["trades"][number])
        rows[pair] = {
            "condition_id": pair[0].id,
            "condition": str(pair[0]),
            "triggers": int(column["triggers"][number]),
            "trades": trades,
            "win_rate": float(column["wins"][number]) / trades if trades else None,
            "mean_trade_return": float(column["trade_net"][number]) / trades if trades else None,
            "total_return": float(column["growth"][number]) - 1,
            "max_drawdown": float(column["drawdown"][number]),
            "exposure": float(column["exposed"][number]) / answer.candles,
            "sharpe_a_year": (
                float(means[number] / deviations[number]) * answer.candles_a_year**0.5
                if deviations[number] > 0
                else None
            ),
            "excess_sharpe": float(deflation.ratios.ratio[number]),
            "deflated_sharpe": float(deflation.probabilities[number]),
        }
    return part, rows


def _all_conditions(made: Sequence[Combination]) -> Iterator[Condition]:
    for each in made:
        yield each.condition
        if each.exit is not None:
            yield each.exit


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
