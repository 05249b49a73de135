"""Judges rule tests: by :mod:`analysis.valuation`, which agrees with ticks and scans to the last bit."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.rule_tests.cases import RuleTest, SeriesCase
from analysis.stretches import Calculation, Outputs, Stretch, computed, whole_stretch
from analysis.valuation import Valuation, wanted_of
from common.timeframes import show_time
from engine.program import FALSE, TRUE, UNKNOWN
from indicators.compute import Array, Candles
from registry.groups import Series
from registry.language.as_text.text import to_text
from registry.language.desugar import desugar
from registry.language.tree import IndicatorOutput, Variable, variables

_TRUTHS = {TRUE: "TRUE", FALSE: "FALSE", UNKNOWN: "UNKNOWN", None: "a missing candle"}
_MOST_FAILURES = 20
_MOST_VALUES = 6


@dataclass(frozen=True)
class RuleOutcome:
    """What became of a test; without ``failures`` it has passed."""

    test: RuleTest
    fired: tuple[int, ...]
    """The bars on which the condition fires."""
    failures: tuple[str, ...]


def judge(test: RuleTest) -> RuleOutcome:
    """Judge a condition on the candles of a test, and compare with what is expected."""
    run = _Run(test)
    failures = list(run.failures())
    left_out = len(failures) - _MOST_FAILURES
    if left_out > 0:
        failures = [*failures[:_MOST_FAILURES], f"… and {left_out:,} more"]
    return RuleOutcome(test, tuple(run.fired), tuple(failures))


class _Run:
    def __init__(self, test: RuleTest) -> None:
        self._test = test
        written = desugar(test.condition.surface, test.condition.series)
        # As it is written: canonical form may read other outputs than those whose values the test gives.
        self._condition = replace(test.condition, tree=written)
        self._read = tuple(dict.fromkeys(variables(written)))
        wanted = wanted_of(self._condition, self._read)
        stretches = {series: _stretch(test, series, wanted[series]) for series in wanted}
        self._values = Valuation.over(self._condition, stretches)
        slots = test.calendars.of(self._condition.series).slots
        self._first = slots.number(test.series[self._condition.series].start_ms)
        bars = np.asarray(slots.number(self._values.opens), np.int64) - self._first
        self._rows = {int(bar): row for row, bar in enumerate(bars)}
        self.fired: list[int] = bars[self._values.fires()].tolist()
        self._slots = slots

    def failures(self) -> Iterator[str]:
        test, fired = self._test, set(self.fired)
        if test.fires is not None:
            for bar in sorted(fired.symmetric_difference(test.fires)):
                what = "fires, which is not expected" if bar in fired else "does not fire, as is expected"
                yield f"{self._bar(bar)}: it {what}: {self._state(bar)}"
        if test.fires_count is not None and len(fired) != test.fires_count:
            shown = f", on bars {', '.join(map(str, self.fired[:_MOST_FAILURES]))}" if fired else ""
            yield f"it fires {len(fired):,} times{shown}; {test.fires_count:,} are expected"
        if test.truth is not None:
            truths = self._values.truth(self._condition.tree)
            for bar, expected in enumerate(test.truth):
                row = self._rows.get(bar)
                truth = None if row is None else int(truths[row])
                if truth != expected:
                    yield f"{self._bar(bar)}: {_TRUTHS[expected]} is expected: {self._state(bar)}"

    def _bar(self, bar: int) -> str:
        return f"bar {bar}, {show_time(self._slots.open(self._first + bar))}"

    def _state(self, bar: int) -> str:
        """What is there on a bar, for the reader of a failure."""
        row = self._rows.get(bar)
        if row is None:
            return "there is no candle"
        values, tree = self._values, self._condition.tree
        truth, before = (int(column[row]) for column in (values.truth(tree), values.truth_before(tree)))
        shown = [
            f"{to_text(variable, self._condition.series, short=True)} {self._number(variable, row)}"
            for variable in self._read[:_MOST_VALUES]
        ]
        return f"it is {_TRUTHS[truth]}, one step before {_TRUTHS[before]} ({', '.join(shown)})"

    def _number(self, variable: Variable, row: int) -> str:
        column = self._values.value(variable)
        now, before = (
            f"{value:.8g}" if np.isfinite(value) else "not known"
            for value in (column[row], self._values.before(column)[row])
        )
        return f"{now}, before {before}"


def _stretch(test: RuleTest, series: Series, wanted: Collection[Variable]) -> Stretch:
    """The candles of a series with the values of its indicators: those of the test, and computed ones."""
    case = test.series[series]

    def compute(
        calculation: Calculation, outputs: Sequence[IndicatorOutput], columns: Candles, values: Mapping[Variable, Array]
    ) -> Outputs:
        injected = {output: _injected(case, output) for output in outputs if output in case.injected}
        return {**computed(calculation, outputs, columns, values), **injected}

    return whole_stretch(case.candles, test.calendars.of(series), wanted, compute)


def _injected(case: SeriesCase, output: IndicatorOutput) -> Array:
    """What a test says that an indicator is, on the candles that exist."""
    return np.array([value for value in case.injected[output] if value is not None], np.float64)
