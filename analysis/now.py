"""What a condition is right now: its truth on the newest closed candle, and since when.

No other candle is judged: :mod:`analysis.explain` says why it has a truth on any of them, :mod:`analysis.preview` how
often it would have fired.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.explain import TRUTHS
from analysis.valuation import Valuation
from condition_hub.explanation import Truth
from engine.calendars import AnyCalendars, Calendars, as_calendars
from engine.candle_history import AnyHistory, as_history, has_candles
from engine.history import HistoryEvaluator, span_of
from engine.plan import make_plan
from engine.program import FALSE, TRUE, UNKNOWN
from registry.conditions import Condition
from registry.groups import Series
from registry.language.as_text.text import to_text
from registry.language.tree import Every, Node, Not, comparisons, operands, variables

_RECENT = 1000
_RECENT_VALUES = 1 << 17
"""Candles, and candles times operands, among which the beginning of the present truth is looked for first: whichever is
more. It is there for nearly all conditions, and the values are at hand."""
_FARTHER = 64


@dataclass(frozen=True)
class CurrentTruth:
    """A condition on the newest candle of its series. Times are milliseconds, of closes unless it is said otherwise."""

    truth: Truth
    since_ms: int | None
    """The first candle of this truth, without a missing one in between; ``None`` if it is too far back to look for."""
    open_ms: int
    """Open time of that candle."""
    close_ms: int
    price: float
    settled: bool
    values: Mapping[str, float | None]
    """Operand -> value, named as in a trigger; ``None`` where it is not known."""


def current_truth(
    condition: Condition,
    histories: Mapping[Series, AnyHistory],
    calendars: AnyCalendars | None = None,
    *,
    most_values: int | None = None,
) -> CurrentTruth | None:
    """What a condition is now; ``None`` where one of its series has no candles.

    ``histories`` has the candles of each series that it reads, oldest first, from the anchor on; ``calendars`` says
    which instruments trade in sessions, and on which grids series are. ``most_values`` bounds how far back ``since_ms``
    is looked for: candles times operands, no matter how many by default.
    """
    if not all(has_candles(histories.get(series)) for series in condition.all_series):
        return None
    known = as_calendars(calendars)
    most_recent = max(_RECENT, _RECENT_VALUES // sum(1 for _ in operands(condition.tree)))
    valuation = Valuation(condition, histories, known, last=most_recent)
    recent = valuation.truth(condition.tree)[-most_recent:]
    row = valuation.opens.size - 1
    other = np.flatnonzero(recent != recent[-1])
    length = recent.size - 1 - int(other[-1]) if other.size else recent.size
    run = int(valuation.steps_back[row]) + 1
    since_ms: int | None = None
    if run <= length or length < recent.size or valuation.candles(condition.series, row) == recent.size:
        since_ms = int(valuation.closes[row + 1 - min(run, length)])
    elif most_values is None or most_values > 0:
        since_ms = _since(condition, histories, known, most_values)
    read = dict.fromkeys(
        variable
        for comparison in comparisons(condition.tree)
        for variable in (*variables(comparison.left), *variables(comparison.right))
    )
    values = {to_text(variable, condition.series): float(valuation.value(variable)[row]) for variable in read}
    return CurrentTruth(
        truth=TRUTHS[recent[-1]],
        since_ms=since_ms,
        open_ms=int(valuation.opens[row]),
        close_ms=int(valuation.closes[row]),
        price=float(valuation.close[row]),
        settled=valuation.settled(row),
        values={name: value if np.isfinite(value) else None for name, value in values.items()},
    )


def _since(
    condition: Condition,
    histories: Mapping[Series, AnyHistory],
    calendars: Calendars,
    most_values: int | None,
) -> int | None:
    """Close time of the first candle of a truth that lasts to the end of the history, judged as in a scan; ``None`` if
    more than ``most_values`` would have to be judged."""
    told: dict[int, Node] = {TRUE: Every(condition.tree), FALSE: Every(Not(condition.tree))}
    ids = {f"{condition.id} {value}": value for value in told}
    plan = make_plan(replace(condition, id=name, tree=told[value], momentary=True) for name, value in ids.items())
    values = np.array([ids[known.id] for known in plan.conditions], np.uint8)
    streams = {series: as_history(histories[series]) for series in plan.series}
    calendar, base = calendars.of(condition.series), streams[condition.series]
    newest = calendar.slots.number(base.last_open_ms)
    candles = newest - calendar.slots.number(base.first_open_ms) + 1
    most = candles if most_values is None else most_values // plan.slots
    reach = _RECENT
    while reach < min(candles, most):
        # What is not found among the newest candles is looked for in several times as many.
        reach = min(reach * _FARTHER, candles, most)
        from_ms = max(base.first_open_ms, calendar.slots.open(newest - (reach - 1)))
        evaluator = HistoryEvaluator(plan, streams, calendars, span=span_of(plan))
        since = _last_change(evaluator, values, from_ms)
        if since is not None:
            return calendar.close(since)
    return None


def _last_change(evaluator: HistoryEvaluator, values: NDArray[np.uint8], from_ms: int) -> int | None:
    """Open time of the last candle with another truth than the one before it, or with none one step before it.

    Only candles that open after ``from_ms`` count, and the first of all if it opens then. ``values`` has the truth that
    each condition tells when it fires.
    """
    before = -1
    last: int | None = None
    for rows in evaluator.rows(from_ms):
        at, which = evaluator.judge(rows)
        truths = np.full(rows.opens.size, UNKNOWN, np.uint8)
        truths[at] = values[which]
        changed = (truths != np.concatenate([[before], truths[:-1]])) | ~rows.adjacent[1:]
        counts = rows.opens > from_ms
        counts[0] |= rows.counts[evaluator.base][0] == 1 and rows.opens[0] >= from_ms
        changed &= counts
        if changed.any():
            last = int(rows.opens[np.flatnonzero(changed)[-1]])
        before = int(truths[-1])
    return last
