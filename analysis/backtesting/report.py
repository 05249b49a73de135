"""What a backtest says: of each condition what followed it, what trading it would have made, and what to distrust."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from analysis.backtesting.excursions import edge_ratio
from analysis.backtesting.honesty import FEW, Caution
from analysis.backtesting.judging import BaseCandles
from analysis.backtesting.rules import Rules
from analysis.backtesting.trading import ConditionTrades
from common.timeframes import iso_time
from registry.conditions import Condition

SIGNIFICANT = 0.95
"""The deflated Sharpe ratio, a probability, from which on a result is more than noise gives."""


@dataclass(frozen=True)
class Chance:
    """How likely it is that a result is luck, by what is known to have been tried on its series."""

    trials: int
    """Distinct conditions tried, this one included."""
    independent: float
    """How many of them do not behave alike."""
    sharpe: float
    """Sharpe ratio of the excess returns, per candle, before costs."""
    expected_best: float
    """The ratio that the best of so many tries is expected to have by chance."""
    deflated: float
    """The deflated Sharpe ratio: the probability that the true ratio is above that."""


@dataclass(frozen=True)
class ConditionReport:
    """One condition on its series. Returns, rates and drawdowns are shares, not percent."""

    condition: Condition
    base: BaseCandles
    triggers: pl.DataFrame
    """Those in the range, as :func:`analysis.scan` gives them."""
    forward: pl.DataFrame
    """:data:`analysis.backtesting.forward.FORWARD_SCHEMA`, one row a horizon."""
    excursions: pl.DataFrame
    """:data:`analysis.backtesting.excursions.EXCURSION_SCHEMA`, one row a trigger, over the longest horizon."""
    event_study: pl.DataFrame
    """:data:`analysis.backtesting.event_study.EVENT_SCHEMA`, one row an offset."""
    traded: ConditionTrades
    ignored: int
    """Triggers that came while a position was open, or on the last candle."""
    exposed: int
    """Candles in a position."""
    drawdown: float
    """The largest fall of the equity from a peak, at closes."""
    chance: Chance
    cautions: tuple[Caution, ...]

    @property
    def trades(self) -> pl.DataFrame:
        """One row a trade: :data:`analysis.backtesting.trading.TRADE_SCHEMA`."""
        return self.traded.frame

    @cached_property
    def equity(self) -> pl.DataFrame:
        """One row a candle of the range: ``close_time``, ``equity`` and ``hold``, what 1 has become by trading and by
        holding the instrument, and ``drawdown``, the fall of the equity from its peak as a share of it."""
        base, equity = self.base, self.traded.equity
        within = slice(base.first, base.stop)
        return pl.DataFrame(
            {
                "close_time": pl.Series(base.closes_ms[within]).cast(pl.Datetime("ms", "UTC")),
                "equity": equity,
                "hold": base.prices[3, within] / base.prices[0, base.first],
                "drawdown": 1 - equity / np.maximum.accumulate(np.maximum(equity, 1.0)),
            }
        )

    def _repr_html_(self) -> str:
        from analysis.backtesting.report_html import condition_html

        return condition_html(self)

    @property
    def verdict(self) -> str:
        """What to make of it, in one sentence."""
        kinds = {caution.kind for caution in self.cautions}
        if "look-ahead" in kinds:
            return "it knows the future: nothing of this can be had"
        if "never" in kinds:
            return "it never fires"
        if self.traded.closed.height < FEW:
            return "too few trades to say anything"
        if self.chance.deflated < SIGNIFICANT:
            return "this is what noise gives"
        if self.total_return <= 0:
            return "more than noise gives, but not after costs"
        return "more than noise gives"

    @property
    def total_return(self) -> float:
        """What trading made of 1, less 1; an open position valued at the last close."""
        return float(self.traded.equity[-1]) - 1

    @property
    def figures(self) -> dict[str, Any]:
        """All single figures by name, ``None`` where one is not defined."""
        base, closed = self.base, self.traded.closed
        net = closed["net_return"].to_numpy()
        gains, losses = float(net[net > 0].sum()), -float(net[net < 0].sum())
        returns = np.diff(self.traded.equity, prepend=1.0) / np.maximum(
            np.concatenate([[1.0], self.traded.equity[:-1]]), 1e-300
        )
        deviation = float(returns.std())
        a_year = base.candles_a_year
        adverse, favourable = (self.excursions[name].to_numpy() for name in ("adverse", "favourable"))
        return {
            "condition_id": self.condition.id,
            "condition": str(self.condition),
            "candles": base.candles,
            "start": iso_time(int(base.opens_ms[base.first])),
            "end": iso_time(int(base.closes_ms[base.stop - 1])),
            "triggers": self.triggers.height,
            "settled_triggers": int(self.triggers["settled"].sum()),
            "trades": closed.height,
            "ignored_triggers": self.ignored,
            "win_rate": float((net > 0).mean()) if net.size else None,
            "mean_trade_return": float(net.mean()) if net.size else None,
            "profit_factor": gains / losses if losses > 0 else None,
            "total_return": self.total_return,
            "hold_return": float(base.prices[3, base.stop - 1] / base.prices[0, base.first]) - 1,
            "max_drawdown": self.drawdown,
            "exposure": self.exposed / base.candles,
            "sharpe_a_year": float(returns.mean()) / deviation * a_year**0.5 if deviation > 0 else None,
            "mean_adverse": float(adverse.mean()) if adverse.size else None,
            "mean_favourable": float(favourable.mean()) if favourable.size else None,
            "edge_ratio": edge_ratio(adverse, favourable),
            "trials": self.chance.trials,
            "independent_trials": self.chance.independent,
            "deflated_sharpe": self.chance.deflated,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Report:
    """A backtest: a part for each condition, in the order in which they were asked for.

    ``report.trades``, ``report.forward`` and so on have the parts of all conditions in one frame, with
    ``condition_id`` in front; ``report[0]`` or ``report[condition]`` is the part of one.
    """

    parts: tuple[ConditionReport, ...]
    rules: Rules
    horizons: tuple[int, ...]

    def __getitem__(self, which: int | str | Condition) -> ConditionReport:
        """The part of a condition: by its position, its id or its text."""
        if isinstance(which, int):
            return self.parts[which]
        wanted = Condition.parse(which) if isinstance(which, str) and " " in which else which
        for part in self.parts:
            if wanted in (part.condition, part.condition.id):
                return part
        raise KeyError(f"{which} is not in this report")

    def __len__(self) -> int:
        return len(self.parts)

    @cached_property
    def summary(self) -> pl.DataFrame:
        """One row a condition: :attr:`ConditionReport.figures`."""
        return pl.DataFrame([part.figures for part in self.parts], infer_schema_length=None)

    @property
    def triggers(self) -> pl.DataFrame:
        """One row a trigger, as :func:`analysis.scan` has them."""
        frames = pl.concat([part.triggers for part in self.parts])
        return frames if len(self.parts) == 1 else frames.sort("close_time", "condition_id")

    @property
    def forward(self) -> pl.DataFrame:
        """One row a condition and horizon."""
        return self._all("forward")

    @property
    def excursions(self) -> pl.DataFrame:
        """One row a trigger."""
        return self._all("excursions")

    @property
    def event_study(self) -> pl.DataFrame:
        """One row a condition and offset."""
        return self._all("event_study")

    @property
    def trades(self) -> pl.DataFrame:
        """One row a trade."""
        return self._all("trades")

    @property
    def equity(self) -> pl.DataFrame:
        """One row a condition and candle."""
        return self._all("equity")

    @property
    def cautions(self) -> pl.DataFrame:
        """One row a reason to distrust: ``condition_id``, ``kind`` and ``text``."""
        rows = [(part.condition.id, each.kind, each.text) for part in self.parts for each in part.cautions]
        return pl.DataFrame(
            rows, schema={"condition_id": pl.String, "kind": pl.String, "text": pl.String}, orient="row"
        )

    def to_dict(self) -> dict[str, Any]:
        """All but the single triggers, trades and candles, for machines; times as ISO 8601 in UTC."""
        return {
            "rules": self.rules.told(),
            "conditions": [
                part.figures
                | {
                    "cautions": [{"kind": each.kind, "text": each.text} for each in part.cautions],
                    "forward": part.forward.to_dicts(),
                }
                for part in self.parts
            ],
        }

    def lines(self) -> Sequence[str]:
        """The report as text of at most 80 columns."""
        from analysis.backtesting.report_text import report_lines

        return report_lines(self)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        from analysis.backtesting.report_html import report_html

        return report_html(self)

    def _all(self, name: str) -> pl.DataFrame:
        frames: list[pl.DataFrame] = [getattr(part, name) for part in self.parts]
        labels = [pl.lit(part.condition.id).alias("condition_id") for part in self.parts]
        return pl.concat([frame.select(label, pl.all()) for frame, label in zip(frames, labels, strict=True)])
