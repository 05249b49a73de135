"""What a condition is right now: its truth on the newest closed candle, and since when.

No other candle is judged: :mod:`analysis.explain` says why it has a truth on any of them, :mod:`analysis.preview` how
often it would have fired.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.explain import TRUTHS
from analysis.valuation import Valuation
from registry.conditions import Condition
from registry.explanation import Truth
from registry.groups import Series
from registry.instruments import Calendar
from registry.language.as_text.text import to_text
from registry.language.tree import comparisons, variables


@dataclass(frozen=True)
class CurrentTruth:
    """A condition on the newest candle of its series. Times are close times in milliseconds."""

    truth: Truth
    since_ms: int
    """The first candle of this truth, without a missing one in between."""
    close_ms: int
    price: float
    settled: bool
    values: Mapping[str, float | None]
    """Operand -> value, named as in a trigger; ``None`` where it is not known."""


def current_truth(
    condition: Condition, histories: Mapping[Series, pl.DataFrame], calendars: Mapping[str, Calendar] | None = None
) -> CurrentTruth | None:
    """What a condition is now; ``None`` where one of its series has no candles.

    ``histories`` has the candles of each series that it reads, oldest first, from the anchor on; the instruments in
    ``calendars`` trade in sessions.
    """
    if any(histories.get(series, _NOTHING).is_empty() for series in condition.all_series):
        return None
    valuation = Valuation(condition, histories, calendars or {})
    truths = valuation.truth(condition.tree)
    row = truths.size - 1
    others = np.flatnonzero(truths != truths[row])
    since = max(int(others[-1]) + 1 if others.size else 0, row - int(valuation.steps_back[row]))
    read = dict.fromkeys(
        variable
        for comparison in comparisons(condition.tree)
        for variable in (*variables(comparison.left), *variables(comparison.right))
    )
    values = {to_text(variable, condition.series): float(valuation.value(variable)[row]) for variable in read}
    return CurrentTruth(
        truth=TRUTHS[truths[row]],
        since_ms=int(valuation.closes[since]),
        close_ms=int(valuation.closes[row]),
        price=float(valuation.close[row]),
        settled=valuation.settled(row),
        values={name: value if np.isfinite(value) else None for name, value in values.items()},
    )


_NOTHING = pl.DataFrame()
