"""Trades, equity and figures of conditions on one series, from the rows on which they fire."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from analysis.backtesting.judging import BaseCandles, Firings, Integers
from analysis.backtesting.rules import EXIT_REASONS, Rules
from indicators.compute import Array

BLOCKS = 64
"""Equal stretches of the range for which results are kept apart: to tell conditions apart that do not behave alike, and
to choose the best of one half and look at it in the other."""

_AT_ONCE = 200
"""Conditions that are traded in one step."""

FIGURES = (
    "triggers", "trades", "wins", "ignored", "exposed", "growth", "drawdown", "excess", "excess2", "excess3", "excess4",
    "net", "net2", "trade_net", "trade_gross", "gains", "losses", "is_open",
)  # fmt: skip
"""The columns of ``Traded.figures``. ``growth`` is what 1 has become; ``drawdown`` the largest fall of the equity from
a peak, at closes, as a share of it; ``excess`` to ``excess4`` are sums of powers of the returns of candles in a
position less what candles return on average, before costs; ``net`` and ``net2`` those of the equity's returns;
``trade_net``, ``trade_gross``, ``gains`` and ``losses`` sum up the returns of closed trades."""

TRADE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "trigger_time": pl.Datetime("ms", "UTC"),
    "entry_time": pl.Datetime("ms", "UTC"),
    "exit_time": pl.Datetime("ms", "UTC"),
    "entry_price": pl.Float64,
    "exit_price": pl.Float64,
    "candles": pl.Int64,
    "reason": pl.String,
    "gross_return": pl.Float64,
    "net_return": pl.Float64,
    "adverse": pl.Float64,
    "favourable": pl.Float64,
}
"""``trigger_time`` is when the trigger's candle closed, ``entry_time`` when the candle of the entry opened, and
``exit_time`` when the candle of the exit closed. Prices are those of the fills, returns are shares. ``adverse`` and
``favourable`` are the worst and the best price in the trade, as returns before costs."""


@dataclass(frozen=True)
class Traded:
    """What conditions of one series made: ``figures`` float64[conditions, FIGURES], and for each of ``BLOCKS``
    stretches of the range ``blocks`` float64[conditions, BLOCKS, 2] with sums of ``excess`` and ``excess2``."""

    figures: Array
    blocks: Array

    def column(self, name: str) -> Array:
        """One figure of all conditions."""
        return self.figures[:, FIGURES.index(name)]


@dataclass(frozen=True)
class ConditionTrades:
    """The trades of one condition, and its equity after each candle of the range."""

    base: BaseCandles
    raw: Array
    equity: Array
    """float64[candles]; 1 before the first trade."""
    sign: int

    @cached_property
    def frame(self) -> pl.DataFrame:
        """One row a trade, oldest first: ``TRADE_SCHEMA``."""
        base, raw = self.base, self.raw
        trigger, entry, last, reason = (raw[:, column].astype(np.int64) for column in (1, 2, 3, 6))
        low, high = np.empty((2, entry.size))
        if entry.size:
            from analysis.backtesting.extreme_kernels import over_trades

            over_trades(base.prices[2], base.prices[1], entry, last, low, high)
        down, up = low / base.prices[0, entry] - 1, high / base.prices[0, entry] - 1
        adverse, favourable = (down, up) if self.sign > 0 else (-up, -down)
        columns = {
            "trigger_time": base.closes_ms[trigger],
            "entry_time": base.opens_ms[entry],
            "exit_time": base.closes_ms[last],
            "entry_price": raw[:, 4],
            "exit_price": raw[:, 5],
            "candles": last - entry + 1,
            "reason": pl.Series([EXIT_REASONS[number] for number in reason.tolist()], dtype=pl.String),
            "gross_return": raw[:, 7],
            "net_return": raw[:, 8],
            "adverse": adverse,
            "favourable": favourable,
        }
        return pl.DataFrame(columns).cast(TRADE_SCHEMA)  # type: ignore[arg-type]

    @cached_property
    def closed(self) -> pl.DataFrame:
        """Without a trade that is still open."""
        return self.frame.filter(pl.col("reason") != "still open")


def trade(
    base: BaseCandles,
    firings: Firings,
    exits: Firings | None,
    exit_of: Integers | None,
    rules: Rules,
    *,
    progress: Callable[[int], object] | None = None,
) -> Traded:
    """Trade all conditions of a series. ``exit_of`` says which of ``exits`` belongs to each condition; by default it is
    the first to all. ``progress`` is called with the number of conditions that each step has done."""
    count = firings.starts.size - 1
    figures, blocks = np.zeros((count, len(FIGURES))), np.zeros((count, BLOCKS, 2))
    for begin in range(0, count, _AT_ONCE):
        part = slice(begin, min(begin + _AT_ONCE, count))
        mine = Firings(firings.starts[begin : part.stop + 1], firings.rows)
        own_exits = None if exit_of is None else exit_of[part]
        _run(base, mine, exits, own_exits, rules, figures[part], blocks[part], np.zeros((0, 9)), np.zeros((0, 0)))
        if progress is not None:
            progress(part.stop - begin)
    return Traded(figures, blocks)


def trades_of(base: BaseCandles, rows: Integers, exits: Firings | None, rules: Rules) -> ConditionTrades:
    """The trades of one condition."""
    firings = Firings(np.array([0, rows.size], np.int64), rows)
    raw, equity = np.zeros((rows.size, 9)), np.ones((1, base.opens_ms.size))
    figures = np.zeros((1, len(FIGURES)))
    made = _run(base, firings, exits, None, rules, figures, np.zeros((1, 0, 2)), raw, equity)
    return ConditionTrades(base, raw[:made], equity[0, base.first : base.stop], rules.sign)


def _run(
    base: BaseCandles,
    firings: Firings,
    exits: Firings | None,
    exit_of: Integers | None,
    rules: Rules,
    figures: Array,
    blocks: Array,
    trades: Array,
    equity: Array,
) -> int:
    from analysis.backtesting.trade_kernels import simulate

    known = exits or Firings(np.zeros(2, np.int64), np.zeros(0, np.int64))
    if exit_of is None:
        exit_of = np.full(len(figures), -1 if exits is None else 0, np.int64)
    return int(
        simulate(
            firings.starts,
            firings.rows,
            exit_of,
            known.starts,
            known.rows,
            base.prices,
            base.span,
            np.array(
                [
                    rules.sign,
                    rules.horizon or 0,
                    _or_nan(rules.stop_percent),
                    _or_nan(rules.target_percent),
                    rules.fee_percent / 100,
                    rules.slippage_percent / 100,
                ]
            ),
            base.mean_returns,
            figures,
            blocks,
            trades,
            equity,
        )
    )


def _or_nan(percent: float | None) -> float:
    return float("nan") if percent is None else percent
