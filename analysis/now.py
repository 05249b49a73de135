"""What a condition is right now: its truth on the newest closed candle, and since when.

No other candle is judged: :mod:`analysis.explain` says why it has a truth on any of them, :mod:`analysis.preview` how
often it would have fired.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.explain import TRUTHS
from analysis.valuation import Valuation
from common.timeframes import DURATION_MS
from engine.candle_history import AnyHistory, as_history, has_candles
from engine.history import HistoryEvaluator, span_of
from engine.plan import make_plan
from engine.program import FALSE, TRUE, UNKNOWN
from registry.conditions import Condition
from registry.explanation import Truth
from registry.groups import Series
from registry.instruments import Calendar
from registry.language.as_text.text import to_text
from registry.language.tree import Every, Node, Not, comparisons, variables

_RECENT = 1000
"""Candles on which the beginning of the present truth is looked for first: it is there for nearly all conditions, and
all that is needed for it is there already."""


@dataclass(frozen=True)
class CurrentTruth:
    """A condition on the newest candle of its series. Times are close times in milliseconds."""

    truth: Truth
    since_ms: int | None
    """The first candle of this truth, without a missing one in between; ``None`` where that was not looked for."""
    close_ms: int
    price: float
    settled: bool
    values: Mapping[str, float | None]
    """Operand -> value, named as in a trigger; ``None`` where it is not known."""


def current_truth(
    condition: Condition,
    histories: Mapping[Series, AnyHistory],
    calendars: Mapping[str, Calendar] | None = None,
    *,
    with_since: bool = True,
) -> CurrentTruth | None:
    """What a condition is now; ``None`` where one of its series has no candles.

    ``histories`` has the candles of each series that it reads, oldest first, from the anchor on; the instruments in
    ``calendars`` trade in sessions. ``with_since=False`` leaves out ``since_ms`` where the whole history would have to
    be judged for it.
    """
    if not all(has_candles(histories.get(series)) for series in condition.all_series):
        return None
    calendars = calendars or {}
    valuation = Valuation(condition, histories, calendars, last=_RECENT)
    recent = valuation.truth(condition.tree)[-_RECENT:]
    row = valuation.opens.size - 1
    other = np.flatnonzero(recent != recent[-1])
    length = recent.size - 1 - int(other[-1]) if other.size else recent.size
    run = int(valuation.steps_back[row]) + 1
    since_ms: int | None = None
    if run <= length or length < recent.size or valuation.candles(condition.series, row) == recent.size:
        since_ms = int(valuation.closes[row + 1 - min(run, length)])
    elif with_since:
        since_ms = _since(condition, histories, calendars, int(recent[-1]))
    read = dict.fromkeys(
        variable
        for comparison in comparisons(condition.tree)
        for variable in (*variables(comparison.left), *variables(comparison.right))
    )
    values = {to_text(variable, condition.series): float(valuation.value(variable)[row]) for variable in read}
    return CurrentTruth(
        truth=TRUTHS[recent[-1]],
        since_ms=since_ms,
        close_ms=int(valuation.closes[row]),
        price=float(valuation.close[row]),
        settled=valuation.settled(row),
        values={name: value if np.isfinite(value) else None for name, value in values.items()},
    )


def _since(
    condition: Condition, histories: Mapping[Series, AnyHistory], calendars: Mapping[str, Calendar], truth: int
) -> int:
    """Close time of the first candle of a truth that lasts to the end of the history, judged as in a scan."""
    told: dict[int, Node] = {TRUE: Every(condition.tree), FALSE: Every(Not(condition.tree))}
    plan = make_plan(
        replace(condition, id=f"{condition.id} {value}", tree=node, momentary=True) for value, node in told.items()
    )
    values = np.empty(len(plan.conditions), np.uint8)
    for value in told:
        values[[known.id for known in plan.conditions].index(f"{condition.id} {value}")] = value
    streams = {series: as_history(histories[series]) for series in plan.series}
    evaluator = HistoryEvaluator(plan, streams, calendars, span=span_of(plan))
    before, since = -1, 0
    for rows in evaluator.rows():
        at, which = evaluator.judge(rows)
        truths = np.full(rows.opens.size, UNKNOWN, np.uint8)
        truths[at] = values[which]
        changed = ~rows.adjacent[1:]
        changed |= truths != np.concatenate([[before], truths[:-1]])
        if changed.any():
            since = int(rows.opens[np.flatnonzero(changed)[-1]])
        before = int(truths[-1])
    assert before == truth, "the two evaluations disagree"
    return since + DURATION_MS[condition.timeframe]
