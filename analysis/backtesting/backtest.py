"""What conditions would have done: the way in for backtests of a few conditions, with everything about each.

For many conditions, and what the best of them is worth, see :mod:`analysis.backtesting.sweeping`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analysis.backtesting.deflation import deflate
from analysis.backtesting.event_study import event_study
from analysis.backtesting.excursions import excursions
from analysis.backtesting.forward import forward_returns
from analysis.backtesting.honesty import cautions_of, cautions_of_candles, look_ahead
from analysis.backtesting.judging import BaseCandles, Firings, base_candles, firings_in, judge
from analysis.backtesting.report import Chance, ConditionReport, Report
from analysis.backtesting.rules import Rules
from analysis.backtesting.sources import CandleSource, ReadCandles, sendable, source_of
from analysis.backtesting.trading import FIGURES, trade, trades_of
from analysis.backtesting.trials import SESSION, SharedTrials, TrialLedger
from analysis.backtesting.units import TriggerUnit, executor_or_threads, write_triggers
from common.direction import Direction
from common.errors import BacktestError
from common.grids import Grid
from common.timeframes import Moment, read_moment
from engine.calendars import AnyCalendars
from engine.candle_frames import ConditionSource, read_conditions
from engine.candle_history import CandleHistory
from indicators.compute import Array
from registry.conditions import Condition
from registry.groups import Series
from registry.store.protocol import Store

if TYPE_CHECKING:
    import pandas as pd

HORIZONS = (1, 4, 24)
MOST_CONDITIONS = 200
_MOST_JUDGED = 50_000_000
"""Candles times conditions of earlier tries that are judged again to deflate a report."""
_BEFORE = 10
"""Candles before a trigger that the event study shows."""


def backtest(
    conditions: ConditionSource | Iterable[ConditionSource],
    candles: "pl.DataFrame | pd.DataFrame | Store | str | Path",
    *,
    side: Direction = "long",
    exit: ConditionSource | None = None,
    horizon: int | None = None,
    stop_percent: float | None = None,
    target_percent: float | None = None,
    fee_percent: float = 0.1,
    slippage_percent: float = 0.05,
    horizons: Sequence[int] = HORIZONS,
    start: Moment | None = None,
    end: Moment | None = None,
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
    token: str | None = None,
    seed: int = 1,
    trials: TrialLedger | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Report:
    """What conditions would have done on past candles, and whether that is more than chance.

    ``conditions`` is one condition or several, as for :func:`analysis.scan`. ``candles`` is a frame as it takes them,
    an open store, the URL of one (``duckdb:PATH`` or ``http://HOST:PORT`` with its ``token``), or a Parquet file; from
    a store they are those that live evaluation judges. Indicators start with the first candle, as they do live;
    triggers count if their candle closes after ``start`` and by ``end``, by default all.

    Entry and exit follow :mod:`analysis.backtesting.rules`: entry at the next open; exit by the condition ``exit`` (of
    the same series), after ``horizon`` candles, at a stop or a target in percent of the entry's price, whichever comes
    first. Without any of them, a position lasts as long as the longest of ``horizons``, for which forward returns are
    shown. ``fee_percent`` and ``slippage_percent`` are paid on each fill.

    ``seed`` is that of the bootstrap. ``trials`` knows what was tried before, by default in this process; what others
    tried on a store counts as well. Conditions of several series are judged on ``executor``, by default threads.
    ``progress`` is called with the number of series done and their total. Raises :class:`common.errors.HubError` in all
    its forms for what cannot be read or done.
    """
    parsed = read_conditions(conditions, exchange)
    if not parsed:
        raise BacktestError("there is no condition to test; pass one, such as 'BTCUSDT 1h: rsi(14) crosses_below 30'")
    if len(parsed) > MOST_CONDITIONS:
        raise BacktestError(
            f"{len(parsed):,} conditions are too many for a report on each ({MOST_CONDITIONS} at most); use"
            " analysis.sweep for many"
        )
    wanted = read_horizons(horizons)
    exits = [] if exit is None else read_conditions(exit, exchange)
    if exits and any(condition.series != exits[0].series for condition in parsed):
        raise BacktestError(f"the exit condition is judged on {exits[0].series}; each condition must be of that series")
    ends = (exit, horizon, stop_percent, target_percent)
    rules = Rules(
        side=side,
        exit=exits[0] if exits else None,
        horizon=wanted[-1] if all(each is None for each in ends) else horizon,
        stop_percent=stop_percent,
        target_percent=target_percent,
        fee_percent=fee_percent,
        slippage_percent=slippage_percent,
    )
    source = source_of(candles, exchange=exchange, calendars=calendars, grids=grids, token=token)
    span = read_moment(start), read_moment(end)
    by_series: dict[Series, list[Condition]] = {}
    for condition in parsed:
        by_series.setdefault(condition.series, []).append(condition)
    ledger = SharedTrials(SESSION if trials is None else trials, source)
    judged = {series: _with_exit(mine, rules) for series, mine in by_series.items()}
    parts: dict[Condition, ConditionReport] = {}
    with _judged(judged, source, executor) as (sent, triggers):
        for number, (series, mine) in enumerate(by_series.items(), 1):
            reports = _reports(mine, sent, rules, wanted, span, seed, ledger, triggers(series))
            parts |= {part.condition: part for part in reports}
            if progress is not None:
                progress(number, len(by_series))
    return Report(tuple(parts[condition] for condition in parsed), rules, wanted)


def _with_exit(conditions: list[Condition], rules: Rules) -> list[Condition]:
    return conditions if rules.exit is None else list(dict.fromkeys([*conditions, rules.exit]))


@contextmanager
def _judged(
    by_series: Mapping[Series, Sequence[Condition]], source: CandleSource, executor: Executor | None
) -> Iterator[tuple[CandleSource, Callable[[Series], pl.DataFrame | None]]]:
    """The triggers of several series, judged on an executor, which writes them as Parquet; those of a single one are
    left to who asks for them."""
    if len(by_series) == 1 and executor is None:
        yield source, lambda _: None
        return
    everything = list(dict.fromkeys(each for conditions in by_series.values() for each in conditions))
    with (
        TemporaryDirectory(prefix="hub-backtest-") as temporary,
        sendable(source, Path(temporary), everything) as sent,
        executor_or_threads(executor, len(by_series)) as pool,
    ):
        units = {
            series: TriggerUnit(sent, tuple(conditions), Path(temporary) / f"triggers-{number:05}.parquet")
            for number, (series, conditions) in enumerate(by_series.items())
        }
        futures = {series: pool.submit(write_triggers, unit) for series, unit in units.items()}

        def read(series: Series) -> pl.DataFrame:
            futures[series].result()
            return pl.read_parquet(units[series].file)

        try:
            yield sent, read
        finally:
            for future in futures.values():
                future.cancel()


def report_of(
    condition: Condition,
    source: CandleSource,
    rules: Rules,
    span: tuple[int | None, int | None],
    ledger: TrialLedger,
) -> Report:
    """The report of one condition by rules that are known already, on candles that close after the first time of a span
    (ms) and by the second."""
    parts = _reports([condition], source, rules, HORIZONS, span, 1, ledger, None)
    return Report(tuple(parts), rules, HORIZONS)


def read_horizons(horizons: Sequence[int]) -> tuple[int, ...]:
    """Horizons in candles, shortest first, each once."""
    wanted = tuple(sorted(set(horizons)))
    if not wanted or any(not isinstance(each, int) or each < 1 for each in wanted):
        raise BacktestError(f"horizons are {tuple(horizons)}; they are whole numbers of candles from 1 on")
    return wanted


def _reports(
    conditions: list[Condition],
    source: CandleSource,
    rules: Rules,
    horizons: tuple[int, ...],
    span: tuple[int | None, int | None],
    seed: int,
    ledger: TrialLedger,
    known_triggers: pl.DataFrame | None,
) -> list[ConditionReport]:
    """The parts of conditions of one series. ``known_triggers`` are those of the exit condition, too."""
    series = conditions[0].series
    judged = _with_exit(conditions, rules)
    read = source.read(judged)
    base, history = base_candles(read, series, *span)
    histories = {**read.histories, series: history}
    if known_triggers is None:
        firings, triggers = judge(judged, histories, read, named=True)
    else:
        firings, triggers = firings_in(known_triggers, base, judged), known_triggers
    exits = None if rules.exit is None else _only(firings, judged.index(rules.exit))
    mine = _first(firings, len(conditions)).within(base.first, base.stop)
    chances, figures = _chances(conditions, mine, exits, base, read, histories, rules, ledger)
    future = look_ahead(judged, base, ReadCandles(histories, read.calendars), firings)
    of_candles = tuple(cautions_of_candles(base))
    within = triggers.filter(
        triggers["close_time"]
        .dt.epoch("ms")
        .is_between(int(base.closes_ms[base.first]), int(base.closes_ms[base.stop - 1]))
    )
    by_id = within.partition_by("condition_id", as_dict=True)
    reports = []
    for number, condition in enumerate(conditions):
        rows = mine.of(number)
        own = by_id.get((condition.id,), within.clear())
        traded = trades_of(base, rows, exits, rules)
        closed = traded.closed.height
        ahead = [future[at] for at in (number, *([judged.index(rules.exit)] if rules.exit else ())) if at in future]
        reports.append(
            ConditionReport(
                condition=condition,
                base=base,
                triggers=own,
                forward=forward_returns(base, rows, horizons, rules.sign, seed),
                excursions=excursions(base, rows, horizons[-1], rules.sign),
                event_study=event_study(base, rows, min(_BEFORE, horizons[-1]), horizons[-1]),
                traded=traded,
                ignored=int(figures[number, FIGURES.index("ignored")]),
                exposed=int(figures[number, FIGURES.index("exposed")]),
                drawdown=float(figures[number, FIGURES.index("drawdown")]),
                chance=chances[number],
                cautions=(*ahead[:1], *cautions_of(condition, base, own, rows, closed, horizons[-1]), *of_candles),
            )
        )
    return reports


def _chances(
    conditions: list[Condition],
    firings: Firings,
    exits: Firings | None,
    base: BaseCandles,
    read: ReadCandles,
    histories: Mapping[Series, CandleHistory],
    rules: Rules,
    ledger: TrialLedger,
) -> tuple[list[Chance], Array]:
    """How likely each condition's result is luck, with the figures of their trades; what was tried before on the same
    candles is traded by the same rules."""
    traded = trade(base, firings, exits, None, rules)
    earlier = [each for each in ledger.tried(base.series, base.marker) if each not in set(conditions)]
    trials = ledger.record(base.series, base.marker, conditions)
    most = _MOST_JUDGED // base.opens_ms.size
    readable = [each for each in earlier[::-1] if set(each.all_series) <= set(histories)][:most]
    figures, blocks = traded.figures, traded.blocks
    if readable:
        fired, _ = judge(readable, histories, read)
        others = trade(base, fired.within(base.first, base.stop), exits, None, rules)
        figures, blocks = np.concatenate([figures, others.figures]), np.concatenate([blocks, others.blocks])
    begin = FIGURES.index("excess")
    deflation = deflate(
        figures[:, begin : begin + 4], blocks[:, :, 0], base.candles, asked=len(conditions), trials=trials
    )
    chances = [
        Chance(trials, deflation.independent, float(ratio), deflation.threshold, float(probability))
        for ratio, probability in zip(deflation.ratios.ratio, deflation.probabilities, strict=True)
    ]
    return chances, traded.figures


def _only(firings: Firings, number: int) -> Firings:
    rows = firings.of(number)
    return Firings(np.array([0, rows.size], np.int64), rows)


def _first(firings: Firings, count: int) -> Firings:
    return Firings(firings.starts[: count + 1], firings.rows[: firings.starts[count]])
