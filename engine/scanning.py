"""Whole histories judged: the conditions of a caller on a frame of candles, and the same ones on many instruments."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from common.errors import CandlesMissing
from common.grids import Grid
from engine.calendars import AnyCalendars, Calendars, as_calendars
from engine.candle_frames import ConditionSource, histories_of, read_conditions
from engine.candle_history import FrameHistory
from engine.history import NO_TRIGGERS, HistoryEvaluator, SpanBuffer
from engine.plan import make_plan
from engine.resampling import with_built
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import Instrument, normalise_instrument
from registry.other_instruments import on_instrument

if TYPE_CHECKING:
    import pandas as pd

_Progress = Callable[[int, int], object]


def scan(
    conditions: ConditionSource | Iterable[ConditionSource],
    candles: "pl.DataFrame | pd.DataFrame",
    *,
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
    progress: _Progress | None = None,
) -> pl.DataFrame:
    """Judge whole histories: ``condition_id condition symbol timeframe open_time close_time price settled``, one row a
    trigger, oldest first. ``condition`` is its text; ``symbol`` and ``timeframe`` are those of its own series.

    ``conditions`` is one condition or several, each a :class:`Condition`, a text or JSON. ``candles`` is a frame of
    polars or pandas with the columns ``symbol timeframe open_time open high low close volume`` (``exchange`` is
    optional, the argument is its default), sorted or not; :mod:`engine.candle_frames` says what else it may be. It may
    contain several series; without ``symbol`` and ``timeframe`` it is the one series that the conditions name. Equal
    rows count once, and the first candle of each series is its anchor. A missing series is built from the longest
    timeframe of its instrument that divides its own. ``calendars`` names the instruments (``NASDAQ:AAPL``) that trade
    in ``sessions``; all others trade ``24x7``. ``grids`` says where the slots of instruments begin that are not on
    UTC's grid, as :class:`common.grids.Grid` or its text (``day 16:00``). ``progress`` is called with the number of
    candles done and their total. Raises :class:`common.errors.CandlesMissing` for a condition without candles,
    :class:`common.errors.GridError` for a candle that does not open with a slot of its grid, and
    :class:`common.errors.CandleFrameError` for a frame that is unusable, or has two different candles of one slot.
    """
    parsed = read_conditions(conditions, exchange)
    histories, known = judged_histories(parsed, candles, exchange=exchange, calendars=calendars, grids=grids)
    by_base = _by_base(parsed)
    counted = _Counted(progress, sum(histories[series].height for series in by_base))
    buffer = SpanBuffer()
    evaluators = (
        HistoryEvaluator(make_plan(mine), _in_memory(histories), known, buffer=buffer) for mine in by_base.values()
    )
    return _triggers(evaluators, counted)


def scan_each(
    conditions: ConditionSource | Iterable[ConditionSource],
    candles: "pl.DataFrame | pd.DataFrame",
    symbols: Iterable[str],
    *,
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
    progress: _Progress | None = None,
) -> Iterator[tuple[Instrument, pl.DataFrame]]:
    """Judge the same conditions on each of many instruments: ``(instrument, triggers)``, one after the other.

    The triggers are those that :func:`scan` finds for the conditions with ``symbol`` in the place of their own; other
    instruments that they read stay. A condition is read once, and planned once if it reads no other instrument, however
    many there are; the triggers of one instrument are in memory at a time, if the caller keeps no more of them. Other
    arguments and errors are those of :func:`scan`; errors come before the first instrument is judged.
    """
    parsed = read_conditions(conditions, exchange)
    instruments = list(dict.fromkeys(normalise_instrument(symbol, exchange) for symbol in symbols))
    if not instruments:
        return iter(())
    alone = [condition for condition in parsed if len(condition.instruments) == 1]
    others = [condition for condition in parsed if len(condition.instruments) > 1]
    alike = _by_base(dict.fromkeys(on_instrument(condition, instruments[0]) for condition in alone))
    apart = {each: _by_base(on_instrument(condition, each) for condition in others) for each in instruments}
    examples = [on_instrument(mine[0], each) for mine in alike.values() for each in instruments]
    examples += [condition for by_base in apart.values() for mine in by_base.values() for condition in mine]
    plans = [make_plan(mine) for mine in alike.values()]
    wanted = {Series(each, series.timeframe) for each in instruments for plan in plans for series in plan.series}
    wanted |= {series for condition in examples for series in condition.all_series}
    histories, known = _histories(examples, wanted, candles, exchange, calendars, grids)
    bases = {Series(each, base.timeframe) for each in instruments for base in alike}
    bases |= {base for by_base in apart.values() for base in by_base}
    counted = _Counted(progress, sum(histories[series].height for series in bases))

    def judged() -> Iterator[tuple[Instrument, pl.DataFrame]]:
        in_memory, buffer = _in_memory(histories), SpanBuffer()
        for each in instruments:
            evaluators = [HistoryEvaluator(plan, in_memory, known, on=each, buffer=buffer) for plan in plans]
            for mine in apart[each].values():
                evaluators.append(HistoryEvaluator(make_plan(mine), in_memory, known, buffer=buffer))
            yield each, _triggers(evaluators, counted)

    return judged()


def judged_histories(
    conditions: Sequence[Condition],
    candles: "pl.DataFrame | pd.DataFrame",
    *,
    exchange: str,
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
) -> tuple[dict[Series, pl.DataFrame], Calendars]:
    """The candles of a frame that conditions are judged on, by series, and the calendars and grids of all series.

    Arguments and errors are those of :func:`scan`.
    """
    wanted = {series for condition in conditions for series in condition.all_series}
    return _histories(conditions, wanted, candles, exchange, calendars, grids)


def _histories(
    conditions: Sequence[Condition],
    wanted: Collection[Series],
    candles: "pl.DataFrame | pd.DataFrame",
    exchange: str,
    calendars: AnyCalendars | None,
    grids: Mapping[str, Grid | str] | None,
) -> tuple[dict[Series, pl.DataFrame], Calendars]:
    """``conditions`` name what the frame does not."""
    histories = histories_of(candles, conditions, exchange)
    known = as_calendars(calendars)
    if grids is not None:
        read = {name: Grid.parse(grid) if isinstance(grid, str) else grid for name, grid in grids.items()}
        known = replace(known, grids={**known.grids, **read})
    histories = with_built(histories, wanted, known)
    if missing := sorted(set(wanted) - set(histories)):
        raise CandlesMissing(f"no candles of {', '.join(missing)}; there are {', '.join(sorted(histories)) or 'none'}")
    for series in wanted:
        known.of(series).require_slots(series, histories[series]["open_time"].dt.epoch("ms").to_numpy())
    return histories, known


class _Counted:
    """Tells a caller how many candles are done."""

    def __init__(self, progress: _Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def add(self, candles: int) -> None:
        self._done += candles
        if self._progress is not None:
            self._progress(self._done, self._total)


def _triggers(evaluators: Iterable[HistoryEvaluator], counted: _Counted) -> pl.DataFrame:
    """The triggers of all evaluators, oldest first."""
    frames, judged = [NO_TRIGGERS], 0
    for evaluator in evaluators:
        judged += 1
        for rows in evaluator.rows():
            frames.append(evaluator.triggers(rows))
            counted.add(rows.opens.size)
    triggers = pl.concat(frames)
    # Those of one evaluator are in order.
    return triggers.sort("close_time", "condition_id") if judged > 1 else triggers


def _by_base(conditions: Iterable[Condition]) -> dict[Series, list[Condition]]:
    """Base series, in the order of their names -> its conditions."""
    by_base: dict[Series, list[Condition]] = {}
    for condition in conditions:
        by_base.setdefault(condition.series, []).append(condition)
    return dict(sorted(by_base.items(), key=lambda item: str(item[0])))


def _in_memory(histories: Mapping[Series, pl.DataFrame]) -> dict[Series, FrameHistory]:
    return {series: FrameHistory(history) for series, history in histories.items()}
