"""What a sweep says: every combination with its figures, and what its best is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from analysis.backtesting.honesty import FEW
from analysis.backtesting.report import SIGNIFICANT
from analysis.backtesting.rules import Rules
from analysis.backtesting.sources import CandleSource
from analysis.backtesting.templates import Combination, Value
from analysis.backtesting.trials import TrialLedger
from common.errors import BacktestError
from common.spelling import did_you_mean
from common.timeframes import iso_time
from registry.groups import Series

if TYPE_CHECKING:
    from analysis.backtesting.report import Report

METRICS = (
    "total_return", "deflated_sharpe", "excess_sharpe", "sharpe_a_year", "max_drawdown", "win_rate",
    "mean_trade_return", "trades", "triggers", "exposure",
)  # fmt: skip


@dataclass(frozen=True)
class SeriesSweep:
    """What a sweep says about one series. Sharpe ratios are per candle, of excess returns before costs."""

    series: Series
    candles: int
    start_ms: int
    end_ms: int
    trials: int
    """Distinct conditions that are known to have been tried on it."""
    independent: float
    """How many of them do not behave alike."""
    expected_best: float
    """The ratio that the best of so many is expected to have by chance."""
    overfitting: float | None
    """The probability of backtest overfitting: how often the best of one half of the range is not better than the
    median in the other. ``None`` for a single condition."""
    hold_return: float


@dataclass(frozen=True)
class Sweep:
    """A sweep over many conditions."""

    frame: pl.DataFrame
    """One row a combination: the parameters, ``condition_id``, ``condition``, and :data:`METRICS`; shares, not
    percent."""
    names: tuple[str, ...]
    """The parameters."""
    series: tuple[SeriesSweep, ...]
    rules: Rules
    unreadable: tuple[tuple[Mapping[str, Value], str], ...]
    """Combinations that make no condition, and why."""
    cautions: tuple[tuple[str, str], ...]
    """Kind and text: the look-ahead check of a sample, and what the candles of each series give."""
    complete: bool
    """False if it was cancelled: only what was done by then is here."""
    combinations: tuple[Combination, ...]
    """Those of the rows of ``frame``."""
    source: CandleSource
    span_ms: tuple[int | None, int | None]
    """Triggers are those of candles that close after the first time, and by the second."""
    trials: TrialLedger

    @property
    def best(self) -> pl.DataFrame:
        """The combination of each series with the highest deflated Sharpe ratio, as in ``frame``; of those with fewer
        than 30 trades, which say nothing, only if there is no other."""
        rows = []
        for part in self.series:
            mine = self.of_series(part.series)
            enough = mine.filter(pl.col("trades") >= FEW)
            rows.append((enough if enough.height else mine).sort("excess_sharpe", descending=True).head(1))
        return pl.concat(rows) if rows else self.frame.clear()

    def of_series(self, series: Series) -> pl.DataFrame:
        """The rows of one series."""
        return self.frame.filter(np.array([each.condition.series == series for each in self.combinations], np.bool_))

    @property
    def verdict(self) -> str:
        """What to make of the best, in one sentence."""
        if not self.series:
            return "nothing was judged"
        if any(kind == "look-ahead" for kind, _ in self.cautions):
            return "conditions know the future: nothing of this can be had"
        best = self.best
        enough = best.filter(pl.col("trades") >= FEW)
        if enough.is_empty():
            return "too few trades to say anything"
        # Each series has its own best: with several, the best of them is one more choice.
        needed = 1 - (1 - SIGNIFICANT) / enough.height
        better = enough.filter(pl.col("deflated_sharpe") >= needed)
        if better.is_empty():
            return "the best of them is what noise gives"
        if not (better["total_return"] > 0).any():
            return "the best of them knows more than noise, but not after costs"
        return "the best of them is more than noise gives"

    def report(self, condition_id: str | None = None, **values: Value) -> "Report":
        """The whole backtest of one combination, by default the best, by the same rules on the same range.

        It is named by its condition, by values of its parameters (``report(period=14, level=30)``), or both. Raises
        :class:`common.errors.BacktestError` if that is none or several.
        """
        from analysis.backtesting.backtest import report_of

        combination = self._combination(condition_id, values)
        rules = replace(self.rules, exit=combination.exit or self.rules.exit)
        return report_of(combination.condition, self.source, rules, self.span_ms, self.trials)

    def _combination(self, condition_id: str | None, values: Mapping[str, Value]) -> Combination:
        for name in values:
            self._check_name(name)
        if condition_id is None and not values:
            if not self.series:
                raise BacktestError("nothing was judged in this sweep: there is nothing to report on")
            best = self.best.row(0, named=True)
            condition_id, values = best["condition_id"], {name: best[name] for name in self.names}
        named = ", ".join(
            [*([condition_id] if condition_id else []), *(f"{key}={each}" for key, each in values.items())]
        )
        chosen = {
            (each.condition, each.exit): each
            for each in self.combinations
            if condition_id in (None, each.condition.id) and all(each.values[key] == values[key] for key in values)
        }
        if not chosen:
            raise BacktestError(f"{named} is not in this sweep; take a condition_id or values of its frame")
        if len(chosen) > 1:
            open_names = [name for name in self.names if name not in values]
            more = f"name {' and '.join(open_names)} as well" if open_names else "name one by its condition_id"
            raise BacktestError(f"{named} are {len(chosen)} combinations of this sweep; {more}")
        (combination,) = chosen.values()
        return combination

    def grid(self, metric: str = "total_return", *, x: str | None = None, y: str | None = None) -> pl.DataFrame:
        """A metric by two parameters, ``y`` down and ``x`` across: the mean over all others."""
        across, down = self._axes(x, y)
        if metric not in self.frame.columns or metric not in METRICS:
            raise BacktestError(
                f"{metric!r} is no metric{did_you_mean(metric, METRICS)}; use one of {' '.join(METRICS)}"
            )
        table = self.frame.group_by(down, across, maintain_order=True).agg(pl.col(metric).cast(pl.Float64).mean())
        return table.pivot(across, index=down, values=metric)

    def heat_map(self, metric: str = "total_return", *, x: str | None = None, y: str | None = None) -> str:
        """The same as an SVG."""
        from analysis.backtesting.plots import heat_map, percent

        across, down = self._axes(x, y)
        grid = self.grid(metric, x=across, y=down)
        cells = grid.drop(down).cast(pl.Float64).fill_null(float("nan")).to_numpy()
        is_share = metric in {"total_return", "max_drawdown", "win_rate", "mean_trade_return", "exposure"}
        return heat_map(
            metric.replace("_", " "),
            [str(value) for value in grid[down]],
            grid.columns[1:],
            np.asarray(cells, np.float64),
            row_name=down,
            column_name=across,
            show=percent if is_share else lambda value: f"{value:.3g}",
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it, for machines; times as ISO 8601 in UTC."""
        return {
            "rules": self.rules.told(),
            "verdict": self.verdict,
            "complete": self.complete,
            "series": [
                {
                    "series": part.series,
                    "candles": part.candles,
                    "start": iso_time(part.start_ms),
                    "end": iso_time(part.end_ms),
                    "trials": part.trials,
                    "independent_trials": part.independent,
                    "probability_of_overfitting": part.overfitting,
                    "hold_return": part.hold_return,
                }
                for part in self.series
            ],
            "best": self.best.to_dicts(),
            "cautions": [{"kind": kind, "text": text} for kind, text in self.cautions],
            "unreadable": [{"values": dict(values), "error": error} for values, error in self.unreadable],
            "combinations": self.frame.to_dicts(),
        }

    def lines(self) -> Sequence[str]:
        """The sweep as text of at most 80 columns."""
        from analysis.backtesting.sweep_text import sweep_lines

        return sweep_lines(self)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        from analysis.backtesting.sweep_text import sweep_html

        return sweep_html(self)

    def _axes(self, x: str | None, y: str | None) -> tuple[str, str]:
        varied = [name for name in self.names if self.frame.height and self.frame[name].n_unique() > 1]
        for name in (x, y):
            if name is not None:
                self._check_name(name)
        free = [name for name in (varied if len(varied) > 1 else self.names) if name not in (x, y)]
        chosen = [name or (free.pop(0) if free else None) for name in (x, y)]
        if None in chosen or chosen[0] == chosen[1]:
            raise BacktestError("a grid needs two parameters; this sweep has fewer: look at its frame")
        return str(chosen[0]), str(chosen[1])

    def _check_name(self, name: str) -> None:
        if name not in self.names:
            raise BacktestError(
                f"{name!r} is no parameter of this sweep{did_you_mean(name, self.names)}; they are"
                f" {', '.join(self.names) or 'none'}"
            )
